"""Two entrants over the same seeds, against what a reader would count by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from nagkit.metrics import Metric
from nagkit.pairs import Paired, median, ordered, reached, table
from nagkit.report import Estimate

REGRET, VOLUME = Metric("regret", "%", "min"), Metric("hypervolume ratio", "1", "max")
SEEDS, QUERIES = 9, 12


@pytest.fixture(params=range(5))
def regrets(request):
    """Regrets (2, s, q) on the way, which never grow; the first entrant has the smaller."""
    rng = np.random.default_rng(request.param)
    steps = rng.choice([0.0, 0.5, 1.0], (2, SEEDS, QUERIES), p=[0.6, 0.2, 0.2])
    return np.maximum(8.0 - steps.cumsum(2) - np.array([1.0, 0.0])[:, None, None], 0.0)


def paired(regrets):
    return Paired.of(("a", "b"), REGRET, regrets.shape[2], regrets[:, :, -1], regrets)


def test_differences_are_those_of_each_seed(regrets):
    pair, ends = paired(regrets), regrets[:, :, -1]
    differences = [ends[0, s] - ends[1, s] for s in range(SEEDS)]
    mean = sum(differences) / SEEDS
    spread = math.sqrt(sum((d - mean) ** 2 for d in differences) / (SEEDS - 1))
    reach = stats.t.ppf(0.975, SEEDS - 1) * spread / math.sqrt(SEEDS)
    assert pair.difference.value == pytest.approx(mean)
    assert pair.difference.low == pytest.approx(mean - reach)
    assert pair.difference.high == pytest.approx(mean + reach)
    better, worse = sum(d < 0 for d in differences), sum(d > 0 for d in differences)
    assert pair.counts == (better, SEEDS - better - worse, worse)
    assert Paired.of(("a", "b"), VOLUME, QUERIES, ends).counts == (worse, SEEDS - better - worse, better)
    assert pair.figures()[f"seeds in which it is better @{QUERIES}"].value == pytest.approx(100 * better / SEEDS)


def test_what_each_needs_for_the_end_of_the_other_is_counted_query_by_query(regrets):
    pair = paired(regrets)
    for j in range(2):
        target = sorted(regrets[j, :, -1])[SEEDS // 2]
        for i in range(2):
            for s in range(SEEDS):
                counts = [count for count in range(1, QUERIES + 1) if regrets[i, s, count - 1] <= target]
                assert pair.needed[i, j, s] == (counts[0] if counts else math.inf)


@pytest.mark.parametrize("seeds", [1, 2, 3, 6, 20])
def test_more_than_half_of_the_seeds_come_to_their_own_median_end(seeds):
    pair = paired(np.random.default_rng(seeds).random((2, seeds, 5)).cumsum(2)[:, :, ::-1])
    for i in range(2):
        assert np.isfinite(pair.needed[i, i]).mean() > 0.5
        assert np.isfinite(np.median(pair.needed[i, i]))


def test_who_stopped_getting_better_half_way_is_not_said_to_need_all():
    early, late = np.array([[9.0, 1, 1, 1, 1, 1]] * 3), np.array([[9.0, 8, 7, 6, 1, 1]] * 3)
    pair = paired(np.array([early, late]))
    assert pair.needed[0, 1].tolist() == pair.needed[0, 0].tolist() == [2, 2, 2]
    assert pair.needed[1, 0].tolist() == pair.needed[1, 1].tolist() == [5, 5, 5]


def test_what_is_not_reached_is_said_and_never_a_number():
    far, near = np.full((8, 4), 5.0), np.tile([5.0, 4, 3, 0], (8, 1))
    pair = paired(np.array([far, near]))
    figures = pair.figures()
    assert "median queries of a to the median end of b" not in figures
    assert figures["seeds in which a had the median end of b @4"] == Estimate.share(np.zeros(8, bool))
    assert figures["median queries of b to the median end of a"].value == 1
    row = pair.row()
    assert row["queries of it to the end of b"] == "over 4, in 0 of 8 seeds"
    assert row["queries of b to the end of b"] == "4 (4 to 4)"
    far[:5] = [5, 0, 0, 0]
    row = paired(np.array([far, near])).row()
    assert row["queries of it to the end of b"] == "2 (2 to over 4), in 5 of 8 seeds"


def test_the_interval_of_a_median_goes_on_beyond_what_is_known():
    values = np.array([1.0, 2, 3, 4, 5, 6, math.inf, math.inf, math.inf])
    assert ordered(values) == (5.0, 2.0, math.inf)
    assert median(values, "evaluations") == Estimate(5.0, "evaluations", 9)
    assert ordered(np.array([1.0, 2, math.inf]))[0] == 2.0
    assert np.isnan(ordered(np.array([1.0, 2, math.inf]))[1:]).all()


def test_reached_is_the_first_time():
    rows = np.array([[3.0, 2.0, 2.0, 1.0], [3.0, 3.0, 3.0, 3.0]])
    assert reached(rows, 2.0).tolist() == [2, math.inf]
    assert reached(rows, 3.0).tolist() == [1, 1]


def test_the_table_has_a_row_for_each_entrant(regrets):
    pair, single = paired(regrets), Paired.of(("c", "b"), VOLUME, 3, regrets[:, :1, -1])
    rows = table([pair])
    assert list(rows.index) == ["a"]
    assert list(rows.columns) == [
        "difference of regret (%)",
        "better, equal, worse seeds",
        "queries of it to the end of b",
        "queries of b to the end of b",
        "queries of b to the end of it",
        "queries of it to the end of it",
    ]
    assert table([single]).shape == (1, 2)
    assert "to" not in single.row()["difference of hypervolume ratio (1)"], "one seed has no interval"
