"""Random search: the least that any other has to beat."""

import numpy as np
from jaxtyping import Int

from nagkit.search.archived import ArchivedSearch


class RandomSearch(ArchivedSearch):
    """Uniform draws of the space, none of them twice."""

    name = "random"

    def _propose(self) -> Int[np.ndarray, "k L"]:
        return self.archive.fresh(1, self.rng)
