"""Laws compared: trainings are kept and never done twice, and figures are those of loops and formulas."""

import numpy as np
import pytest
from scipy import stats

from nagkit.errors import ArgumentError
from nagkit.executors import executor
from nagkit.laws import Laws
from nagkit.networks.ledger import Ledger, Training, number
from nagkit.networks.recipes import ImageRecipe
from nagkit.networks.trainer import Trainer
from nagkit.networks.training import TrainingRecipe
from nagkit.spaces.random_wired import RandomWired
from nagkit.spaces.skeleton import Skeleton
from nursery import nursery

SPACE = RandomWired(5)
LEVELS = {"a": 65, "b": 60}
TINY = ImageRecipe("tiny", images=(40, 40, 40), ground="clouds")


@pytest.fixture(scope="module")
def trainer():
    return Trainer(SPACE, TINY, TrainingRecipe(epochs=1, batch=20), skeleton=Skeleton((4, 8), 1, 1, "convolution"))


def rows(n, seed=0):
    return SPACE.sample(n, np.random.default_rng(seed))


def known(trainer, path, accuracies, seeds, versions=None):
    """Laws whose trainings gave these accuracies (n, s) by law."""
    start, samples, trainings = 0, {}, []
    every = np.unique(rows(900), axis=0)
    for name, values in accuracies.items():
        samples[name] = every[start : start + len(values)]
        start += len(values)
        for row, line in zip(samples[name], values, strict=True):
            for seed, value in zip(seeds, line, strict=True):
                if np.isfinite(value):
                    curves = {"test_accuracy": [0.0, value]}
                    trainings.append(
                        Training("tiny", number(row), seed, tuple(row.tolist()), curves, 1.0, versions or {})
                    )
    ledger = Ledger(path)
    ledger.add(trainings)
    ledger.close()
    return Laws(trainer, samples, seeds, path)


def test_trainings_are_kept_and_none_is_done_twice(trainer, tmp_path):
    first, second = rows(2), rows(2, seed=1)
    path = tmp_path / "laws.sqlite"
    laws = Laws(trainer, {"a": first[[0, 1, 0]], "b": second}, (1, 2), path)
    assert len(laws) == 8
    steps = laws.train()
    begun = [next(steps) for _ in range(3)]
    steps.close()  # left off
    assert [training.seed for training in begun] == [1, 1, 1]
    assert {training.cell for training in begun[:2]} == {number(first[0]), number(second[0])}  # one of each law
    assert sum(np.isfinite(each).sum() for each in laws.accuracy().values()) >= 3
    assert len([*laws.train()]) == 5
    assert [*laws.train()] == []
    values = laws.accuracy()
    assert values["a"].shape == (3, 2)
    assert np.array_equal(values["a"][0], values["a"][2])
    for row, line in zip(second, values["b"], strict=True):
        assert line.tolist() == [trainer.train(row, seed).curves["test_accuracy"][-1] for seed in (1, 2)]
    more = Laws(trainer, {"b": second, "c": rows(3, seed=2)}, (1, 2), path)
    assert len([*more.train()]) == 6
    assert np.array_equal(more.accuracy()["b"], values["b"])


def test_a_ledger_of_other_trainings_is_refused(trainer, tmp_path):
    laws = Laws(trainer, {"a": rows(1)}, (1,), tmp_path / "laws.sqlite")
    assert len([*laws.train()]) == 1
    longer = Trainer(SPACE, TINY, TrainingRecipe(epochs=2, batch=20), skeleton=trainer.skeleton)
    with pytest.raises(ArgumentError, match="ledger must hold tiny as it is now, with training"):
        next(Laws(longer, {"a": rows(1)}, (1,), tmp_path / "laws.sqlite").train())


def test_a_ledger_of_trainings_on_other_images_is_refused(trainer, tmp_path):
    laws = known(trainer, tmp_path / "laws.sqlite", {"a": np.ones((2, 1))}, (1,), {"images": trainer.digest})
    assert laws.accuracy()["a"].tolist() == [[1.0], [1.0]]
    laws = known(trainer, tmp_path / "others.sqlite", {"a": np.ones((2, 1))}, (1,), {"images": "other"})
    for use in (laws.accuracy, lambda: next(laws.train())):
        with pytest.raises(ArgumentError, match=r"on the images of the trainer; 2 of 2 in .* were on others"):
            use()


