"""The Bayesian search looks where the best are, believes what it waits for, and holds constraints that it learns."""

import numpy as np
import pytest
from scipy import stats

from blocks import ROWS, Blocks
from nagkit.benchmarks import benchmark
from nagkit.checks.search import COUNT, symbols, walk
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.predictors.gaussian_process import Features
from nagkit.scalarised import scalarised
from nagkit.search import Evaluated, run, search
from nagkit.search.acquisition import expected_hypervolume_improvement
from nagkit.search.archive import Archive
from nagkit.search.belief import Belief, Kernels
from nagkit.search.elite import SMOOTHING, like
from nagkit.search.noisy_hypervolume import noisy_hypervolume_improvement
from nagkit.spaces import space as find_space
from nagkit.spaces.nas_bench_201 import NasBench201

pytestmark = pytest.mark.slow

SPACE = NasBench201()
TABLE = benchmark("digits/mid8")
COST = Metric("cost", "ms", "min")


def many(tokens):
    """A large sum of symbols on the edges that matter."""
    return np.where(SPACE.alive(tokens), tokens, 0).sum(1).astype(float)


def cost(tokens):
    """How many edges that matter hold one of the last two symbols."""
    return (SPACE.alive(tokens) & (tokens >= 3)).sum(1).astype(float)


MANY, CHEAP = Objective(COUNT, many), Objective(COST, cost)
ALL = SPACE.all()


@pytest.mark.parametrize("acquisition", ["ucb", "ei", "pi", "thompson"])
def test_it_finds_the_best_cell_of_a_space_before_the_others_do(acquisition):
    table = benchmark("digits/mid8")
    most = Objective(COUNT, lambda tokens: table.look_up(tokens, "params"))
    found = {}
    for name, options in (("bayesian", {"acquisition": acquisition}), ("random", {})):
        made = search(name, SPACE, [most], seed=0, **options)
        found[name] = max(event.values[0] for event in run(made, 60) if isinstance(event, Evaluated))
    assert found["bayesian"] == table.look_up(ALL, "params").max() > found["random"]


def test_draws_follow_the_law_of_the_elite():
    elite = np.array([[3, 3, 3, 3, 3, 3], [1, 3, 3, 3, 3, 3], [2, 3, 3, 3, 3, 3]])
    drawn = like(SPACE, elite, 40_000, np.random.default_rng(0))
    share = np.bincount(drawn[:, 0], minlength=5) / len(drawn)
    expected = (1 - SMOOTHING) * np.array([0, 2, 1, 3, 0]) / 6 + SMOOTHING / 5
    np.testing.assert_allclose(share, expected, atol=0.01)
    assert np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1] == pytest.approx(0, abs=0.02)


def test_draws_keep_to_the_grammar():
    space = Blocks()
    drawn = like(space, np.array([[2, 1, 0], [0, 0, 1]]), 20_000, np.random.default_rng(0))
    assert {tuple(row) for row in drawn} == {tuple(row) for row in ROWS}


def test_what_it_waits_for_is_believed_and_not_doubted():
    archive = Archive(SPACE, [MANY], [], "function")
    archive.add(ALL[::2000], many(ALL[::2000])[:, None])
    fresh = ALL[1::3000]
    mean, spread = Belief(archive, Kernels()).expected(fresh)
    archive.expect(fresh[:2])
    again, less = Belief(archive, Kernels()).expected(fresh)
    assert (less[:2] < spread[:2]).all()
    np.testing.assert_allclose(again[:2], mean[:2], atol=0.15)


def test_values_of_exact_metrics_are_asked_for():
    archive = Archive(SPACE, [MANY, Objective(COST, cost, exact=True)], [], "function")
    archive.add(ALL[::1000], np.stack([many(ALL[::1000]), cost(ALL[::1000])], axis=1))
    belief = Belief(archive, Kernels())
    mean, spread = belief.expected(ALL[5:50])
    assert (spread[:, 1] == 0).all() and (spread[:, 0] > 0).all()
    order = np.argsort(-cost(ALL[5:50]), kind="stable")
    assert (np.diff(mean[order, 1]) >= 0).all()
    assert (belief.sampled(ALL[5:50], np.random.default_rng(0))[:, 1] == mean[:, 1]).all()
    for objective in (0, 1):
        np.testing.assert_array_equal(belief.mean(objective, ALL[5:50]), mean[:, objective])


