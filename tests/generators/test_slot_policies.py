"""Policies that decide slot by slot begin with the law of any space, know how likely each row is, and learn."""

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
from scipy import special, stats

import nagkit
from blocks import ROWS, Blocks
from nagkit.diffusion.energy import Energy
from nagkit.errors import ArgumentError
from nagkit.generators import policy_training
from nagkit.generators.autoregressive import AutoregressiveGenerator
from nagkit.generators.independent_policy import IndependentPolicy
from nagkit.generators.policy import Drawn, odds_of
from nagkit.generators.policy_training import refitted, reinforced, untrained
from nagkit.generators.recurrent_policy import LAYERS, RecurrentPolicy
from nagkit.generators.regrowth import Regrowth
from nagkit.growth import Growth
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.search import search
from nagkit.space import UNDECIDED
from nagkit.spaces.random_wired import RandomWired

KINDS = [RecurrentPolicy, IndependentPolicy]
CELLS, WIRED = nagkit.space("nas-bench-201"), RandomWired(4)
ZEROS = Objective(Metric("zeros", "slots", "max"), lambda tokens: (tokens == 0).sum(1).astype(float))
kinds = pytest.mark.parametrize("kind", KINDS)


class Turned(Blocks):
    """The tiny space, which grows from its second slot on."""

    growth = Growth(2, {(0, 1): 0}, {0: 1, 1: 2})


BLOCKS, TURNED = Blocks(), Turned()


def rng(seed=0):
    return np.random.default_rng(seed)


@cache
def noisy(kind, space):
    """A policy with opinions."""
    policy, generator = untrained(kind, space, 0), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.7 / policy.pace * torch.randn(parameter.shape, generator=generator))
    return policy


def likely(policy, rows):
    return AutoregressiveGenerator(policy).log_probability(rows)


# ------------------------------------------------------------------------------------------------------ likelihoods


def recurrent_in_loops(policy, symbols):
    """The learned odds of the slot after these symbols, gate by gate (Hochreiter and Schmidhuber, 1997)."""
    weights = {name: each.detach().double().numpy() for name, each in policy.state_dict().items()}
    radices = [policy.radices[slot] for slot in policy.order]
    width = policy.network.hidden_size
    hidden, cell = np.zeros((2, LAYERS, width))
    for t in range(len(symbols) + 1):
        given = weights["symbols.weight"][sum(radices[: t - 1]) + symbols[t - 1]] if t else np.zeros(width)
        for layer in range(LAYERS):
            gates = weights[f"network.weight_ih_l{layer}"] @ given + weights[f"network.bias_ih_l{layer}"]
            gates += weights[f"network.weight_hh_l{layer}"] @ hidden[layer] + weights[f"network.bias_hh_l{layer}"]
            into, kept, new, out = np.split(gates, 4)
            cell[layer] = special.expit(kept) * cell[layer] + special.expit(into) * np.tanh(new)
            hidden[layer] = given = special.expit(out) * np.tanh(cell[layer])
    return given @ weights["heads"][len(symbols)] + weights["biases"][len(symbols)]


def in_loops(policy, row, every, law):
    """The log probability of one row, slot by slot, with the law of the space from the list of all rows."""
    total, agree = 0.0, np.ones(len(every), dtype=bool)
    for place, slot in enumerate(policy.order):
        if isinstance(policy, RecurrentPolicy):
            learned = recurrent_in_loops(policy, [row[before] for before in policy.order[:place]])
        else:
            learned = policy.table[place].detach().double().numpy()
        mass = np.array([law[agree & (every[:, slot] == k)].sum() for k in range(len(learned))])
        chances = mass * np.exp(policy.pace * learned)
        total += np.log((1 - policy.floor) * chances[row[slot]] / chances.sum() + policy.floor / (mass > 0).sum())
        agree &= every[:, slot] == row[slot]
    return total


@kinds
@pytest.mark.parametrize("floor", [0.0, 0.2])
@pytest.mark.parametrize("space", [BLOCKS, WIRED], ids=lambda space: space.name)
def test_log_probabilities_agree_with_loops(kind, space, floor):
    policy, every = deepcopy(noisy(kind, space)), space.all() if space is WIRED else ROWS
    policy.floor = floor
    law = special.softmax(space.log_law(every))
    expected = [in_loops(policy, row, every, law) for row in every[:20]]
    np.testing.assert_allclose(likely(policy, every[:20]), expected, atol=1e-4)
    assert np.std(expected) > 0.3


@kinds
def test_probabilities_of_all_architectures_add_up_to_one(kind):
    for space, every in ((CELLS, CELLS.all()), (WIRED, WIRED.all()), (TURNED, ROWS)):
        logs = likely(noisy(kind, space), every)
        assert np.exp(logs).sum() == pytest.approx(1.0, abs=1e-4)
        assert logs.std() > 0.5  # and they are far from equal


@kinds
@pytest.mark.parametrize("name", ["nas-bench-201", "nas-bench-101", "darts", "enas", "random-wired-8", "mobilenet-v3"])
def test_all_begin_with_the_law_of_any_space(kind, name):
    space = nagkit.space(name)
    rows = space.sample(100, rng())
    beyond = likely(untrained(kind, space, 3), rows) - space.log_law(rows)
    np.testing.assert_allclose(beyond, beyond[0], atol=1e-4)


