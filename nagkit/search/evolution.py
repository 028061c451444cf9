"""Regularised evolution (Real et al., AAAI 2019): the oldest die, not the worst."""

from typing import Any

import numpy as np
from jaxtyping import Int

from nagkit import arguments
from nagkit.search.archived import ArchivedSearch

_TRIES = 16  # edits in a row before a random architecture takes the place of the child


class RegularisedEvolution(ArchivedSearch):
    """Children of tournaments in the population, each one edit from its parent.

    Args:
        population: how many of those told last may become parents
        tournament: how many of them compete to be one
    """

    name = "evolution"
    options = ("population", "tournament")

    def __init__(self, *given: Any, population: int = 32, tournament: int = 8, **named: Any) -> None:
        super().__init__(*given, **named)
        self.population = arguments.whole("population", population, low=2)
        self.tournament = arguments.whole("tournament", tournament, high=self.population)

    def _propose(self) -> Int[np.ndarray, "k L"]:
        told = len(self.archive)
        if told + len(self.archive.pending) < self.population or not told:
            return self.archive.fresh(1, self.rng)
        alive = np.arange(max(0, told - self.population), told)
        rivals = self.rng.permutation(alive)[: self.tournament]
        row = self.archive.tokens[rivals[self.archive.ranks()[rivals].argmin()]][None]
        for _ in range(_TRIES):  # where all edits of the parent are known, the child drifts on
            near = self.space.neighbours(row)[0]
            fresh = near[self.archive.new(near)]
            if len(fresh):
                return self.rng.choice(fresh, 1)
            row = self.rng.choice(near, 1)
        return self.archive.fresh(1, self.rng)
