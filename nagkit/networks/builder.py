"""The builder of the embedded tables: trains and times cells of NAS-Bench-201 on images of our own.

It can be killed at any moment. Cells that the rule of the benchmark takes for the same once their zero terms are
dropped (identity ``"function"``) share one training, so 5,390 trainings cover all 15,625 rows. Trainings are calls to
an executor, which may be this process, several, or a cluster; this process alone writes the ledger.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int

from nagkit import arguments
from nagkit.benchmarks.columns import Columns
from nagkit.errors import ArgumentError
from nagkit.executors import InProcess, results
from nagkit.networks import embedded
from nagkit.networks.fused import fuse
from nagkit.networks.images import opened
from nagkit.networks.latency import machine, measure
from nagkit.networks.ledger import Ledger, Training
from nagkit.networks.network import build as build_network
from nagkit.networks.recipes import HARD8, MID8, WORLDS, ImageRecipe
from nagkit.networks.record import record
from nagkit.networks.training import TrainingRecipe, train_side_by_side
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import MICRO

SPACE = NasBench201()
SIDE = 8  # pixels, of the images that are timed


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` steps of a stage are finished; the latest concerns ``cell`` and gave ``value``.

    The value of ``"train"`` is the accuracy on validation in percent with the first seed, that of ``"time"`` the
    latency in ms.
    """

    stage: Literal["train", "time"]
    done: int
    total: int
    cell: str
    value: float


@dataclass(frozen=True)
class Job:
    """One piece of work: a cell to train on a task, with all seeds side by side."""

    task: ImageRecipe
    training: TrainingRecipe
    seeds: tuple[int, ...]
    cell: int  # its place in the list of all rows


@dataclass(frozen=True)
class Build:
    """What to build: tables of tasks, how to train, with which seeds, and the ledger that holds the work.

    With several tasks every cell is trained on one of them, by turns. A seed is that of the initial weights and of
    the order of the images, the same for every cell. ``timed`` adds latencies (and exact costs). ``shipped`` is a
    folder of tables whose trainings of the same build the ledger takes over where it has none of its own. Two builds
    at once on one ledger lose nothing but do work twice; give one build several workers instead.
    """

    tasks: tuple[ImageRecipe, ...]
    ledger: Path
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    seeds: tuple[int, ...] = (0,)
    timed: bool = True
    shipped: Path | None = None

    def __post_init__(self) -> None:
        names = [task.name for task in arguments.several("tasks", self.tasks, ImageRecipe)]
        if not names or len(set(names)) < len(names):
            raise ArgumentError(f"tasks must hold one or more, each name once; got {names}. Name them apart.")
        seeds = [arguments.seed("seeds", seed) for seed in arguments.several("seeds", self.seeds, int)]
        if not seeds or seeds != sorted(set(seeds)):
            raise ArgumentError(f"seeds must hold one or more, strictly ascending; got {self.seeds}. Write (0, 1, 2).")
        arguments.instance("training", self.training, TrainingRecipe, "TrainingRecipe(epochs=10)")
        arguments.instance("ledger", self.ledger, Path, "Path('runs/build/digits.sqlite')")
        arguments.instance("timed", self.timed, bool, "True")
        if self.shipped is not None:
            arguments.instance("shipped", self.shipped, Path, "Path('data/digits')")
        for task in self.tasks if self.timed else ():
            if (task.side, task.classes) != (SIDE, embedded.CLASSES):
                raise ArgumentError(
                    f"timed must be False unless all tasks have {SIDE}x{SIDE} pixels and {embedded.CLASSES} classes, "
                    f"as the networks that are timed; {task.name!r} has {task.side}x{task.side} and {task.classes}."
                )

    def about(self, task: ImageRecipe) -> dict[str, object]:
        """What a number in the table of a task depends on, besides the cell, versions and nagkit itself."""
        return {
            "task": asdict(task),
            "training": asdict(self.training),
            "skeleton": asdict(MICRO),
            "seeds": list(self.seeds),
        }

    def open(self) -> Ledger:
        """The ledger, with every training of the shipped tables that it lacked, so that no table loses any."""
        ledger = Ledger(self.ledger)
        try:
            for task in self.tasks:
                ledger.agree(task.name, self.about(task))
                before = self._before(task)
                if before is not None:
                    known = ledger.cells(task.name, self.seeds)
                    ledger.add(t for t in embedded.trainings(before, self.about(task)) if t.cell not in known)
        except BaseException:
            ledger.close()
            raise
        return ledger

    def run(self, limit: int | None = None, executor: Executor | None = None) -> Iterator[Progress]:
        """Train and then time what is missing, a ``Progress`` after each step.

        Finished steps are kept whenever this is left, an interrupted one is repeated at the next call, and the
        trained values are those of an undisturbed run, whatever the executor.

        Args:
            limit: train and time only so many cells, the first in the order of ``order``; all when None.
            executor: where to train, see ``nagkit.executors``; in this process when None. Timing stays here.
        """
        if executor is not None:
            arguments.instance("executor", executor, Executor, "nagkit.executors.executor(2)")
        cells = order()
        places = SPACE.index(cells[: len(cells) if limit is None else arguments.whole("limit", limit, high=len(cells))])
        return self._run(places.tolist(), InProcess() if executor is None else executor)

    def _run(self, places: list[int], executor: Executor) -> Iterator[Progress]:
        with closing(self.open()) as ledger:
            yield from self._train(ledger, places, executor)
            if self.timed and not all(self._shipped_latencies(task).issuperset(places) for task in self.tasks):
                yield from _time(ledger, places)

    def _train(self, ledger: Ledger, places: list[int], executor: Executor) -> Iterator[Progress]:
        known = {task.name: ledger.cells(task.name, self.seeds) for task in self.tasks}
        jobs = [
            Job(task, self.training, self.seeds, place)
            for number, place in enumerate(places)
            if place not in known[(task := self.tasks[number % len(self.tasks)]).name]
        ]
        done = len(places) - len(jobs)
        for finished in results(executor, train_cell, jobs):
            ledger.add(training for trainings in finished for training in trainings)
            for first, *_ in finished:
                done += 1
                yield Progress("train", done, len(places), _text(first.cell), first.curves["validation_accuracy"][-1])

    def columns(self) -> dict[str, Columns]:
        """For every task its table as far as it is built; tasks of which nothing is trained are left out."""
        here, tables = machine(), {}
        with closing(self.open()) as ledger:
            for task in self.tasks:
                trainings, timings = ledger.trained(task.name), ledger.timings(here) if self.timed else None
                if trainings:
                    given = (self.about(task), trainings, timings, here, self._before(task))
                    tables[task.name] = embedded.columns(*given)
        return tables

    def write(self, folder: Path | None = None) -> list[Path]:
        """The tables as files ``<task>.safetensors`` in a folder, that of nagkit's own tables when None."""
        paths = []
        for name, table in self.columns().items():
            paths.append((shipped() if folder is None else folder) / f"{name}.safetensors")
            table.write(paths[-1])
        return paths

    def _shipped_latencies(self, task: ImageRecipe) -> set[int]:
        """The places of the cells of which the shipped table has a latency."""
        before = self._before(task)
        return set() if before is None else embedded.timed(before, self.about(task))

    def _before(self, task: ImageRecipe) -> Columns | None:
        path = None if self.shipped is None else self.shipped / f"{task.name}.safetensors"
        return Columns.open(path) if path is not None and path.is_file() else None


