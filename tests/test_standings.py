"""Standings against what a reader would count by hand."""

import math
from dataclasses import replace
from itertools import pairwise

import moocore
import numpy as np
import pytest
from scipy import stats

from nagkit.checks.search import COUNT, symbols
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.race import Course, Heat, Race
from nagkit.report import Estimate
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.standings import Standings

SPACE = NasBench201()
ALL = SPACE.all()
TEST, PRICE = Metric("judged", "points", "max"), Metric("price", "ms", "min")
SEEN = Objective(COUNT, symbols)


def judged(tokens):
    """Nearly what is seen, but not quite."""
    return symbols(tokens) + 0.3 * (tokens[:, 0] == 2)


def price(tokens):
    return 2.0 * (tokens >= 2).sum(1) + (tokens[:, 5] == 3)


def judge_or_nothing(tokens):
    return np.where(tokens[:, 1] == 1, np.nan, judged(tokens))


JUDGE, COST = Objective(TEST, judged), Objective(PRICE, price)
CHEAP = Constraint(PRICE, price, high=7.0)
ONE = Course(SPACE, [SEEN], judges=[JUDGE], cost=COST)
BOUND = Course(SPACE, [SEEN], [CHEAP], judges=[JUDGE], cost=COST)
TWO = Course(SPACE, [SEEN, COST], judges=[JUDGE, COST])


def heats(course, budget=15, seeds=(0, 1, 2)):
    race = Race(course, {}, budget, seeds)
    list(race.run())
    return race.heats


@pytest.fixture(scope="module", params=[ONE, BOUND], ids=["free", "bound"])
def single(request):
    return request.param, heats(request.param)


def dominates(a, b):
    """Whether costs a are as small as b in all and smaller in one."""
    return (a <= b).all() and (a < b).any()


def of(found, entrant):
    return [heat for heat in found if heat.entrant == entrant]


def test_regret_is_that_of_the_best_seen_so_far(single):
    course, found = single
    standings = Standings(course, found)
    met = price(ALL) <= 7 if course.constraints else np.ones(SPACE.size, bool)
    for entrant in standings.entrants:
        for heat, row, seen_row in zip(
            of(found, entrant), standings.regret(entrant), standings.regret_seen(entrant), strict=True
        ):
            for count in range(1, 16):
                allowed = [t for t in heat.tokens[:count] if not course.constraints or price(t[None])[0] <= 7]
                value, seen = judged(ALL)[met].min(), symbols(ALL)[met].min()
                if allowed:
                    best = max(allowed, key=lambda t: symbols(t[None])[0])
                    value, seen = judged(best[None])[0], symbols(best[None])[0]
                assert row[count - 1] == pytest.approx(judged(ALL)[met].max() - value)
                assert seen_row[count - 1] == pytest.approx(symbols(ALL)[met].max() - seen)


def test_queries_are_counted_to_the_first_that_was_the_best(single):
    course, _ = single
    best = ALL[np.where(price(ALL) <= 7, symbols(ALL), -1).argmax() if course.constraints else symbols(ALL).argmax()]
    others = SPACE.sample(6, np.random.default_rng(0)) % 3
    rows = np.concatenate([others[:4], best[None], others[4:]])
    values = np.stack([symbols(rows), *([price(rows)] if course.constraints else [])], axis=1)
    standings = Standings(course, [Heat("a", 0, rows, values), Heat("a", 1, rows[:4], values[:4])])
    assert standings.queries("a").tolist() == [5, math.inf]
    regret = standings.regret_seen("a")
    assert regret[0, 4:].tolist() == [0, 0, 0]
    assert (regret[1, 3:] == regret[1, 3]).all(), "a heat that ended early stays where it was"


