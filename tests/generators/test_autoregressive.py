"""A policy knows exactly how likely each architecture is, whatever the grammar; it learns, and follows guidance."""

import itertools
from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
from scipy import special, stats

import nagkit
from blocks import ROWS, Blocks
from nagkit.diffusion.energy import Energy
from nagkit.errors import ArgumentError, DataDamagedError
from nagkit.generators import autoregressive
from nagkit.generators.autoregressive import AutoregressiveGenerator
from nagkit.generators.graph_law import GraphLaw, load
from nagkit.generators.graph_policy import GraphPolicy
from nagkit.generators.policy import Drawn, odds_of
from nagkit.generators.policy_training import entropy, preferring, refitted, reinforced, train, untrained
from nagkit.generators.regrowth import Regrowth
from nagkit.growth import Growth
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.space import UNDECIDED

CELLS, GRAPHS = nagkit.space("nas-bench-201"), nagkit.space("nas-bench-101")
ZEROS = Objective(Metric("zeros", "slots", "max"), lambda tokens: (tokens == 0).sum(1).astype(float))


class Grown(Blocks):
    """The tiny space as a graph of two nodes: a kernel first, a labelled edge, an operation."""

    growth = Growth(2, {(0, 1): 2}, {0: 1}, first=(0,), always=((0, 1),))

    def legal(self, tokens):
        """The same grammar, asked once for each row that differs."""
        rows, place = np.unique(tokens, axis=0, return_inverse=True)
        return super().legal(rows)[place.ravel()]


GROWN = Grown()


@cache
def noisy(space, seed=0):
    """An untrained policy with opinions, in its law and beside it."""
    policy = GraphPolicy(untrained(GraphLaw, space, seed))
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.12 * torch.randn(parameter.shape, generator=rng))
    return policy


def rng(seed=0):
    return np.random.default_rng(seed)


def in_loops(policy, row):
    """The log probability of one row by the definition: components, slots and symbols one after the other."""
    partial, total = np.full((1, len(row)), UNDECIDED), 0.0
    for place, slots in enumerate(policy.blocks):
        weights, odds = odds_of(policy, partial, place)
        shares, before = [], partial.copy()
        for m in range(weights.shape[1]):
            share, partial = np.exp(weights[0, m]), before.copy()
            for s, slot in enumerate(slots):
                legal = policy.space.legal_in(partial, slot)[0]
                chances = [np.exp(odds[0, m, s, k]) if legal[k] else 0.0 for k in range(len(legal))]
                chance = chances[row[slot]] / sum(chances)
                share *= (1 - policy.floor) * chance + policy.floor / legal.sum()
                partial[0, slot] = row[slot]
            shares.append(share)
        total += np.log(sum(shares))
    return total


# ------------------------------------------------------------------------------------------------------ likelihoods


@pytest.mark.parametrize("floor", [0.0, 0.2])
@pytest.mark.parametrize("space", [CELLS, GRAPHS, GROWN], ids=lambda space: space.name)
def test_log_probabilities_agree_with_loops(space, floor):
    policy = deepcopy(noisy(space))
    policy.floor = floor
    rows = space.sample(6, rng(1))
    expected = [in_loops(policy, row) for row in rows]
    np.testing.assert_allclose(AutoregressiveGenerator(policy).log_probability(rows), expected, rtol=1e-4)


@pytest.mark.parametrize("space", [CELLS, GROWN], ids=lambda space: space.name)
def test_probabilities_of_all_architectures_add_up_to_one(space):
    logs = AutoregressiveGenerator(noisy(space)).log_probability(space.all())
    assert np.exp(logs).sum() == pytest.approx(1.0, abs=1e-4)
    assert logs.std() > 0.5  # and they are far from equal


def test_rows_are_drawn_as_often_as_they_are_likely():
    drawn = Drawn(noisy(GROWN), 20_000, rng()).finish()
    expected = np.exp(AutoregressiveGenerator(noisy(GROWN)).log_probability(ROWS))
    found = np.bincount(GROWN.index(drawn.rows), minlength=len(ROWS))
    assert stats.chisquare(found, expected / expected.sum() * found.sum()).pvalue > 1e-3