_RECIPE = TrainingRecipe(epochs=10, shown=2000, watched=500)
_WORLDS = TrainingRecipe(epochs=10, shown=1000, batch=64, watched=200)
BUILDS = {  # name -> tasks, training, seeds, whether timed
    "digits/mid8": ((MID8,), _RECIPE, (0, 1, 2), True),
    "digits/hard8": ((HARD8,), _RECIPE, (0,), True),
    "digits/worlds": (WORLDS, _WORLDS, (0,), False),
}


def build(name: str = "digits/mid8", path: str | Path | None = None) -> Build:
    """The build of nagkit's own tables of this name: ``.run()`` does the work, ``.write()`` ships it.

    Args:
        path: the ledger; ``runs/build/digits.sqlite`` when None.
    """
    tasks, training, seeds, timed = BUILDS[arguments.one_of("name", name, BUILDS)]
    ledger = Path("runs/build/digits.sqlite") if path is None else Path(path)
    return Build(tasks, ledger, training, seeds, timed, shipped())


def shipped() -> Path:
    """The folder where nagkit keeps its own tables."""
    return Path(str(files("nagkit_data"))) / "digits"


def order(seed: int = 0) -> Int[np.ndarray, "n L"]:
    """One cell of each class, in a fixed random order: the first n are a random sample."""
    cells = np.unique(SPACE.canonical(SPACE.all(), embedded.IDENTITY), axis=0)
    return np.random.default_rng(seed).permutation(cells)


def train_cell(job: Job) -> list[Training]:
    """A training for each seed of the job."""
    images = opened(job.task)
    architecture = SPACE.decode(SPACE.at(np.array([job.cell]))[0])
    networks = fuse(*(build_network(architecture, job.task.classes, MICRO, seed=seed) for seed in job.seeds))
    epochs = zip(*train_side_by_side(networks, images, job.training, job.seeds), strict=True)
    by_seed = dict(zip(job.seeds, epochs, strict=True))
    return record(job.task.name, images, job.cell, architecture.tokens, by_seed)


def _time(ledger: Ledger, places: list[int]) -> Iterator[Progress]:
    """Every cell once a round, each round in another order, so that a slow minute of the machine hits all alike."""
    here = machine()
    done = ledger.timings(here)
    count = sum(len(set(done.get(place, ())) & set(range(embedded.ROUNDS))) for place in places)
    for number in range(embedded.ROUNDS):
        for place in np.random.default_rng(number).permutation(places).tolist():
            if number in done.get(place, ()):
                continue
            architecture = SPACE.decode(SPACE.at(np.array([place]))[0])
            network = build_network(architecture, embedded.CLASSES, MICRO)
            latency = measure(network, (MICRO.image_channels, SIDE, SIDE)).median
            ledger.add_timing(place, number, here, latency)
            count += 1
            yield Progress("time", count, embedded.ROUNDS * len(places), _text(place), latency)


def _text(place: int) -> str:
    return SPACE.decode(SPACE.at(np.array([place]))[0]).text
