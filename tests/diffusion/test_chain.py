"""A chain of complete architectures follows the guided law, which is known where a space can be listed."""

import itertools
from functools import cached_property

import numpy as np
import pytest
from scipy import stats

import nagkit
from blocks import Blocks
from nagkit.diffusion import chain as chains
from nagkit.diffusion import energy as energies
from nagkit.diffusion.chain import Chain
from nagkit.diffusion.energy import Energy, summed
from nagkit.diffusion.masked import Noise, denoise
from nagkit.errors import UnsatisfiableError
from nagkit.predictors.ranks import rank_normal
from wishes import ALL, PARAMS, QUALITY, SCORES, SMALL, SPACE


class Tabled(Blocks):
    """The same grammar, looked up."""

    @cached_property
    def table(self):
        partial = np.array(list(itertools.product((0, 1, 2, -1), (0, 1, -1), (0, 1, 2, 3, -1))))
        return super().legal(partial).reshape(4, 3, 5, 3, 4)

    def legal(self, tokens):
        return self.table[tuple(np.where(tokens == -1, self.radices, tokens).T)]


BLOCKS = Tabled()
ROWS = BLOCKS.all()
WISH = nagkit.Objective(QUALITY.metric, lambda tokens: (tokens * [1, 5, 2]).sum(1) + 3.0 * (tokens[:, 0] == 2))
MANY = 10_000


def sampled(space, guidance, n=MANY, steps=3):
    noise = Noise.draw(space, n, np.random.default_rng(0))
    *_, last = denoise(space, space.belief, Energy(space, guidance), noise, steps)
    return last.tokens


def in_order():
    """The law of rows whose slots are drawn in their order, each uniform among what is legal."""
    p = np.ones(len(ROWS))
    for l in range(3):
        partial = np.where(np.arange(3) < l, ROWS, -1)
        p /= BLOCKS.legal(partial)[:, l].sum(1)
    return p


def law_of_blocks(strength, allowed=None):
    """The guided law over the rows."""
    law = in_order() * np.exp(strength * rank_normal(WISH.values(ROWS))) * (1 if allowed is None else allowed)
    return law / law.sum()


def assert_follows(rows, law, listed, n):
    place = (rows[:, None] == listed).all(2).argmax(1)
    seen = np.bincount(place, minlength=len(listed))
    assert not seen[law == 0].any()
    often = law * n >= 5
    observed, expected = np.append(seen[often], seen[~often].sum()), np.append(law[often], law[~often].sum()) * n
    assert stats.chisquare(observed[expected > 0], expected[expected > 0]).pvalue > 1e-3


def walked(method, strength=1.5, constraints=(), sweeps=40):
    """Rows of a chain after many moves with nothing decided."""
    energy = Energy(BLOCKS, nagkit.Guidance(strength, [WISH], constraints, method=method))
    chain = Chain(BLOCKS, energy, np.zeros(MANY, dtype=int), np.random.default_rng(1))
    open_ = np.full((MANY, 3), -1)
    chain.begin(np.zeros((MANY, 3, 4)), open_)
    for turn in range(3 * sweeps):
        chain.begin(np.zeros((MANY, 3, 4)), open_)
        chain.decided(open_, np.full(MANY, turn % 3))
    return chain.rows


@pytest.mark.slow
def test_moves_lead_to_the_guided_law():
    assert_follows(walked("tilt"), law_of_blocks(1.5), ROWS, MANY)


@pytest.mark.slow
def test_particles_lead_to_the_guided_law():
    assert_follows(walked("particles", sweeps=3), law_of_blocks(1.5), ROWS, MANY)


@pytest.mark.slow
def test_moves_keep_within_limits_and_follow_the_law_there():
    few = nagkit.Constraint(PARAMS.metric, lambda tokens: tokens.sum(1).astype(float), high=3)
    law = law_of_blocks(1.5, ROWS.sum(1) <= 3)
    assert_follows(walked("tilt", constraints=[few]), law, ROWS, MANY)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "strength"), [("tilt", 1.5), ("first-order", 0.0)])
def test_odds_of_feasibility_weigh(method, strength):
    odds = np.where(ROWS[:, 1] == 1, 0.2, 1.0)
    likely = nagkit.Constraint(
        PARAMS.metric,
        lambda tokens: np.zeros(len(tokens)),
        high=1,
        odds=lambda tokens: np.where(tokens[:, 1] == 1, 0.2, 1.0),
    )
    assert_follows(walked(method, strength, [likely]), law_of_blocks(strength, odds), ROWS, MANY)


def test_guided_samples_are_as_good_as_those_of_the_exact_law():
    """The mean score of cells under exp(s z) within limits, and the share beyond two standard deviations."""
    guidance = nagkit.Guidance(2.0, [QUALITY], [SMALL])
    scores = SCORES[SPACE.index(sampled(SPACE, guidance, 4_000))]
    law = np.where(SPACE.params(ALL) <= 400_000, np.exp(2.0 * SCORES), 0.0)
    law /= law.sum()
    assert scores.mean() == pytest.approx(law @ SCORES, abs=0.15)
    assert (scores > 2).mean() == pytest.approx(law @ (SCORES > 2), abs=0.07)


