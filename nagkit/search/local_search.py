"""Local search (White, Nolen & Savani, UAI 2021), for several objectives as Pareto local search (Paquete et al., 2004).

A *climb* is what was told since the last restart.
"""

from typing import Any

import numpy as np
from jaxtyping import Int

from nagkit.search.archived import ArchivedSearch


class LocalSearch(ArchivedSearch):
    """One edit of the best of the climb after the other, whichever is new; a random restart when none is left."""

    name = "local"
    _start = 0  # place in the archive where the climb begins

    def _propose(self) -> Int[np.ndarray, "k L"]:
        if self._start == len(self.archive):
            return self.archive.fresh(1, self.rng)
        ranks = self.archive.ranks()[self._start :]
        best = self.archive.tokens[self._start :][ranks == ranks.min()]
        near = self.archive.space.neighbours(best).reshape(-1, best.shape[1])
        near = near[self.archive.new(near)]
        if len(near):
            return self.rng.choice(near, 1)
        self._start = len(self.archive)
        return self.archive.fresh(1, self.rng)

    def state(self) -> dict[str, Any]:
        """The archive, the random state and where the climb begins."""
        return {**super().state(), "start": self._start}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self._start = int(state["start"])
