"""The loop that everyone walks: ask, evaluate, tell, and say what happened.

Notation: m metrics of a search (objectives, then constraints), L slots.
"""

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
from nagkit.errors import ArgumentError
from nagkit.executors import InProcess, workers
from nagkit.metrics import Constraint, Objective
from nagkit.search.search import Search

Evaluate = Callable[[Int[np.ndarray, "n L"]], Float[np.ndarray, "n m"]]
_LONGEST = 500  # letters of a reason


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


Event = Asked | Evaluated


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
        patience: seconds after which an evaluation has failed; for executors of other processes
        left: where an earlier walk was left, whose questions count towards the budget
    """
    arguments.whole("budget", budget)
    arguments.whole("batch", batch)
    place = InProcess() if executor is None else executor
    if patience is not None:
        arguments.real("patience", patience, low=0)
        if isinstance(place, InProcess):
            raise ArgumentError("patience needs an executor that can give up a call, as nagkit.executors.executor(1).")
    measure = Values(search.objectives, search.constraints) if evaluate is None else evaluate
    function = partial(_evaluate, measure, len(search.metrics))
    return _Loop(search, budget, function, place, batch, patience).walk(left or Left())


@dataclass(frozen=True)
class Values:
    """The values of objectives and constraints, a column each."""

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]

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
    """One call under way: its number, what it evaluates, and when it began by the clock."""

    number: int
    row: Int[np.ndarray, "L"]
    began: float


@dataclass
class _Loop:
    """One walk; ``queue`` holds what is asked for and not begun, ``running`` what is being evaluated."""

    search: Search
    budget: int
    function: Callable[[Any], _Answer]
    executor: Executor
    batch: int
    patience: float | None

    def walk(self, left: Left) -> Iterator[Event]:
        """Event by event, from where it was left."""
        queue, asked = deque(sorted(left.waiting.items())), left.asked
        running: dict[Future[_Answer], _Call] = {}
        try:
            while True:
                while len(running) < workers(self.executor):
                    if not queue:
                        if asked >= self.budget or not len(
                            rows := self.search.ask(min(self.batch, self.budget - asked))
                        ):
                            break
                        yield Asked(asked, rows)
                        queue.extend(enumerate(rows, start=asked))
                        asked += len(rows)
                    number, row = queue.popleft()
                    running[self.executor.submit(self.function, row)] = _Call(number, row, time.monotonic())
                if not running:
                    return
                for future in self._done(running):
                    yield self._tell(running.pop(future), self._answer(future))
        finally:
            for future in running:
                future.cancel()

    def _done(self, running: Mapping[Future[_Answer], _Call]) -> list[Future[_Answer]]:
        """The calls that have finished, or for which patience has ended, by number; waits until there are any."""
        left = None
        if self.patience is not None:
            left = max(0.0, min(call.began for call in running.values()) + self.patience - time.monotonic())
        done, waiting = wait(running, left, FIRST_COMPLETED)
        late = [future for future in waiting if self._is_late(running[future])]
        for future in late:
            future.cancel()
        return sorted([*done, *late], key=lambda future: running[future].number)

    def _is_late(self, call: _Call) -> bool:
        return self.patience is not None and time.monotonic() >= call.began + self.patience

    def _answer(self, future: Future[_Answer]) -> _Answer:
        count = len(self.search.metrics)
        if not future.done() or future.cancelled():
            given_up = self.patience is not None
            reason = f"no answer within {self.patience:g} s" if given_up else "the call was cancelled where it ran"
            return _Answer(_failed(count), self.patience or 0.0, reason)
        error = future.exception()
        return future.result() if error is None else _Answer(_failed(count), 0.0, _reason(error))

    def _tell(self, call: _Call, answer: _Answer) -> Evaluated:
        values = answer.values if answer.fault is None else _failed(len(self.search.metrics))
        self.search.tell(call.row[None], values[None])
        return Evaluated(call.number, call.row, values, answer.seconds, answer.fault)
