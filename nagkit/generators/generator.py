"""What every generator offers: architectures that come into being frame by frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int

from nagkit.diffusion.guidance import Guidance
from nagkit.space import SearchSpace


@dataclass(frozen=True, eq=False)
class Frame:
    """A batch on its way: ``UNDECIDED`` marks slots still open, ``probability`` the belief about every slot.

    ``step`` counts from 0 (nothing decided) to ``steps`` (the answer).
    """

    step: int
    steps: int
    tokens: Int[np.ndarray, "n L"]
    probability: Float[np.ndarray, "n L K"]


class Generator(Protocol):
    """A law over the architectures of one space that can be sampled, and steered while it is."""

    space: SearchSpace

    def frames(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Iterator[Frame]:
        """The batch after each step; the last frame is the answer, every row legal and within the constraints."""
        ...

    def sample(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        """The answer alone."""
        ...
