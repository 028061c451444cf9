"""Samples of a generator that are moved until they follow a guided law, and lie within its limits.

The target is the generator's own law times exp(weight) on what is within the limits (Metropolis-Hastings). Samples
beyond a limit move towards it first.
"""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit.diffusion.energy import Energy
from nagkit.errors import UnsatisfiableError

SETTLED = 0.03  # the gain in score, over a round of moves, that ends it


class GuidedChain(ABC):
    """n samples on their way under a guide; after so many ``moves`` gains are asked for, ``rounds`` times at most."""

    moves, rounds = 20, 15

    def __init__(self, energy: Energy, n: int, rng: np.random.Generator) -> None:
        self.energy, self.rng = energy, rng
        self.direction = np.floor(rng.random(n) * len(energy.directions)).astype(int)

    def settle(self) -> None:
        """Move until weights rise no more and all samples are within the limits."""
        for _ in range(self.rounds):
            before = self._weight.mean()
            for _ in range(self.moves):
                self._move()
            if self._weight.mean() - before < SETTLED * self.energy.strength and not self._beyond.any():
                break
        self._replace_stuck()

    def _start(self, rows: Int[np.ndarray, "n L"]) -> None:
        """Judge the samples as they begin."""
        self._weight, self._beyond = self.energy.weight(rows, self.direction), self.energy.beyond(rows)

    def _accepted(self, rows: Int[np.ndarray, "n L"], gain: Float[np.ndarray, "n"] | float) -> Bool[np.ndarray, "n"]:
        """Which of these take the place of the samples, and their weights with them.

        ``gain`` is how much likelier their move is to be kept than weights say, as a logarithm.
        """
        weight, beyond = self.energy.weight(rows, self.direction), self.energy.beyond(rows)
        kept = (np.log(self.rng.random(len(rows))) < weight - self._weight + gain) & (beyond == self._beyond)
        kept |= beyond < self._beyond
        self._weight, self._beyond = np.where(kept, weight, self._weight), np.where(kept, beyond, self._beyond)
        return kept

    def _replace_stuck(self) -> None:
        """Others take the place of those that are not within the limits."""
        within, stuck = np.flatnonzero(self._beyond == 0), np.flatnonzero(self._beyond)
        if not len(within):
            limits = " and ".join(map(str, self.energy.constraints))
            raise UnsatisfiableError(f"No sample came within {limits}, though it can be met. Relax a limit.")
        self._copy(stuck, self.rng.choice(within, len(stuck)))

    @abstractmethod
    def _move(self) -> None:
        """Propose another for each sample, and keep what ``_accepted`` says."""

    @abstractmethod
    def _copy(self, to: Int[np.ndarray, "k"], of: Int[np.ndarray, "k"]) -> None:
        """Make some samples those of other places."""