def test_draws_vary_as_the_belief_says():
    archive = Archive(SPACE, [MANY], [], "function")
    archive.add(ALL[::1000], many(ALL[::1000])[:, None])
    belief, fresh = Belief(archive, Kernels()), ALL[[1, 5, 5, 700, 9_000]]
    ((mean, covariance),) = belief.together(fresh)
    draws = np.stack([belief.sampled(fresh, np.random.default_rng(seed))[:, 0] for seed in range(4_000)])
    np.testing.assert_allclose(draws.mean(0), mean, atol=0.05)
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.05)
    np.testing.assert_allclose(draws[:, 1], draws[:, 2], atol=1e-3)


def test_odds_are_high_within_a_learned_bound_and_low_beyond():
    bound = Constraint(COST, cost, low=1, high=2)
    archive = Archive(SPACE, [MANY], [bound], "function")
    some = SPACE.sample(150, np.random.default_rng(0))
    archive.add(some, np.stack([many(some), cost(some)], axis=1))
    fresh = SPACE.sample(500, np.random.default_rng(1))
    odds, truth = Belief(archive, Kernels()).odds(fresh), bound.met(cost(fresh))
    assert odds[truth].mean() > odds[~truth].mean() + 0.4
    assert ((odds > 0.5) == truth).mean() > 0.75


def test_a_measured_constraint_is_met_more_often_than_by_chance():
    bound = Constraint(COST, cost, high=1)
    asked = walk(search("bayesian", SPACE, [MANY], [bound], seed=0), 80)
    met = bound.met(cost(asked))
    assert bound.met(cost(ALL)).mean() < 0.4
    assert met[20:].mean() > 0.8


@pytest.mark.parametrize(("acquisition", "points"), [("ucb", 6), ("ehvi", 4), ("thompson", 4)])
def test_of_two_objectives_it_finds_a_front(acquisition, points):
    asked = walk(search("bayesian", SPACE, [MANY, CHEAP], seed=0, acquisition=acquisition), 60)
    costs = np.stack([-many(asked), cost(asked)], axis=1)
    best = {price: -costs[costs[:, 1] == price, 0].min() for price in set(costs[:, 1].tolist())}
    true = {price: many(ALL[cost(ALL) == price]).max() for price in range(7)}
    assert sum(best.get(price, -1) == true[price] for price in true) >= points


def test_scalarised_prefers_what_is_good_where_the_weight_is():
    scores = np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    for weights, best in (([0.9, 0.1], 0), ([0.5, 0.5], 1), ([0.1, 0.9], 2)):
        assert scalarised(scores, np.array(weights)).argmax() == best


def test_kernels_are_learned_anew_now_and_then():
    kernels, features = Kernels(), Features.of(SPACE, ALL[:60])
    for count in range(2, 60):
        kernels.learned(0, features.first(count), np.arange(count, dtype=float), lambda values: values)
    assert 10 < len(kernels) < 25


@pytest.mark.slow
def test_the_acquisition_of_botorch_agrees_with_the_exact_one():
    """On the same belief: by samples with noise there, in closed form without it here."""
    made = search("bayesian", SPACE, [MANY, CHEAP], seed=0, acquisition="qlognehvi", initial=20)
    walk(made, 22)
    belief, candidates = Belief(made.archive, Kernels()), SPACE.sample(200, np.random.default_rng(0))
    candidates = candidates[made.archive.new(candidates)]
    by_samples = noisy_hypervolume_improvement(belief, candidates, np.random.default_rng(0))
    mean, spread = belief.expected(candidates)
    exact = expected_hypervolume_improvement(mean, spread, belief.scores, belief.scores.min(0))
    assert stats.spearmanr(by_samples, exact).statistic > 0.9
    again = noisy_hypervolume_improvement(belief, candidates, np.random.default_rng(0))
    np.testing.assert_array_equal(by_samples, again)