@pytest.mark.parametrize("floor", [0.0, 0.2])
@pytest.mark.parametrize("space", [CELLS, GRAPHS, GROWN], ids=lambda space: space.name)
def test_what_is_drawn_says_how_likely_it_was(space, floor):
    policy = deepcopy(noisy(space))
    policy.floor = floor
    tilt = rng(2).standard_normal((50, len(space.slots), int(space.radices.max())))
    for drawn in (Drawn(policy, 50, rng()).finish(), Drawn(policy, 50, rng(), tilt).finish()):
        told = AutoregressiveGenerator(policy).log_probability(drawn.rows)
        np.testing.assert_allclose(drawn.logs.sum(1), told, rtol=1e-4)
        assert np.array_equal(drawn.logs, drawn.asked) == (drawn.tilt is None)


def test_what_is_drawn_with_a_tilt_follows_the_law_that_it_says():
    """The shares of rows are the probabilities that it was asked with."""
    tilt = np.tile(rng(2).standard_normal((1, 3, 4)), (20_000, 1, 1))
    drawn = Drawn(noisy(GROWN), 20_000, rng(), tilt).finish()
    place = GROWN.index(drawn.rows)
    asked = np.array([np.exp(drawn.asked[place == i].sum(1)).mean() for i in range(len(ROWS))])
    assert asked.sum() == pytest.approx(1.0, abs=1e-5)
    assert stats.chisquare(np.bincount(place), asked / asked.sum() * len(place)).pvalue > 1e-3


@pytest.mark.parametrize("space", [CELLS, GRAPHS, GROWN], ids=lambda space: space.name)
def test_a_block_follows_from_those_before_it_alone(space):
    policy, rows = noisy(space), space.sample(8, rng())
    for place, _ in enumerate(policy.blocks):
        later = list(itertools.chain.from_iterable(policy.blocks[place:]))
        open_ = rows.copy()
        open_[:, later] = UNDECIDED
        for one, other in zip(odds_of(policy, rows, place), odds_of(policy, open_, place), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)  # sums of 32 bits, of another order elsewhere


def test_edges_of_a_row_depend_on_each_other():
    """A mixture of Bernoullis can say that edges come together; one Bernoulli for each could not."""
    policy = noisy(CELLS, 3)
    rows = Drawn(policy, 20_000, rng()).finish().rows
    weights, odds = odds_of(policy, rows[:1], 1)
    absent = special.softmax(odds, axis=3)[0, :, :, 0]  # (M, S)
    shares = np.exp(weights[0])
    both = (shares * absent[:, 0] * absent[:, 1]).sum() - (shares @ absent[:, 0]) * (shares @ absent[:, 1])
    assert abs(both) > 1e-4
    same = (rows[:, 0] == rows[0, 0]).nonzero()[0]  # the rows with the same block before
    none = rows[same][:, [1, 2]] == 0
    assert np.cov(none.T.astype(float))[0, 1] == pytest.approx(both, abs=0.015)


def test_a_floor_rules_nothing_out():
    policy = deepcopy(noisy(CELLS))
    policy.floor = 0.25
    logs = AutoregressiveGenerator(policy).log_probability(CELLS.all())
    assert logs.min() >= 6 * np.log(0.25 / 5) - 1e-4


# --------------------------------------------------------------------------------------------------------- guidance


def test_what_is_guided_follows_the_law_of_the_policy_times_the_weight():
    policy = noisy(CELLS)
    energy = Energy(CELLS, nagkit.Guidance(1.5, [ZEROS]))
    chain = Regrowth(policy, energy, 3_000, rng())
    for _ in range(25):
        chain._move()
    rows = CELLS.all()
    logs = AutoregressiveGenerator(policy).log_probability(rows) + energy.weight(rows, np.zeros(len(rows), dtype=int))
    law = special.softmax(logs)
    for slot in range(6):
        expected = np.bincount(rows[:, slot], law, 5)
        found = np.bincount(chain.rows[:, slot], minlength=5) / len(chain.rows)
        np.testing.assert_allclose(found, expected, atol=0.03)
    pairs = law @ (rows[:, [0]] == rows[:, [5]]).astype(float)[:, 0]
    assert (chain.rows[:, 0] == chain.rows[:, 5]).mean() == pytest.approx(pairs, abs=0.03)