@pytest.mark.slow
def test_another_process_trains_as_this_one(trainer, tmp_path):
    samples = {"a": rows(2), "b": rows(1, seed=1)}
    here, there = (Laws(trainer, samples, (1, 2), tmp_path / f"{name}.sqlite") for name in ("here", "there"))
    assert len([*here.train()]) == len(here)
    with executor(1) as process:
        assert len([*there.train(process)]) == len(there)
        assert [*there.train(process)] == []
    for name, values in here.accuracy().items():
        assert np.array_equal(there.accuracy()[name], values)


def test_a_ledger_is_parsed_once_as_long_as_it_holds_the_same(trainer, tmp_path, monkeypatch):
    laws, read = known(trainer, tmp_path / "laws.sqlite", {"a": np.ones((3, 2)), "b": np.eye(3)[:, :2]}, (1, 2)), []
    trained = Ledger.trained
    monkeypatch.setattr(Ledger, "trained", lambda ledger, task: read.append(task) or trained(ledger, task))
    assert laws.sentence("a")
    assert len(laws.table()) == 2
    assert laws.association(np.arange(6.0)) is not None
    assert read == ["tiny"]
    known(trainer, tmp_path / "laws.sqlite", {"c": np.ones((7, 2))}, (1, 2))  # one that is new
    assert laws.noise().n == 6
    assert read == ["tiny"] * 2


WALK = """
    import numpy as np
    from pathlib import Path
    from nagkit.laws import Laws
    from nagkit.networks.recipes import ImageRecipe
    from nagkit.networks.trainer import Trainer
    from nagkit.networks.training import TrainingRecipe
    from nagkit.spaces.random_wired import RandomWired
    from nagkit.spaces.skeleton import Skeleton

    space, tiny = RandomWired(5), ImageRecipe("tiny", images=(40, 40, 40), ground="clouds")
    training, skeleton = TrainingRecipe(epochs=1, batch=20), Skeleton((4, 8), 1, 1, "convolution")
    trainer = Trainer(space, tiny, training, skeleton=skeleton)

    def work(path):
        samples = {"a": space.sample(4, np.random.default_rng(0)), "b": space.sample(4, np.random.default_rng(1))}
        for training in Laws(trainer, samples, (1, 2), Path(path)).train():
            print("trained", f"{training.cell} {training.seed}", flush=True)
"""


@pytest.mark.slow
def test_a_killed_comparison_goes_on_and_ends_the_same(trainer, tmp_path):
    samples, path = {"a": rows(4), "b": rows(4, seed=1)}, tmp_path / "killed.sqlite"
    whole, rng, kills, seen = Laws(trainer, samples, (1, 2), tmp_path / "whole.sqlite"), np.random.default_rng(0), 0, []
    for _ in whole.train():
        pass
    with nursery(WALK) as begin:
        killed = True
        while killed:
            killed, told = begin.work(path, patience=rng.uniform(0.02, 0.15) if kills < 4 else None)
            kills += killed
            seen += told
    assert kills
    assert len(seen) == len({*seen})  # what was shown is kept
    for name, values in whole.accuracy().items():
        assert np.array_equal(Laws(trainer, samples, (1, 2), path).accuracy()[name], values)


def test_figures_are_those_of_loops_and_leave_out_what_is_not_finished(trainer, tmp_path):
    rng = np.random.default_rng(0)
    given = {name: level + 3 * rng.normal(size=(12, 1)) + rng.normal(size=(12, 3)) for name, level in LEVELS.items()}
    given["b"][4, 1] = np.nan
    laws = known(trainer, tmp_path / "laws.sqlite", given, (1, 2, 3))
    a, b = given["a"], np.delete(given["b"], 4, axis=0)
    figures = laws.figures()
    assert figures["a", "mean"].value == pytest.approx(a.mean())
    assert (figures["b", "mean"].value, figures["b", "mean"].n) == (pytest.approx(b.mean()), 11)
    means = [sum(line) / 3 for line in b]
    assert (figures["b", "best"].value, figures["b", "worst"].value) == pytest.approx((max(means), min(means)))
    variances = [sum((v - line.mean()) ** 2 for v in line) / 2 for line in [*a, *b]]
    noise = laws.noise()
    assert noise.value == pytest.approx(np.mean(variances) ** 0.5)
    assert noise.low < 1 < noise.high
    assert figures["b", "spread without noise"].value == pytest.approx(
        (np.var(means, ddof=1) - np.mean(variances) / 3) ** 0.5
    )
    gain = laws.difference("a", "b")
    assert gain.value == pytest.approx(a.mean() - b.mean())
    assert 0 < gain.low < gain.value < gain.high
    assert laws.ranking() == ["a", "b"]
    assert "so that a is better. It is more than the noise of seeds" in laws.sentence("a")
    assert "so that b is worse" in laws.sentence("b", ["a"])
    table = laws.figure().table
    assert table["samples"].tolist() == [12, 11]
    assert table["mean test accuracy (%)"].tolist() == pytest.approx([a.mean(), b.mean()])


