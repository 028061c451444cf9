"""What is said of a law agrees with loops over its samples, and with laws that can be listed."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

import nagkit
from blocks import ROWS, Blocks
from nagkit.diffusion.guidance import Guidance
from nagkit.distribution import LEVELS, Distribution, worth_figure
from nagkit.errors import ArgumentError
from nagkit.metrics import Metric, Objective

CELLS, BLOCKS = nagkit.space("nas-bench-201"), Blocks()
SCORE = Objective(Metric("score", "points", "max"), lambda tokens: (tokens * 7 % 5).sum(1).astype(float))
COST = Objective(Metric("cost", "ms", "min"), SCORE.values)
batches = st.lists(st.lists(st.integers(0, 4), min_size=6, max_size=6), min_size=1, max_size=12)


def rng(seed=0):
    return np.random.default_rng(seed)


@cache
def drawn(n=400):
    return Distribution.of_space(CELLS, n, rng())


class Faulty:
    """A generator whose samples are not all legal, as a foreign one's may be."""

    space = BLOCKS

    def frames(self, n, guidance, rng):
        yield from ()

    def sample(self, n, guidance, rng):
        return np.concatenate([ROWS[: n - 3], [[0, 1, 0], [9, 0, 0], [-1, 0, 0]]])


@settings(deadline=None, max_examples=40)  # the first canonical forms are listed once
@given(batches, batches)
def test_uniqueness_novelty_and_distances_agree_with_loops(samples, told):
    one = lambda row: CELLS.canonical(np.array([row]), "function")[0].tolist()  # noqa: E731
    forms, known = [one(row) for row in samples], [one(row) for row in told]
    found = Distribution(CELLS, np.array(samples), identity="function")
    distance = [min(sum(a != b for a, b in zip(form, other, strict=True)) for other in known) for form in forms]
    assert found.distinct == len({tuple(form) for form in forms})
    assert found.distance(np.array(told)).tolist() == distance
    figures = found.figures(SCORE, np.array(told), best=1)
    assert figures["unique"].value == pytest.approx(100 * found.distinct / len(samples))
    assert figures["novel"].value == pytest.approx(100 * sum(form not in known for form in forms) / len(samples))
    assert figures["distance from the nearest told"].value == pytest.approx(sum(distance) / len(samples))
    half = len(samples) // 2
    apart = [sum(a != b for a, b in zip(forms[i], forms[half + i], strict=True)) for i in range(half)]
    assert found.apart().tolist() == apart


@pytest.mark.parametrize(("objective", "sign"), [(SCORE, 1), (COST, -1)], ids=["max", "min"])
def test_worth_is_that_of_the_values_from_the_worst_to_the_best(objective, sign):
    values = sorted(objective.values(drawn().tokens).tolist(), key=lambda value: sign * value)
    figures, name = drawn().figures(objective, best=7), objective.metric.name
    assert figures[f"mean {name}"].value == pytest.approx(sum(values) / 400)
    assert figures[f"mean {name} of the best 7"].value == pytest.approx(sum(values[-7:]) / 7)
    assert figures[f"worst {name}"].value == values[0]
    for level, called in ((100, "lower quartile of"), (200, "median"), (300, "upper quartile of")):
        estimate = figures[f"{called} {name}"]
        assert estimate.value == pytest.approx(np.quantile(values, level / 400), abs=1)
        assert estimate.value == values[level if sign > 0 else 400 - level]
        assert estimate.low <= estimate.value <= estimate.high


def test_what_is_not_known_is_left_out():
    some = Objective(SCORE.metric, lambda tokens: np.where(tokens[:, 0] == 1, SCORE.values(tokens), np.nan))
    values = SCORE.values(drawn().tokens)[drawn().tokens[:, 0] == 1]
    assert drawn().figures(some)["mean score"].value == pytest.approx(values.mean())
    none = Objective(SCORE.metric, lambda tokens: np.full(len(tokens), np.nan))
    assert set(drawn(3).figures(none)) == {"valid", "unique", "distance of two samples", "entropy"}
    assert "mean score of the best 10" not in drawn(3).figures(SCORE)
    with pytest.raises(ArgumentError, match="score is known of none"):
        drawn(3).band("law", none)


def test_invalid_samples_count_as_such_and_for_nothing_else():
    found = Distribution.of(Faulty(), 10, rng())
    assert found.valid.tolist() == [True] * 7 + [False] * 3
    figures = found.figures(SCORE, ROWS[:2])
    assert (figures["valid"].value, figures["valid"].n) == (pytest.approx(70), 10)
    assert (figures["unique"].value, figures["novel"].n) == (100, 7)
    assert figures["novel"].value == pytest.approx(500 / 7)


# ---------------------------------------------------------------------------------------------------------- entropy


def test_entropy_of_a_uniform_law_is_exact():
    entropy = drawn().figures(SCORE)["entropy"]
    assert entropy.value == entropy.low == entropy.high == pytest.approx(math.log(5**6))


