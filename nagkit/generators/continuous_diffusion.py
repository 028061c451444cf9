"""Continuous diffusion as a generator: noise that becomes one-hot rows along the score of a law."""

from collections.abc import Iterator
from functools import lru_cache, partial

import numpy as np
from jaxtyping import Int

from nagkit import arguments
from nagkit.diffusion.continuous import Field, Sampler, State, decode
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.masked import Frame
from nagkit.diffusion.posterior import MOST, ExactPosterior, Posterior, guided, unguided
from nagkit.diffusion.tilt import Tilt
from nagkit.errors import ArgumentError
from nagkit.space import UNDECIDED, SearchSpace


def continuous_diffusion(space: SearchSpace, sampler: str = "heun", steps: int | None = None) -> "ContinuousDiffusion":
    """A generator that follows the exact posterior of a space by a sampler."""
    posterior = unguided(space)
    if posterior is None:
        raise ArgumentError(
            f"space must fall into groups of slots with at most {MOST:,} combinations, so that its posterior is exact; "
            f"{space.name} does not. Use the generator 'masked-diffusion'."
        )
    return ContinuousDiffusion(space, posterior, Sampler(sampler, steps))


class ContinuousDiffusion:
    """Samples by following the posterior of the slots from pure noise, as a sampler says.

    Nothing is decided before the last frame, which decodes under grammar and constraints, so that every sample is
    legal and within them. The same random state gives the same noise under every guidance.
    """

    def __init__(self, space: SearchSpace, posterior: Posterior, sampler: Sampler) -> None:
        self.space, self.posterior, self.sampler = space, posterior, sampler
        self.guided = lru_cache(maxsize=8)(partial(guided, space))  # the same guidance again costs nothing
        self.limits = lru_cache(maxsize=8)(self._limits)

    def frames(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Iterator[Frame]:
        """The batch after each step: undecided, with the posterior of each slot, until the answer."""
        limits = self.limits(arguments.instance("guidance", guidance, Guidance, "nagkit.Guidance()"))
        return self._frames(self.states(n, guidance, rng), limits)

    def sample(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        """The answer alone."""
        *_, last = self.frames(n, guidance, rng)
        return last.tokens

    def states(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Iterator[State]:
        """The noisy rows before each step and at the end, from which frames are made."""
        arguments.whole("n", n, high=1_000_000)
        arguments.generator("rng", rng)
        arguments.instance("guidance", guidance, Guidance, "nagkit.Guidance()")
        noise = np.random.default_rng(
            rng.integers(2**63)
        )  # its own, as frames may be drawn while rng is used elsewhere
        preference = noise.random(n)
        field = Field(self._posterior(guidance, preference))
        normal = noise.standard_normal((n, len(self.space.slots), int(self.space.radices.max())))
        return self.sampler.states(field, self.sampler.start(field, normal), noise)

    def _posterior(self, guidance: Guidance, preference: np.ndarray) -> Posterior:
        if not (guidance.strength or guidance.effective is not None or guidance.constraints):
            return self.posterior
        exact: ExactPosterior = self.guided(guidance)
        return partial(exact, direction=np.floor(preference * exact.directions).astype(int))

    def _limits(self, guidance: Guidance) -> Tilt | None:
        constraints = guidance.constraints
        return Tilt(self.space, Guidance(constraints=constraints)) if constraints else None

    def _frames(self, states: Iterator[State], limits: Tilt | None) -> Iterator[Frame]:
        for state in states:
            if state.step < state.steps:
                yield Frame(state.step, state.steps, np.full(state.x.shape[:2], UNDECIDED), state.probability)
        tokens = decode(self.space, state.x, limits)
        certain = (tokens[:, :, None] == np.arange(state.x.shape[2])).astype(float)
        yield Frame(state.steps, state.steps, tokens, certain)