def test_what_failed_or_is_unknown_to_the_judge_is_not_the_best():
    course = Course(SPACE, [SEEN], judges=[Objective(TEST, judge_or_nothing)])
    rows = np.array([[4, 4, 4, 4, 4, 4], [4, 1, 4, 4, 4, 4], [3, 0, 0, 0, 0, 0]])
    values = np.array([[np.nan], [21.0], [3.0]])
    (row,) = Standings(course, [Heat("a", 0, rows, values)]).regret("a")
    known = judge_or_nothing(ALL)
    np.testing.assert_allclose(row, [np.nanmax(known) - np.nanmin(known)] * 2 + [np.nanmax(known) - 3])


def test_hypervolume_is_a_part_of_that_of_all():
    found = heats(TWO)
    standings = Standings(TWO, found)
    truth = np.stack([-judged(ALL), price(ALL)], axis=1)
    worst = truth.max(0)
    for entrant in standings.entrants:
        for heat, row in zip(of(found, entrant), standings.hypervolume(entrant, [1, 15]), strict=True):
            own = np.stack([-judged(heat.tokens), price(heat.tokens)], axis=1)
            seen = np.stack([-symbols(heat.tokens), price(heat.tokens)], axis=1)
            for count, ratio in zip([1, 15], row, strict=True):
                front = [a for a in range(count) if not any(dominates(seen[b], seen[a]) for b in range(count))]
                expected = moocore.hypervolume(own[front], ref=worst) / moocore.hypervolume(truth, ref=worst)
                assert ratio == pytest.approx(expected)
                assert 0 <= ratio <= 1
    everything = Heat("all", 0, ALL, np.stack([symbols(ALL), price(ALL)], axis=1))
    assert Standings(TWO, [everything]).hypervolume("all", [SPACE.size])[0, 0] == pytest.approx(1)


class Wide(NasBench201):
    """As if there were too many to list."""

    size = 10**9


def area(points, corner):
    """What points (cost, cost) dominate up to a corner, rectangle by rectangle between the values that occur."""
    xs, ys = (sorted({*points[:, k], corner[k]}) for k in (0, 1))
    return sum(
        (right - left) * (above - below)
        for left, right in pairwise(xs)
        for below, above in pairwise(ys)
        if right <= corner[0] and above <= corner[1] and any(x <= left and y <= below for x, y in points)
    )


def costs(tokens, value=judged):
    """Both objectives, less is better."""
    return np.stack([-value(tokens), price(tokens)], axis=1)


def front(heat, count):
    """What the heat's first ones look like to the judge, those that nothing seen by then dominates."""
    seen = costs(heat.tokens[:count], symbols)
    return costs(heat.tokens)[[a for a in range(count) if not any(dominates(b, seen[a]) for b in seen)]]


def test_from_a_reference_point_hypervolumes_have_a_unit():
    found, corner = heats(TWO), (-12.0, 9.0)
    standings = Standings(replace(TWO, reference=(12.0, 9.0)), found)
    whole = area(np.unique(costs(ALL), axis=0), corner)
    volumes, ratios = standings.volume("local", [4, 15]), standings.hypervolume("local", [4, 15])
    for heat, row, parts in zip(of(found, "local"), volumes, ratios, strict=True):
        for count, volume, ratio in zip([4, 15], row, parts, strict=True):
            assert volume == pytest.approx(area(front(heat, count), corner))
            assert ratio == pytest.approx(volume / whole)
    assert volumes.any()
    figures = standings.figures([15])
    assert figures["local", "hypervolume @15"] == Estimate.of(volumes[:, 1], "points·ms")
    assert "the reference point of hypervolumes is judged 12 points, price 9 ms, as given." in standings.sentence()


