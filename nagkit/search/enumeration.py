"""Enumerate and rank: what a predictor alone finds where a space can be listed.

Notation: n architectures of the space, k objectives.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.scalarised import scalarised
from nagkit.search.archived import ArchivedSearch
from nagkit.search.belief import Belief, Kernels, settled
from nagkit.space import ENUMERABLE

EVEN = 0.5  # odds of meeting the constraints that come before all others
_CHUNK = 256  # architectures looked at together, from the best on


class Enumeration(ArchivedSearch):
    """Random architectures first; then down the list of the whole space as a Gaussian process ranks it.

    The list is made anew when there are 1.3 times as many labels. There is no exploring: this is what any generator
    or clever search has to beat where a space is small. Several objectives are weighted anew for each question; with
    measured constraints, what likely meets them comes first.

    Args:
        initial: how many random architectures come first
    """

    name = "enumeration"
    options = ("initial",)

    def __init__(self, *given: Any, initial: int = 32, **named: Any) -> None:
        super().__init__(*given, **named)
        self.initial = arguments.whole("initial", initial, low=2)
        if self.space.size > ENUMERABLE:
            raise ArgumentError(
                f"space must have at most {ENUMERABLE:,} architectures to be listed; {self.space.name!r} has "
                f"{self.space.size:,}. Use the search 'bayesian'."
            )
        self._ranked: tuple[int, Float[np.ndarray, "n k"], Float[np.ndarray, "n"]] | None = None

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self._ranked = None

    def _propose(self) -> Int[np.ndarray, "k L"]:
        if len(self.archive) + len(self.archive.pending) < self.initial or not (labels := self._labels()):
            return self.archive.fresh(1, self.rng)
        scores, odds = self._predicted(labels)
        worth = scalarised(scores, self.rng.dirichlet(np.ones(scores.shape[1])))
        order = np.lexsort((-worth, -np.minimum(odds, EVEN)))
        for start in range(0, len(order), _CHUNK):
            rows = self.space.at(order[start : start + _CHUNK])
            if len(rows := rows[self.archive.new(rows)]):
                return rows[:1]
        return self.archive.tokens[:0]

    def _labels(self) -> int:
        """From how many of those told the list is made; 0 where there are too few."""
        known = np.isfinite(self.archive.values).all(1)
        return 0 if known.sum() < 2 else int(np.flatnonzero(known)[settled(int(known.sum())) - 1]) + 1

    def _predicted(self, labels: int) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "n"]]:
        """For the whole space the expected scores, and the odds of meeting the constraints."""
        if self._ranked is None or self._ranked[0] != labels:
            first, tokens = self._empty(), self.space.all()
            first.add(self.archive.tokens[:labels], self.archive.values[:labels])
            belief = Belief(first, Kernels())
            self._ranked = labels, belief.expected(tokens)[0], belief.odds(tokens)
        return self._ranked[1], self._ranked[2]
