"""Which architectures are within limits, and what to say where none is.

Notation: N rows with values (N, c) of c constraints.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit.diffusion.directions import reference
from nagkit.errors import UnsatisfiableError
from nagkit.metrics import Constraint
from nagkit.space import SearchSpace


def feasible(space: SearchSpace, constraints: Sequence[Constraint]) -> Bool[np.ndarray, "N"]:
    """Which rows of a space that can be listed meet all constraints.

    At least one does, else ``UnsatisfiableError`` says by how much they fail.
    """
    values = reference(space, constraints, space.all())
    return np.asarray(met(space, constraints, values).all(1))


def met(
    space: SearchSpace, constraints: Sequence[Constraint], values: Float[np.ndarray, "N c"]
) -> Bool[np.ndarray, "N c"]:
    """Which constraints these values meet; ``UnsatisfiableError`` where no row meets all of them."""
    found = np.ones(values.shape, dtype=bool)
    for column, constraint in enumerate(constraints):
        found[:, column] = constraint.met(values[:, column])
    if not found.all(1).any():
        listed = space.size == len(values)
        whole = "In the whole space" if listed else f"Among {len(values):,} looked at"
        told = [_shortfall(i, c, values.T[i], found.T, whole) for i, c in enumerate(constraints)]
        told = told if any(told) else [_nearest(constraints, values.T)]
        none = f"No architecture of {space.name} {'' if listed else 'was found that '}meets"
        raise UnsatisfiableError(f"{none} {' and '.join(map(str, constraints))}.{''.join(told)} Relax a limit.")
    return found


def log_odds(constraints: Sequence[Constraint], tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
    """The logarithm of the probability that architectures meet those constraints whose values are only expected.

    Where it is unknown (NaN) or none it counts as one in 10¹².
    """
    total = np.zeros(len(tokens))
    for constraint in constraints:
        if constraint.odds is not None:
            total += np.log(np.fmax(constraint.odds(tokens), 1e-12))
    return total


def _shortfall(i: int, constraint: Constraint, values: np.ndarray, met: np.ndarray, whole: str) -> str:
    """How far one constraint is from what the others leave, or from all; nothing where it can be met."""
    known = np.isfinite(values)
    others = np.delete(met, i, axis=0).all(0) & known
    given = "With the other limits kept" if others.any() and len(met) > 1 else whole
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
    if np.isnan(miss).any(0).all():
        return " Nowhere are all of these metrics known."
    spread = np.nanstd(values, axis=1, keepdims=True)
    row = np.nanargmin((miss / np.where(spread > 0, spread, 1)).sum(0))
    parts = [
        f"{c.metric.name} {v[row]:g} {c.metric.unit}, {m[row]:g} beyond"
        for c, v, m in zip(constraints, values, miss, strict=True)
    ]
    return f" The nearest architecture has {'; '.join(parts)}."
