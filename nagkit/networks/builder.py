"""The builder of the embedded table: trains and times every cell of NAS-Bench-201 on images of our own.

It can be killed at any moment. Cells that the rule of the benchmark takes for the same once their zero terms are
dropped (identity ``"function"``) share one training, so 5,390 trainings cover all 15,625 rows.
"""

import platform
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int

from nagkit import arguments
from nagkit.benchmarks.columns import Columns
from nagkit.networks import embedded
from nagkit.networks.digits import RECIPES, ImageRecipe, Task, render
from nagkit.networks.fused import fuse
from nagkit.networks.latency import measure, processor
from nagkit.networks.ledger import Ledger, Training
from nagkit.networks.network import build as build_network
from nagkit.networks.training import TrainingRecipe, train
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import MICRO

SPACE = NasBench201()
ROUNDS = 8  # of timing


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` steps of a stage are finished; the latest concerns ``cell`` and gave ``value``.

    The value of ``"train"`` is the accuracy on validation in percent, that of ``"time"`` the latency in ms.
    """

    stage: Literal["train", "time"]
    done: int
    total: int
    cell: str
    value: float


@dataclass(frozen=True)
class Build:
    """One table to build: the images, how to train on them, with which seed, and the ledger that holds the work.

    ``seed`` is that of the initial weights and of the order of the images, the same for every cell. ``shipped`` is
    a table whose trainings of the same build the ledger takes over where it has none of its own.
    """

    task: ImageRecipe
    ledger: Path
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    seed: int = 0
    shipped: Path | None = None

    def __post_init__(self) -> None:
        arguments.whole("seed", self.seed, low=0, high=2**63 - 1)

    def about(self) -> dict[str, object]:
        """Everything that a number in the table depends on, except cell, seed and versions."""
        return {"task": asdict(self.task), "training": asdict(self.training), "skeleton": asdict(MICRO)}

    def open(self) -> Ledger:
        """The ledger, with every training of the shipped table that it lacked, so that no table loses any."""
        ledger = Ledger(self.ledger, self.about())
        before = self._before()
        if before is not None:
            ledger.add(embedded.trainings(before, self.about(), self.seed))
        return ledger

    def run(self, limit: int | None = None) -> Iterator[Progress]:
        """Train and then time what is missing, a ``Progress`` after each step.

        Finished steps are kept whenever this is left, an interrupted one is repeated at the next call, and the
        trained values are those of an undisturbed run.

        Args:
            limit: how many cells to have in the end, in the order of ``order``; all when None.
        """
        cells = order()
        return self._run(cells[: len(cells) if limit is None else arguments.whole("limit", limit, high=len(cells))])

    def _run(self, cells: Int[np.ndarray, "n L"]) -> Iterator[Progress]:
        with closing(self.open()) as ledger:
            yield from self._train(ledger, cells)
            yield from _time(ledger, cells)

    def _train(self, ledger: Ledger, cells: Int[np.ndarray, "n L"]) -> Iterator[Progress]:
        done = ledger.trained(self.seed)
        places = SPACE.index(cells).tolist()
        missing = [place for place in places if place not in done]
        if not missing:
            return
        images = render(self.task)
        versions = _versions(images)
        for count, place in enumerate(missing, start=1 + len(places) - len(missing)):
            architecture = SPACE.decode(SPACE.at(np.array([place]))[0])
            network = fuse(build_network(architecture, embedded.CLASSES, MICRO, seed=self.seed))
            epochs = [asdict(epoch) for epoch in train(network, images, self.training, self.seed)]
            curves = {name: [epoch[name] for epoch in epochs] for name in epochs[0] if name != "number"}
            seconds = sum(curves.pop("seconds"))
            ledger.add([Training(place, self.seed, architecture.tokens, curves, seconds, versions)])
            yield Progress("train", count, len(places), architecture.text, curves["validation_accuracy"][-1])

    def columns(self) -> Columns:
        """The table as far as it is built."""
        machine = processor()
        before = self._before()
        with closing(self.open()) as ledger:
            return embedded.columns(self.about(), ledger.trained(self.seed), ledger.timings(machine), machine, before)

    def _before(self) -> Columns | None:
        return Columns.open(self.shipped) if self.shipped is not None and self.shipped.is_file() else None


def build(task: str = "mid8", path: str | Path | None = None, seed: int = 0) -> Build:
    """The build of the table of this task; ``.run()`` does the work, ``.columns().write(shipped(task))`` ships it.

    Args:
        path: the ledger; ``runs/build/digits-<task>.sqlite`` when None.
    """
    recipe = RECIPES[arguments.one_of("task", task, RECIPES)]
    ledger = Path(f"runs/build/digits-{task}.sqlite") if path is None else Path(path)
    return Build(recipe, ledger, seed=seed, shipped=shipped(task))


def shipped(task: str = "mid8") -> Path:
    """Where nagkit keeps its own table of this task."""
    return Path(str(files("nagkit_data"))) / "digits" / f"{task}.safetensors"


def order(seed: int = 0) -> Int[np.ndarray, "n L"]:
    """One cell of each class, in a fixed random order: the first n are a random sample."""
    cells = np.unique(SPACE.canonical(SPACE.all(), embedded.IDENTITY), axis=0)
    return np.random.default_rng(seed).permutation(cells)


def _time(ledger: Ledger, cells: Int[np.ndarray, "n L"]) -> Iterator[Progress]:
    """Every cell once a round, each round in another order, so that a slow minute of the machine hits all alike."""
    machine = processor()
    done = ledger.timings(machine)
    places = SPACE.index(cells)
    count = sum(len(set(done.get(place, ())) & set(range(ROUNDS))) for place in places.tolist())
    for number in range(ROUNDS):
        for place in np.random.default_rng(number).permutation(places).tolist():
            if number in done.get(place, ()):
                continue
            architecture = SPACE.decode(SPACE.at(np.array([place]))[0])
            network = build_network(architecture, embedded.CLASSES, MICRO)
            latency = measure(network, (MICRO.image_channels, 8, 8)).median
            ledger.add_timing(place, number, machine, latency)
            count += 1
            yield Progress("time", count, ROUNDS * len(places), architecture.text, latency)


def _versions(images: Task) -> dict[str, str]:
    """What a result depends on besides recipe and seed: libraries, the processor's instructions, the images."""
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "images": images.digest(),
    }
