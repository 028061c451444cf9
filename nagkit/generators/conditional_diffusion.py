"""Masked diffusion that was told in training how well architectures do, and is now told how well they shall do.

Notation: n samples, L slots, K symbols, m objectives that the denoiser knows, k of them wished, d preferences.

Belief given levels and belief given none are the same network. A guided choice has the logits

    free + w (told - free),

classifier-free guidance (Ho & Salimans, 2022, eq. 6, with w for 1 + w; for discrete diffusion: Schiff et al., 2024,
*Simple guidance mechanisms for discrete diffusion models*, section 3). At w = 1 that is the law given the levels; more
goes beyond. As much of it harms while little is decided and helps late (Rojas et al., 2025, *Improving classifier-free
guidance in masked diffusion*, arXiv 2507.08965), w grows from 1 for the first slot to the strength for the last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.diffusion.denoiser import FURTHEST, Denoiser
from nagkit.diffusion.directions import Directions, reference, representatives
from nagkit.diffusion.energy import Energy
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.masked import Frame, Noise, denoise
from nagkit.diffusion.tilt import Tilt, tabled
from nagkit.errors import ArgumentError
from nagkit.generators.framed import FramedGenerator
from nagkit.metrics import Objective
from nagkit.space import UNDECIDED, SearchSpace


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked for: levels under each preference, NaN where one is not wished; the weight; the limits."""

    levels: Float[np.ndarray, "d m"]
    strength: float
    limits: Tilt | Energy | None


class ConditionalDiffusion(FramedGenerator):
    """Samples of a wished ``level``, by a denoiser that ``training.train`` made with objectives.

    The level counts in standard deviations of rank in the space, more is better. ``guidance.strength`` is the weight:
    0 is unguided, 1 asks for the level, more insists. Objectives may be any of those of the training, which are known
    by their metrics: what their values are was learned then, and other values ask for a new training. With several,
    each sample has a preference between them, and is to be at the level in their sum so weighted. Constraints hold for
    every sample: where the space can be tabled by the law of what meets them, else by moves of a chain.
    """

    methods = ("tilt",)

    def __init__(self, space: SearchSpace, denoiser: Denoiser, level: float = 2.0, steps: int | None = None) -> None:
        super().__init__(space)
        self.denoiser = arguments.instance("denoiser", denoiser, Denoiser, "that of the last lesson of training.train")
        self.level, slots = arguments.real("level", level, -FURTHEST, FURTHEST), len(space.slots)
        self.steps = slots if steps is None else arguments.whole("steps", steps, low=1, high=slots)

    def _guide(self, guidance: Guidance) -> Asked:
        if guidance.effective is not None:
            raise ArgumentError("effective is unknown to a generator that is told levels; give strength instead.")
        limits = replace(guidance, strength=0.0, objectives=())
        make = Tilt if tabled(self.space) else Energy
        levels = self._levels(guidance.objectives) if guidance.strength else np.zeros((1, 0))
        return Asked(levels, guidance.strength, make(self.space, limits) if limits.constraints else None)

    def _frames(self, n: int, guide: Asked | None, rng: np.random.Generator) -> Iterator[Frame]:
        noise, limits = Noise.draw(self.space, n, rng), guide.limits if guide else None
        if guide is None or not guide.strength:
            return denoise(self.space, self.denoiser.belief, limits, noise, self.steps)
        asked = guide.levels[np.floor(noise.preference * len(guide.levels)).astype(int)]  # (n, m)

        def guided(tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n L K"]:
            free, told = self.denoiser.belief(tokens), self.denoiser.belief(tokens, asked)
            return free + weight(guide.strength, tokens) * (told - free)

        return denoise(self.space, guided, limits, noise, self.steps)

    def _levels(self, objectives: Sequence[Objective]) -> Float[np.ndarray, "d m"]:
        """What is asked of each known objective under each preference, NaN where it is not wished."""
        known = self.denoiser.shape.metrics
        for objective in objectives:
            if objective.metric not in known:
                raise ArgumentError(
                    f"objectives must be among those of the training, {', '.join(m.name for m in known) or 'none'}; "
                    f"got {objective.metric.name}. Train with it: nagkit.diffusion.training.train(space, "
                    f"objectives=[...])."
                )
        asked = np.array([[self.level]])
        if len(objectives) > 1:
            rows = representatives(self.space, np.random.default_rng(0))
            values = reference(self.space, objectives, rows)
            directions = Directions(objectives, values)
            asked = expected(self.level, directions.weights, directions.each(values))
        levels = np.full((len(asked), len(known)), np.nan)
        levels[:, [known.index(objective.metric) for objective in objectives]] = asked
        return levels


def weight(strength: float, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n 1 1"]:
    """The weight of the next choice: a strength up to 1 itself, a higher one as far as slots are decided."""
    share = (tokens != UNDECIDED).sum(1)[:, None, None] / max(tokens.shape[1] - 1, 1)
    return min(strength, 1.0) + max(strength - 1.0, 0.0) * np.minimum(share, 1.0)


def expected(
    level: float, weights: Float[np.ndarray, "d k"], scores: Float[np.ndarray, "N k"]
) -> Float[np.ndarray, "d k"]:
    """The mean scores of those whose weighted sum of scores is ``level`` of its standard deviations above its mean.

    So it is where scores (N, k) are jointly normal, and so levels which contradict each other are not asked for.
    """
    toward = weights @ np.cov(scores.T)  # (d, k)
    spread = np.sqrt((toward * weights).sum(1, keepdims=True))
    return scores.mean(0) + level * toward / np.maximum(spread, 1e-9)
