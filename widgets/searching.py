"""Searches as the studio shows them: the snapshots of a run, which is in a file before it is on the screen.

Notation: n architectures evaluated, L slots, k metrics drawn, m metrics of the search (objectives, then limits).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from nagkit_widgets.sampling import Snapshot, blank
from nagkit_widgets.settings import SYSTEMS, Settings
from nagkit_widgets.sources import HERE, OWN, SIZES, benchmark

from nagkit.diffusion.masked import Frame
from nagkit.errors import ArgumentError, NagkitError
from nagkit.executors import executor
from nagkit.metrics import Constraint, Front, Objective
from nagkit.run import Run
from nagkit.search import Evaluated, Search, Stepped, search
from nagkit.space import SearchSpace
from nagkit.supernet import Lesson, Look, Shrunk


def searched(settings: Settings, path: Path, stopped: Callable[[], bool] = lambda: False) -> Iterator[Snapshot]:
    """A snapshot for what the run in this file holds already, and one after every step and evaluation.

    Trainings on images of one's own are done by another process, so that they can be stopped in their midst.
    """
    wanted = made(settings)
    run = _opened(path, wanted, settings.budget)
    told, scene = run.told(), _Scene(settings, wanted, path)
    rows, values = scene.rows(told), scene.values(told)
    yield scene.snapshot(
        rows, values, blank(scene.space), f"{SYSTEMS[settings.system]}: {len(rows)} evaluations so far", told
    )
    place = executor(1) if settings.table.startswith(OWN) else None
    try:
        for event in run.walk(executor=place, stopped=stopped):
            if isinstance(event, Evaluated):
                told.append(event)
                rows = np.concatenate([rows, scene.rows([event])])
                values = np.concatenate([values, scene.values([event])])
                said = f"Evaluation {event.number + 1} of {settings.budget}"
                said += "" if event.fault is None else f" failed: {event.fault}"
                yield scene.snapshot(rows, values, scene.decided(event.tokens), said, told)
            elif isinstance(event, Stepped):
                yield scene.step(rows, values, event.step)
    finally:
        if place is not None:
            place.shutdown(wait=False, cancel_futures=True)
    if told and not len(rows):
        raise NagkitError(f"There is nothing to show: {failures(told)}")


def _opened(path: Path, wanted: Search, budget: int) -> Run:
    """The run in this file; one that holds another search, or is held by somebody else, is refused for a visitor."""
    try:
        return Run(path, wanted, budget)
    except ArgumentError as refusal:
        raise ArgumentError(f"{refusal} Here, search under another name, or under none.") from None


def evaluated(settings: Settings, tokens: np.ndarray, values: np.ndarray, path: Path | None) -> Snapshot:
    """What a search has evaluated (n, L) with the values drawn (n, k), as it was shown; its first architecture."""
    scene = _Scene(settings, made(settings), path)
    return scene.snapshot(tokens, values, scene.decided(tokens[0]), "")


def failures(told: Sequence[Evaluated]) -> str:
    """How many evaluations failed, and the reason of the last; nothing where none did."""
    faults = [event.fault for event in told if event.fault is not None]
    return f"{len(faults)} of {len(told)} evaluations failed, the last by {faults[-1]}" if faults else ""


def made(settings: Settings) -> Search:
    """The search that these settings stand for, which has seen nothing yet."""
    ground = benchmark(settings.table)
    wishes = [
        settings.wish(name) if name == HERE else ground.objective(name, name in SIZES) for name in settings.objectives
    ]
    limits = [_limit(settings, name, high) for name, high in settings.limits]
    return search(settings.system, ground.space, wishes, limits, seed=settings.seed)


def _limit(settings: Settings, name: str, high: float) -> Constraint:
    """A limit by exact costs or by what is evaluated; on this machine by what its timings let expect."""
    if name == HERE:
        wish = settings.wish(name)
        return Constraint(wish.metric, wish.values, high=high, exact=True)
    return benchmark(settings.table).constraint(name, high=high, exact=name in SIZES)


@dataclass(frozen=True)
class _Scene:
    """Settings, the search that they stand for and its file, by which events become snapshots."""

    settings: Settings
    search: Search
    path: Path | None

    @property
    def space(self) -> SearchSpace:
        return self.search.space

    def rows(self, told: list[Evaluated]) -> np.ndarray:
        """What was evaluated (n, L) and did not fail."""
        rows = [event.tokens for event in told if event.fault is None]
        return np.array(rows, dtype=np.int64).reshape(-1, len(self.space.slots))

    def values(self, told: list[Evaluated]) -> np.ndarray:
        """The metrics drawn (n, k): what the search was told, and beside it costs that the ground knows."""
        axes, rows = self.settings.axes(), self.rows(told)
        if not len(rows):
            return np.empty((0, len(axes)))
        names = [metric.name for metric in self.search.metrics]
        seen = np.stack([event.values for event in told if event.fault is None])  # (n, m)
        columns = [
            seen[:, names.index(axis.name)] if axis.name in names else self.settings.wish(axis.name).values(rows)
            for axis in axes
        ]
        return np.stack(columns, axis=1)

    def snapshot(
        self, rows: np.ndarray, values: np.ndarray, frame: Frame, caption: str, told: Sequence[Evaluated] = ()
    ) -> Snapshot:
        """All evaluations, and the front of those within the limits."""
        within = np.ones(len(rows), dtype=bool)
        for name, high in self.settings.limits if len(rows) else ():
            within &= self._known(name, rows, values) <= high
        make = Front.of if within.any() else Front  # nothing is on the front of nothing
        front = make(self.space, self.settings.axes(), rows[within], values[within])
        found = Snapshot(self.settings, self.space, caption, 0, self.settings.budget, frame, rows, values, front, True)
        return replace(found, done=max(len(told), len(rows)), run=self.path, within=within, failed=failures(told))

    def step(self, rows: np.ndarray, values: np.ndarray, step: object) -> Snapshot:
        """A step of long work on the next question, as of a look with shared weights."""
        frame, said, done, total = blank(self.space), "Working on the next question", 0, 1
        match step:
            case Lesson():
                said = f"Shared weights, lesson {step.update} of {step.updates}, loss {step.loss:.2f} nats"
                frame, done, total = self.decided(step.tokens[0]), step.update, step.updates
            case Look():
                said = f"Stage {step.stage + 1}, look {step.look + 1}: the law in the middle of all preferences"
                frame, done, total = self.law(step.law), step.look + 1, 0
            case Shrunk():
                said = f"Stage {step.stage + 1} ends: {int(step.dropped.sum())} choices leave"
                frame = self.law(step.law)
        return replace(self.snapshot(rows, values, frame, said), done=done, total=total or done)

    def law(self, law: object) -> Frame:
        """What a law of preferences believes where all objectives weigh the same."""
        count = len(self.search.objectives)
        return self._frame(blank(self.space).tokens[0], law.at(np.full(count, 1 / count)))  # type: ignore[attr-defined]

    def decided(self, row: np.ndarray) -> Frame:
        """An architecture in which all is decided."""
        return self._frame(row, np.eye(self.space.radices.max())[row])

    @staticmethod
    def _frame(row: np.ndarray, probability: np.ndarray) -> Frame:
        return Frame(1, 1, row[None], probability[None])

    def _known(self, name: str, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        axes = [axis.name for axis in self.settings.axes()]
        if name in axes:
            return values[:, axes.index(name)]
        return self._cost(name).values(rows)

    def _cost(self, name: str) -> Objective:
        return self.settings.wish(name) if name == HERE else benchmark(self.settings.table).objective(name)
