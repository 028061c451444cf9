"""Acquisitions are the means that they say they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nagkit.search.acquisition import (
    expected_hypervolume_improvement,
    expected_improvement,
    improvement_within,
    probability_of_improvement,
)

DRAWS = np.random.default_rng(0).standard_normal((200_000, 2))
numbers = st.floats(-2, 2)
spreads = st.floats(0.05, 2)


@given(numbers, spreads, numbers)
@settings(max_examples=30)
def test_improvement_is_the_mean_over_draws(mean, spread, best):
    drawn = mean + spread * DRAWS[:, 0]
    one = np.array([mean]), np.array([spread]), best
    assert expected_improvement(*one)[0] == pytest.approx(np.maximum(drawn - best, 0).mean(), abs=0.02)
    assert probability_of_improvement(*one)[0] == pytest.approx((drawn > best).mean(), abs=0.01)


@given(numbers, spreads, numbers, st.tuples(numbers, spreads, numbers))
@settings(max_examples=30)
def test_improvement_within_a_limit_counts_what_reaches_it(mean, spread, best, of_cost):
    other, varies, limit = of_cost
    drawn, cost = mean + spread * DRAWS[:, 0], other + varies * DRAWS[:, 1]
    both, sure = (np.array([[spread, each]]) for each in (varies, 0.0))
    found = improvement_within(np.array([[mean, other]]), both, best, np.array([limit]))[0]
    assert found == pytest.approx((np.maximum(drawn - best, 0) * (cost >= limit)).mean(), abs=0.02)
    known = improvement_within(np.array([[mean, other]]), sure, best, np.array([limit]))[0]
    assert known == pytest.approx(np.maximum(drawn - best, 0).mean() * (other >= limit), abs=0.02)


def hypervolume(points, reference):
    """The area that points cover above the reference, strip by strip, by hand."""
    area, top = 0.0, reference[1]
    for x, y in sorted((tuple(p) for p in points if (p > reference).all()), reverse=True):
        if y > top:
            area += (x - reference[0]) * (y - top)
            top = y
    return area


def test_the_area_by_hand_is_that_of_the_library():
    import moocore

    rng = np.random.default_rng(1)
    for _ in range(50):
        points, reference = rng.standard_normal((6, 2)), np.array([-1.0, -0.5])
        expected = moocore.hypervolume(points, ref=reference, maximise=True)
        assert hypervolume(points, reference) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_expected_gain_of_hypervolume_is_the_mean_over_draws(seed):
    rng = np.random.default_rng(seed)
    front, reference = rng.standard_normal((seed, 2)), np.array([-1.5, -1.0])
    mean, spread = rng.standard_normal((3, 2)), rng.uniform(0.05, 1.0, (3, 2))
    found = expected_hypervolume_improvement(mean, spread, front, reference)
    before = hypervolume(front, reference)
    for k in range(3):
        drawn = mean[k] + spread[k] * DRAWS[:3000]
        gains = [hypervolume([*front, point], reference) - before for point in drawn]
        assert found[k] == pytest.approx(np.mean(gains), abs=5 * np.std(gains) / np.sqrt(3000) + 1e-4)


def test_without_doubt_the_gain_is_the_area_that_is_added():
    front, reference = np.array([[1.0, 2.0], [2.0, 1.0]]), np.zeros(2)
    mean = np.array([[2.0, 2.0], [1.0, 1.0], [3.0, 0.5], [-1.0, 9.0]])
    gains = expected_hypervolume_improvement(mean, np.zeros((4, 2)), front, reference)
    np.testing.assert_allclose(gains, [1.0, 0.0, 0.5, 0.0], atol=1e-7)
