"""Finals: who is trained with which seed, what is told of it, and that no training is done twice."""

import numpy as np
import pytest
from scipy import stats

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
    return Trainer(SPACE, stripes(), TrainingRecipe(epochs=6, batch=20), skeleton=TINY, gives="val_loss")


@pytest.fixture(scope="module")
def candidates():
    dear = [[3, 3, 3, 0, 0, 0], [3, 3, 3, 0, 0, 1]]  # all convolutions are dead: much cost for nothing
    return np.concatenate([SPACE.sample(8, np.random.default_rng(0)), dear])


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


def test_those_fall_out_that_are_beaten_for_sure_and_no_others(whole, trainer, candidates):
    found, trainings = whole
    rounds = [[each.tokens for each in trainings if each.seed == seed] for seed in SEEDS]
    rows, costs = (
        [tuple(row) for row in candidates.tolist()],
        dict(zip(map(tuple, candidates.tolist()), SPACE.params(candidates, 4, TINY), strict=True)),
    )
    assert rounds[0] == rounds[1] == rows  # nothing is sure after one seed
    for done in (2, 3):
        each = {
            row: [trainer.train(np.array(row), seed).curves["validation_loss"][-1] for seed in SEEDS[:done]]
            for row in rows
        }
        variance = np.mean([np.var(values, ddof=1) for values in each.values()])
        reach = stats.t.isf(0.05 / (9 * 2), len(rows) * (done - 1)) * np.sqrt(2 * variance / done)
        rows = [
            row
            for row in rows
            if not any(
                costs[other] <= costs[row] and np.mean(each[row]) > np.mean(each[other]) + reach for other in rows
            )
        ]
        assert [tuple(row) for row in found.left(done).tolist()] == rows
        if done == 2:
            assert rounds[2] == rows
    assert 1 < len(rows) < len(candidates)


def test_the_front_is_that_of_means_over_all_seeds(whole, trainer):
    found, _ = whole
    rows, front = found.left(2), found.front()
    values = values_by_hand(trainer, rows, SEEDS)
    best = {tuple(row) for place, row in enumerate(rows.tolist()) if not dominated(values, place)}
    assert {tuple(row) for row in front.tokens.tolist()} == best
    assert front.metrics[0].seeds == "4, 5, 6"
    assert [metric.name for metric in front.metrics] == ["val_loss", "params"]


def test_the_table_tells_every_candidate_with_its_seeds(whole, candidates):
    found, trainings = whole
    table = found.table()
    assert len(table) == len(candidates)
    counts = table["on the front"].value_counts()
    assert counts["yes"] == len(found.front())
    assert counts["yes"] + counts.get("maybe", 0) >= len(found.left())
    assert table["seeds"].sum() == len(trainings)
    row = table.iloc[0]
    (tokens,) = SPACE.encode([row["architecture"]])
    each = [one.curves["test_accuracy"][-1] for one in trainings if one.tokens == tuple(tokens)]
    assert row["test accuracy"].startswith(f"{np.mean(each):.4g} % (")
    assert found.sentence() in found.figure().sentence
    marks = {trace["name"]: trace for trace in found.figure().data}
    assert len(marks["may be on the front"]["x"]) + len(marks["fell out"]["x"]) == len(candidates)


def test_what_is_kept_is_not_trained_again_and_more_seeds_may_follow(whole, trainer, candidates):
    found, _ = whole
    assert not list(found.train())
    more = Finals(trainer, found.costs, candidates, (*SEEDS, 7), found.ledger)
    added = list(more.train())
    assert {each.seed for each in added} == {7}
    assert len(added) == len(found.left())


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
    assert found.front().values[:, 1].max() == best


@pytest.mark.slow
def test_one_as_good_as_any_seldom_falls_out(trainer, tmp_path, monkeypatch):
    """Of ten that are equal, with equal costs, each stays 95 times of 100 or more."""
    rows = SPACE.sample(10, np.random.default_rng(3))
    equal = Objective(Metric("one", "1", "min"), lambda tokens: np.ones(len(tokens)))
    found, rng, fallen = Finals(trainer, [equal], rows, SEEDS, tmp_path / "ledger.sqlite"), np.random.default_rng(0), []
    for _ in range(300):
        noise = rng.standard_normal((10, 3))
        monkeypatch.setattr(
            Finals,
            "_trained",
            lambda _, left, seeds, told=noise: told[[rows.tolist().index(row) for row in left.tolist()], : len(seeds)],
        )
        fallen.append(10 - len(found.left()))
    assert 0 < np.mean(fallen) / 10 < 0.05


def test_a_training_that_diverged_is_beaten_and_stops_nobody(trainer, tmp_path, monkeypatch):
    rows = SPACE.sample(4, np.random.default_rng(4))
    equal = Objective(Metric("one", "1", "min"), lambda tokens: np.ones(len(tokens)))
    found = Finals(trainer, [equal], rows, SEEDS, tmp_path / "ledger.sqlite")
    told = np.array([[1.0, 1.1, 0.9], [np.nan, 1, 1], [9.0, 9.1, 8.9], [1.0, 1.2, 1.1]])
    monkeypatch.setattr(
        Finals,
        "_trained",
        lambda _, left, seeds: told[[rows.tolist().index(row) for row in left.tolist()], : len(seeds)],
    )
    assert found.left().tolist() == rows[[0, 3]].tolist()


def test_measured_costs_are_measured_once(trainer, candidates, tmp_path):
    rng = np.random.default_rng(0)
    found = Finals(
        trainer,
        [Objective(Metric("ms", "ms", "min"), lambda rows: rng.random(len(rows)))],
        candidates,
        SEEDS,
        tmp_path / "ledger.sqlite",
    )
    list(found.train())
    tables = [found.table() for _ in range(3)]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    marks = tables[0]["on the front"].tolist()
    assert marks == sorted(marks, key=["yes", "maybe", "no"].index)


def test_impossible_finals_are_refused(trainer, candidates, tmp_path, as_a_user):
    path, costs = tmp_path / "ledger.sqlite", [trainer.cost()]
    with pytest.raises(ArgumentError, match="costs must hold one Objective or more"):
        Finals(trainer, [], candidates, SEEDS, path)
    with pytest.raises(ArgumentError, match=r"seeds must be others than those of the trainer, .*; \[0\] are not. Take"):
        Finals(trainer, costs, candidates, (0, 1), path)
    with pytest.raises(ArgumentError, match="curve must be one of"):
        Finals(trainer, costs, candidates, SEEDS, path).estimate(candidates[0], "accuracy")
    with pytest.raises(ArgumentError, match="candidates must be a batch"):
        Finals(trainer, costs, candidates[:0], SEEDS, path)
    for wrong in ((), (1, 1)):
        with pytest.raises(ArgumentError, match="seeds must hold one or more"):
            Finals(trainer, costs, candidates, wrong, path)
    with pytest.raises(ArgumentError, match="candidates"):
        Finals(trainer, costs, candidates[:, :3], SEEDS, path)
