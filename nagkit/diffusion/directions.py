"""How well architectures serve objectives: normal scores of their ranks along directions between the objectives.

Notation: n architectures, N of them the reference among which the ranks are, m objectives, d directions. A direction w
ranks by the worst weighted distance to the best score, max_i w_i (z_i* - z_i), plus a twentieth of all distances, so
that of two rows that tie the dominated one ranks lower (Steuer & Choo, 1983). For one objective there is one direction,
for none one without a wish.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize, special, stats

from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Objective
from nagkit.predictors.ranks import RankScale
from nagkit.space import SearchSpace

DIRECTIONS = 32  # preferences between several objectives, spread evenly; each sample follows one
STRONGEST = 1000.0
LISTED, DRAWN = 20_000, 4_096  # up to this size a space is ranked whole, a larger one by so many draws


class Directions:
    """Scores along d directions, standard normal among the reference ``values (N, m)``, more is better.

    An unknown value (NaN) ranks below all others. ``beyond (k, m)`` are values which the reference lacks and which may
    be better than any in it: they move what the directions look to, not the ranks.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        values: Float[np.ndarray, "N m"],
        beyond: Float[np.ndarray, "k m"] | None = None,
    ) -> None:
        self.objectives, self.weights = objectives, simplex(len(objectives), DIRECTIONS)
        signs = np.array([objective.metric.sign for objective in objectives])
        self._signs, wished = signs, signs * values
        if objectives:
            span = np.nanmax(wished, axis=0) - np.nanmin(wished, axis=0)
            self._unknown = np.nanmin(wished, axis=0) - np.where(span > 0, span, 1.0)
        self._scales = [RankScale.of(o.metric, v) for o, v in zip(objectives, self._known(values).T, strict=True)]
        scores = self.each(values)
        self.ideal = np.concatenate([scores, self.each(values[:0] if beyond is None else beyond)]).max(0)
        self._ranks = []
        if len(objectives) > 1:
            self._ranks = [RankScale.best_highest(self._worth(scores, w)) for w in self.weights]

    def __len__(self) -> int:
        return len(self.weights)

    def of(self, values: Float[np.ndarray, "n m"], direction: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """The score of each row along its own direction."""
        if len(self.objectives) < 2:
            return self.every(values)[0]
        scores, found = self.each(values), np.empty(len(values))
        for d in np.unique(direction):
            mine = direction == d
            found[mine] = self._ranks[d].to_scores(self._worth(scores[mine], self.weights[d]))
        return found

    def every(self, values: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "d n"]:
        """The scores of all rows along all directions."""
        if not self.objectives:
            return np.zeros((1, len(values)))
        scores = self.each(values)
        if len(self.objectives) == 1:
            return scores.T
        return np.stack([r.to_scores(self._worth(scores, w)) for r, w in zip(self._ranks, self.weights, strict=True)])

    def each(self, values: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "n m"]:
        """The score of each objective by itself."""
        columns = [s.to_scores(v) for s, v in zip(self._scales, self._known(values).T, strict=True)]
        return np.stack(columns, axis=1) if columns else np.zeros((len(values), 0))

    def _worth(self, scores: Float[np.ndarray, "n m"], weights: Float[np.ndarray, "m"]) -> Float[np.ndarray, "n"]:
        short = self.ideal - scores
        return -(weights * short).max(1) - 0.05 * short.sum(1)

    def _known(self, values: np.ndarray) -> np.ndarray:
        """The values, the unknown ones worse than all."""
        return np.where(np.isnan(values), self._signs * self._unknown, values) if self.objectives else values


def values_of(terms: Sequence[Objective | Constraint], tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n t"]:
    """The values of objectives or constraints for architectures, checked for shape; NaN where unknown or infinite."""
    columns = [np.zeros((0, len(tokens)))]
    for term in terms:
        values = np.asarray(term.values(tokens), dtype=np.float64)
        if values.shape != (len(tokens),):
            raise ArgumentError(
                f"values of {term.metric.name} must give one number for each architecture, shape ({len(tokens)},); "
                f"they gave {values.shape}."
            )
        columns.append(np.where(np.isfinite(values), values, np.nan)[None])
    return np.concatenate(columns).T


def representatives(space: SearchSpace, rng: np.random.Generator) -> Int[np.ndarray, "N L"]:
    """The rows that stand for a space: all of them where there are few, else draws."""
    return space.all() if space.size <= LISTED else space.sample(DRAWN, rng)


def reference(
    space: SearchSpace, terms: Sequence[Objective | Constraint], rows: Int[np.ndarray, "N L"]
) -> Float[np.ndarray, "N t"]:
    """The values of rows that stand for a space; refused where one of the terms is unknown for all of them."""
    values = values_of(terms, rows)
    for term, column in zip(terms, values.T, strict=True):
        if np.isnan(column).all():
            whole = "the whole space" if space.size == len(rows) else f"{len(rows):,} random architectures"
            raise ArgumentError(f"values of {term.metric.name} are unknown (NaN) for {whole}; choose another metric.")
    return values


def directed_scores(space: SearchSpace, objectives: Sequence[Objective]) -> Float[np.ndarray, "d N"]:
    """The scores of all rows of a space that can be listed, along all directions."""
    values = reference(space, objectives, space.all())
    return Directions(objectives, values).every(values)


def simplex(m: int, d: int) -> Float[np.ndarray, "d m"]:
    """Up to d weights of m objectives that sum to 1, evenly spread and always the same; one where m is below 2."""
    if m < 2:
        return np.ones((1, m))
    if m == 2:
        first = np.linspace(0, 1, d)
        return np.stack([first, 1 - first], axis=1)
    cuts = np.sort(stats.qmc.Halton(m - 1, scramble=False).random(d + 1)[1:], axis=1)
    return np.diff(cuts, axis=1, prepend=0, append=1)


def effective_size(scores: Float[np.ndarray, "d N"], strength: float) -> float:
    """The effective sample size 1 / sum q(x)^2 of the guided law, q the mean over directions."""
    law = special.softmax(strength * scores, axis=1).mean(0)
    return float(1 / (law**2).sum())


def strength_for(effective: float, scores: Float[np.ndarray, "d N"]) -> float:
    """The strength whose guided law has this effective size; ``STRONGEST`` where even that leaves more."""
    if effective > scores.shape[1]:
        raise ArgumentError(
            f"effective must be at most the number of feasible architectures, {scores.shape[1]} of those that stand "
            f"for the space; got {effective:g}. Lower it, relax a limit, or give strength instead."
        )
    if effective_size(scores, STRONGEST) >= effective:
        return STRONGEST
    if effective_size(scores, 0.0) <= effective:
        return 0.0
    return cast(float, optimize.brentq(lambda s: effective_size(scores, s) - effective, 0, STRONGEST, xtol=1e-6))