def test_likelihoods_of_the_law_of_a_space_agree_with_its_listing():
    found = Distribution.of_space(BLOCKS, 5_000, rng())
    law = special.softmax(BLOCKS.log_law(ROWS))
    assert law.std() > 0.01, "some rows are preferred"
    np.testing.assert_allclose(np.exp(found.logs), law[BLOCKS.index(found.tokens)], rtol=0.03)
    assert found.figures(SCORE)["entropy"].value == pytest.approx(stats.entropy(law), abs=0.05)


def test_likelihoods_of_the_law_of_a_space_agree_with_arithmetic():
    """Each number of edges is as likely as another, and so is each set of so many."""
    space = nagkit.space("random-wired-8")
    found = Distribution.of_space(space, 5_000, rng())
    ways = [math.comb(len(space.slots), int(edges)) for edges in found.tokens.sum(1)]
    law = 1 / (space.most - space.least + 1) / np.array(ways)
    np.testing.assert_allclose(found.logs, np.log(law), rtol=1e-12)


class Uneven(type(CELLS)):
    """Cells whose first edge prefers some operations, which is known up to a constant."""

    name = "uneven"
    first = np.array([0.05, 0.1, 0.2, 0.25, 0.4])

    def sample(self, n, rng):
        rows = super().sample(n, rng)
        rows[:, 0] = rng.choice(5, n, p=self.first)
        return rows

    def log_law(self, tokens):
        return np.log(self.first[tokens[:, 0]]) - 7


def test_intervals_of_entropy_hold_the_true_one_95_times_of_100_though_a_constant_is_estimated():
    true, source, space = stats.entropy(Uneven.first) + 5 * math.log(5), rng(), Uneven()
    found = [Distribution.of_space(space, 200, source).figures(SCORE)["entropy"] for _ in range(300)]
    assert 0.91 <= np.mean([each.low <= true <= each.high for each in found]) <= 0.98
    assert np.mean([each.value for each in found]) == pytest.approx(true, abs=0.01)


def test_a_generator_that_knows_likelihoods_has_entropy_and_another_has_none():
    generator = nagkit.generator("autoregressive", CELLS)
    found = Distribution.of(generator, 100, rng())
    entropy = found.figures(SCORE)["entropy"]
    assert entropy.value == pytest.approx(-generator.log_probability(found.tokens).mean())
    assert "entropy" not in Distribution.of(nagkit.generator("exact-prior", CELLS), 100, rng()).figures(SCORE)
    assert Distribution.of(generator, 2, rng(), guidance=Guidance(1.0, [SCORE])).logs is None, "of the law as it is"


# -------------------------------------------------------------------------------------------------------- quantiles


def test_intervals_of_quantiles_hold_the_true_one_95_times_of_100():
    """Whatever the law is; here the values are those of an exponential one."""
    draws = rng().exponential(size=(500, 60))
    values = iter(draws)
    objective = Objective(Metric("time", "s", "max"), lambda tokens: next(values)[: len(tokens)])
    bands = [drawn(60).band("law", objective) for _ in draws]
    for place in (LEVELS.index(25), LEVELS.index(50), LEVELS.index(75)):
        true = -math.log(1 - LEVELS[place] / 100)
        held = [band.low[place] <= true <= band.high[place] for band in bands]
        assert 0.92 <= np.mean(held) <= 0.99, "intervals between values cannot hold it just so often"


def test_the_picture_and_its_table_say_the_quantiles():
    shown = worth_figure({"law": drawn(), "few": drawn(20)}, COST)
    lines = [trace for trace in shown.data if trace["showlegend"]]
    assert [line["name"] for line in lines] == ["law", "few"]
    values = np.sort(COST.values(drawn().tokens))[::-1]
    assert lines[0]["y"] == [values[400 * level // 100] for level in LEVELS]
    assert shown.table["cost"].tolist()[: len(LEVELS)] == lines[0]["y"]
    assert (np.diff(lines[0]["y"]) <= 0).all(), "less is better, and better lies to the right"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Distribution(CELLS, np.zeros((3, 5), dtype=int)), "samples must be whole numbers of shape"),
        (lambda: Distribution(CELLS, np.zeros((3, 6))), "samples must be whole numbers"),
        (lambda: Distribution(CELLS, np.full((3, 6), 5)), "none of them is one"),
        (lambda: Distribution(CELLS, np.zeros((3, 6), dtype=int), np.zeros(2)), "logs must have shape"),
        (lambda: Distribution(CELLS, np.zeros((3, 6), dtype=int), identity="functon"), "Did you mean 'function'"),
        (lambda: Distribution.of(CELLS, 3, rng()), "generator must be"),
        (lambda: drawn().figures(SCORE, best=0), "best must be a whole number from 1"),
        (lambda: drawn().figures("score"), "objective must be"),
        (lambda: drawn().figures(SCORE, np.full((1, 6), 7)), r"told\[0, 0\] must be from 0 to 4"),
        (lambda: worth_figure({"law": 3}, SCORE), r"distributions\['law'\] must be"),
    ],
)
def test_what_is_no_distribution_is_refused(as_a_user, wrong, said):
    with pytest.raises(ArgumentError, match=said):
        wrong()
