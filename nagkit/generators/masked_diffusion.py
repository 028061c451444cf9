"""Masked diffusion as a generator: a belief about slots, decided step by step under guidance."""

from collections.abc import Iterator

import numpy as np

from nagkit import arguments
from nagkit.diffusion.energy import Energy
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.masked import Belief, Frame, Noise, denoise
from nagkit.diffusion.tilt import Tilt, tabled
from nagkit.generators.framed import FramedGenerator
from nagkit.space import SearchSpace


class MaskedDiffusion(FramedGenerator):
    """Samples in ``steps`` calls of the belief, at most one for each slot (the default).

    Every sample is legal and within the constraints, by construction. The same random state gives the same noise under
    every guidance.
    """

    def __init__(self, space: SearchSpace, belief: Belief, steps: int | None = None) -> None:
        super().__init__(space)
        self.belief, slots = belief, len(space.slots)
        self.steps = slots if steps is None else arguments.whole("steps", steps, low=1, high=slots)

    def _guide(self, guidance: Guidance) -> Tilt | Energy:
        exact = guidance.method == "tilt" and tabled(self.space)
        return Tilt(self.space, guidance) if exact else Energy(self.space, guidance)

    def _frames(self, n: int, guide: Tilt | Energy | None, rng: np.random.Generator) -> Iterator[Frame]:
        return denoise(self.space, self.belief, guide, Noise.draw(self.space, n, rng), self.steps)
