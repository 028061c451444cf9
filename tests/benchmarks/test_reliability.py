"""Reliability agrees with published figures, with a simulation whose truth is known, and with a count in loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagkit.benchmarks.reliability import reliability
from nagkit.errors import ArgumentError

RATINGS = np.array([[9.0, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])


def test_it_gives_the_figures_of_shrout_and_fleiss():
    found = reliability(RATINGS)
    assert found.one == pytest.approx(0.17, abs=0.005)
    assert found.mean == pytest.approx(0.44, abs=0.005)


def test_it_finds_the_spreads_that_the_values_were_drawn_with():
    rng = np.random.default_rng(0)
    found = reliability(rng.normal(70, 3, (20_000, 1)) + rng.normal(0, 1.5, (20_000, 3)))
    assert found.between == pytest.approx(3, rel=0.02)
    assert found.within == pytest.approx(1.5, rel=0.02)
    assert found.one == pytest.approx(9 / (9 + 2.25), abs=0.01)
    assert found.mean == pytest.approx(9 / (9 + 2.25 / 3), abs=0.01)


@given(st.integers(2, 8), st.integers(2, 5), st.integers(0, 10**6))
def test_it_agrees_with_sums_in_loops(n, k, seed):
    values = np.random.default_rng(seed).normal(size=(n, k))
    rows = values.tolist()
    grand = sum(map(sum, rows)) / (n * k)
    among = sum(k * (sum(row) / k - grand) ** 2 for row in rows) / (n - 1)
    inside = sum((value - sum(row) / k) ** 2 for row in rows for value in row) / (n * (k - 1))
    found = reliability(values)
    assert found.one == pytest.approx((among - inside) / (among + (k - 1) * inside))
    assert found.mean == pytest.approx((among - inside) / among)
    assert found.within == pytest.approx(inside**0.5)


def test_repetitions_that_agree_are_perfectly_reliable():
    found = reliability(np.repeat(np.arange(5.0)[:, None], 3, axis=1))
    assert (found.one, found.mean, found.within) == (1, 1, 0)


def test_repetitions_that_differ_more_than_architectures_are_said_to():
    found = reliability(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert found.one == -1
    assert found.mean == -np.inf
    assert found.between == 0


@pytest.mark.parametrize(
    "values",
    [
        np.ones((3, 2)),
        np.full((3, 3), 0.1),
        np.ones((1, 3)),
        np.arange(4.0),
        np.array([[1.0, np.nan], [1, 2]]),
        [["a", "b"]] * 2,
    ],
)
def test_values_without_a_spread_or_a_shape_are_refused(as_a_user, values):
    with pytest.raises(ArgumentError, match="values must"):
        reliability(values)
