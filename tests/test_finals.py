"""Finals: who is trained with which seed, what is told of it, and that no training is done twice."""

import numpy as np
import pytest

from nagkit.errors import ArgumentError
from nagkit.finals import Finals
from nagkit.metrics import Metric, Objective
from nagkit.networks.trainer import Trainer
from nagkit.networks.training import TrainingRecipe
from nagkit.spaces import space
from nagkit.spaces.skeleton import Skeleton
from stripes import stripes

SPACE = space("nas-bench-201")
TINY = Skeleton((2, 3), cells=1, image_channels=1, reduction="convolution")
SEEDS = (4, 5, 6)


@pytest.fixture(scope="module")
def trainer():
    return Trainer(SPACE, stripes(), TrainingRecipe(epochs=1, batch=30), skeleton=TINY, gives="val_loss")


@pytest.fixture(scope="module")
def candidates():
    return SPACE.sample(10, np.random.default_rng(0))


@pytest.fixture(scope="module")
def whole(trainer, candidates, tmp_path_factory):
    found = Finals(trainer, [trainer.cost()], candidates, SEEDS, tmp_path_factory.mktemp("finals") / "ledger.sqlite")
    return found, list(found.train())


def values_by_hand(trainer, rows, seeds):
    """The mean loss, and parameters."""
    means = [np.mean([trainer.train(row, seed).curves["validation_loss"][-1] for seed in seeds]) for row in rows]
    return np.column_stack([means, SPACE.params(rows, 4, TINY)])


def dominated(values, place):
    return any((other <= values[place]).all() and (other < values[place]).any() for other in values)


def test_all_are_trained_once_and_half_of_them_or_the_front_go_on(whole, trainer, candidates):
    found, trainings = whole
    rounds = [[each.tokens for each in trainings if each.seed == seed] for seed in SEEDS]
    assert rounds[0] == [tuple(row) for row in candidates.tolist()]
    rows = candidates
    for done in (1, 2):
        values = values_by_hand(trainer, rows, SEEDS[:done])
        front = {tuple(row) for place, row in enumerate(rows.tolist()) if not dominated(values, place)}
        assert len(rounds[done]) == max(-(-len(rows) // 2), len(front))
        assert front <= set(rounds[done]) <= {tuple(row) for row in rows.tolist()}
        rows = found.left(done)
        assert [tuple(row) for row in rows.tolist()] == rounds[done]


def test_the_front_is_that_of_means_over_all_seeds(whole, trainer):
    found, _ = whole
    rows, front = found.left(), found.front()
    values = values_by_hand(trainer, rows, SEEDS)
    best = {tuple(row) for place, row in enumerate(rows.tolist()) if not dominated(values, place)}
    assert {tuple(row) for row in front.tokens.tolist()} == best
    assert front.metrics[0].seeds == "4, 5, 6"
    assert [metric.name for metric in front.metrics] == ["val_loss", "params"]


def test_the_table_tells_every_candidate_with_its_seeds(whole, candidates):
    found, trainings = whole
    table = found.table()
    assert len(table) == len(candidates)
    assert table["on the front"].sum() == len(found.front())
    assert table["seeds"].sum() == len(trainings)
    row = table.iloc[0]
    (tokens,) = SPACE.encode([row["architecture"]])
    each = [one.curves["test_accuracy"][-1] for one in trainings if one.tokens == tuple(tokens)]
    assert row["test accuracy"].startswith(f"{np.mean(each):.4g} % (")
    assert found.sentence() in found.figure().sentence
    marks = {trace["name"]: trace for trace in found.figure().data}
    assert len(marks["finalists"]["x"]) + len(marks["fell out"]["x"]) == len(candidates)


def test_what_is_kept_is_not_trained_again_and_more_seeds_may_follow(whole, trainer, candidates):
    found, _ = whole
    assert not list(found.train())
    more = Finals(trainer, found.costs, candidates, (*SEEDS, 7), found.ledger)
    added = list(more.train())
    assert {each.seed for each in added} == {7}
    assert len(added) < len(candidates)


def test_it_may_be_left_after_any_training(trainer, candidates, tmp_path, whole):
    left = Finals(trainer, [trainer.cost()], candidates, SEEDS, tmp_path / "left.sqlite")
    for _ in range(4):
        walk = left.train()
        [next(walk) for _ in range(3)]
        walk.close()
    with pytest.raises(ArgumentError, match=r"lacks \d+ trainings of these seeds"):
        left.front()
    rest = list(left.train())
    assert 12 + len(rest) == len(whole[1])
    assert left.front().tokens.tolist() == whole[0].front().tokens.tolist()


def test_what_more_is_better_of_counts_as_that(trainer, candidates, tmp_path):
    kinds = Objective(Metric("kinds", "1", "max"), lambda rows: np.array([float(len(set(r))) for r in rows.tolist()]))
    found = Finals(trainer, [kinds], candidates, (1, 2), tmp_path / "ledger.sqlite")
    list(found.train())
    best = kinds.values(candidates).max()
    assert kinds.values(found.left()).max() == kinds.values(found.front().tokens).max() == best


def test_impossible_finals_are_refused(trainer, candidates, tmp_path, as_a_user):
    path, costs = tmp_path / "ledger.sqlite", [trainer.cost()]
    with pytest.raises(ArgumentError, match="costs must hold one Objective or more"):
        Finals(trainer, [], candidates, SEEDS, path)
    with pytest.raises(ArgumentError, match="candidates must be a batch"):
        Finals(trainer, costs, candidates[:0], SEEDS, path)
    for wrong in ((), (1, 1)):
        with pytest.raises(ArgumentError, match="seeds must hold one or more"):
            Finals(trainer, costs, candidates, wrong, path)
    with pytest.raises(ArgumentError, match="candidates"):
        Finals(trainer, costs, candidates[:, :3], SEEDS, path)
