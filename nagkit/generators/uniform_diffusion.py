"""Uniform discrete diffusion as a generator: all slots change until the last step."""

from collections.abc import Iterator

import numpy as np

from nagkit import arguments
from nagkit.diffusion.energy import Energy
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.masked import Frame
from nagkit.diffusion.uniform import denoise
from nagkit.generators.framed import FramedGenerator
from nagkit.space import SearchSpace

STEPS = 8


class UniformDiffusion(FramedGenerator):
    """Samples of the law of a space, in ``steps`` rounds of noise and moves of every slot.

    Every sample is legal and within the constraints. The same random state gives the same noise under every guidance.
    """

    def __init__(self, space: SearchSpace, steps: int | None = None) -> None:
        super().__init__(space)
        self.steps = STEPS if steps is None else arguments.whole("steps", steps, high=1000)

    def _guide(self, guidance: Guidance) -> Energy:
        return Energy(self.space, guidance)

    def _frames(self, n: int, guide: Energy | None, rng: np.random.Generator) -> Iterator[Frame]:
        return denoise(self.space, guide, n, self.steps, np.random.default_rng(int(rng.integers(2**63))))
