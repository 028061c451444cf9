"""Learning to denoise: cross-entropy on what was masked, or on what noise has left.

Notation: each row of a batch draws a mask rate t uniform in (0, 1]; a slot is masked with probability t and its loss
weighs 1 / t (the continuous-time bound of masked diffusion with a linear schedule: Shi et al., 2024, eq. 4; Sahoo et
al., 2024, eq. 10). The bound is attained by the true conditionals: on independent uniform slots it is L log K nats.
For continuous diffusion a row draws noise instead, log sigma uniform, and its loss is the sum over all its slots.

With m objectives the denoiser is told the levels of what is masked: normal scores of rank among the architectures that
stand for the space. Each is left out with probability ``DROPPED``, and with the same probability all are, so that one
network learns the law given any of them, and given none (Ho & Salimans, 2022, *Classifier-free diffusion guidance*,
algorithm 1).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

from nagkit import arguments
from nagkit.diffusion.denoiser import Denoiser, SlotTransformer, untrained
from nagkit.diffusion.directions import Directions, reference, representatives, values_of
from nagkit.diffusion.lessons import Lesson, lessons
from nagkit.diffusion.noisy_denoiser import HIGH, LOW, NoisyDenoiser
from nagkit.errors import ArgumentError
from nagkit.metrics import Objective
from nagkit.space import UNDECIDED, SearchSpace

STEPS, STEPS_TOLD, BATCH = 500, 1_500, 256
DROPPED = 0.1


def train(
    space: SearchSpace,
    steps: int | None = None,
    seed: int = 0,
    process: str = "masked",
    objectives: Sequence[Objective] = (),
) -> Iterator[Lesson[SlotTransformer]]:
    """Lessons, one a step; the last holds the trained denoiser of a process, ``"masked"`` or ``"continuous"``.

    Same seed and version: same weights, on one thread. With objectives, which masked diffusion alone can be told, the
    denoiser learns what their levels mean; each step asks them for ``BATCH`` values. ``steps`` are ``STEPS`` if not
    given, and ``STEPS_TOLD`` with objectives, which take longer to learn than the law alone.
    """
    arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
    kind, loss = _PROCESSES[arguments.one_of("process", process, PROCESSES)]
    objectives = arguments.several("objectives", objectives, Objective)
    steps = (STEPS_TOLD if objectives else STEPS) if steps is None else arguments.whole("steps", steps)
    seed, metrics = arguments.seed("seed", seed), [objective.metric for objective in objectives]
    if twice := [metric.name for i, metric in enumerate(metrics) if metric in metrics[:i]]:
        raise ArgumentError(f"objectives must differ in their metrics; {twice[0]} comes twice. Leave one out.")
    if objectives and kind is not Denoiser:
        raise ArgumentError(f"process must be 'masked' to train with objectives; got {process!r}.")
    loss = _told(space, objectives) if objectives else loss
    rng = np.random.default_rng(seed)

    def of_a_batch(learner: SlotTransformer) -> torch.Tensor:
        return loss(learner, torch.from_numpy(space.sample(BATCH, rng)), rng)

    return lessons(untrained(space, seed, kind, metrics), steps, of_a_batch)


def left_out(levels: Float[np.ndarray, "n m"], rng: np.random.Generator) -> Float[np.ndarray, "n m"]:
    """The levels, NaN where they are left out."""
    return np.where((rng.random(levels.shape) < DROPPED) | (rng.random((len(levels), 1)) < DROPPED), np.nan, levels)


def bound(
    denoiser: Callable[[torch.Tensor], torch.Tensor], clean: torch.Tensor, masked: torch.Tensor, rate: torch.Tensor
) -> torch.Tensor:
    """The mean over the batch of the weighted cross-entropy, an upper bound on the negative log-likelihood (nats)."""
    logits = denoiser(clean.masked_fill(masked, UNDECIDED))
    each = functional.cross_entropy(logits.transpose(1, 2), clean, reduction="none")  # (n, L)
    weighted: torch.Tensor = (each * masked / rate).sum(1)
    return weighted.mean()


def noisy_loss(denoiser: nn.Module, clean: torch.Tensor, sigma: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
    """The mean over the batch of the cross-entropy of all slots, given rows with noise sigma (n,) (nats)."""
    corners = 2 * functional.one_hot(clean, normal.shape[2]) - 1
    logits = denoiser(corners + sigma[:, None, None] * normal, sigma)
    loss: torch.Tensor = functional.cross_entropy(logits.transpose(1, 2), clean, reduction="none").sum(1).mean()
    return loss


def _masked(
    learner: Callable[[torch.Tensor], torch.Tensor], clean: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    rate = torch.from_numpy(1 - rng.random((BATCH, 1)))  # in (0, 1]
    return bound(learner, clean, torch.from_numpy(rng.random(clean.shape)) < rate, rate)


def _told(space: SearchSpace, objectives: Sequence[Objective]) -> "Loss":
    """``_masked`` of a denoiser that is told the levels of what is masked, as far as they are not left out."""
    directions = Directions(objectives, reference(space, objectives, representatives(space, np.random.default_rng(0))))

    def loss(learner: SlotTransformer, clean: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        levels = left_out(directions.each(values_of(objectives, clean.numpy())), rng)
        return _masked(partial(learner, levels=torch.from_numpy(levels)), clean, rng)

    return loss


def _noisy(learner: SlotTransformer, clean: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    sigma = torch.from_numpy(np.exp(rng.uniform(np.log(LOW), np.log(HIGH), BATCH))).float()
    normal = torch.from_numpy(rng.standard_normal((*clean.shape, learner.shape.symbols))).float()
    return noisy_loss(learner, clean, sigma, normal)


Loss = Callable[[SlotTransformer, torch.Tensor, np.random.Generator], torch.Tensor]
_PROCESSES: dict[str, tuple[type[SlotTransformer], Loss]] = {
    "masked": (Denoiser, _masked),
    "continuous": (NoisyDenoiser, _noisy),
}
PROCESSES = tuple(_PROCESSES)