def test_what_is_decided_is_never_moved():
    energy = Energy(SPACE, nagkit.Guidance(3.0, [QUALITY]))
    chain = Chain(SPACE, energy, np.zeros(50, dtype=int), np.random.default_rng(0))
    tokens = np.full((50, 6), -1)
    chain.begin(np.zeros((50, 6, 5)), tokens)
    for slot in (3, 1):
        tokens[:, slot] = chain.decided(tokens, np.full(50, slot))
    before = tokens.copy()
    for slot in (0, 2, 4, 5):
        tokens[:, slot] = chain.decided(tokens, np.full(50, slot))
    np.testing.assert_array_equal(tokens[:, [3, 1]], before[:, [3, 1]])
    np.testing.assert_array_equal(tokens, chain.rows)


def test_who_takes_the_place_of_what_stays_beyond_the_limits_is_weighed_along_its_own_direction(monkeypatch):
    monkeypatch.setattr(chains, "SWEEPS", 0)  # whatever is drawn beyond the limits stays there
    few = nagkit.Constraint(PARAMS.metric, lambda tokens: tokens.sum(1).astype(float), high=3)
    other = nagkit.Objective(PARAMS.metric, lambda tokens: (tokens * [3, 1, 2]).sum(1).astype(float))
    energy = Energy(BLOCKS, nagkit.Guidance(1.5, [WISH, other], [few]))
    chain = Chain(BLOCKS, energy, np.arange(200) % len(energy.directions), np.random.default_rng(0))
    chain.begin(np.zeros((200, 3, 4)), np.full((200, 3), -1))
    assert (chain.rows.sum(1) <= 3).all()
    np.testing.assert_array_equal(chain._weight, chain._judged(chain.rows, chain.direction)[0])


def test_a_limit_that_is_unknown_wherever_the_other_holds_is_refused(monkeypatch):
    monkeypatch.setattr(energies, "MOST_ROUNDS", 3)
    space, metric = nagkit.space("mobilenet-v3"), PARAMS.metric
    small = nagkit.Constraint(metric, lambda tokens: space.params(tokens) / 1e6, high=3.3)
    clash = nagkit.Constraint(metric, lambda tokens: np.where(space.params(tokens) > 6e6, 1.0, np.nan), low=1)
    with pytest.raises(
        UnsatisfiableError, match=r"was found that meets .* With the other limits kept, the nearest params is"
    ):
        Energy(space, nagkit.Guidance(constraints=[small, clash]))


def test_of_a_space_that_is_listed_it_is_known_at_once_that_nothing_meets_a_limit():
    none = nagkit.Constraint(PARAMS.metric, PARAMS.values, high=1)
    with pytest.raises(UnsatisfiableError, match="In the whole space, the nearest params is 73306"):
        Energy(SPACE, nagkit.Guidance(constraints=[none]))


@pytest.mark.parametrize("target", [None, 3.0])
def test_first_order_asks_the_objectives_no_more_for_more_samples(target):
    calls = []

    def counted(tokens):
        calls.append(len(tokens))
        return QUALITY.values(tokens)

    space = nagkit.space("nas-bench-201")
    wish = nagkit.Objective(QUALITY.metric, counted)
    wish = wish if target is None else wish.near(target)
    energy = Energy(space, nagkit.Guidance(3.0, [wish], method="first-order"))
    asked = sum(calls)
    noise = Noise.draw(space, 200, np.random.default_rng(0))
    list(denoise(space, space.belief, energy, noise, 6))
    assert sum(calls) == asked


def test_a_metric_that_is_a_sum_is_known_by_its_sum():
    """The distance from a target is no sum, and is still known where the metric is one."""
    metric = nagkit.Objective(PARAMS.metric, lambda tokens: (tokens * [3.0, 1, 4, 1, 5, 9]).sum(1))
    rows = SPACE.sample(2000, np.random.default_rng(0))
    for objective in (metric, metric.near(40.0)):
        known = summed(SPACE, objective, rows)
        np.testing.assert_allclose(known.values(ALL), objective.values(ALL), atol=0.2)
        assert known.metric == objective.metric


def test_depth_and_its_blocks_move_together():
    """Without ties a chain would never leave the depth it began with."""
    space = nagkit.space("mobilenet-v3")
    chain = Chain(space, None, np.zeros(200, dtype=int), np.random.default_rng(0))
    shape = (200, len(space.slots), int(space.radices.max()))
    open_ = np.full(shape[:2], -1)
    chain.begin(np.zeros(shape), open_)
    before = chain.rows[:, 1].copy()
    chain.decided(open_, np.full(200, 1))
    assert 0.5 < (chain.rows[:, 1] != before).mean() < 0.8
    space.check(chain.rows)


def test_automatic_strength_counts_what_the_limits_leave_of_a_large_space():
    space, metric = nagkit.space("mobilenet-v3"), PARAMS.metric
    tokens = space.sample(4_096, np.random.default_rng(1))
    low = float(np.quantile(space.flops(tokens), 0.001))  # of 4,096 random ones about four are below
    small = nagkit.Constraint(metric, lambda tokens: space.flops(tokens).astype(float), high=low)
    large = nagkit.Objective(metric, lambda tokens: space.params(tokens) / 1e6)
    strengths = [
        Energy(space, nagkit.Guidance(objectives=[large], constraints=[small], effective=effective)).strength
        for effective in (1_000, 100)
    ]
    assert 0 < strengths[0] < strengths[1]
