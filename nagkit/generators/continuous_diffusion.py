"""Continuous diffusion as a generator: noise that becomes one-hot rows along the score of a law."""

from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.diffusion.continuous import Field, Sampler, State, decode
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.masked import Frame
from nagkit.diffusion.posterior import ExactPosterior, Posterior, guided, unguided
from nagkit.diffusion.tilt import Tilt, tabled
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint
from nagkit.space import UNDECIDED, SearchSpace

if TYPE_CHECKING:
    from nagkit.diffusion.gradient import NoisyGradient


def posterior_of(space: SearchSpace, weights: Path) -> Posterior:
    """The posterior of a space: exact where that is possible, else that of the denoiser in the file ``weights``."""
    exact = unguided(space)
    if exact is not None:
        return exact
    from nagkit.diffusion.denoiser import load
    from nagkit.diffusion.noisy_denoiser import NoisyDenoiser

    return load(weights, space, NoisyDenoiser).posterior(space)


def settings(
    space: SearchSpace,
    sampler: str | None = None,
    steps: int | None = None,
    gradient: bool = False,
    published: bool = False,
) -> tuple[Sampler, bool]:
    """The sampler, and whether guidance is a gradient; ``published`` is both as released, but for labels by rank."""
    if published and (sampler is not None or steps is not None):
        raise ArgumentError("published=True is the sampler 'pc' with 1,000 steps; leave out sampler and steps.")
    if not published:
        return Sampler(sampler or "heun", steps), gradient
    high = 1.0 if space.name.startswith("mobilenet-v3") else 5.0  # less noise for chains of blocks than for cells
    return Sampler("pc", 1000, 0.1, high, centred=False), True


class ContinuousDiffusion:
    """Samples by following the posterior of the slots from pure noise, as a sampler says.

    Guidance changes the law whose posterior is followed, exactly; or, with ``gradient``, it adds the gradient of a
    noise-conditional predictor to the score, as published, for comparison. Nothing is decided before the last frame,
    which decodes under grammar and constraints, so that every sample is legal and within them. The same random state
    gives the same noise under every guidance.
    """

    def __init__(self, space: SearchSpace, posterior: Posterior, sampler: Sampler, gradient: bool = False) -> None:
        self.space, self.posterior, self.sampler, self.gradient = space, posterior, sampler, gradient
        self.guide = lru_cache(maxsize=8)(self._guide)  # the same guidance again costs nothing
        self.limits = lru_cache(maxsize=8)(self._limits)

    def frames(self, n: int, guidance: Guidance, rng: np.random.Generator) -> Iterator[Frame]:
        """The batch after each step: undecided, with the posterior of each slot, until the answer."""
        states = self.states(n, guidance, rng)
        return self._frames(states, self.limits(guidance.constraints))

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
        field = self._field(guidance, noise.random(n))
        normal = noise.standard_normal((n, len(self.space.slots), int(self.space.radices.max())))
        return self.sampler.states(field, self.sampler.start(field, normal), noise)

    def _field(self, guidance: Guidance, preference: Float[np.ndarray, "n"]) -> Field:
        guide = self.guide(guidance)
        if guide is None:
            return Field(self.posterior)
        along = partial(guide, direction=np.floor(preference * guide.directions).astype(int))
        return Field(self.posterior, along) if self.gradient else Field(along)

    def _guide(self, guidance: Guidance) -> "ExactPosterior | NoisyGradient | None":
        if guidance.method != "tilt":
            raise ArgumentError(
                f"guidance of continuous diffusion must have the method 'tilt'; it has {guidance.method!r}."
            )
        steered = guidance.strength or guidance.effective is not None
        if self.gradient and steered:
            from nagkit.diffusion.gradient import NoisyGradient

            return NoisyGradient(self.space, guidance, self.sampler.low, self.sampler.high)
        return guided(self.space, guidance) if not self.gradient and (steered or guidance.constraints) else None

    def _limits(self, constraints: tuple[Constraint, ...]) -> Tilt | None:
        if constraints and not tabled(self.space):
            raise ArgumentError(
                f"constraints must be left out where a space is too large to be tabled; {self.space.name} has "
                f"{self.space.size:.2g} architectures. Use the generator 'masked-diffusion'."
            )
        return Tilt(self.space, Guidance(constraints=constraints)) if constraints else None

    def _frames(self, states: Iterator[State], limits: Tilt | None) -> Iterator[Frame]:
        for state in states:
            if state.step < state.steps:
                yield Frame(state.step, state.steps, np.full(state.x.shape[:2], UNDECIDED), state.probability)
        tokens = decode(self.space, state.x, limits)
        certain = (tokens[:, :, None] == np.arange(state.x.shape[2])).astype(float)
        yield Frame(state.steps, state.steps, tokens, certain)