def test_where_the_space_is_too_large_the_ground_is_what_was_asked_for():
    course, found = replace(BOUND, space=Wide()), heats(BOUND)
    standings = Standings(course, found)
    asked = np.concatenate([heat.tokens for heat in found])
    met = asked[price(asked) <= 7]
    for entrant in standings.entrants:
        for heat, row in zip(of(found, entrant), standings.regret(entrant), strict=True):
            for count in range(1, 16):
                allowed = [t for t in heat.tokens[:count] if price(t[None])[0] <= 7]
                value = judged(met).min()
                if allowed:
                    value = judged(max(allowed, key=lambda t: symbols(t[None])[0])[None])[0]
                assert row[count - 1] == pytest.approx(judged(met).max() - value)
    best = symbols(met).max()
    had = [any(price(t[None])[0] <= 7 and symbols(t[None])[0] == best for t in h.tokens) for h in of(found, "local")]
    assert standings.figures([15])["local", "at the best that any found @15"] == Estimate.share(np.array(had))
    assert f"the {len(np.unique(asked, axis=0))} architectures that any entrant of this race" in standings.sentence()
    assert "its best is not the best of all with price ≤ 7 ms." in standings.sentence()


def test_hypervolumes_over_what_was_asked_for_are_parts_of_that_of_all_heats_together():
    course, found = replace(TWO, space=Wide()), heats(TWO)
    standings = Standings(course, found)
    ground = costs(np.concatenate([heat.tokens for heat in found]))
    together = area(ground, ground.max(0))
    for heat, (ratio,) in zip(of(found, "random"), standings.hypervolume("random", [15]), strict=True):
        assert ratio == pytest.approx(area(front(heat, 15), ground.max(0)) / together)
    one = [Heat("a", 0, heat.tokens[:1], heat.values[:1]) for heat in found[:1]]
    assert Standings(course, one).hypervolume("a", [1]).tolist() == [[0.0]], "one point is its own worst"


def test_a_listed_ground_and_predicted_values_are_said():
    predicted = Objective(replace(TEST, error="surrogate ±3 points"), judged)
    standings = Standings(Course(SPACE, [SEEN], judges=[predicted]), heats(ONE, budget=3, seeds=(0,)))
    assert standings.sentence() == (
        "The ground is all of the 15,625 architectures of nas-bench-201. judged is predicted: surrogate ±3 points."
    )
    assert "less is better; surrogate ±3 points" in standings.figure().layout["yaxis"]["title"]["text"]
    both = Course(SPACE, [SEEN, COST], judges=[predicted, COST])
    up = Standings(both, heats(TWO, budget=3, seeds=(0,))).figure().layout["yaxis"]["title"]["text"]
    assert up == "hypervolume ratio (1, more is better; judged: surrogate ±3 points)"


def test_pairs_are_of_the_same_seeds_after_the_same_number_of_evaluations(single):
    course, found = single
    standings = Standings(course, [heat for heat in found if (heat.entrant, heat.seed) != ("local", 1)])
    pair = standings.paired("random", "local")
    assert (pair.first, pair.second, pair.evaluations) == ("random", "local", 15)
    random, local = (standings.regret(name) for name in ("random", "local"))
    np.testing.assert_array_equal(pair.ends, [random[[0, 2], -1], local[:, -1]])
    short = [replace(heat, tokens=heat.tokens[:9], values=heat.values[:9], ended=False) for heat in of(found, "local")]
    standings = Standings(course, [*of(found, "random"), *short])
    pair = standings.paired("random", "local")
    assert pair.evaluations == 9
    np.testing.assert_array_equal(pair.ends[0], standings.regret("random")[:, 8])
    over = [replace(heat, ended=True) for heat in short]
    pair = Standings(course, [*of(found, "random"), *over]).paired("random", "local")
    assert pair.evaluations == 15, "a heat that has ended stays where it was"


def test_pairs_of_several_objectives_are_of_hypervolumes():
    standings = Standings(TWO, heats(TWO))
    pair = standings.paired("local", "random")
    ends = [standings.hypervolume(name, [15])[:, 0] for name in ("local", "random")]
    np.testing.assert_array_equal(pair.ends, ends)
    assert (pair.metric.name, pair.needed) == ("hypervolume ratio", None)


