"""The tilt is exact: against sums in loops over all completions, and against the law it promises."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import nagkit
from blocks import Blocks
from nagkit.diffusion.masked import Noise, denoise
from nagkit.diffusion.tilt import Tilt
from nagkit.errors import ArgumentError
from nagkit.predictors.ranks import rank_normal
from nagkit.space import UNDECIDED
from wishes import ALL, MORE, QUALITY, SCORES, SMALL, SPACE, quality


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
    *_, last = denoise(SPACE, SPACE.belief, Tilt(SPACE, guidance), noise, 6)
    law = np.where(SPACE.params(ALL) <= 400_000, np.exp(2.0 * rank_normal(quality(ALL))), 0.0)
    expected = law / law.sum() * 100_000
    seen = np.bincount(SPACE.index(last.tokens), minlength=len(ALL))
    assert not seen[expected == 0].any()
    often = expected >= 5
    observed = np.append(seen[often], seen[~often].sum())
    assert stats.chisquare(observed, np.append(expected[often], expected[~often].sum())).pvalue > 1e-3


def test_values_that_are_all_unknown_are_refused():
    nothing = nagkit.Objective(MORE, lambda tokens: np.full(len(tokens), np.nan))
    with pytest.raises(ArgumentError, match=r"quality are unknown \(NaN\) for the whole space"):
        Tilt(SPACE, nagkit.Guidance(1, [nothing]))


def test_values_of_a_wrong_shape_are_refused():
    wrong = nagkit.Objective(MORE, lambda tokens: np.zeros(3))
    with pytest.raises(ArgumentError, match=r"shape \(15625,\); they gave \(3,\)"):
        Tilt(SPACE, nagkit.Guidance(1, [wrong]))


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
