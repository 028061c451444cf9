"""Wishes and limits over the cells of NAS-Bench-201, for tests of guidance."""

import numpy as np

import nagkit
from nagkit.predictors.ranks import rank_normal

SPACE = nagkit.space("nas-bench-201")
ALL = SPACE.all()
MORE = nagkit.Metric("quality", "percent", "max")
LESS = nagkit.Metric("params", "count", "min")
PARAMS = nagkit.Objective(LESS, lambda tokens: SPACE.params(tokens).astype(float))


def quality(tokens):
    """A wish with interactions between slots, so that no product of slots could serve it."""
    share = np.random.default_rng(0).random((6, 5))
    return share[np.arange(6), tokens].sum(1) + 2.0 * (tokens[:, 0] == tokens[:, 5]) - (tokens[:, 1] == 3)


SCORES = rank_normal(quality(ALL))
QUALITY = nagkit.Objective(MORE, quality)
SMALL = nagkit.Constraint(LESS, PARAMS.values, high=400_000)
