"""Continuous diffusion as a generator: noise that becomes one-hot rows along the score of a law."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from nagkit.diffusion.continuous import Field, Sampler, State, decode
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.masked import Frame
from nagkit.diffusion.posterior import ExactPosterior, Posterior, guided, unguided
from nagkit.diffusion.tilt import Tilt, tabled
from nagkit.errors import ArgumentError
from nagkit.generators.framed import FramedGenerator
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
    space: SearchSpace, sampler: str | None = None, steps: int | None = None, published: bool = False
) -> Sampler:
    """The sampler; with ``published`` that of the released code."""
    if published and (sampler is not None or steps is not None):
        raise ArgumentError("published=True is the sampler 'pc' with 1,000 steps; leave out sampler and steps.")
    if not published:
        return Sampler(sampler or "heun", steps)
    high = 1.0 if space.name.startswith("mobilenet-v3") else 5.0  # less noise for chains of blocks than for cells
    return Sampler("pc", 1000, 0.1, high, centred=False)


class Guide(NamedTuple):
    """What a guidance changes: the law that is followed, or the score by a gradient; and what decoding keeps to."""

    law: ExactPosterior | None
    gradient: "NoisyGradient | None"
    limits: Tilt | None


class ContinuousDiffusion(FramedGenerator):
    """Samples by following the posterior of the slots from pure noise, as a sampler says.

    Guidance by ``"tilt"`` changes the law whose posterior is followed, exactly; by ``"gradient"`` it adds the gradient
    of a noise-conditional predictor to the score, as published, for comparison. Nothing is decided before the last
    frame, which decodes under grammar and constraints, so that every sample is legal and within them. The same random
    state gives the same noise under every guidance.
    """

    methods = ("tilt", "gradient")

    def __init__(self, space: SearchSpace, posterior: Posterior, sampler: Sampler) -> None:
        super().__init__(space)
        self.posterior, self.sampler = posterior, sampler

    def states(self, n: int, guide: Guide | None, rng: np.random.Generator) -> Iterator[State]:
        """The noisy rows before each step and at the end, from which frames are made."""
        noise = np.random.default_rng(rng.integers(2**63))  # its own: frames may be drawn while rng is used elsewhere
        field = self._field(guide, noise.random(n))
        normal = noise.standard_normal((n, len(self.space.slots), int(self.space.radices.max())))
        return self.sampler.states(field, self.sampler.start(field, normal), noise)

    def _field(self, guide: Guide | None, preference: Float[np.ndarray, "n"]) -> Field:
        steering = None if guide is None else guide.law or guide.gradient
        if guide is None or steering is None:
            return Field(self.posterior)
        along = partial(steering, direction=np.floor(preference * steering.directions).astype(int))
        return Field(self.posterior, along) if guide.law is None else Field(along)

    def _guide(self, guidance: Guidance) -> Guide:
        limits = self._limits(guidance.constraints) if guidance.constraints else None
        if guidance.method == "tilt":
            return Guide(guided(self.space, guidance), None, limits)
        if not (guidance.strength or guidance.effective is not None):
            return Guide(None, None, limits)
        from nagkit.diffusion.gradient import NoisyGradient

        return Guide(None, NoisyGradient(self.space, guidance, self.sampler.low, self.sampler.high), limits)

    def _limits(self, constraints: Sequence[Constraint]) -> Tilt:
        if not tabled(self.space):
            raise ArgumentError(
                f"constraints must be left out where a space is too large to be tabled; {self.space.name} has "
                f"{self.space.size:.2g} architectures. Use the generator 'masked-diffusion'."
            )
        return Tilt(self.space, Guidance(constraints=constraints))

    def _frames(self, n: int, guide: Guide | None, rng: np.random.Generator) -> Iterator[Frame]:
        for state in self.states(n, guide, rng):
            if state.step < state.steps:
                yield Frame(state.step, state.steps, np.full(state.x.shape[:2], UNDECIDED), state.probability)
        tokens = decode(self.space, state.x, None if guide is None else guide.limits)
        certain = (tokens[:, :, None] == np.arange(state.x.shape[2])).astype(float)
        yield Frame(state.steps, state.steps, tokens, certain)
