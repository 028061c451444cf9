"""Real training as the values of a search, of a run, or of a comparison, in any space whose networks can be built.

Notation: n architectures, L slots.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from torch import nn

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.metrics import Metric, Objective
from nagkit.networks.digits import Split, Task
from nagkit.networks.images import ImageFile, Images, opened
from nagkit.networks.latency import machine, measure
from nagkit.networks.ledger import Training, number
from nagkit.networks.network import Network, build
from nagkit.networks.recipes import SPLITS, ImageRecipe, named
from nagkit.networks.record import record
from nagkit.networks.training import Epoch, TrainingRecipe, train
from nagkit.space import SearchSpace
from nagkit.spaces.skeleton import Skeleton

SMALL = Skeleton((16, 32), cells=1, reduction="convolution")  # trains in seconds on images of 8 pixels a side
COSTS = {"params": "trainable parameters", "flops": "multiply-accumulates for one image"}
GIVES: dict[str, tuple[str, Literal["max", "min"], str]] = {  # what of the validation images -> unit, direction, curve
    "val_accuracy": ("%", "max", "validation_accuracy"),
    "val_loss": ("nats", "min", "validation_loss"),
}
RUNS, WARM_UP = 12, 3  # passes by which latency is measured
SHORT = TrainingRecipe(epochs=10, shown=1000, batch=64, watched=100)


@dataclass(frozen=True, eq=False)
class Trainer:
    """Trains networks: called with architectures (n, L) it gives their accuracy (n,) on validation images, in percent.

    That is what an objective asks for, here or in another process: ``objective`` is one. The test images tell nothing
    to a search; ``train`` gives their accuracy too. The same architecture, seed and versions give the same bits.
    With ``gives="val_loss"`` it gives the cross-entropy in nats instead, which tells networks apart more finely.

    Args:
        images: a task of digits by name or recipe, a file of images, or a task of images of your own; the last travels
            as a whole to other processes, so that a file is better where it is large
        training: a recipe
        seeds: of initial weights and of the order of images; with several, what is given is the mean
        skeleton: what is around a cell or a wiring; its ``image_channels`` are those of the images
        gives: ``"val_accuracy"`` or ``"val_loss"``
        judged: by how many validation and test images, the first ones; by all of them when None
    """

    space: SearchSpace
    images: Images = "mid8"
    training: TrainingRecipe = SHORT
    seeds: Sequence[int] = (0,)
    skeleton: Skeleton = SMALL
    gives: str = "val_accuracy"
    judged: int | None = None
    task_name: str = field(init=False)
    digest: str = field(init=False)  # of the images

    def __post_init__(self) -> None:
        arguments.instance("space", self.space, SearchSpace, "nagkit.space('random-wired-16')")
        arguments.instance("training", self.training, TrainingRecipe, "TrainingRecipe(epochs=10)")
        arguments.instance("skeleton", self.skeleton, Skeleton, "MICRO")
        arguments.one_of("gives", self.gives, GIVES)
        if self.judged is not None:
            arguments.whole("judged", self.judged, low=2)
        seeds = tuple(arguments.seed("seeds", seed) for seed in arguments.several("seeds", self.seeds, int))
        if not seeds or len(set(seeds)) < len(seeds):
            raise ArgumentError(f"seeds must hold one or more, each once; got {seeds}. Write (0, 1, 2).")
        object.__setattr__(self, "seeds", seeds)
        object.__setattr__(self, "task_name", _name(self.images))
        object.__setattr__(self, "digest", opened(self.images).digest())
        channels = self.task.train.images.shape[1]
        object.__setattr__(self, "skeleton", replace(self.skeleton, image_channels=channels))
        wanted = _channels(self._network(self.space.sample(1, np.random.default_rng(0))[0], 0))
        if channels not in {1, wanted}:
            raise ArgumentError(
                f"images must have {wanted} channels for networks of {self.space.name}, or 1; got {channels}."
            )

    @property
    def task(self) -> Task:
        """The images, which each process opens once; refused where they are others than this trainer was made with."""
        task = opened(self.images)
        if task.digest() != self.digest:
            raise ArgumentError(
                f"images must be those that the trainer was made with, with the sha256 {self.digest}; {self.task_name} "
                f"has {task.digest()} here and now. Bring the same here, or make another trainer."
            )
        return task

    @property
    def metric(self) -> Metric:
        """What it gives of validation images, and how that comes about."""
        how, recipe = self.about(), self.training
        unit, direction, _ = GIVES[self.gives]
        shown = "all images" if recipe.shown is None else f"{recipe.shown} images"
        judges = "" if self.judged is None else f" Judged by {self.judged} images."
        return Metric(
            self.gives,
            unit,
            direction,
            dataset=self.task_name,
            split="validation",
            epochs=recipe.epochs,
            seeds=", ".join(map(str, self.seeds)),
            source=f"Trained by nagkit with {shown} an epoch: {how['training']}, {how['skeleton']}; images' sha256 "
            f"{how['images']}.{judges}",
        )

    def objective(self) -> Objective:
        """The wish for what it gives; to ask for its values is to train."""
        return Objective(self.metric, self)

    def cost(self, name: str = "params") -> Objective:
        """The wish for few parameters of the networks that it trains, or for few ``"flops"``: both exact."""
        count = getattr(self.space, arguments.one_of("cost", name, COSTS))
        *_, side, wide = self.task.train.images.shape
        if name == "flops" and side != wide:
            raise ArgumentError(
                f"images must be square for the cost 'flops', which counts those of square ones; they have {side} by "
                f"{wide} pixels. Give the objective another cost, as 'params' or latency()."
            )
        options = {"classes": self.task.classes, "skeleton": self.skeleton, "image_size": side}
        taken = {option: value for option, value in options.items() if option in signature(count).parameters}
        metric = Metric(name, "count", "min", dataset=self.task_name, source=f"Exact: {COSTS[name]}.")
        return Objective(metric, partial(_counted, partial(count, **taken)), exact=True)

    def latency(self) -> Objective:
        """The wish for little time for one image, measured on this machine each time that it is asked for, in ms.

        It is the fastest of twelve passes on one thread: what repeats best. Measured in another process beside others
        that work, it is what it takes there and then.
        """
        metric = Metric("latency_here", "ms", "min", device=f"{machine()}, one thread", batch=1)
        return Objective(metric, self._milliseconds)

    def about(self) -> dict[str, object]:
        """What a training depends on besides architecture, seed and versions; for JSON."""
        return {
            "space": self.space.name,
            "images": self.digest,
            "training": asdict(self.training),
            "skeleton": asdict(self.skeleton),
        } | ({} if self.judged is None else {"judged": self.judged})

    def __call__(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """What it gives of each architecture after training, the mean over seeds."""
        _, _, curve = GIVES[self.gives]
        each = [[self.train(row, seed) for seed in self.seeds] for row in self.space.check(tokens)]
        return np.array([np.mean([training.curves[curve][-1] for training in trainings]) for trainings in each])

    def train(self, row: Int[np.ndarray, "L"], seed: int) -> Training:
        """One training, with its curves; the last value of each is that of all images that it is judged by."""
        tokens = self.space.check_row(row)
        *_, epochs = _trained(self, tuple(tokens), seed)
        (training,) = record(self.task_name, self.task, number(tokens), tokens, {seed: epochs})
        return training

    def trained(self, row: Int[np.ndarray, "L"], seed: int) -> tuple[Network, Task]:
        """A network after its training, and the images that it is judged by, with as many channels as it takes.

        The last one is kept, so that to ask for it right after ``train`` costs nothing.
        """
        network, task, _ = _trained(self, tuple(self.space.check_row(row)), seed)
        return network, task

    def _learned(self, row: Sequence[int], seed: int) -> tuple[Network, Task, list[Epoch]]:
        """Train a network from its first weights: itself, the images that it saw, and its epochs."""
        network = self._network(row, seed)
        task = self._judged(_in_channels(self.task, _channels(network)))
        return network, task, [*train(network, task, self.training, seed)]

    def _milliseconds(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The latency of each network, with its first weights."""
        _, _, *sides = self.task.train.images.shape
        networks = (self._network(row, 0) for row in self.space.check(tokens))
        timed = (measure(each, (_channels(each), *sides), runs=RUNS, warm_up=WARM_UP) for each in networks)
        return np.array([latency.fastest for latency in timed])

    def _judged(self, task: Task) -> Task:
        """The task with as many images to judge by as wanted."""
        if self.judged is None:
            return task
        validation, test = (split.first(self.judged) for split in (task.validation, task.test))
        return replace(task, validation=validation, test=test)

    def _network(self, row: Sequence[int] | Int[np.ndarray, "L"], seed: int) -> Network:
        return build(self.space.decode(row), self.task.classes, self.skeleton, seed=seed)


