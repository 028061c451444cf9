"""Steps of a law: the right way, without bias, and with less noise than values alone would give."""

import numpy as np
import pytest

from nagkit.errors import ArgumentError
from nagkit.spaces import space
from nagkit.spaces.slot_costs import SlotCosts
from nagkit.supernet.natural_gradient import PACE, descent, gradients
from nagkit.supernet.preference_law import PreferenceLaw

CELLS = space("nas-bench-201")
COST = SlotCosts.found(CELLS, CELLS.params).each / np.ptp(CELLS.params(CELLS.all()))
QUALITY = np.random.default_rng(7).random((6, 5))
QUALITY[:, 3] -= 1  # 3x3 convolutions are best and cost most, as everywhere


def rng(seed=0):
    return np.random.default_rng(seed)


def law():
    moved, random = PreferenceLaw.of(CELLS), rng(1)
    return moved.moved([0.5, 0.5], 0.1 * random.standard_normal((6, 5)))


def values(tokens, noise=None):
    """A loss that no sum over slots is, and the cost."""
    loss = QUALITY[np.arange(6), tokens].sum(1) / 12 + 0.1 * (tokens[:, 0] == tokens[:, 5])
    return np.stack([loss, COST[np.arange(6), tokens].sum(1)], axis=1)


def exact(searched_law, column):
    """The natural gradient by a sum over all cells, one after the other."""
    share, total = searched_law.at([0.5, 0.5]), np.zeros((6, 5))
    tokens = CELLS.all()
    for row, value in zip(tokens, values(tokens)[:, column], strict=True):
        odds = np.prod(share[np.arange(6), row])
        total += odds * value * ((row[:, None] == np.arange(5)) - share)
    return total


def drawn(count, n=16, costs=None):
    searched_law, random = law(), rng(2)
    each = (searched_law.draw([0.5, 0.5], n, random) for _ in range(count))
    return np.array([gradients(one, values(one.tokens), costs or {}) for one in each])


@pytest.mark.slow
def test_the_gradient_of_a_sum_is_exact_with_any_draws():
    for found in drawn(3, n=4, costs={1: COST}):
        np.testing.assert_allclose(found[1], exact(law(), 1), atol=1e-12)


@pytest.mark.slow
def test_the_gradient_of_values_is_right_on_average():
    found = drawn(3000)[:, 0]
    error = found.std(0) / np.sqrt(len(found))
    assert (np.abs(found.mean(0) - exact(law(), 0)) < 5 * error + 1e-12).all()


@pytest.mark.slow
def test_where_a_grammar_ties_slots_the_gradient_of_a_sum_is_right_on_average():
    """Whichever of the costs that are equal for all legal rows it is told by."""
    searched, random = space("darts"), rng(5)
    searched_law = PreferenceLaw.of(searched).moved([0.5, 0.5], 0.05 * rng(4).standard_normal((28, 8)))
    scale = 1 / np.ptp(searched.params(searched.sample(500, rng())))
    costs = [SlotCosts.found(searched, searched.params), searched.slot_params()]
    found, other, values_alone = [], [], []
    for _ in range(150):
        one = searched_law.draw([0.5, 0.5], 64, random)
        told = searched.params(one.tokens)[:, None] * scale
        for kept, costs_of in (
            (found, {0: costs[0].each * scale}),
            (other, {0: costs[1].each * scale}),
            (values_alone, {}),
        ):
            kept.append(gradients(one, told, costs_of)[0])
    right = np.mean(values_alone, axis=0)
    for each in (found, other):
        away = np.array(each) - np.array(values_alone)  # on the same draws
        error = away.std(0) / np.sqrt(len(away))
        assert (np.abs(away.mean(0)) < 5 * error + 1e-9).all()
        assert np.array(each).std(0).mean() < np.array(values_alone).std(0).mean()
    assert np.abs(right).max() > 0.002


def test_a_cost_that_goes_with_the_values_takes_away_noise():
    without, with_cost = (drawn(300, costs=costs)[:, 0].std(0).mean() for costs in (None, {1: COST}))
    assert with_cost < 0.9 * without


@pytest.mark.slow
def test_with_a_cost_to_compare_with_the_gradient_is_hardly_another_one():
    """Slopes that come from the same draws leave a bias, which is to be small beside the gradient."""
    found, right = drawn(3000, costs={1: COST})[:, 0].mean(0), exact(law(), 0)
    assert np.abs(found - right).max() < 0.05 * np.abs(right).max()


@pytest.mark.parametrize(("preference", "column"), [([1.0, 0.0], 0), ([0.0, 1.0], 1)])
@pytest.mark.parametrize("known", [True, False])
def test_following_a_preference_improves_its_objective(preference, column, known):
    learning, random, wanted = PreferenceLaw.of(CELLS), rng(3), np.array(preference)
    before = values(learning.draw(wanted, 2000, rng(4)).tokens)[:, column].mean()
    for _ in range(25):
        one = learning.draw(wanted, 16, random, even=0.1)
        step = descent(one, wanted, values(one.tokens), {1: COST} if known else {})
        np.testing.assert_allclose(np.abs(step).sum(1).mean(), PACE)
        learning = learning.moved(wanted, step)
    after = values(learning.draw(wanted, 2000, rng(4)).tokens)[:, column].mean()
    assert after < before - 0.1


def test_between_preferences_the_law_holds_a_front():
    learning, random = PreferenceLaw.of(CELLS), rng(5)
    for _ in range(120):
        wanted = random.dirichlet([1.0, 1.0])
        one = learning.draw(wanted, 16, random, even=0.1)
        learning = learning.moved(wanted, descent(one, wanted, values(one.tokens), {1: COST}))
    means = np.array([values(learning.draw([w, 1 - w], 500, rng(6)).tokens).mean(0) for w in (0.1, 0.5, 0.9)])
    assert (np.diff(means[:, 0]) < -0.02).all()  # the more the loss weighs, the less of it
    assert (np.diff(means[:, 1]) > 0.02).all()


def test_equal_values_leave_the_law_where_it_is():
    one = law().draw([1, 0], 8, rng())
    assert np.abs(descent(one, np.array([1.0, 0.0]), np.full((8, 2), 0.5), {})).max() == 0


def test_values_are_finite():
    values = np.full((8, 2), np.nan)
    with pytest.raises(ArgumentError, match="values must be finite numbers of shape"):
        descent(law().draw([1, 0], 8, rng()), np.array([1.0, 0.0]), values, {})


def test_one_architecture_is_compared_with_nothing():
    one = law().draw([1, 0], 1, rng())
    with pytest.raises(ArgumentError, match="at least 2"):
        descent(one, np.array([1.0, 0.0]), np.zeros((1, 2)), {})
