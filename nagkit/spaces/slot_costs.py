"""Costs that are sums over the slots of an architecture.

Notation: n architectures, L slots, K symbols.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nagkit.metrics import Values
from nagkit.space import SearchSpace

_EXACT = 1e-9  # of the largest cost, by which a sum over slots may be off
_OTHERS, _EDITED = 1000, 20  # architectures on which a sum is tested that was found with others


class SlotCosts(NamedTuple):
    """A cost of networks: ``fixed`` for all of them, and ``each (L, K)`` for the symbols of every slot."""

    fixed: float
    each: Int[np.ndarray, "L K"] | Float[np.ndarray, "L K"]

    def of(self, tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n"] | Float[np.ndarray, "n"]:
        """The cost of each architecture."""
        return self.fixed + self.each[np.arange(len(self.each)), tokens].sum(1)

    @staticmethod
    def found(space: SearchSpace, values: Values) -> "SlotCosts | None":
        """The sum over slots that ``values`` are, by least squares on drawn rows; None where they are none.

        Parameters and FLOPs of cells are such sums. What a symbol costs is known up to what the grammar leaves open:
        the cost of each legal row is right.
        """
        symbols = space.radices.sum()
        rng = np.random.default_rng(0)
        rows = space.sample(4 * int(symbols), rng)
        told, hot = np.asarray(values(rows), dtype=np.float64), space.one_hot(rows).astype(np.float64)
        weights = np.linalg.lstsq(np.column_stack([np.ones(len(rows)), hot]), told, rcond=None)[0]
        each = np.zeros((len(space.slots), int(space.radices.max())))
        each[np.arange(each.shape[1]) < space.radices[:, None]] = weights[1:]
        costs = SlotCosts(float(weights[0]), each)
        like = space.sample(_OTHERS, rng)  # others, and edits of those in which few symbols come often
        like = np.concatenate([rows, like, space.neighbours(like[:_EDITED]).reshape(-1, rows.shape[1]), *_alike(space)])
        told = np.asarray(values(like), dtype=np.float64)
        return costs if np.allclose(costs.of(like), told, rtol=0, atol=_EXACT * np.abs(told).max()) else None


def _alike(space: SearchSpace) -> list[Int[np.ndarray, "n L"]]:
    """For each symbol the rows that have it in all slots, or in all but one, as far as the grammar allows them."""
    most = int(space.radices.max())
    rows = np.repeat(np.arange(most)[:, None], len(space.slots), axis=1)
    legal = rows[((rows < space.radices).all(1)) & space.belongs(np.minimum(rows, space.radices - 1))]
    return [legal, space.neighbours(legal).reshape(-1, legal.shape[1])] if len(legal) else []