def _counted(count: Callable[..., Any], tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
    """Whole numbers as values of an objective."""
    return count(tokens).astype(np.float64)


@lru_cache(maxsize=1)
def _trained(trainer: Trainer, row: tuple[int, ...], seed: int) -> tuple[Network, Task, list[Epoch]]:
    return trainer._learned(row, seed)


def _name(images: object) -> str:
    """What the images are called."""
    match images:
        case Task():
            return "images" if images.recipe is None else images.recipe.name
        case ImageFile():
            return Path(images.path).stem
        case str() | ImageRecipe():
            return named(images).name
    raise ArgumentError(
        f"images must be the name of a task such as 'mid8', an ImageRecipe, an ImageFile('images.npz'), or a task of "
        f"nagkit.networks.images; got {type(images).__name__}."
    )


def _channels(network: nn.Module) -> int:
    """How many channels an image has to have for a network."""
    return next(module.in_channels for module in network.modules() if isinstance(module, nn.Conv2d))


def _in_channels(task: Task, channels: int) -> Task:
    """Grey images for a network that takes several channels: the same in each."""
    if task.train.images.shape[1] == channels:
        return task
    splits = {name: getattr(task, name) for name in SPLITS}
    repeated = {
        name: Split(np.repeat(split.images, channels, axis=1), split.labels, split.sources)
        for name, split in splits.items()
    }
    return Task(task.recipe, **repeated)