@pytest.mark.parametrize(
    ("objectives", "wrong", "message"),
    [
        ([MANY], {"acquisition": "ehvi"}, "acquisition for 1 objectives must be one of"),
        ([MANY, CHEAP], {"acquisition": "ei"}, "acquisition for 2 objectives must be one of"),
        ([MANY], {"initial": 1}, "initial must be"),
        ([MANY], {"betas": [-1.0]}, "betas must be"),
    ],
)
def test_impossible_searches_are_refused(objectives, wrong, message, as_a_user):
    with pytest.raises(ArgumentError, match=message):
        search("bayesian", SPACE, objectives, seed=0, **wrong)


def test_what_is_promising_is_the_best_of_each_cost_least_behind_first():
    wishes = [TABLE.objective("val_loss_seed0"), TABLE.objective("params", exact=True)]
    found = search("bayesian", TABLE.space, wishes, seed=0, acquisition="budget")
    assert not len(found.promising(3))
    for _ in run(found, 40):
        pass
    rows = found.promising(100)
    assert sorted(rows.tolist()) == sorted(found.archive.tokens.tolist())
    mean = Belief(found.archive, found._kernels).expected(rows)[0]
    sizes = wishes[1].values(rows)
    kinds = len(np.unique(sizes))
    assert len(np.unique(sizes[:kinds])) == kinds
    for row in range(kinds):
        assert mean[row, 0] == mean[sizes == sizes[row], 0].max()
    behind = [
        max(mean[other, 0] for other in range(len(rows)) if sizes[other] <= sizes[row]) - mean[row, 0]
        for row in range(len(rows))
    ]
    assert behind[:kinds] == sorted(behind[:kinds])
    assert behind[kinds:] == sorted(behind[kinds:])
    assert np.array_equal(found.promising(5), rows[:5])


def test_what_is_promising_meets_the_constraints_first_and_repetitions_count():
    wishes = [TABLE.objective("val_accuracy"), TABLE.objective("params", exact=True)]
    bound = TABLE.constraint("val_loss", high=float(np.nanmedian(TABLE.look_up(TABLE.space.all(), "val_loss"))))
    found = search("bayesian", TABLE.space, wishes, [bound], seed=0)
    for _ in run(found, 30):
        pass
    within = int(found.archive.feasible().sum())
    assert 0 < within < 30
    assert bound.met(TABLE.look_up(found.promising(within), "val_loss")).all()
    first = found.promising(1)
    values = np.array([[1.0, float(wishes[1].values(first)[0]), 0.1]])  # far worse with other seeds
    for _ in range(4):
        found.tell(first, values)
    assert not np.array_equal(found.promising(1), first)
    assert len(found.promising(100)) == 30


def test_all_of_a_small_space_are_candidates_the_cheapest_of_what_computes_the_same():
    space = TABLE.space
    wishes = [TABLE.objective("val_accuracy"), TABLE.objective("params", exact=True)]
    found = search("bayesian", space, wishes, seed=0, acquisition="budget", candidates=["all"])
    for _ in run(found, 20):
        pass
    rows = found._drawn(found.archive.tokens)["all"]
    classes = space.canonical(rows, "function")
    assert len(np.unique(classes, axis=0)) == len(rows) == 5390
    cells = space.all()
    same = space.index(space.canonical(cells, "function"))
    costs, least = wishes[1].values(cells), np.full(space.size, np.inf)
    np.minimum.at(least, same, costs)
    assert (wishes[1].values(rows) == least[space.index(classes)]).all()
    with pytest.raises(ArgumentError, match="candidates can be 'all' in spaces of 20,000"):
        search("bayesian", find_space("enas"), [Objective(COUNT, symbols)], seed=0, candidates=["all"])
