"""Training step by step: what every generator here learns by."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import nn

RATE, AVERAGE = 2e-3, 0.99

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class Lesson(Generic[Model]):
    """Training after ``step`` of ``steps``: the loss of this batch in nats an architecture, and the model so far.

    The model is the exponential moving average of the weights, the one to keep.
    """

    step: int
    steps: int
    loss: float
    model: Model


def lessons(
    learner: Model, steps: int, loss: Callable[[Model], torch.Tensor], rate: float = RATE
) -> Iterator[Lesson[Model]]:
    """One lesson for each step down the loss of a batch, which ``loss`` draws anew each time."""
    average = deepcopy(learner)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for step in range(1, steps + 1):
        found = loss(learner)
        optimizer.zero_grad()
        found.backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for kept, new in zip(average.parameters(), learner.parameters(), strict=True):
                kept.lerp_(new, 1 - AVERAGE)
        yield Lesson(step, steps, float(found.detach()), average)