def test_intervals_are_as_wide_as_two_steps_of_drawing_make_them(trainer, tmp_path):
    """By the variance of a mean of means: that of samples, and of the seeds within them."""
    rng = np.random.default_rng(1)
    values = 50 + 4 * rng.normal(size=(60, 1)) + 3 * rng.normal(size=(60, 4))
    mean = known(trainer, tmp_path / "laws.sqlite", {"a": values}, (1, 2, 3, 4)).figures()["a", "mean"]
    expected = (values.mean(1).var() / 60 + values.var(1).mean() / 4 / 60) ** 0.5
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * expected, rel=0.08)


def test_laws_that_are_alike_are_not_told_apart(trainer, tmp_path):
    """In 100 comparisons of equal laws the interval leaves out 0 no more than a few times."""
    from nagkit.laws import _means

    rng, wrong = np.random.default_rng(2), 0
    for _ in range(100):
        a, b = (rng.normal(size=(10, 1)) + rng.normal(size=(10, 2)) for _ in range(2))
        low, high = np.quantile(_means(a, 1) - _means(b, 2), [0.025, 0.975])
        wrong += not low <= 0 <= high
    assert wrong <= 8


def test_what_goes_with_accuracy_is_spearmans_correlation(trainer, tmp_path):
    rng = np.random.default_rng(3)
    drawn = {name: rng.normal(size=(n, 2)) for name, n in (("a", 30), ("b", 9))}
    laws = known(trainer, tmp_path / "laws.sqlite", drawn, (1, 2))
    tokens, accuracy = laws.different()
    assert len(tokens) == len(accuracy) == 39
    values = accuracy + rng.normal(size=39)
    found = laws.association(values)
    assert found.value == pytest.approx(stats.spearmanr(values, accuracy)[0])
    assert 0 < found.low < found.value < found.high < 1
    assert laws.association(np.ones(39)) is None
    with pytest.raises(ArgumentError, match="values must have shape"):
        laws.association(values[:3])


def test_one_seed_tells_no_noise(trainer, tmp_path):
    laws = known(trainer, tmp_path / "laws.sqlite", {"a": np.ones((3, 1))}, (1,))
    assert laws.noise() is None
    assert ("a", "spread without noise") not in laws.figures()
    assert laws.sentence("a") == "a: mean test accuracy 1 % (1 to 1)."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"trainer": 3}, "trainer must be a Trainer"),
        ({"samples": {}}, "samples must hold one law or more"),
        ({"samples": {"a": np.empty((0, 10), int)}}, "n at least 1"),
        ({"samples": [1]}, "samples must be a Mapping"),
        ({"samples": {"a": np.zeros((2, 3), int)}}, "tokens"),
        ({"seeds": (1, 1)}, "seeds must hold one or more, each once"),
        ({"ledger": "laws.sqlite"}, "ledger must be a Path"),
    ],
)
def test_what_cannot_be_compared_is_refused(as_a_user, trainer, tmp_path, given, said):
    asked = {"trainer": trainer, "samples": {"a": rows(2)}, "seeds": (1,), "ledger": tmp_path / "laws.sqlite"}
    with pytest.raises(ArgumentError, match=said):
        Laws(**{**asked, **given})


def test_figures_before_any_training_and_unknown_laws_are_refused(as_a_user, trainer, tmp_path):
    laws = Laws(trainer, {"a": rows(2)}, (1,), tmp_path / "laws.sqlite")
    with pytest.raises(ArgumentError, match=r"ledger must hold trainings of the samples; .* has none"):
        laws.figures()
    laws = known(trainer, tmp_path / "known.sqlite", {"a": np.ones((3, 1))}, (1,))
    with pytest.raises(ArgumentError, match="second must be one of 'a'; got 'b'"):
        laws.difference("a", "b")
    with pytest.raises(ArgumentError, match="each of others must be one of 'a'; got 'b'"):
        laws.sentence("a", ["b"])
