"""Training on one task, an epoch at a time, on one thread and repeatable bit for bit.

Notation: G networks are trained side by side (``fuse``); each sees the images in an order of its own.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.networks.digits import Split, Task
from nagkit.threads import one_thread

_EVALUATION_BATCH = 500  # images at once; more would leave the processor's cache


@dataclass(frozen=True)
class TrainingRecipe:
    """Stochastic gradient descent with Nesterov momentum under a one-cycle learning rate with this peak.

    An epoch shows ``shown`` of the training images: they come in random order, and in a new one when all have been
    shown; with ``None`` each epoch shows all of them. After each epoch the first ``watched`` images of validation and
    test are evaluated, after the last one all.
    """

    epochs: int = 10
    batch: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    shown: int | None = None
    watched: int = 500

    def __post_init__(self) -> None:
        arguments.whole("epochs", self.epochs)
        arguments.whole("batch", self.batch, low=2)
        arguments.whole("watched", self.watched)
        if self.shown is not None:
            arguments.whole("shown", self.shown)
        arguments.real("learning_rate", self.learning_rate, 0, 100)
        arguments.real("momentum", self.momentum, 0, 1)
        arguments.real("weight_decay", self.weight_decay, 0, 1)


@dataclass(frozen=True)
class Epoch:
    """What is known after an epoch: accuracy in percent, loss (cross-entropy) in nats, CPU seconds of its training.

    A loss that has become NaN stays NaN; the accuracy is then that of chance.
    """

    number: int
    train_loss: float
    validation_accuracy: float
    validation_loss: float
    test_accuracy: float
    test_loss: float
    seconds: float


def train(network: nn.Module, task: Task, recipe: TrainingRecipe | None = None, seed: int = 0) -> Iterator[Epoch]:
    """One ``Epoch`` after another; ``network`` itself learns, and holds the weights of the last epoch yielded.

    The same initial weights, task, recipe, seed and version of PyTorch give the same bits.

    Args:
        seed: of the order in which the images come.
    """
    arguments.seed("seed", seed)
    return (epoch for (epoch,) in train_side_by_side(network, task, recipe, (seed,)))


def train_side_by_side(
    networks: nn.Module, task: Task, recipe: TrainingRecipe | None = None, seeds: Sequence[int] = (0,)
) -> Iterator[tuple[Epoch, ...]]:
    """For every epoch one ``Epoch`` for each seed: of G networks that lie side by side in one.

    Each learns as if alone, but for rounding; so which networks lie side by side decides about the last bits. The
    seconds are shared equally among them.

    Args:
        networks: as ``fuse`` gives it, or a single network.
        seeds: for each network that of the order in which it sees the images.
    """
    if not isinstance(networks, nn.Module):
        raise ArgumentError(f"network must be a torch.nn.Module; got {type(networks).__name__}. build makes one.")
    if not isinstance(task, Task):
        raise ArgumentError(f"task must be a Task; got {type(task).__name__}. render('mid8') makes one.")
    recipe = TrainingRecipe() if recipe is None else recipe
    arguments.instance("recipe", recipe, TrainingRecipe, "TrainingRecipe(epochs=10)")
    rngs = [np.random.default_rng(arguments.seed("seeds", seed)) for seed in seeds]
    copies = getattr(networks, "copies", 1)
    if len(rngs) != copies:
        raise ArgumentError(f"seeds must hold one seed for each network side by side, here {copies}; got {len(rngs)}.")
    return _epochs(networks, task, recipe, rngs)


@dataclass(frozen=True)
class _Lesson:
    """Networks, what changes their weights, and how many images each sees between two changes."""

    networks: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    batch: int

    def learn(self, images: Tensor, labels: Tensor, order: Int[Tensor, "n G"]) -> list[float]:
        """The mean loss of each network over images that it sees in the order of its column."""
        self.networks.train()
        total = torch.zeros(order.shape[1], dtype=torch.double)
        for chosen in order.split(self.batch):
            losses = _losses(self.networks(images[chosen].flatten(1, 2)), labels[chosen])
            self.optimiser.zero_grad()
            losses.sum().backward()
            self.optimiser.step()
            self.schedule.step()
            total += losses.detach() * len(chosen)
        return (total / len(order)).tolist()


def _losses(logits: Float[Tensor, "n Gk"], labels: Int[Tensor, "n G"]) -> Float[Tensor, "G"]:
    """The mean cross-entropy of each network in nats."""
    each = nn.functional.cross_entropy(
        logits.unflatten(1, (labels.shape[1], -1)).flatten(0, 1), labels.flatten(), reduction="none"
    )
    return each.unflatten(0, labels.shape).mean(0)


def _orders(images: int, shown: int, rngs: list[np.random.Generator]) -> Iterator[Int[Tensor, "n G"]]:
    """For each epoch the places of the images to show, for each network from permutations of its own."""
    rest = np.empty((0, len(rngs)), dtype=np.int64)
    while True:
        while len(rest) < shown:
            rest = np.concatenate([rest, np.stack([rng.permutation(images) for rng in rngs], axis=1)])
        yield torch.from_numpy(rest[:shown])
        rest = rest[shown:]


def _lesson(networks: nn.Module, recipe: TrainingRecipe, shown: int) -> _Lesson:
    optimiser = torch.optim.SGD(
        networks.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
        fused=True,
    )
    steps = recipe.epochs * math.ceil(shown / recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, steps, cycle_momentum=False)
    return _Lesson(networks, optimiser, schedule, recipe.batch)


def _epochs(
    networks: nn.Module, task: Task, recipe: TrainingRecipe, rngs: list[np.random.Generator]
) -> Iterator[tuple[Epoch, ...]]:
    train, *held_out = (_tensors(split) for split in (task.train, task.validation, task.test))
    shown = recipe.shown or len(train[1])
    lesson, orders = _lesson(networks, recipe, shown), _orders(len(train[1]), shown, rngs)
    for number in range(1, recipe.epochs + 1):
        end = recipe.watched if number < recipe.epochs else None
        with one_thread():
            start = time.thread_time()
            losses = lesson.learn(*train, next(orders))
            seconds = (time.thread_time() - start) / len(rngs)
            results = [evaluate(networks, x[:end], y[:end], len(rngs)) for x, y in held_out]
        yield tuple(
            Epoch(number, loss, validation[0], validation[1], test[0], test[1], seconds)
            for loss, validation, test in zip(losses, *results, strict=True)
        )


def evaluate(networks: nn.Module, images: Tensor, labels: Tensor, copies: int = 1) -> list[tuple[float, float]]:
    """Of each network accuracy in percent and mean cross-entropy in nats, with normalisation's running statistics."""
    networks.eval()
    with torch.inference_mode():
        parts = images.repeat(1, copies, 1, 1).split(_EVALUATION_BATCH)
        logits = torch.cat([networks(part) for part in parts]).double()
        labels = labels[:, None].expand(-1, copies)
        correct = (logits.unflatten(1, (copies, -1)).argmax(2) == labels).double().mean(0)
        return list(zip((100 * correct).tolist(), _losses(logits, labels).tolist(), strict=True))


def _tensors(split: Split) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(split.images), torch.from_numpy(split.labels)
