"""The posterior is exact: against sums over all rows, for slots alone, in groups, and under guidance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nagkit
from blocks import ROWS, Blocks
from nagkit.diffusion.directions import directed_scores
from nagkit.diffusion.posterior import guided, unguided
from nagkit.errors import ArgumentError, UnsatisfiableError
from nagkit.predictors.ranks import rank_normal
from nagkit.space import UNDECIDED

SPACE = nagkit.space("nas-bench-201")
MOBILE = nagkit.space("mobilenet-v3")
MORE = nagkit.Metric("quality", "percent", "max")
LESS = nagkit.Metric("cost", "count", "min")
WISH = nagkit.Objective(MORE, lambda tokens: (tokens * [1, 5, 2]).sum(1).astype(float))
OTHER = nagkit.Objective(LESS, lambda tokens: (tokens[:, 0] ** 2 + tokens[:, 2]).astype(float))
FEW = nagkit.Constraint(LESS, OTHER.values, high=4)


def noisy(space, sigma, n, rng):
    """Rows of a space with noise, and x of the shape (n, L, K)."""
    clean = space.sample(n, rng)[:, :, None] == np.arange(space.radices.max())
    return 2.0 * clean - 1 + sigma * rng.standard_normal(clean.shape)


def bayes(rows, weights, x, sigma):
    """The posterior of one sample by a loop over rows, from the normal density itself."""
    found = np.zeros(x.shape)
    corners = [2.0 * (row[:, None] == np.arange(x.shape[1])) - 1 for row in rows]
    logs = np.array([-((x - corner) ** 2).sum() / (2 * sigma**2) for corner in corners]) + np.log(weights)
    for row, share in zip(rows, np.exp(logs - np.logaddexp.reduce(logs)), strict=True):
        found[np.arange(len(row)), row] += share
    return found


def chance_in_a_sample(row):
    """The chance of a row of blocks when its slots are drawn in order, each uniform among what is legal."""
    chance, decided = 1.0, np.full((1, 3), UNDECIDED)
    for l, symbol in enumerate(row):
        chance /= Blocks().legal(decided)[0, l].sum()
        decided[0, l] = symbol
    return chance


@given(st.integers(0, 10**6), st.floats(0.2, 20))
def test_a_slot_alone_is_a_softmax(seed, sigma):
    """w_k proportional to exp(2 x_k / sigma^2): every slot of a uniform product."""
    x = noisy(SPACE, sigma, 3, np.random.default_rng(seed))
    weights = np.exp(2 * (x - x.max(2, keepdims=True)) / sigma**2)
    np.testing.assert_allclose(unguided(SPACE)(x, sigma), weights / weights.sum(2, keepdims=True), atol=1e-12)


@given(st.integers(0, 10**6), st.floats(0.2, 20))
def test_under_a_grammar_it_is_bayes_rule_over_all_rows(seed, sigma):
    x = noisy(Blocks(), sigma, 2, np.random.default_rng(seed))
    expected = [bayes(ROWS, [chance_in_a_sample(row) for row in ROWS], each, sigma) for each in x]
    np.testing.assert_allclose(unguided(Blocks())(x, sigma), expected, atol=1e-10)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.floats(0.2, 20))
def test_a_stage_of_blocks_is_a_mixture_over_its_depth(seed, sigma):
    """Three responsibilities a stage: block 3 is there from depth 3, block 4 from depth 4."""
    x = noisy(MOBILE, sigma, 1, np.random.default_rng(seed))
    found = unguided(MOBILE)(x, sigma)[0]
    likelihood = np.exp(2 * (x[0] - x[0].max(1, keepdims=True)) / sigma**2)
    for stage in range(5):
        depth, third, fourth = likelihood[1 + stage], likelihood[8 + 4 * stage], likelihood[9 + 4 * stage]
        there = [third[0], third[1:10].mean()], [fourth[0], fourth[1:10].mean()]
        by_depth = [depth[d] * there[0][d > 0] * there[1][d > 1] for d in range(3)]
        share = np.array(by_depth) / sum(by_depth)
        np.testing.assert_allclose(found[1 + stage, :3], share, atol=1e-10)
        np.testing.assert_allclose(found[8 + 4 * stage, 0], share[0], atol=1e-10)
        np.testing.assert_allclose(found[9 + 4 * stage, 0], share[0] + share[1], atol=1e-10)
        np.testing.assert_allclose(
            found[8 + 4 * stage, 1:10], (share[1] + share[2]) * third[1:10] / third[1:10].sum(), atol=1e-10
        )


def test_independent_slots_stand_alone_and_a_depth_stands_with_the_blocks_it_decides():
    assert [group.slots for group in unguided(SPACE).groups] == [[l] for l in range(6)]
    together = [group.slots for group in unguided(MOBILE).groups if len(group.slots) > 1]
    assert together == [[1 + stage, 8 + 4 * stage, 9 + 4 * stage] for stage in range(5)]


def test_dependence_that_no_pair_of_slots_shows_is_noticed():
    """Three slots whose parity is even: any two are free, all three are not."""

    class Even(Blocks):
        slots = tuple(nagkit.space("nas-bench-201").slots[0].__class__(name, ("0", "1")) for name in "abc")

        def legal(self, tokens):
            allowed = np.ones((len(tokens), 3, 2), dtype=bool)
            for row, l in np.ndindex(len(tokens), 3):
                others = np.delete(tokens[row], l)
                if (others != UNDECIDED).all():
                    allowed[row, l, 1 - others.sum() % 2] = False
            return allowed

    (group,) = unguided(Even()).groups
    assert group.slots == [0, 1, 2]
    x = noisy(Even(), 1.0, 1, np.random.default_rng(0))
    np.testing.assert_allclose(unguided(Even())(x, 1.0)[0], bayes(Even().all(), [0.25] * 4, x[0], 1.0), atol=1e-12)


def test_too_many_slots_that_depend_on_each_other_have_no_exact_posterior():
    class Tangled(type(SPACE)):
        slots = SPACE.slots * 3
        size = 7

    assert unguided(Tangled()) is None


@given(st.integers(0, 10**6), st.floats(0.2, 20), st.floats(0, 5))
def test_under_guidance_it_is_bayes_rule_with_tilted_weights(seed, sigma, strength):
    x = noisy(Blocks(), sigma, 1, np.random.default_rng(seed))
    guidance = nagkit.Guidance(strength, [WISH], [FEW])
    law = [chance_in_a_sample(row) for row in ROWS] * np.exp(strength * rank_normal(WISH.values(ROWS)))
    keep = OTHER.values(ROWS) <= 4
    np.testing.assert_allclose(
        guided(Blocks(), guidance)(x, sigma)[0], bayes(ROWS[keep], law[keep], x[0], sigma), atol=1e-9
    )


def test_each_sample_follows_its_direction():
    exact = guided(Blocks(), nagkit.Guidance(2.0, [WISH, OTHER]))
    x = noisy(Blocks(), 1.0, 2, np.random.default_rng(0))
    found = exact(x, 1.0, np.array([31, 4]))
    scores = directed_scores(Blocks(), (WISH, OTHER))
    for each, direction in zip(range(2), (31, 4), strict=True):
        law = [chance_in_a_sample(row) for row in ROWS] * np.exp(2.0 * scores[direction])
        np.testing.assert_allclose(found[each], bayes(ROWS, law, x[each], 1.0), atol=1e-9)


def test_far_from_all_that_is_feasible_it_is_still_a_law_over_the_feasible():
    """At the sharp end a corner that no constraint leaves has all the likelihood."""
    tiny = nagkit.Constraint(LESS, lambda tokens: SPACE.params(tokens).astype(float), high=100_000)
    exact = guided(SPACE, nagkit.Guidance(1000.0, [nagkit.Objective(MORE, lambda t: t.sum(1) * 1.0)], [tiny]))
    x = np.where(np.arange(5) == 3, 1.0, -1.0) * np.ones((1, 6, 1))
    found = exact(x, 0.05)
    np.testing.assert_allclose(found.sum(2), 1)
    assert found[0, :, 3].max() < 0.5


def test_constraints_that_nothing_meets_are_refused():
    with pytest.raises(UnsatisfiableError, match="nearest cost is 0 count"):
        guided(Blocks(), nagkit.Guidance(constraints=[nagkit.Constraint(LESS, OTHER.values, high=-1)]))


def test_a_space_too_large_to_list_is_not_guided_exactly():
    with pytest.raises(ArgumentError, match="or by the generator 'masked-diffusion'"):
        guided(MOBILE, nagkit.Guidance(1, [WISH]))


def test_a_limit_that_is_only_likely_to_hold_makes_the_likelier_more_frequent():
    likely = nagkit.Constraint(LESS, OTHER.values, high=4, odds=lambda tokens: np.where(tokens[:, 1] == 0, 0.9, 0.3))
    x = noisy(Blocks(), 1.0, 1, np.random.default_rng(0))
    law = [chance_in_a_sample(row) for row in ROWS] * np.where(ROWS[:, 1] == 0, 0.9, 0.3)
    keep = OTHER.values(ROWS) <= 4
    found = guided(Blocks(), nagkit.Guidance(constraints=[likely]))(x, 1.0)[0]
    np.testing.assert_allclose(found, bayes(ROWS[keep], law[keep], x[0], 1.0), atol=1e-9)


def test_a_space_that_draws_its_samples_in_its_own_way_has_no_posterior_here():
    assert unguided(nagkit.space("nas-bench-101")) is None
