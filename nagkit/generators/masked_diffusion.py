"""Masked diffusion as a generator: a belief about slots, decided step by step under guidance."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from jaxtyping import Int

from nagkit import arguments
from nagkit.diffusion.energy import Energy
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.masked import Belief, Frame, Noise, denoise
from nagkit.diffusion.tilt import Tilt, tabled
from nagkit.space import SearchSpace


class MaskedDiffusion:
    """Samples in ``steps`` calls of the belief, at most one for each slot (the default).

    Every sample is legal and within the constraints, by construction. A guidance of strength 0 without constraints is
    unguided sampling bit for bit, and the same random state gives the same noise under every guidance.
    """

    def __init__(self, space: SearchSpace, belief: Belief, steps: int | None = None) -> None:
        self.space, self.belief = space, belief
        slots = len(space.slots)
        self.steps = slots if steps is None else arguments.whole("steps", steps, low=1, high=slots)
        self.guide = lru_cache(maxsize=8)(self._guide)  # the same guidance again costs nothing

    def frames(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Iterator[Frame]:
        """The batch after each step, from all undecided to the answer."""
        arguments.whole("n", n, high=1_000_000)
        arguments.generator("rng", rng)
        arguments.instance("guidance", guidance, Guidance, "nagkit.Guidance()")
        noise = Noise.draw(self.space, n, rng)
        return denoise(self.space, self.belief, self.guide(guidance), noise, self.steps)

    def sample(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        """The answer alone."""
        *_, last = self.frames(n, guidance, rng)
        return last.tokens

    def _guide(self, guidance: Guidance) -> Tilt | Energy | None:
        if not (guidance.strength or guidance.effective is not None or guidance.constraints):
            return None
        exact = guidance.method == "tilt" and tabled(self.space)
        return Tilt(self.space, guidance) if exact else Energy(self.space, guidance)
