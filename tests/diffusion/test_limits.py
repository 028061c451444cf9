"""Limits are told by how much they cannot be met."""

import numpy as np
import pytest

import nagkit
from nagkit.diffusion.limits import feasible, log_odds
from nagkit.errors import UnsatisfiableError
from wishes import ALL, LESS, MORE, PARAMS, SPACE, quality


def test_a_constraint_is_not_met_by_the_unknown():
    unknown = nagkit.Constraint(LESS, lambda tokens: np.where(tokens[:, 0] == 0, np.nan, 1.0), high=2)
    assert not feasible(SPACE, (unknown,))[ALL[:, 0] == 0].any()


def test_unknown_odds_are_as_small_as_none():
    odds = np.array([0.5, np.nan, 0.0])
    unknown = nagkit.Constraint(LESS, lambda tokens: np.zeros(3), high=2, odds=lambda tokens: odds)
    np.testing.assert_allclose(log_odds([unknown], ALL[:3]), np.log([0.5, 1e-12, 1e-12]))


def test_two_limits_that_clash_are_told_apart():
    best = np.sort(quality(ALL)[SPACE.params(ALL) > 300_000])[-1]
    few = nagkit.Constraint(LESS, PARAMS.values, high=100_000)
    good = nagkit.Constraint(MORE, quality, low=best)
    assert feasible(SPACE, (few,)).any() and feasible(SPACE, (good,)).any()
    with pytest.raises(UnsatisfiableError) as refusal:
        feasible(SPACE, (few, good))
    left = SPACE.params(ALL)[quality(ALL) >= best].min()
    assert f"With the other limits kept, the nearest params is {left:g} count, {left - 100_000:g} beyond" in str(
        refusal.value
    )
    assert "the nearest quality is" in str(refusal.value)


def test_two_impossible_limits_are_both_named():
    limits = (nagkit.Constraint(LESS, PARAMS.values, high=1), nagkit.Constraint(MORE, quality, low=100))
    with pytest.raises(UnsatisfiableError, match=r"nearest params is 73306 count, 73305 beyond.*nearest quality"):
        feasible(SPACE, limits)


def test_three_limits_of_which_no_two_can_be_kept_are_told_by_the_nearest_architecture():
    def is_symbol(k):
        return lambda tokens: (tokens[:, 0] == k).astype(float)

    limits = [nagkit.Constraint(nagkit.Metric(f"is_{k}", "slots", "max"), is_symbol(k), low=1) for k in range(3)]
    with pytest.raises(UnsatisfiableError, match=r"The nearest architecture has is_0 \d slots, \d beyond"):
        feasible(SPACE, limits)


def test_metrics_that_are_never_known_together_are_told():
    first = nagkit.Constraint(PARAMS.metric, lambda tokens: np.where(tokens[:, 0] == 0, 1.0, np.nan), high=2)
    other = nagkit.Constraint(PARAMS.metric, lambda tokens: np.where(tokens[:, 0] == 0, np.nan, 1.0), high=2)
    with pytest.raises(UnsatisfiableError, match="Nowhere are all of these metrics known"):
        feasible(SPACE, [first, other])
