"""The discrete tilt: how a guided law differs from the unguided one, for complete and for partial architectures.

Notation: N rows of the space, d directions, m objectives, K symbols; x complete, c partial, s the strength.
The guided law is q(x) proportional to p(x) exp(s z(x)) on the feasible rows, where z is the normal score of x's rank
in the space: strength is counted in standard deviations of rank, whatever the metric. For a partial architecture
the tilt is log E[exp(s z(x)) | c], the expectation over its legal completions, all equally likely. Spaces here are
small enough to list, so it is a sum, not an estimate. Where the belief of the denoiser is that of a uniform law of
independent slots, choices tilted in this way sample q exactly; for another law the tilt is an approximation, and
constraints still hold exactly.
"""

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import optimize, special, stats

from nagkit.diffusion.guidance import Guidance
from nagkit.errors import ArgumentError, UnsatisfiableError
from nagkit.metrics import Constraint, Objective
from nagkit.predictors.ranks import rank_normal
from nagkit.space import UNDECIDED, SearchSpace

DIRECTIONS = 32  # preferences between several objectives, spread evenly; each sample follows one
STRONGEST = 1000.0
MOST_PARTIAL = 10_000_000  # partial architectures that are tabled, 8 bytes each and direction


class Tilt:
    """The logarithmic tilt of every partial architecture of a space, for each of d directions.

    ``strength`` is the one used: guidance's own, or the one found for its ``effective`` number of architectures.
    """

    def __init__(self, space: SearchSpace, guidance: Guidance) -> None:
        self._shape = tuple(int(k) + 1 for k in space.radices)  # the last place of each axis stands for "undecided"
        if math.prod(self._shape) > MOST_PARTIAL:
            raise ArgumentError(
                f"space must have at most {MOST_PARTIAL:,} partial architectures to be guided exactly; "
                f"{space.name} has {math.prod(self._shape):.2g}. Sample it unguided."
            )
        allowed = feasible(space, guidance.constraints)
        scores = directed_scores(space, guidance.objectives)  # (d, N)
        self.strength = guidance.strength
        if guidance.effective is not None:
            self.strength = strength_for(guidance.effective, scores[:, allowed])
        energy = np.where(allowed, self.strength * scores, -np.inf)
        self.directions = len(scores)
        self._table = _with_undecided(*_grid(space, energy)).reshape(self.directions, -1)
        self._symbols = np.arange(space.radices.max())

    def of(
        self, tokens: Int[np.ndarray, "n L"], slot: Int[np.ndarray, "n"], direction: Int[np.ndarray, "n"]
    ) -> Float[np.ndarray, "n K"]:
        """The tilt of every symbol in one slot of each row, whatever it held; -inf where nothing feasible is left."""
        strides = np.cumprod((1, *self._shape[:0:-1]))[::-1]  # (L,)
        digits = np.where(tokens == UNDECIDED, np.array(self._shape) - 1, tokens)
        rows = np.arange(len(tokens))
        without = digits @ strides - digits[rows, slot] * strides[slot]
        width = np.array(self._shape)[slot, None] - 1
        place = without[:, None] + np.minimum(self._symbols, width) * strides[slot, None]  # (n, K)
        return np.where(self._symbols < width, self._table[direction[:, None], place], -np.inf)