def test_regret_by_limits_is_the_mean_over_deciles_of_the_cost():
    found = heats(TWO)
    standings, limits = Standings(TWO, found), np.quantile(price(ALL), np.arange(1, 11) / 10)
    for entrant in standings.entrants:
        for heat, row in zip(of(found, entrant), standings.limit_regret(entrant, [3, 15]), strict=True):
            for count, regret in zip([3, 15], row, strict=True):
                each = []
                for limit in limits:
                    usable = [t for t in heat.tokens[:count] if price(t[None])[0] <= limit]
                    value = judged(ALL).min()
                    if usable:
                        value = judged(max(usable, key=lambda t: symbols(t[None])[0])[None])[0]
                    each.append(judged(ALL)[price(ALL) <= limit].max() - value)
                assert regret == pytest.approx(np.mean(each))


def test_prices_are_added_up(single):
    course, found = single
    standings = Standings(course, found)
    for heat, spent in zip(of(found, "random"), standings.spent("random"), strict=True):
        np.testing.assert_allclose(spent, np.cumsum(price(heat.tokens)))
    assert standings.seconds("random").tolist() == [heat.seconds for heat in of(found, "random")]
    share = [np.mean(price(h.tokens) <= 7) if course.constraints else 1.0 for h in of(found, "local")]
    np.testing.assert_allclose(standings.met("local"), share)


def test_figures_say_all_of_it_with_intervals(single):
    course, found = single
    standings = Standings(course, found)
    figures = standings.figures([5, 15])
    assert {entrant for entrant, _ in figures} == {"random", "local", "enumeration"}
    last = standings.regret("local")[:, -1]
    assert figures["local", "regret of judged @15"] == Estimate.of(last, "points")
    assert figures["local", "mean regret of judged on the way"] == Estimate.of(
        standings.regret("local").mean(1), "points"
    )
    assert figures["local", "at the optimum @15"].unit == "%"
    assert ("local", "evaluations that met the constraints") in figures or not course.constraints
    assert figures["local", "spent on evaluations"].unit == "ms"


def test_figures_of_several_objectives():
    figures = Standings(TWO, heats(TWO)).figures([5, 15])
    ratios = Standings(TWO, heats(TWO)).hypervolume("random", [15])[:, 0]
    assert figures["random", "hypervolume ratio @15"] == Estimate.of(ratios, "1")
    assert figures["random", "regret of judged by limits to price @15"].unit == "points"


def test_the_figure_has_means_and_intervals_over_seeds():
    found = heats(ONE)
    standings = Standings(ONE, found)
    table = standings.figure().table
    rows = standings.regret("local")
    drawn = table[(table.line == "local") & (table.evaluations == 9)].iloc[0]
    estimate = Estimate.of(rows[:, 8], "points")
    assert drawn["regret of judged"] == pytest.approx(estimate.value)
    assert drawn["low"] == pytest.approx(max(0, estimate.low))
    assert drawn["high"] == pytest.approx(estimate.high)
    one = Standings(ONE, of(found, "local")[:1]).figure().table
    assert (one["low"] == one["high"]).all()


def test_the_figure_of_several_objectives_is_of_hypervolumes():
    standings = Standings(TWO, heats(TWO))
    table = standings.figure().table
    last = table[table.line == "random"].iloc[-1]
    assert last["evaluations"] == 15
    assert last["hypervolume ratio"] == pytest.approx(standings.hypervolume("random", [15]).mean())


def test_the_median_has_the_interval_of_its_order_statistics():
    rows, heats = ALL[[0]], []
    best = ALL[[symbols(ALL).argmax()]]
    for seed in range(20):
        tokens = np.concatenate([np.repeat(rows, seed, axis=0), best])
        heats.append(Heat("a", seed, tokens, symbols(tokens)[:, None]))
    found = Standings(Course(SPACE, [SEEN]), heats).figures([20])["a", "median queries to the optimum"]
    assert found.value == 10.5
    low, high = int(found.low), int(found.high)  # the queries are 1 to 20, so each is its own rank
    assert 1 - 2 * stats.binom.cdf(low - 1, 20, 0.5) >= 0.95 > 1 - 2 * stats.binom.cdf(low, 20, 0.5)
    assert low + high == 21


