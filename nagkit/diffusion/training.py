"""Learning to denoise: cross-entropy on masked slots, weighted so that it bounds the log-likelihood.

Notation: each row of a batch draws a mask rate t uniform in (0, 1]; a slot is masked with probability t and its loss
weighs 1 / t (the continuous-time bound of masked diffusion with a linear schedule: Shi et al., 2024, eq. 4; Sahoo et
al., 2024, eq. 10). The bound is attained by the true conditionals: on independent uniform slots it is L log K nats.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nagkit import arguments
from nagkit.diffusion.denoiser import Denoiser, untrained
from nagkit.space import UNDECIDED, SearchSpace

STEPS, BATCH, RATE, AVERAGE = 500, 256, 2e-3, 0.99


@dataclass(frozen=True, eq=False)
class Lesson:
    """Training after ``step`` of ``steps``: the bound on this batch in nats an architecture, and the denoiser so far.

    The denoiser is the exponential moving average of the weights, the one to keep.
    """

    step: int
    steps: int
    loss: float
    denoiser: Denoiser


def train(space: SearchSpace, steps: int = STEPS, seed: int = 0) -> Iterator[Lesson]:
    """Lessons, one a step; the last holds the trained denoiser. Same seed and version: same weights, on one thread."""
    arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
    return _lessons(space, arguments.whole("steps", steps), arguments.seed("seed", seed))


def _lessons(space: SearchSpace, steps: int, seed: int) -> Iterator[Lesson]:
    rng = np.random.default_rng(seed)
    learner = untrained(space, seed)
    average = deepcopy(learner)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for step in range(1, steps + 1):
        clean = torch.from_numpy(space.sample(BATCH, rng))  # (n, L)
        rate = torch.from_numpy(1 - rng.random((BATCH, 1)))  # in (0, 1]
        masked = torch.from_numpy(rng.random(clean.shape)) < rate
        loss = bound(learner, clean, masked, rate)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for kept, new in zip(average.parameters(), learner.parameters(), strict=True):
                kept.lerp_(new, 1 - AVERAGE)
        yield Lesson(step, steps, float(loss.detach()), average)


def bound(denoiser: nn.Module, clean: torch.Tensor, masked: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    """The mean over the batch of the weighted cross-entropy, an upper bound on the negative log-likelihood (nats)."""
    logits = denoiser(clean.masked_fill(masked, UNDECIDED))
    each = functional.cross_entropy(logits.transpose(1, 2), clean, reduction="none")  # (n, L)
    weighted: torch.Tensor = (each * masked / rate).sum(1)
    return weighted.mean()
