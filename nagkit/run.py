"""A run: a search in a file, with every question and every evaluation, that goes on from wherever it was left.

Its log (``nagkit.log``) says first how the search was made (``"about"``); then at each start of a walk the versions it
runs with (``"walk"``); each question with the random state that it left behind (``"asked"``); each evaluation, with its
values or the reason why it has none (``"evaluated"``); and where long work on a question has got to
(``"stepped"``). The state kept beside it is that after the last question or work on one.
"""

import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nagkit import arguments
from nagkit.errors import ArgumentError, DataMissingError
from nagkit.log import Entry, Log
from nagkit.metrics import Front, headings
from nagkit.search import Asked, Evaluated, Event, Left, Search, Stepped, again, run
from nagkit.search.loop import Evaluate

if TYPE_CHECKING:
    import pandas

STEPS = 2.0  # seconds after which the state is kept again while a search works on a question, at the earliest
SHARE = 20  # times as long as it took to keep it, so that little time goes into it where a state is large
FORMAT = 1  # raised when a file of before can no longer be read as it was


class Run:
    """A search in a file: ``walk`` goes on with it, here or in another process, also after a kill.

    Tables that the search takes its values from have to be here to walk, and as they were; to read they need not be.

    What a walk yields is on disk before it is yielded; but of steps between questions (``nagkit.search.Stepped``) those
    of the last two seconds or so have to be done again after a kill. With the same versions, and evaluations in this
    process that give the same values again, a run that was interrupted anywhere ends as one that was not.

    Args:
        path: the file; made where there is none, else it has to hold a search that was made as this one
        search: it stays as it is; the one in the file goes on
        budget: how many architectures to ask for in all; may be another than before
        batch: how many to ask for at once
    """

    def __init__(self, path: str | PathLike[str], search: Search, budget: int, batch: int = 1) -> None:
        if not isinstance(path, str | PathLike):
            raise ArgumentError(f"path must be the path of a file; got {path!r:.80}.")
        self.path, self._search, self._next = Path(path), search, -math.inf  # when to keep the state of a step again
        self.space, self.objectives, self.constraints = search.space, search.objectives, search.constraints
        self.budget, self.batch = arguments.whole("budget", budget), arguments.whole("batch", batch)
        made = search.about()
        if missing := {"search", "space", "objectives", "constraints"} - set(made):
            raise ArgumentError(
                f"search must tell in about() its {sorted(missing)[0]}, as nagkit's own do; got {made!r:.200}."
            )
        about = {"format": FORMAT, **made, "batch": self.batch}
        with Log(self.path, make=True) as log:
            if not log.entries:
                log.take()
            if not log.entries:
                log.append("about", {**about, "inputs": _inputs(made), "budget": self.budget})
            self._agree(log.entries[0].content, about)

    @classmethod
    def open(cls, path: str | PathLike[str]) -> "Run":
        """The run in this file, whose search is made as it was then."""
        with Log(Path(path)) as log:
            if not log.entries:
                raise DataMissingError(f"{path} holds no search yet. Make it with Run(path, search, budget).")
            about = log.entries[0].content
        return cls(path, again(about), log.budget(), about["batch"])

    def walk(
        self,
        evaluate: Evaluate | None = None,
        executor: Executor | None = None,
        *,
        patience: float | None = None,
        take_over: bool = False,
        stopped: Callable[[], bool] | None = None,
    ) -> Iterator[Event]:
        """Go on until the budget is spent, event by event; see ``nagkit.search.run`` for the arguments.

        Refused while another process, or another walk of this one, writes to the file.

        Args:
            take_over: whether a process of another machine that holds the file is known to have ended
        """
        with Log(self.path) as log:
            log.take(take_over)
            self._check_inputs(log.entries[0].content["inputs"])
            search, left = self._resumed(log)
            if self.budget < left.asked:
                raise ArgumentError(
                    f"budget must be at least {left.asked}, as many as {self.path} was asked for already; "
                    f"got {self.budget}."
                )
            options: dict[str, Any] = {"batch": self.batch, "patience": patience, "left": left, "stopped": stopped}
            events = run(search, self.budget, evaluate, executor, **options)
            log.append("walk", {"budget": self.budget, "versions": _versions(), "at": _now()})
            for event in events:
                self._write(log, event, search)
                try:
                    yield event
                except GeneratorExit:
                    if isinstance(event, Stepped):
                        log.append("stepped", {"at": _now()}, search.state())
                    raise

    def search(self) -> Search:
        """The search as it is now: it was told of every evaluation, and waits for those of its last questions."""
        with Log(self.path) as log:
            return self._resumed(log)[0]

    def told(self) -> list[Evaluated]:
        """Every evaluation, in the order in which they were told."""
        with Log(self.path) as log:
            return [_evaluated(entry) for entry in _of_kind(log.entries, "evaluated")]

    def times(self) -> list[str]:
        """When each evaluation was told, in this order: ISO 8601 in universal time."""
        with Log(self.path) as log:
            return [entry["at"] for entry in _of_kind(log.entries, "evaluated")]

    def evaluations(self) -> "pandas.DataFrame":
        """A row for each evaluation in the order in which they were told, units in the headings."""
        import pandas as pd

        told = self.told()
        columns: dict[str, list[Any]] = {
            "number": [each.number for each in told],
            "architecture": [self.space.decode(each.tokens).text for each in told],
        }
        for j, heading in enumerate(headings(self._search.metrics)):
            columns[heading] = [each.values[j] for each in told]
        return pd.DataFrame(columns | {name: [getattr(each, name) for each in told] for name in ("seconds", "fault")})

    def front(self) -> Front:
        """The best of what was evaluated so far and meets every constraint."""
        told, wanted = self.told(), [each.metric for each in self.objectives]
        tokens = np.array([each.tokens for each in told], np.int64).reshape(-1, len(self.space.slots))
        values = np.array([each.values for each in told]).reshape(-1, len(self._search.metrics))
        good = np.isfinite(values).all(1)
        for j, constraint in enumerate(self.constraints, start=len(wanted)):
            good &= constraint.met(values[:, j])
        if not good.any():
            return Front(self.space, tuple(wanted), tokens[:0], np.empty((0, len(wanted))))
        return Front.of(self.space, wanted, tokens[good], values[good][:, : len(wanted)])

    def sentence(self) -> str:
        """The run in words: what searches for what, how far it is, and what failed."""
        told = self.told()
        failed = sum(each.fault is not None for each in told)
        wanted = " and ".join(each.metric.name for each in self.objectives)
        bounds = "".join(f", {constraint}" for constraint in self.constraints)
        trouble = f", {failed} of them failed" if failed else ""
        return (
            f"{self.path}: {self._search.about()['search']} search for {wanted}{bounds} in {self.space.name}; "
            f"{len(told)} of {self.budget} evaluations{trouble}."
        )

    def __repr__(self) -> str:
        return self.sentence()

    def _agree(self, known: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Refuses a file that holds another search."""
        for name, value in about.items():
            if known.get(name) != value:
                raise ArgumentError(
                    f"path must be a run of this very search; {self.path} was made with {name} = "
                    f"{known.get(name)!r:.200}, not {value!r:.200}. Give another path, or Run.open(path) to go on."
                )

    def _check_inputs(self, known: Mapping[str, str]) -> None:
        """Refuses to go on with other tables."""
        if (here := _inputs(self._search.about())) != known:
            raise ArgumentError(
                f"inputs must be those that {self.path} was begun with, the tables of sha256 {known}; here they have "
                f"{here}. Put those back, or begin a new run."
            )

    def _resumed(self, log: Log) -> tuple[Search, Left]:
        """The search as it was at the end of the log, and what it waits for."""
        search = self._search.from_state(self._search.state() if log.state is None else dict(log.state.content))
        kept = -1 if log.state is None else log.state.number
        waiting: dict[int, np.ndarray] = {}
        for asked_for in _of_kind(log.entries, "asked"):
            waiting |= dict(enumerate(np.array(asked_for["tokens"]), start=asked_for["first"]))
        asked = len(waiting)
        for entry in log.entries:
            if entry.kind == "evaluated":
                told = _evaluated(entry.content)
                row = waiting.pop(told.number)
                if entry.number > kept:
                    search.tell(row[None], told.values[None])
        return search, Left(asked, waiting)

    def _write(self, log: Log, event: Event, search: Search) -> None:
        match event:
            case Asked():
                state = search.state()
                content = {"first": event.first, "tokens": event.tokens.tolist(), "rng": state.get("rng"), "at": _now()}
                log.append("asked", content, state)
            case Evaluated():
                log.append("evaluated", _told(event))
            case Stepped() if time.monotonic() >= self._next:
                began = time.monotonic()
                log.append("stepped", {"at": _now()}, search.state())
                self._next = time.monotonic() + max(STEPS, SHARE * (time.monotonic() - began))


def _told(event: Evaluated) -> dict[str, Any]:
    return {
        "number": event.number,
        "tokens": event.tokens.tolist(),
        "values": [value if np.isfinite(value) else None for value in event.values.tolist()],
        "seconds": event.seconds,
        "fault": event.fault,
        "at": _now(),
    }


def _evaluated(told: Mapping[str, Any]) -> Evaluated:
    values = np.array([np.nan if value is None else value for value in told["values"]])
    return Evaluated(told["number"], np.array(told["tokens"]), values, told["seconds"], told["fault"])


def _of_kind(entries: list[Entry], kind: str) -> list[Mapping[str, Any]]:
    return [entry.content for entry in entries if entry.kind == kind]


def _inputs(about: Mapping[str, Any]) -> dict[str, str]:
    """The sha256 of each table that values are taken from, as far as nagkit opens them by name."""
    from nagkit.benchmarks import NAMES, benchmark, worlds

    names = {each["benchmark"] for each in (*about["objectives"], *about["constraints"])}
    return {name: benchmark(name).sha256 for name in sorted(names & {*NAMES, *worlds()})}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("nagkit", "numpy", "scipy", "moocore", "optuna", "botorch", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