@pytest.mark.parametrize("method", ["tilt", "first-order"])
def test_a_settled_chain_follows_the_law_within_a_limit(method):
    policy, limit = noisy(GROWN), Constraint(ZEROS.metric, ZEROS.values, high=1)
    energy = Energy(GROWN, nagkit.Guidance(1.0, [ZEROS], [limit], method=method))
    chain = Regrowth(policy, energy, 6_000, rng())
    chain.settle()
    logs = AutoregressiveGenerator(policy).log_probability(ROWS)
    logs += energy.weight(ROWS, np.zeros(len(ROWS), dtype=int))
    law = special.softmax(np.where(ZEROS.values(ROWS) <= 1, logs, -np.inf))
    found = np.bincount(GROWN.index(chain.rows), minlength=len(ROWS)) / len(chain.rows)
    assert np.abs(found - law).sum() / 2 < 0.03


# --------------------------------------------------------------------------------------------------------- learning


def test_lessons_lead_to_the_law_of_the_space():
    *_, last = train(GROWN, steps=150, seed=0)
    logs = AutoregressiveGenerator(last.model).log_probability(ROWS)
    law = special.softmax(GROWN.log_law(ROWS))
    assert (law * (np.log(law) - logs)).sum() < 0.03  # nats between the laws


@pytest.mark.parametrize("name", ["nas-bench-201", "nas-bench-101"])
def test_the_policy_that_came_with_nagkit_has_the_law_of_its_space(name):
    generator = nagkit.generator("autoregressive", nagkit.space(name))
    rows = generator.space.sample(500, rng())
    cross = -generator.log_probability(rows).mean()
    assert cross - np.log(generator.space.size) < 0.15
    assert entropy(generator.policy, rng()) == pytest.approx(np.log(generator.space.size), abs=0.2)


def test_a_refit_makes_what_was_told_likelier_by_weight():
    generator = nagkit.generator("autoregressive", CELLS)
    rows, weights = CELLS.sample(10, rng()), np.array([1.0] * 5 + [0.0] * 5)
    before = {name: each.clone() for name, each in generator.policy.state_dict().items()}
    after = refitted(generator.policy, rows, weights, 30, rng())
    gained = AutoregressiveGenerator(after).log_probability(rows) - generator.log_probability(rows)
    assert gained[:5].min() > 1 and gained[:5].mean() > gained[5:].mean() + 1
    assert all(torch.equal(each, before[name]) for name, each in generator.policy.state_dict().items())


def test_the_policy_gradient_leads_to_what_is_rewarded():
    policy = nagkit.generator("autoregressive", CELLS).policy
    means = []
    for seed in range(6):
        rows = Drawn(policy, 100, rng(seed)).finish().rows
        means.append(ZEROS.values(rows).mean())
        policy = reinforced(policy, rows, ZEROS.values(rows), 6, rng(seed))
    assert means[-1] > means[0] + 1


@pytest.mark.parametrize("told", [40, 400])
def test_what_is_preferred_gains_on_the_rest_and_on_what_was_never_told(told):
    """Of 400 each step takes some of all pairs."""
    policy = nagkit.generator("autoregressive", CELLS).policy
    rows, others = np.split(Drawn(policy, told + 360, rng()).finish().rows, [told])
    after = AutoregressiveGenerator(preferring(policy, rows, -ZEROS.values(rows).astype(int), 40, rng()))
    before = AutoregressiveGenerator(policy)
    for each, least in ((rows, 0.8), (others, 0.6)):
        gained = after.log_probability(each) - before.log_probability(each)
        assert stats.spearmanr(gained, ZEROS.values(each)).statistic > least