def test_numbers_that_no_heat_has_come_to_are_left_out():
    tokens = ALL[:3]
    going = Heat("a", 0, tokens, symbols(tokens)[:, None])
    over = Heat("a", 0, tokens, symbols(tokens)[:, None], ended=True)
    for heat in (going, over):
        names = [name for _, name in Standings(Course(SPACE, [SEEN]), [heat]).figures([3, 9])]
        assert {name.partition("@")[2] for name in names if "@" in name} == {"3"}


def test_the_front_is_of_what_was_seen():
    """What is seen says that the second is better, and the judge that the first is."""
    rows = np.array([[2, 4, 4, 4, 4, 4], [3, 4, 4, 4, 4, 4]])
    course = Course(SPACE, [SEEN, COST], judges=[Objective(TEST, lambda t: -symbols(t)), COST])
    assert (price(rows) == price(rows)[0]).all()
    values = np.stack([symbols(rows), price(rows)], axis=1)
    both, second = (Heat("a", 0, rows[start:], values[start:]) for start in (0, 1))
    ratios = [Standings(course, [heat]).hypervolume("a", [2])[0, 0] for heat in (both, second)]
    assert ratios[0] == ratios[1]


def test_the_fronts_of_all_heats_are_those_that_hypervolumes_are_of():
    found = heats(TWO)
    standings = Standings(TWO, found)
    for name in standings.entrants:
        for shown, heat in zip(standings.fronts(name), of(found, name), strict=True):
            assert shown.metrics == (TEST, PRICE)
            judged_ = front(heat, len(heat))
            best = {tuple(a) for a in judged_ if not any(dominates(b, a) for b in judged_)}
            assert {tuple(row) for row in (shown.values * [-1, 1]).tolist()} == best
            assert (price(shown.tokens) == shown.values[:, 1]).all()


def test_a_median_that_was_not_reached_is_left_out():
    tokens = ALL[:3]
    figures = Standings(Course(SPACE, [SEEN]), [Heat("a", 0, tokens, symbols(tokens)[:, None])]).figures([3])
    assert ("a", "median queries to the optimum") not in figures
    assert figures["a", "at the optimum @3"].value == 0


def test_what_cannot_be_said_is_refused(as_a_user):
    found = heats(ONE, budget=3, seeds=(0,))
    standings = Standings(ONE, found)
    with pytest.raises(ArgumentError, match="entrant must be one of"):
        standings.regret("nobody")
    with pytest.raises(ArgumentError, match="course must have 2 objectives"):
        standings.limit_regret("random", [3])
    with pytest.raises(ArgumentError, match="course must have a cost"):
        Standings(Course(SPACE, [SEEN]), found).spent("random")
    with pytest.raises(ArgumentError, match="heats must hold"):
        Standings(ONE, [])
    with pytest.raises(ArgumentError, match="at must be"):
        standings.figures([0])
    with pytest.raises(ArgumentError, match="first must be one of"):
        standings.paired("nobody", "random")
    with pytest.raises(ArgumentError, match="second must be one of"):
        standings.paired("random", "random")
    with pytest.raises(ArgumentError, match="must have a seed in common"):
        Standings(ONE, [found[0], replace(found[1], seed=9)]).paired(found[0].entrant, found[1].entrant)
    with pytest.raises(ArgumentError, match="reference must be worse than some"):
        Standings(replace(TWO, reference=(99.0, 1.0)), heats(TWO, 3, (0,))).hypervolume("random", [3])
    nothing = Constraint(PRICE, price, high=-1.0)
    with pytest.raises(ArgumentError, match="course must allow"):
        Standings(Course(SPACE, [SEEN], [nothing]), [Heat("a", 0, ALL[:1], np.ones((1, 2)))])