def _grid(space: SearchSpace, energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energies (d, N) and the number of rows (1 or 0) at every combination of symbols: (d, K_1, …), (1, K_1, …)."""
    place = np.ravel_multi_index(tuple(space.all().T), tuple(space.radices))
    grid = np.full((len(energy), math.prod(space.radices.tolist())), -np.inf)
    count = np.zeros((1, grid.shape[1]))
    grid[:, place], count[:, place] = energy, 1
    return grid.reshape(-1, *space.radices), count.reshape(-1, *space.radices)


def _with_undecided(energy: np.ndarray, count: np.ndarray) -> np.ndarray:
    """One more place on each axis of the energies: the log of the mean weight over the rows that its symbols leave."""
    for axis in range(1, energy.ndim):
        rows = count.sum(axis, keepdims=True)
        with np.errstate(divide="ignore"):  # the mean of nothing feasible is zero, its logarithm -inf
            top = energy.max(axis, keepdims=True)
            safe = np.where(np.isfinite(top), top, 0)
            weight = (count * np.exp(energy - safe)).sum(axis, keepdims=True)
            mean = np.log(weight / np.maximum(rows, 1)) + safe
        energy, count = np.concatenate([energy, mean], axis), np.concatenate([count, rows], axis)
    return energy


def directed_scores(space: SearchSpace, objectives: Sequence[Objective]) -> Float[np.ndarray, "d N"]:
    """Normal scores of all rows for one objective, or for several along evenly spread Chebyshev directions.

    A direction w ranks by the worst weighted distance to the best score, max_i w_i (z_i* - z_i), plus a twentieth
    of all distances, so that of two rows that tie the dominated one ranks lower (Steuer & Choo, 1983). Unknown
    values rank last.
    """
    if not objectives:
        return np.zeros((1, space.size))
    scores = np.stack([_scores(space, objective) for objective in objectives])  # (m, N)
    if len(objectives) == 1:
        return scores
    short = scores.max(1, keepdims=True) - scores
    weights = simplex(len(objectives), DIRECTIONS)
    return np.stack([rank_normal(-(w[:, None] * short).max(0) - 0.05 * short.sum(0)) for w in weights])


def _scores(space: SearchSpace, objective: Objective) -> np.ndarray:
    values = evaluate(space, objective)
    return rank_normal(np.where(np.isnan(values), -np.inf, objective.metric.sign * values))


def evaluate(space: SearchSpace, term: Objective | Constraint) -> Float[np.ndarray, "N"]:
    """The values of an objective or a constraint for all rows of a space, checked for shape; NaN where unknown."""
    values = np.asarray(term.values(space.all()), dtype=np.float64)
    if values.shape != (space.size,):
        raise ArgumentError(
            f"values of {term.metric.name} must give one number for each architecture, shape ({space.size},); "
            f"they gave {values.shape}."
        )
    if np.isnan(values).all():
        raise ArgumentError(
            f"values of {term.metric.name} are unknown (NaN) for the whole space; choose another metric."
        )
    return values


def simplex(m: int, d: int) -> Float[np.ndarray, "d m"]:
    """d weights of m objectives that sum to 1, evenly spread and always the same."""
    if m == 2:
        first = np.linspace(0, 1, d)
        return np.stack([first, 1 - first], axis=1)
    cuts = np.sort(stats.qmc.Halton(m - 1, scramble=False).random(d + 1)[1:], axis=1)
    return np.diff(cuts, axis=1, prepend=0, append=1)


def feasible(space: SearchSpace, constraints: Sequence[Constraint]) -> Bool[np.ndarray, "N"]:
    """Which rows of the space meet all constraints; at least one does, else ``UnsatisfiableError`` says by how much."""
    values = [evaluate(space, constraint) for constraint in constraints]
    met = np.array([(c.low <= v) & (v <= c.high) for c, v in zip(constraints, values, strict=True)])
    met = met.reshape(len(constraints), space.size)
    if not met.all(0).any():
        told = [_shortfall(i, c, values[i], met) for i, c in enumerate(constraints)]
        told = told if any(told) else [_nearest(constraints, np.stack(values))]
        limits = " and ".join(map(str, constraints))
        raise UnsatisfiableError(f"No architecture of {space.name} meets {limits}.{''.join(told)} Relax a limit.")
    return np.asarray(met.all(0))


def _shortfall(i: int, constraint: Constraint, values: np.ndarray, met: np.ndarray) -> str:
    """How far one constraint is from what the others leave, or from the whole space; nothing where it can be met."""
    known = np.isfinite(values)
    others = np.delete(met, i, axis=0).all(0) & known
    given = "With the other limits kept" if others.any() and len(met) > 1 else "In the whole space"
    left = values[others] if others.any() else values[known]
    miss = np.maximum(constraint.low - left, left - constraint.high)
    if miss.min() <= 0:
        return ""
    name, unit = constraint.metric.name, constraint.metric.unit
    return f" {given}, the nearest {name} is {left[miss.argmin()]:g} {unit}, {miss.min():g} beyond {constraint}."


def _nearest(constraints: Sequence[Constraint], values: np.ndarray) -> str:
    """The row that misses least, each miss counted in standard deviations of its metric, and what it misses."""
    low, high = (np.array([getattr(c, bound) for c in constraints])[:, None] for bound in ("low", "high"))
    miss = np.maximum(0, np.maximum(low - values, values - high))  # (constraints, N)
    spread = np.nanstd(values, axis=1, keepdims=True)
    row = np.nanargmin((miss / np.where(spread > 0, spread, 1)).sum(0))
    parts = [
        f"{c.metric.name} {v[row]:g} {c.metric.unit}, {m[row]:g} beyond"
        for c, v, m in zip(constraints, values, miss, strict=True)
    ]
    return f" The nearest architecture has {'; '.join(parts)}."


def effective_size(scores: Float[np.ndarray, "d N"], strength: float) -> float:
    """The effective sample size 1 / sum q(x)^2 of the guided law, q the mean over directions."""
    law = special.softmax(strength * scores, axis=1).mean(0)
    return float(1 / (law**2).sum())


def strength_for(effective: float, scores: Float[np.ndarray, "d N"]) -> float:
    """The strength whose guided law has this effective size; ``STRONGEST`` where even that leaves more."""
    if effective > scores.shape[1]:
        raise ArgumentError(
            f"effective must be at most the number of feasible architectures, {scores.shape[1]}; got {effective:g}."
        )
    if effective_size(scores, STRONGEST) >= effective:
        return STRONGEST
    if effective_size(scores, 0.0) <= effective:
        return 0.0
    return cast(float, optimize.brentq(lambda s: effective_size(scores, s) - effective, 0, STRONGEST, xtol=1e-6))