@pytest.mark.parametrize(("learn", "same"), [(reinforced, 0.3), (reinforced, 1.0), (preferring, 0)])
def test_equals_teach_nothing(learn, same):
    policy = nagkit.generator("autoregressive", CELLS).policy
    rows = Drawn(policy, 50, rng()).finish().rows
    after = learn(policy, rows, np.full(50, same), 5, rng())
    for one, other in zip(policy.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_entropy_is_pulled_up():
    """Even when one architecture alone is shown, over and over."""
    policy, row = nagkit.generator("autoregressive", CELLS).policy, CELLS.sample(1, rng())
    for seed in range(4):
        policy = refitted(policy, row, np.ones(1), 50, rng(seed))
    assert entropy(policy, rng()) > 1.5


def test_the_same_seed_learns_the_same_and_leaves_global_randomness_alone():
    before = torch.random.get_rng_state()
    (one,), (other,) = (list(train(GROWN, steps=1, seed=4)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [([-1.0, 1.0], "from 0, and some"), ([0.0, 0.0], "some of them above"), ([np.nan, 1.0], "must be finite")],
)
def test_weights_that_are_none_are_refused(wrong, said):
    with pytest.raises(ArgumentError, match=said):
        refitted(noisy(CELLS), CELLS.sample(2, rng()), np.array(wrong), 1, rng())


# ------------------------------------------------------------------------------------------------------------ files


def test_weights_come_back_from_their_file(tmp_path):
    file, rows = tmp_path / "w.safetensors", CELLS.sample(20, rng())
    noisy(CELLS).law.save(file, "made here")
    again = AutoregressiveGenerator(load(file, CELLS)).log_probability(rows)
    np.testing.assert_allclose(again, AutoregressiveGenerator(noisy(CELLS).law).log_probability(rows), atol=0.05)


def test_a_file_of_another_space_or_other_arrays_is_refused(tmp_path):
    file = tmp_path / "w.safetensors"
    noisy(CELLS).law.save(file, "made here")
    with pytest.raises(ArgumentError, match="has one of nas-bench-201"):
        load(file, GRAPHS)
    nagkit.weights.write(file, {"a": np.zeros(3)}, {"space": "nas-bench-201"})
    with pytest.raises(DataDamagedError, match="`nagkit train autoregressive --space nas-bench-201` makes it anew"):
        load(file, CELLS)


def test_spaces_whose_graphs_do_not_grow_are_refused():
    with pytest.raises(ArgumentError, match="space must have graphs that grow node by node; 'mobilenet-v3' has no"):
        GraphLaw(nagkit.space("mobilenet-v3"))


@pytest.mark.parametrize("floor", [0.0, 0.2])
@pytest.mark.parametrize("space", [CELLS, GROWN], ids=lambda space: space.name)
def test_probabilities_of_a_block_are_shares_of_what_can_follow(space, floor):
    """Under the grammar too, by the likelihoods of all architectures that agree with what is decided."""
    generator = AutoregressiveGenerator(deepcopy(noisy(space)))
    generator.policy.floor = floor
    rows = space.all()
    law = np.exp(generator.log_probability(rows))
    for place, frame in enumerate(list(generator.frames(2, nagkit.Guidance(), rng()))[:-1]):
        for tokens, probability in zip(frame.tokens, frame.probability, strict=True):
            agree = ((tokens == UNDECIDED) | (rows == tokens)).all(1)
            for slot in generator.policy.blocks[place]:
                for symbol in range(len(space.slots[slot].symbols)):
                    share = law[agree & (rows[:, slot] == symbol)].sum() / law[agree].sum()
                    assert probability[slot, symbol] == pytest.approx(share, abs=2e-5)


@pytest.mark.parametrize(("row", "place"), [(1, 3), (4, 7)])
def test_odds_of_the_edges_of_a_node_agree_with_what_is_drawn_under_the_grammar(row, place):
    """Where one edge is needed because another is not there."""
    policy = noisy(GRAPHS)
    frames = list(AutoregressiveGenerator(policy).frames(5, nagkit.Guidance(), rng()))
    drawn = Drawn(policy, 5_000, rng(1))
    drawn.rows[:] = frames[place].tokens[row]
    rows = drawn.finish(place).rows
    for slot in policy.blocks[place]:
        share = np.bincount(rows[:, slot], minlength=2)[:2] / len(rows)
        np.testing.assert_allclose(frames[place].probability[row, slot, :2], share, atol=0.03)


def test_blocks_that_cannot_be_listed_are_shown_slot_by_slot(monkeypatch):
    """Without a grammar the two are the same."""
    generator = AutoregressiveGenerator(noisy(CELLS))
    listed = list(generator.frames(5, nagkit.Guidance(), rng()))
    monkeypatch.setattr(autoregressive, "LISTED", 1)
    for one, other in zip(listed, generator.frames(5, nagkit.Guidance(), rng()), strict=True):
        np.testing.assert_allclose(one.probability, other.probability, atol=1e-6)


def test_frames_show_the_odds_of_the_next_node():
    """The probabilities of the next block are those with which it is then decided."""
    policy = noisy(CELLS)
    _, frame, *_ = AutoregressiveGenerator(policy).frames(4_000, nagkit.Guidance(), rng())
    rows = Drawn(policy, 40_000, rng(1)).finish().rows
    for symbol in range(5):
        of_those = frame.tokens[:, 0] == symbol
        if of_those.any():
            told = frame.probability[of_those.argmax(), [1, 2]]  # (2, K)
            found = (rows[rows[:, 0] == symbol][:, [1, 2], None] == np.arange(5)).mean(0)
            np.testing.assert_allclose(told, found, atol=0.04)
