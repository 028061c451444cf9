"""Rounds of guided diffusion: what is told so far guides the samples that are asked for next."""

from typing import Any

import numpy as np
from jaxtyping import Int

from nagkit import arguments
from nagkit.errors import UnsatisfiableError
from nagkit.generators import generator
from nagkit.search.archive import Archive
from nagkit.search.archived import ArchivedSearch
from nagkit.search.belief import Belief, Kernels
from nagkit.search.candidates import towards_expected

STEPS = 4  # calls of the belief of the space while sampling


class GuidedSearch(ArchivedSearch):
    """Asks for samples of diffusion towards what is expected of each objective, spread along their compromises.

    Args:
        initial: how many random architectures come first
        batch: after how many labels the guidance is learned anew
        strength: of the guidance, in standard deviations of rank
    """

    name = "guided"
    options = ("initial", "batch", "strength")

    def __init__(self, *given: Any, initial: int = 50, batch: int = 50, strength: float = 25.0, **named: Any) -> None:
        super().__init__(*given, **named)
        self.initial = arguments.whole("initial", initial, low=2)
        self.batch = arguments.whole("batch", batch)
        self.strength = arguments.real("strength", strength, 0, 1000)
        self._begin()

    def _begin(self) -> None:
        self._kernels = Kernels()
        self._samples: tuple[int, np.ndarray] = 0, np.empty((0, len(self.space.slots)), dtype=np.int64)

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self._begin()

    def _propose(self) -> Int[np.ndarray, "k L"]:
        if len(self.archive) + len(self.archive.pending) >= self.initial:
            samples = self._sampled(self.initial + (len(self.archive) - self.initial) // self.batch * self.batch)
            new = samples[self.archive.new(samples)] if len(samples) else samples
            if len(new):
                return new[:1]
        return self.archive.fresh(1, self.rng)

    def _sampled(self, count: int) -> Int[np.ndarray, "m L"]:
        """Samples guided by the first so many labels alone, so that an interrupted search has the same again."""
        if self._samples[0] != count:
            self._samples = count, self._guided(self.archive.first(count))
        return self._samples[1]

    def _guided(self, archive: Archive) -> Int[np.ndarray, "m L"]:
        none = self.archive.tokens[:0]
        if np.isfinite(archive.values).all(1).sum() < 2:
            return none
        guidance = towards_expected(archive, Belief(archive, self._kernels), self.strength)
        rng = np.random.default_rng(archive.tokens.ravel())  # seeded by what is known, as a state may be another's
        made = generator("exact-prior", self.space, steps=min(STEPS, len(self.space.slots)))
        try:
            return made.sample(2 * self.batch, guidance, rng)
        except UnsatisfiableError:  # as far as is known yet
            return none
