"""The tilt is exact: against sums in loops over all completions, and against the law it promises."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

import nagkit
from blocks import Blocks
from nagkit.diffusion import tilt
from nagkit.diffusion.masked import Noise, denoise, uniform_belief
from nagkit.diffusion.tilt import DIRECTIONS, STRONGEST, Tilt
from nagkit.errors import ArgumentError, UnsatisfiableError
from nagkit.predictors.ranks import rank_normal
from nagkit.space import UNDECIDED

SPACE = nagkit.space("nas-bench-201")
ALL = SPACE.all()
MORE = nagkit.Metric("quality", "percent", "max")
LESS = nagkit.Metric("params", "count", "min")
PARAMS = nagkit.Objective(LESS, lambda tokens: SPACE.params(tokens).astype(float))


def quality(tokens):
    """A wish with interactions between slots, so that no product of slots could serve it."""
    share = np.random.default_rng(0).random((6, 5))
    return share[np.arange(6), tokens].sum(1) + 2.0 * (tokens[:, 0] == tokens[:, 5]) - (tokens[:, 1] == 3)


SCORES = rank_normal(quality(ALL))
QUALITY = nagkit.Objective(MORE, quality)
SMALL = nagkit.Constraint(LESS, PARAMS.values, high=400_000)


def oracle(row, slot, symbol, guidance):
    """log E[exp(s z) 1(feasible)] over the completions of a row with one slot set, by loops."""
    row = list(row)
    row[slot] = symbol
    weights = []
    for completion in itertools.product(*([k] if k != UNDECIDED else range(5) for k in row)):
        tokens = np.array([completion])
        feasible = all(c.low <= c.values(tokens)[0] <= c.high for c in guidance.constraints)
        weights.append(np.exp(guidance.strength * SCORES[SPACE.index(tokens)[0]]) if feasible else 0.0)
    return np.log(np.mean(weights)) if any(weights) else -np.inf


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 6), st.booleans())
def test_tilt_is_the_mean_weight_of_all_completions(seed, strength, constrained):
    rng = np.random.default_rng(seed)
    guidance = nagkit.Guidance(strength, [QUALITY], [SMALL] if constrained else [])
    tokens = SPACE.sample(1, rng)
    tokens[rng.random((1, 6)) < 0.4] = UNDECIDED
    slot = rng.integers(6)
    found = Tilt(SPACE, guidance).of(tokens, np.array([slot]), np.array([0]))
    expected = [oracle(tokens[0], slot, symbol, guidance) for symbol in range(5)]
    np.testing.assert_allclose(found[0], expected, atol=1e-9)


@pytest.mark.slow
def test_samples_follow_the_guided_law():
    """A chi-square test of 100,000 samples against p(x) exp(s z(x)) on the feasible rows."""
    guidance = nagkit.Guidance(2.0, [QUALITY], [SMALL])
    noise = Noise.draw(SPACE, 100_000, np.random.default_rng(0))
    *_, last = denoise(SPACE, uniform_belief(SPACE), Tilt(SPACE, guidance), noise, 6)
    law = np.where(SPACE.params(ALL) <= 400_000, np.exp(2.0 * rank_normal(quality(ALL))), 0.0)
    expected = law / law.sum() * 100_000
    seen = np.bincount(SPACE.index(last.tokens), minlength=len(ALL))
    assert not seen[expected == 0].any()
    often = expected >= 5
    observed = np.append(seen[often], seen[~often].sum())
    assert stats.chisquare(observed, np.append(expected[often], expected[~often].sum())).pvalue > 1e-3


def test_several_objectives_are_chebyshev_directions():
    scores = tilt.directed_scores(SPACE, (QUALITY, PARAMS))
    z = np.stack([rank_normal(quality(ALL)), rank_normal(-SPACE.params(ALL).astype(float))])
    some = np.random.default_rng(0).choice(len(ALL), 300, replace=False)
    for direction, weights in enumerate(tilt.simplex(2, DIRECTIONS)):
        worth = [
            -max(w * (z[i].max() - z[i, x]) for i, w in enumerate(weights))
            - 0.05 * sum(z[i].max() - z[i, x] for i in range(2))
            for x in some
        ]
        order = np.argsort(scores[direction, some], kind="stable")
        assert (np.diff(np.array(worth)[order]) >= -1e-9).all()


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_directions_are_weights_that_spread(m):
    weights = tilt.simplex(m, 32)
    assert weights.shape == (32, m)
    np.testing.assert_allclose(weights.sum(1), 1)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.mean(0), 1 / m, atol=0.07)


def test_unknown_values_rank_last():
    half = nagkit.Objective(MORE, lambda tokens: np.where(tokens[:, 0] == 0, np.nan, quality(tokens)))
    scores = tilt.directed_scores(SPACE, (half,))[0]
    assert scores[ALL[:, 0] == 0].max() < scores[ALL[:, 0] != 0].min()


def test_a_constraint_is_not_met_by_the_unknown():
    unknown = nagkit.Constraint(LESS, lambda tokens: np.where(tokens[:, 0] == 0, np.nan, 1.0), high=2)
    assert not tilt.feasible(SPACE, (unknown,))[ALL[:, 0] == 0].any()


def test_values_that_are_all_unknown_are_refused():
    nothing = nagkit.Objective(MORE, lambda tokens: np.full(len(tokens), np.nan))
    with pytest.raises(ArgumentError, match=r"quality are unknown \(NaN\) for the whole space"):
        Tilt(SPACE, nagkit.Guidance(1, [nothing]))


def test_values_of_a_wrong_shape_are_refused():
    wrong = nagkit.Objective(MORE, lambda tokens: np.zeros(3))
    with pytest.raises(ArgumentError, match=r"shape \(15625,\); they gave \(3,\)"):
        Tilt(SPACE, nagkit.Guidance(1, [wrong]))


def test_two_limits_that_clash_are_told_apart():
    best = np.sort(quality(ALL)[SPACE.params(ALL) > 300_000])[-1]
    few = nagkit.Constraint(LESS, PARAMS.values, high=100_000)
    good = nagkit.Constraint(MORE, quality, low=best)
    assert tilt.feasible(SPACE, (few,)).any() and tilt.feasible(SPACE, (good,)).any()
    with pytest.raises(UnsatisfiableError) as refusal:
        tilt.feasible(SPACE, (few, good))
    left = SPACE.params(ALL)[quality(ALL) >= best].min()
    assert f"With the other limits kept, the nearest params is {left:g} count, {left - 100_000:g} beyond" in str(
        refusal.value
    )
    assert "the nearest quality is" in str(refusal.value)


def test_two_impossible_limits_are_both_named():
    limits = (nagkit.Constraint(LESS, PARAMS.values, high=1), nagkit.Constraint(MORE, quality, low=100))
    with pytest.raises(UnsatisfiableError, match=r"nearest params is 73306 count, 73305 beyond.*nearest quality"):
        tilt.feasible(SPACE, limits)


@pytest.mark.parametrize("effective", [1.5, 30.0, 300.0, 5000.0])
def test_strength_for_an_effective_size_has_that_size(effective):
    scores = tilt.directed_scores(SPACE, (QUALITY,))
    strength = tilt.strength_for(effective, scores)
    weights = np.exp(strength * (scores[0] - scores[0].max()))
    assert weights.sum() ** 2 / (weights**2).sum() == pytest.approx(effective, rel=1e-4)


def test_the_whole_space_is_strength_zero_and_one_cell_the_strongest():
    scores = tilt.directed_scores(SPACE, (QUALITY,))
    assert tilt.strength_for(len(ALL), scores) == 0
    tied = special.ndtri(np.array([[0.25, 0.75, 0.75]]))
    assert tilt.strength_for(1, tied) == STRONGEST


def test_more_than_the_feasible_cannot_be_effective():
    count = int((SPACE.params(ALL) <= 400_000).sum())
    with pytest.raises(ArgumentError, match=f"at most the number of feasible architectures, {count}"):
        Tilt(SPACE, nagkit.Guidance(objectives=[QUALITY], constraints=[SMALL], effective=count + 1))


def test_where_a_grammar_holds_only_legal_completions_count():
    space, strength = Blocks(), 1.5
    wish = nagkit.Objective(MORE, lambda tokens: (tokens * [1, 5, 2]).sum(1).astype(float))
    scores = rank_normal(wish.values(space.all()))
    found = Tilt(space, nagkit.Guidance(strength, [wish]))
    for row in itertools.product((UNDECIDED, 0, 1, 2), (UNDECIDED, 0, 1), (UNDECIDED, 0, 1, 2, 3)):
        for slot, symbols in enumerate(space.radices):
            for symbol in range(symbols):
                decided = [symbol if place == slot else k for place, k in enumerate(row)]
                legal = [
                    np.exp(strength * z)
                    for other, z in zip(space.all(), scores, strict=True)
                    if all(k in (UNDECIDED, o) for k, o in zip(decided, other, strict=True))
                ]
                tilt_there = found.of(np.array([row]), np.array([slot]), np.array([0]))[0, symbol]
                assert tilt_there == pytest.approx(np.log(np.mean(legal)) if legal else -np.inf)


def test_rows_that_tie_in_the_weighted_objective_are_told_apart_by_the_other():
    """At the ends of the front a direction hears one objective alone; the other still breaks its ties."""
    scores = tilt.directed_scores(SPACE, (QUALITY, PARAMS))
    params, quality_ = SPACE.params(ALL), quality(ALL)
    for direction, (told, untold) in ((0, (-params, quality_)), (-1, (quality_, -params.astype(float)))):
        best = told == told.max()
        if best.sum() > 1:
            order = np.argsort(scores[direction, best])
            assert (np.diff(untold[best][order]) >= 0).all()


def test_three_limits_of_which_no_two_can_be_kept_are_told_by_the_nearest_architecture():
    def is_symbol(k):
        return lambda tokens: (tokens[:, 0] == k).astype(float)

    limits = [nagkit.Constraint(nagkit.Metric(f"is_{k}", "slots", "max"), is_symbol(k), low=1) for k in range(3)]
    with pytest.raises(UnsatisfiableError, match=r"The nearest architecture has is_0 \d slots, \d beyond"):
        tilt.feasible(SPACE, limits)


def test_a_space_too_large_to_table_is_refused_in_a_sentence():
    class Large(type(SPACE)):
        name = "large"
        slots = SPACE.slots * 2

    with pytest.raises(ArgumentError, match=r"large has 2.2e\+09"):
        Tilt(Large(), nagkit.Guidance(1, [QUALITY]))
