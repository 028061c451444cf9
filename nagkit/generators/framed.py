"""What the generators here share: checks, the guide of each guidance, the answer as the last frame."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Int

from nagkit import arguments
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.masked import Frame
from nagkit.space import SearchSpace


class FramedGenerator(ABC):
    """A generator that makes a guide of a guidance once, and frames under it.

    A guidance of strength 0 without constraints has no guide: it is unguided sampling, bit for bit. ``methods`` are
    those of ``Guidance`` that it knows.
    """

    methods: tuple[str, ...] = ("tilt", "first-order", "particles")

    def __init__(self, space: SearchSpace) -> None:
        self.space = arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
        self.guide = lru_cache(maxsize=8)(self._guide)  # the same guidance again costs nothing

    def frames(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Iterator[Frame]:
        """The batch after each step, from all undecided to the answer."""
        return self._frames(n, self._checked(n, guidance, rng), rng)

    def sample(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        """The answer alone."""
        return self._answer(n, self._checked(n, guidance, rng), rng)

    def _checked(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Any:
        """The guide of a guidance, or None where there is nothing to steer; what may not be given is refused."""
        arguments.whole("n", n, high=1_000_000)
        arguments.generator("rng", rng)
        arguments.instance("guidance", guidance, Guidance, "nagkit.Guidance()")
        if not guidance.steers:
            return None
        arguments.one_of(f"method of guidance of a {type(self).__name__}", guidance.method, self.methods)
        return self.guide(guidance)

    def _answer(self, n: int, guide: Any, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        """The last frame; a generator that knows it without the others says it at once."""
        *_, last = self._frames(n, guide, rng)
        return last.tokens

    @abstractmethod
    def _guide(self, guidance: Guidance) -> Any:
        """What steers by this guidance."""

    @abstractmethod
    def _frames(self, n: int, guide: Any, rng: np.random.Generator) -> Iterator[Frame]:
        """The frames of n samples under a guide, or without one."""
