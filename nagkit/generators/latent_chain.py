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
from nagkit.generators.guided_chain import GuidedChain
from nagkit.space import UNDECIDED

if TYPE_CHECKING:
    from nagkit.generators.latent import LatentGenerator

LENGTHS = np.array([0.1, 0.2, 0.4, 0.8])


class LatentChain(GuidedChain):
    """Samples ``z (n, d)`` on their way under a guide, from standard normal ones."""

    def __init__(
        self, generator: "LatentGenerator", energy: Energy, z: Float[np.ndarray, "n d"], rng: np.random.Generator
    ) -> None:
        super().__init__(energy, len(z), rng)
        self.generator, self.z = generator, z
        if energy.sums.any():
            space = generator.space
            open_ = np.full((len(z), len(space.slots)), UNDECIDED)
            rows = drawn(space, space.belief(open_) + energy.sums[self.direction], rng)
            mean, spread = generator.encode(rows)
            self.z = mean + spread * z
        self._start(generator.decode(self.z))

    def _move(self) -> None:
        length = self.rng.choice(LENGTHS, (len(self.z), 1))
        new = np.sqrt(1 - length**2) * self.z + length * self.rng.standard_normal(self.z.shape)
        kept = self._accepted(self.generator.decode(new), 0.0)
        self.z = np.where(kept[:, None], new, self.z)

    def _copy(self, to: Int[np.ndarray, "k"], of: Int[np.ndarray, "k"]) -> None:
        self.z[to] = self.z[of]
