"""The genetic algorithm that is usual in spaces of MobileNetV3 (Cai et al., Once-For-All, ICLR 2020).

Notation: n architectures told with finite values, p parents, m children, L slots.
"""

from typing import Any

import numpy as np
from jaxtyping import Int

from nagkit import arguments
from nagkit.scalarised import scalarised
from nagkit.search.archived import ArchivedSearch
from nagkit.space import UNDECIDED

_TRIES = 64  # children from whom the first is taken that may be asked for


class GeneticAlgorithm(ArchivedSearch):
    """Generations of children of the best so far: half of them mutants of one parent, half mixed of two.

    Children that were known before or break an exact constraint are drawn anew. Several objectives, each as a rank,
    become one by Chebyshev weights that are drawn anew for each child, and so choose its parents; what breaks a
    measured constraint is a parent only where too few meet it.

    Args:
        population: how many make a generation; the first is random
        parents: how many of the best of all generations so far have children in the next
        mutation: with which probability a mutant gets another draw of each of its slots
    """

    name = "genetic"
    options = ("population", "parents", "mutation")

    def __init__(
        self, *given: Any, population: int = 100, parents: int = 25, mutation: float = 0.1, **named: Any
    ) -> None:
        super().__init__(*given, **named)
        self.population = arguments.whole("population", population, low=2)
        self.parents = arguments.whole("parents", parents, high=self.population)
        self.mutation = arguments.real("mutation", mutation, 0, 1)

    def _propose(self) -> Int[np.ndarray, "k L"]:
        parents = self._chosen()
        if len(parents):
            odd = (len(self.archive) + len(self.archive.pending)) % 2
            children = self._mixed(parents) if odd else self._mutants(parents)
            new = children[self.archive.new(children)]
            if len(new):
                return new[:1]
        return self.archive.fresh(1, self.rng)

    def _chosen(self) -> Int[np.ndarray, "p L"]:
        """The best of the generations that are told whole; none before the first is."""
        archive = self.archive
        whole = np.arange(len(archive)) < len(archive) // self.population * self.population
        known = np.flatnonzero(whole & np.isfinite(archive.values).all(1))
        if not len(known):
            return archive.tokens[:0]
        weights = self.rng.dirichlet(np.ones(len(self.objectives)))
        ranks = [np.unique(cost, return_inverse=True)[1] / len(known) for cost in archive.costs()[known].T]  # k of (n,)
        order = np.lexsort((-scalarised(-np.stack(ranks, axis=1), weights), archive.violation()[known]))
        return archive.tokens[known[order[: self.parents]]]

    def _mutants(self, parents: Int[np.ndarray, "p L"]) -> Int[np.ndarray, "m L"]:
        rows = self.rng.choice(parents, _TRIES)
        drawn = self.rng.integers(self.space.radices, size=rows.shape)
        return self._legal(np.where(self.rng.random(rows.shape) < self.mutation, drawn, rows))

    def _mixed(self, parents: Int[np.ndarray, "p L"]) -> Int[np.ndarray, "m L"]:
        """Uniform crossover: each slot is that of one of two parents."""
        one, other = (self.rng.choice(parents, _TRIES) for _ in range(2))
        return self._legal(np.where(self.rng.random(one.shape) < 0.5, one, other))

    def _legal(self, wanted: Int[np.ndarray, "m L"]) -> Int[np.ndarray, "m L"]:
        """These rows; a symbol that the slots before it forbid gives way to a random legal one."""
        rows, each = np.full_like(wanted, UNDECIDED), np.arange(len(wanted))
        for l in range(wanted.shape[1]):
            legal = self.space.legal_in(rows, l)  # (m, K)
            others = (legal * self.rng.random(legal.shape)).argmax(1)
            rows[:, l] = np.where(legal[each, wanted[:, l]], wanted[:, l], others)
        return rows
