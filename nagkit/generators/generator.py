"""What every generator offers: architectures that come into being frame by frame."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.masked import Frame
from nagkit.space import SearchSpace


@runtime_checkable
class Generator(Protocol):
    """A law over the architectures of one space that can be sampled, and steered while it is."""

    space: SearchSpace

    def frames(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Iterator[Frame]:
        """The batch after each step; the last frame is the answer, every row legal and within the constraints."""
        ...

    def sample(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        """The answer alone."""
        ...
