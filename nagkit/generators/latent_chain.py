"""Latent variables that follow a guided law.

Notation: n samples, d latent variables. The target is N(z; 0, 1) exp(weight(x(z))) on those z whose architecture x(z)
is within the limits. A move draws z' = sqrt(1 - s^2) z + s e with standard normal e, which leaves the normal law as it
is (preconditioned Crank-Nicolson: Cotter et al., 2013, *MCMC methods for functions*, eq. 4.6), and keeps it with
probability min(1, exp(weight(x') - weight(x))). Lengths s are mixed, as a z has near and far better ones. The chain
begins where the encoder puts architectures that first-order guidance draws.
"""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from nagkit.diffusion.energy import Energy, drawn
from nagkit.errors import UnsatisfiableError
from nagkit.space import UNDECIDED

if TYPE_CHECKING:
    from nagkit.generators.latent import LatentGenerator

LENGTHS = np.array([0.1, 0.2, 0.4, 0.8])
BLOCK, BLOCKS = 20, 15  # moves after which is asked whether the weights have settled, and how often at most
SETTLED = 0.03  # the gain in score that ends it


class LatentChain:
    """Samples ``z (n, d)`` on their way under a guide, from standard normal ones."""

    def __init__(
        self, generator: "LatentGenerator", energy: Energy, z: Float[np.ndarray, "n d"], rng: np.random.Generator
    ) -> None:
        self.generator, self.energy, self.rng = generator, energy, rng
        self.direction = np.floor(rng.random(len(z)) * len(energy.directions)).astype(int)
        self.z = z
        if energy.sums.any():
            space = generator.space
            open_ = np.full((len(z), len(space.slots)), UNDECIDED)
            rows = drawn(space, space.belief(open_) + energy.sums[self.direction], rng)
            mean, spread = generator.encode(rows)
            self.z = mean + spread * z
        self._weight, self._beyond = self._judged(self.z, self.direction)

    def settled(self) -> Float[np.ndarray, "n d"]:
        """The samples when their weight rises no more and all are within the limits."""
        for _ in range(BLOCKS):
            before = self._weight.mean()
            for _ in range(BLOCK):
                self._move()
            if self._weight.mean() - before < SETTLED * self.energy.strength and not self._beyond.any():
                break
        self._replace_stuck()
        return self.z

    def _move(self) -> None:
        length = self.rng.choice(LENGTHS, (len(self.z), 1))
        new = np.sqrt(1 - length**2) * self.z + length * self.rng.standard_normal(self.z.shape)
        weight, beyond = self._judged(new, self.direction)
        kept = (np.log(self.rng.random(len(new))) < weight - self._weight) & (beyond == self._beyond)
        kept |= beyond < self._beyond
        self.z = np.where(kept[:, None], new, self.z)
        self._weight, self._beyond = np.where(kept, weight, self._weight), np.where(kept, beyond, self._beyond)

    def _replace_stuck(self) -> None:
        """Others take the place of those that are not within the limits."""
        within, stuck = np.flatnonzero(self._beyond == 0), np.flatnonzero(self._beyond)
        if not len(within):
            limits = " and ".join(map(str, self.energy.constraints))
            raise UnsatisfiableError(f"No sample came within {limits}, though it can be met. Relax a limit.")
        self.z[stuck] = self.z[self.rng.choice(within, len(stuck))]

    def _judged(self, z: Float[np.ndarray, "n d"], direction: Int[np.ndarray, "n"]) -> tuple[np.ndarray, np.ndarray]:
        """Log weight of what these become, and its distance beyond the limits."""
        rows = self.generator.decode(z)
        return self.energy.weight(rows, direction), self.energy.beyond(rows)
