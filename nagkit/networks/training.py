"""Training of one network on one task, an epoch at a time, on one thread and repeatable bit for bit."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.networks.digits import Split, Task

_EVALUATION_BATCH = 1000  # images at once; more would leave the processor's cache


@dataclass(frozen=True)
class TrainingRecipe:
    """Stochastic gradient descent with Nesterov momentum under a one-cycle learning rate with this peak."""

    epochs: int = 12
    batch: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        arguments.whole("epochs", self.epochs)
        arguments.whole("batch", self.batch, low=2)
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
    if not isinstance(network, nn.Module):
        raise ArgumentError(f"network must be a torch.nn.Module; got {type(network).__name__}. build makes one.")
    if not isinstance(task, Task):
        raise ArgumentError(f"task must be a Task; got {type(task).__name__}. render('mid8') makes one.")
    recipe = TrainingRecipe() if recipe is None else recipe
    arguments.instance("recipe", recipe, TrainingRecipe, "TrainingRecipe(epochs=12)")
    rng = np.random.default_rng(arguments.whole("seed", seed, low=0, high=2**63 - 1))
    return _epochs(network, task, recipe, rng)


@dataclass(frozen=True)
class _Lesson:
    """A network, what changes its weights, and how many images it sees between two changes."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    batch: int

    def learn(self, images: Tensor, labels: Tensor, rng: np.random.Generator) -> float:
        """The mean loss of one pass over the images in random order."""
        self.network.train()
        total = 0.0
        for chosen in torch.from_numpy(rng.permutation(len(labels))).split(self.batch):
            loss = nn.functional.cross_entropy(self.network(images[chosen]), labels[chosen])
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.schedule.step()
            total += loss.item() * len(chosen)
        return total / len(labels)


def _lesson(network: nn.Module, recipe: TrainingRecipe, images: int) -> _Lesson:
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
        fused=True,
    )
    steps = recipe.epochs * math.ceil(images / recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, steps, cycle_momentum=False)
    return _Lesson(network, optimiser, schedule, recipe.batch)


def _epochs(network: nn.Module, task: Task, recipe: TrainingRecipe, rng: np.random.Generator) -> Iterator[Epoch]:
    train, validation, test = (_tensors(split) for split in (task.train, task.validation, task.test))
    lesson = _lesson(network, recipe, len(train[1]))
    for number in range(1, recipe.epochs + 1):
        with one_thread():
            start = time.process_time()
            loss = lesson.learn(*train, rng)
            seconds = time.process_time() - start
            results = (*evaluate(network, *validation), *evaluate(network, *test))
        yield Epoch(number, loss, *results, seconds)


def evaluate(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Accuracy in percent and mean cross-entropy in nats, with the running statistics of normalisation."""
    network.eval()
    with torch.inference_mode():
        logits = torch.cat([network(part) for part in images.split(_EVALUATION_BATCH)])
        correct = (logits.argmax(1) == labels).double().mean().item()
        loss = nn.functional.cross_entropy(logits.double(), labels).item()
    return 100 * correct, loss


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch computes on one thread inside, and on as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _tensors(split: Split) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(split.images), torch.from_numpy(split.labels)