def test_slots_are_decided_in_the_order_of_growth_or_in_their_own():
    for kind in KINDS:
        assert noisy(kind, TURNED).order == (1, 0, 2)
        assert noisy(kind, BLOCKS).order == (0, 1, 2)


@kinds
def test_rows_are_drawn_as_often_as_they_are_likely(kind):
    for space in (TURNED, BLOCKS):
        drawn = Drawn(noisy(kind, space), 4_000, rng()).finish()
        expected = np.exp(likely(noisy(kind, space), ROWS))
        found = [(drawn.rows == row).all(1).sum() for row in ROWS]
        assert stats.chisquare(found, expected / expected.sum() * 4_000).pvalue > 1e-3


@kinds
@pytest.mark.parametrize("name", ["nas-bench-101", "darts", "mobilenet-v3", "random-wired-8"])
def test_what_is_drawn_is_legal_and_says_how_likely_it_was(kind, name):
    space = nagkit.space(name)
    policy = deepcopy(noisy(kind, space))
    policy.floor = 0.1
    tilt = rng(2).standard_normal((30, len(space.slots), int(space.radices.max())))
    for drawn in (Drawn(policy, 30, rng()).finish(), Drawn(policy, 30, rng(), tilt).finish()):
        np.testing.assert_allclose(drawn.logs.sum(1), likely(policy, space.check(drawn.rows)), rtol=1e-4)


@kinds
def test_a_slot_follows_from_those_before_it_alone(kind):
    policy, rows = noisy(kind, CELLS), CELLS.sample(8, rng())
    for place in range(6):
        open_ = rows.copy()
        open_[:, policy.order[place:]] = UNDECIDED
        one, other = odds_of(policy, rows, place)[1], odds_of(policy, open_, place)[1]
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)  # sums of 32 bits, of another order elsewhere


def test_only_a_recurrent_policy_sees_what_was_decided():
    rows = CELLS.sample(8, rng())
    spread = [np.ptp(odds_of(noisy(kind, CELLS), rows, 5)[1], axis=0).max() for kind in KINDS]
    assert spread[0] > 0.1 and spread[1] == 0


# --------------------------------------------------------------------------------------------------------- guidance


@kinds
def test_a_settled_chain_follows_the_law_within_a_limit(kind):
    policy, limit, every = noisy(kind, WIRED), Constraint(ZEROS.metric, ZEROS.values, high=2), WIRED.all()
    energy = Energy(WIRED, nagkit.Guidance(1.0, [ZEROS], [limit]))
    chain = Regrowth(policy, energy, 6_000, rng())
    chain.settle()
    logs = likely(policy, every) + energy.weight(every, np.zeros(len(every), dtype=int))
    law = special.softmax(np.where(ZEROS.values(every) <= 2, logs, -np.inf))
    found = np.array([(chain.rows == row).all(1).mean() for row in every])
    assert np.abs(found - law).sum() / 2 < 0.05


@kinds
def test_frames_show_the_odds_of_the_next_slot(kind):
    policy = noisy(kind, WIRED)
    _, frame, *_ = AutoregressiveGenerator(policy).frames(500, nagkit.Guidance(), rng())
    every = WIRED.all()
    share = np.exp(likely(policy, every))
    for symbol in (0, 1):
        told = frame.probability[(frame.tokens[:, 0] == symbol).argmax(), 1]
        those = every[:, 0] == symbol
        np.testing.assert_allclose(told, np.bincount(every[those, 1], share[those]) / share[those].sum(), atol=1e-4)


# --------------------------------------------------------------------------------------------------------- learning


@kinds
def test_a_refit_makes_what_was_told_likelier_by_weight(kind):
    policy = untrained(kind, CELLS, 0)
    rows, weights = CELLS.sample(10, rng()), np.array([1.0] * 5 + [0.0] * 5)
    before = likely(policy, rows)
    gained = likely(refitted(policy, rows, weights, 30, rng()), rows) - before
    assert gained[:5].min() > 0.5 and gained[:5].mean() > gained[5:].mean() + 1
    np.testing.assert_array_equal(likely(policy, rows), before)  # the one given stays as it was


@kinds
def test_the_policy_gradient_leads_to_what_is_rewarded(kind):
    policy, means = untrained(kind, CELLS, 0), []
    for seed in range(6):
        rows = Drawn(policy, 100, rng(seed)).finish().rows
        means.append(ZEROS.values(rows).mean())
        policy = reinforced(policy, rows, ZEROS.values(rows), 6, rng(seed))
    assert means[-1] > means[0] + 1


def test_only_a_recurrent_policy_learns_that_symbols_go_together(monkeypatch):
    """Of two opposite rows a product of categoricals makes 64 that are equally likely."""
    monkeypatch.setattr(policy_training, "LEAST_ENTROPY", 0.0)
    rows = np.array([[1] * 6, [3] * 6])
    recurrent, independent = (
        likely(refitted(untrained(kind, CELLS, 0), rows, np.ones(2), 60, rng()), rows) for kind in KINDS
    )
    assert independent.mean() <= 6 * np.log(0.5)
    assert recurrent.mean() > 4 * np.log(0.5)


def test_other_models_are_refused(as_a_user):
    with pytest.raises(ArgumentError, match="model must be one of 'graph', 'recurrent', 'independent'"):
        nagkit.generator("autoregressive", CELLS, model="transformer")
    with pytest.raises(ArgumentError, match="The models 'recurrent' and 'independent' do without"):
        search("policy", nagkit.space("mobilenet-v3"), [ZEROS], seed=0)
