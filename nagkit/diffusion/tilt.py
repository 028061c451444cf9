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

import numpy as np
from jaxtyping import Float, Int

from nagkit.diffusion.directions import directed_scores, strength_for
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.limits import feasible, log_odds
from nagkit.space import UNDECIDED, SearchSpace

MOST_PARTIAL = 10_000_000  # partial architectures that are tabled, 8 bytes each and direction


def tabled(space: SearchSpace) -> bool:
    """Whether a space is small enough for a ``Tilt``."""
    return math.prod((space.radices + 1).tolist()) <= MOST_PARTIAL


class Tilt:
    """The logarithmic tilt of every partial architecture of a space, for each of d directions.

    ``strength`` is the one used: guidance's own, or the one found for its ``effective`` number of architectures.
    """

    def __init__(self, space: SearchSpace, guidance: Guidance) -> None:
        self._shape = tuple(int(k) + 1 for k in space.radices)  # the last place of each axis stands for "undecided"
        allowed = feasible(space, guidance.constraints)
        scores = directed_scores(space, guidance.objectives)  # (d, N)
        self.strength = guidance.strength
        if guidance.effective is not None:
            self.strength = strength_for(guidance.effective, scores[:, allowed])
        energy = np.where(allowed, self.strength * scores + log_odds(guidance.constraints, space.all()), -np.inf)
        self.directions = range(len(scores))
        self._table = _with_undecided(*_grid(space, energy)).reshape(len(scores), -1)
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
