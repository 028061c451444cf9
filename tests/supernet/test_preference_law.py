"""A law for every preference: what it draws, how likely that was, and how it moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nagkit.errors import ArgumentError
from nagkit.spaces import space
from nagkit.supernet.preference_law import LEAST, PreferenceLaw, lattice

CELLS, DARTS = space("nas-bench-201"), space("darts")
EACH = pytest.mark.parametrize("searched", [CELLS, DARTS], ids=lambda each: each.name)


def rng(seed=0):
    return np.random.default_rng(seed)


def learned(searched, steps=5, seed=0):
    """A law that is far from even, and has lost some symbols."""
    law, random = PreferenceLaw.of(searched), rng(seed)
    for weight in np.linspace(0, 1, steps):
        law = law.moved([weight, 1 - weight], random.standard_normal(law.allowed.shape))
    dropped = np.zeros_like(law.allowed)
    dropped[::3, -1] = True
    return law.without(dropped)


@pytest.mark.parametrize(("objectives", "steps", "count"), [(1, 3, 1), (2, 6, 7), (3, 4, 15), (4, 2, 10)])
def test_anchors_are_all_preferences_of_that_many_steps(objectives, steps, count):
    found = lattice(objectives, steps)
    assert found.shape == (count, objectives)
    assert len(np.unique(found, axis=0)) == count
    np.testing.assert_allclose(found.sum(1), 1)
    np.testing.assert_allclose(found * steps, np.round(found * steps), atol=1e-12)


@EACH
def test_before_learning_it_is_the_law_of_the_space(searched):
    rows = searched.sample(50, rng())
    told = PreferenceLaw.of(searched).log_probability(rows, [0.3, 0.7])
    expected = searched.log_law(rows)
    np.testing.assert_allclose(told - told[0], expected - expected[0], atol=1e-9)


def test_probabilities_of_all_cells_sum_to_one():
    law = learned(CELLS)
    for preference in ([1, 0], [0.25, 0.75]):
        assert np.exp(law.log_probability(CELLS.all(), preference)).sum() == pytest.approx(1)


@EACH
@pytest.mark.parametrize("even", [0.0, 0.3])
def test_what_is_drawn_is_legal_and_as_likely_as_it_says(searched, even):
    law = learned(searched)
    drawn = law.draw([0.5, 0.5], 200, rng(), even)
    assert searched.belongs(drawn.tokens).all()
    np.testing.assert_allclose(drawn.odds.sum(2), 1)
    chosen = np.take_along_axis(drawn.odds, drawn.tokens[:, :, None], 2)[:, :, 0]
    assert (chosen > 0).all()
    told = law.log_probability(drawn.tokens, [0.5, 0.5], even)
    np.testing.assert_allclose(np.log(chosen).sum(1), told, atol=1e-9)


def test_symbols_are_drawn_as_often_as_they_are_likely():
    law = learned(CELLS)
    tokens = law.draw([0.5, 0.5], 20_000, rng()).tokens
    for slot, share in enumerate(law.at([0.5, 0.5])):
        count, kept = np.bincount(tokens[:, slot], minlength=5), law.allowed[slot]
        assert count[~kept].sum() == 0
        assert stats.chisquare(count[kept], share[kept] / share[kept].sum() * count.sum()).pvalue > 1e-4


def test_where_the_grammar_leaves_nothing_else_a_dropped_symbol_is_drawn():
    law = PreferenceLaw.of(DARTS)
    dropped = np.zeros_like(law.allowed)
    dropped[:, 0] = True  # all slots without "none", but three of five into the last node have to have it
    tokens = law.without(dropped).draw([0.5, 0.5], 50, rng()).tokens
    assert DARTS.belongs(tokens).all()
    dropped[:, 0], dropped[:, 1:] = False, True
    assert DARTS.belongs(law.without(dropped).draw([0.5, 0.5], 50, rng()).tokens).all()


def test_what_is_learned_for_a_preference_is_heard_there_and_little_far_away():
    law, step = PreferenceLaw.of(CELLS), np.zeros((6, 5))
    step[:, 3], step[:, :3], step[:, 4] = 0.4, -0.1, -0.1
    moved = law.moved([1, 0], step)
    share = [moved.at([weight, 1 - weight])[0, 3] for weight in (1, 0.8, 0.5, 0)]
    assert share[0] > 0.5
    assert share[0] > share[1] > share[2] >= share[3]
    assert share[3] == pytest.approx(0.2, abs=1e-6)
    assert law.at([1, 0])[0, 3] == pytest.approx(0.2)  # the law before it stays


@given(st.integers(0, 2**31), st.integers(1, 4), st.floats(0.01, 50))
@settings(max_examples=40)
def test_each_allowed_symbol_keeps_its_least_share_however_it_is_moved(seed, objectives, size):
    random, law = rng(seed), PreferenceLaw.of(CELLS, objectives, steps=2)
    dropped = random.random((6, 5)) < 0.4
    dropped[:, random.integers(5)] = False
    law = law.without(dropped)
    for _ in range(4):
        law = law.moved(random.dirichlet(np.ones(objectives)), size * random.standard_normal((6, 5)))
    count = law.allowed.sum(1)
    np.testing.assert_allclose(law.shares.sum(2), 1)
    assert (law.shares[:, ~law.allowed] == 0).all()
    least = np.where(law.allowed, law.shares, 1).min(2)
    assert (least >= LEAST / count - 1e-12).all()
    assert (law.entropy()[:, count > 1] > 0.2).all()


def test_entropy_is_that_of_scipy():
    law = learned(CELLS)
    np.testing.assert_allclose(law.entropy(), stats.entropy(law.shares, axis=2))


def test_a_law_is_made_again_from_its_state():
    law = learned(DARTS)
    again = PreferenceLaw.from_state(DARTS, law.state())
    one, other = (each.draw([0.2, 0.8], 20, rng(3)).tokens for each in (law, again))
    assert np.array_equal(one, other)
    with pytest.raises(ArgumentError, match="must be that of a law of nas-bench-201"):
        PreferenceLaw.from_state(CELLS, law.state())


@pytest.mark.parametrize("preference", [[0.5, 0.6], [-0.1, 1.1], [1.0], [0.2, 0.3, 0.5], [np.nan, 1.0]])
def test_a_preference_has_a_weight_for_each_objective(preference):
    with pytest.raises(ArgumentError, match="preference must"):
        PreferenceLaw.of(CELLS).at(preference)


def test_a_slot_keeps_a_symbol():
    law = PreferenceLaw.of(CELLS)
    with pytest.raises(ArgumentError, match="must leave each slot a symbol"):
        law.without(law.allowed)


def test_so_many_objectives_that_anchors_would_be_legion_are_refused():
    with pytest.raises(ArgumentError, match=r"objectives and steps must make 1000 anchors at most; 9 and 6 make 3,003"):
        PreferenceLaw.of(CELLS, objectives=9)
