"""The loop that everyone walks: ask, evaluate, tell, and say what happened.

Notation: m metrics of a search (objectives, then constraints), L slots.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError, NagkitError
from nagkit.executors import InProcess, workers
from nagkit.metrics import Constraint, Objective
from nagkit.search.about import ByBenchmark
from nagkit.search.search import Search, StepwiseSearch

Evaluate = Callable[[Int[np.ndarray, "n L"]], Float[np.ndarray, "n m"]]
_LONGEST = 500  # letters of a reason
_LOOK = 0.05  # seconds after which to see again whether a call has begun
_ON_THE_WAY = 3.0  # seconds that an answer may take to arrive, as while another process starts


@dataclass(frozen=True, eq=False)
class Asked:
    """The search asked for these, which are numbers ``first``, ``first + 1``, … of all that it asked for."""

    first: int
    tokens: Int[np.ndarray, "n L"]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """The search was told of number ``number``.

    ``values`` are NaN, and ``fault`` says why, where the evaluation failed; ``seconds`` is what it took by the clock.
    """

    number: int
    tokens: Int[np.ndarray, "L"]
    values: Float[np.ndarray, "m"]
    seconds: float
    fault: str | None = None


@dataclass(frozen=True, eq=False)
class Stepped:
    """The search worked on its next question, and ``step`` says what it did; its state has moved on."""

    step: object


Event = Asked | Evaluated | Stepped


@dataclass(frozen=True, eq=False)
class Left:
    """Where a walk was left: ``asked`` architectures were asked for, and these by number are not told yet."""

    asked: int = 0
    waiting: Mapping[int, Int[np.ndarray, "L"]] = field(default_factory=dict)


def run(  # noqa: PLR0913  (an option each)
    search: Search,
    budget: int,
    evaluate: Evaluate | None = None,
    executor: Executor | None = None,
    *,
    batch: int = 1,
    patience: float | None = None,
    left: Left | None = None,
    stopped: Callable[[], bool] | None = None,
) -> Iterator[Event]:
    """What happens until the search has asked for ``budget`` architectures and was told of all, event by event.

    Evaluations are told as they finish, so a slow one holds up no other. One that raises, gives NaN, ends its process
    or takes longer than ``patience`` is told as NaN with the reason, and the search goes on. The search ends early
    where its space has nothing more to ask for. Leaving the iterator cancels what is being evaluated.

    Args:
        evaluate: gives the values (n, m) of architectures (n, L), here one at a time; those of the objectives and
            constraints themselves when None. Another process needs one that can be sent there, such as a function
            of a module.
        executor: where to evaluate, see ``nagkit.executors``; in this process when None
        batch: how many architectures to ask for at once
        patience: seconds that an evaluation may take, for executors of other processes; three more are for its answer
            to arrive. A process of ``nagkit.executors`` is then killed; what else runs a call may go on in vain.
        left: where an earlier walk was left, whose questions count towards the budget
        stopped: asked before each evaluation and often during one elsewhere; yes ends the walk with what is finished
    """
    arguments.whole("budget", budget)
    arguments.whole("batch", batch)
    place = InProcess() if executor is None else executor
    if patience is not None:
        arguments.real("patience", patience, low=0)
        if isinstance(place, InProcess):
            raise ArgumentError("patience needs an executor that can give up a call, as nagkit.executors.executor(1).")
    measure = Values(search.objectives, search.constraints) if evaluate is None else evaluate
    if isinstance(measure, Values):
        measure.check()
    function = partial(_evaluate, measure, len(search.metrics))
    return _Loop(search, budget, function, place, batch, patience, stopped).walk(left or Left())


@dataclass(frozen=True)
class Values:
    """The values of objectives and constraints, a column each."""

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]

    def check(self) -> None:
        """Refuse those whose values came from a program that is not here."""
        both: list[Objective | Constraint] = [*self.objectives, *self.constraints]
        for each in both:
            if isinstance(each.values, ByBenchmark):
                each.values.check()

    def __call__(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n m"]:
        """The values of these architectures."""
        both: list[Objective | Constraint] = [*self.objectives, *self.constraints]
        return np.stack([each.values(tokens) for each in both], axis=1)


@dataclass(frozen=True)
class _Answer:
    """What one call gave: values (m,), seconds by the clock, and what went wrong, if anything did."""

    values: Float[np.ndarray, "m"]
    seconds: float
    fault: str | None = None


def _evaluate(measure: Evaluate, count: int, row: Int[np.ndarray, "L"]) -> _Answer:
    """One evaluation, wherever it is done."""
    began = time.perf_counter()
    try:
        values = np.asarray(measure(row[None]), dtype=np.float64)
        if values.shape in {(1, count), (count,)}:
            values, fault = values.reshape(count), None
        else:
            values, fault = _failed(count), f"evaluate must give {count} values; it gave shape {values.shape}."
    except Exception as error:
        values, fault = _failed(count), _reason(error)
    if fault is None and not np.isfinite(values).all():
        fault = f"not finite: {values.tolist()}"
    return _Answer(values, time.perf_counter() - began, fault)


def _failed(count: int) -> Float[np.ndarray, "m"]:
    return np.full(count, np.nan)


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_LONGEST]


@dataclass
class _Call:
    """One call under way: its number, what it evaluates, when it was seen to have begun, whether it took too long."""

    number: int
    row: Int[np.ndarray, "L"]
    began: float | None = None
    late: bool = False


@dataclass
class _Loop:
    """One walk; ``queue`` holds what is asked for and not begun, ``running`` what is being evaluated."""

    search: Search
    budget: int
    function: Callable[[Any], _Answer]
    executor: Executor
    batch: int
    patience: float | None
    stopped: Callable[[], bool] | None = None

    def walk(self, left: Left) -> Iterator[Event]:
        """Event by event, from where it was left."""
        queue, asked = deque(sorted(left.waiting.items())), left.asked
        running: dict[Future[_Answer], _Call] = {}
        try:
            while True:
                while len(running) < workers(self.executor) and not self._is_stopped():
                    if not queue:
                        if asked >= self.budget:
                            break
                        if isinstance(self.search, StepwiseSearch):
                            yield from map(Stepped, self.search.steps())
                        if not len(rows := self.search.ask(min(self.batch, self.budget - asked))):
                            break
                        yield Asked(asked, rows)
                        queue.extend(enumerate(rows, start=asked))
                        asked += len(rows)
                    number, row = queue.popleft()
                    running[self.executor.submit(self.function, row)] = _Call(number, row)
                if not running:
                    return
                done = self._done(running)
                if not done:
                    return
                for future in done:
                    call = running.pop(future)
                    yield self._tell(call, self._answer(future, call))
        finally:
            for future in running:
                future.cancel()

    def _done(self, running: Mapping[Future[_Answer], _Call]) -> list[Future[_Answer]]:
        """The calls that have finished, or for which patience has ended, by number; waits until there are any.

        None where the walk is stopped before any has.
        """
        ready: list[Future[_Answer]] = []
        while not ready:
            done, waiting = wait(running, self._until_late(running), FIRST_COMPLETED)
            late = [future for future in waiting if self._is_late(running[future])]
            for future in late:
                running[future].late = True
                future.cancel()
            ready = [*done, *late]
            if not ready and self._is_stopped():
                break
        return sorted(ready, key=lambda future: running[future].number)

    def _is_stopped(self) -> bool:
        return self.stopped is not None and self.stopped()

    def _until_late(self, running: Mapping[Future[_Answer], _Call]) -> float | None:
        """Seconds to wait before patience with a call may have ended, another has begun, or the walk is stopped."""
        if self.patience is None:
            return None if self.stopped is None else _LOOK
        now, ends = time.monotonic(), []
        for future, call in running.items():
            if call.began is None and future.running():
                call.began = now
            ends.append(now + _LOOK if call.began is None else call.began + self.patience + _ON_THE_WAY)
        return max(0.0, min(*ends, math.inf if self.stopped is None else now + _LOOK) - now)

    def _is_late(self, call: _Call) -> bool:
        if self.patience is None or call.began is None:
            return False
        return time.monotonic() >= call.began + self.patience + _ON_THE_WAY

    def _answer(self, future: Future[_Answer], call: _Call) -> _Answer:
        failed = _failed(len(self.search.metrics))
        if call.late:
            return _Answer(failed, self.patience or 0.0, f"no answer within {self.patience:g} s")
        if future.cancelled():
            raise NagkitError(
                "An evaluation was cancelled before it ended, as when the scheduler of a cluster ends. What was told "
                "is kept: go on with an executor that runs."
            )
        error = future.exception()
        return future.result() if error is None else _Answer(failed, 0.0, _reason(error))

    def _tell(self, call: _Call, answer: _Answer) -> Evaluated:
        values = answer.values if answer.fault is None else _failed(len(self.search.metrics))
        self.search.tell(call.row[None], values[None])
        return Evaluated(call.number, call.row, values, answer.seconds, answer.fault)
