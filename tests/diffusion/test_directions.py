"""Directions between objectives, and the strength that leaves so many in play."""

import numpy as np
import pytest
from scipy import special

import nagkit
from nagkit.diffusion.directions import DIRECTIONS, STRONGEST, directed_scores, simplex, strength_for
from nagkit.predictors.ranks import rank_normal
from wishes import ALL, MORE, PARAMS, QUALITY, SPACE, quality


def test_several_objectives_are_chebyshev_directions():
    scores = directed_scores(SPACE, (QUALITY, PARAMS))
    z = np.stack([rank_normal(quality(ALL)), rank_normal(-SPACE.params(ALL).astype(float))])
    some = np.random.default_rng(0).choice(len(ALL), 300, replace=False)
    for direction, weights in enumerate(simplex(2, DIRECTIONS)):
        worth = [
            -max(w * (z[i].max() - z[i, x]) for i, w in enumerate(weights))
            - 0.05 * sum(z[i].max() - z[i, x] for i in range(2))
            for x in some
        ]
        order = np.argsort(scores[direction, some], kind="stable")
        assert (np.diff(np.array(worth)[order]) >= -1e-9).all()


@pytest.mark.parametrize("m", [2, 3, 4])
def test_directions_are_weights_that_spread(m):
    weights = simplex(m, 32)
    assert weights.shape == (32, m)
    np.testing.assert_allclose(weights.sum(1), 1)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.mean(0), 1 / m, atol=0.07)


def test_one_objective_has_one_direction():
    np.testing.assert_array_equal(simplex(1, DIRECTIONS), [[1.0]])


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf])
def test_unknown_and_infinite_values_rank_last(unknown):
    half = nagkit.Objective(MORE, lambda tokens: np.where(tokens[:, 0] == 0, unknown, quality(tokens)))
    scores = directed_scores(SPACE, (half,))[0]
    assert scores[ALL[:, 0] == 0].max() < scores[ALL[:, 0] != 0].min()


@pytest.mark.parametrize("effective", [1.5, 30.0, 300.0, 5000.0])
def test_strength_for_an_effective_size_has_that_size(effective):
    scores = directed_scores(SPACE, (QUALITY,))
    strength = strength_for(effective, scores)
    weights = np.exp(strength * (scores[0] - scores[0].max()))
    assert weights.sum() ** 2 / (weights**2).sum() == pytest.approx(effective, rel=1e-4)


def test_the_whole_space_is_strength_zero_and_one_cell_the_strongest():
    scores = directed_scores(SPACE, (QUALITY,))
    assert strength_for(len(ALL), scores) == 0
    tied = special.ndtri(np.array([[0.25, 0.75, 0.75]]))
    assert strength_for(1, tied) == STRONGEST


def test_rows_that_tie_in_the_weighted_objective_are_told_apart_by_the_other():
    """At the ends of the front a direction hears one objective alone; the other still breaks its ties."""
    scores = directed_scores(SPACE, (QUALITY, PARAMS))
    params, quality_ = SPACE.params(ALL), quality(ALL)
    for direction, (told, untold) in ((0, (-params, quality_)), (-1, (quality_, -params.astype(float)))):
        best = told == told.max()
        if best.sum() > 1:
            order = np.argsort(scores[direction, best])
            assert (np.diff(untold[best][order]) >= 0).all()
