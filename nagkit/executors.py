"""Where work is done: here, in processes of this machine, or on a Dask cluster, behind ``concurrent.futures``.

Functions and their arguments travel to other processes, so they have to be importable and small.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    InvalidStateError,
)
from concurrent.futures import wait as wait_for_calls
from functools import partial
from itertools import islice
from multiprocessing.connection import wait as wait_for_end
from typing import Any, TypeVar
from weakref import WeakSet

from nagkit import arguments
from nagkit.errors import ArgumentError, NagkitError, PackageMissingError

MOST_WORKERS = 1024
_PATIENCE = 10.0  # seconds to wait for a Dask scheduler to answer
_AHEAD = 4  # calls handed out for each worker, so that none waits for the next

Given = TypeVar("Given")
Result = TypeVar("Result")


class InProcess(Executor):
    """An executor that does every call at once, where it is submitted."""

    def submit(self, function: Callable[..., Result], /, *given: Any, **named: Any) -> Future[Result]:
        """A future that is done; an interrupt passes through."""
        future: Future[Result] = Future()
        try:
            future.set_result(function(*given, **named))
        except Exception as error:
            future.set_exception(error)
        return future


class Call(Future[Result]):
    """A future whose call is done elsewhere, where it may begin later."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: Callable[[], bool] = lambda: False

    def running(self) -> bool:
        """Whether it is being done now, as far as is known here; it can be cancelled all the same."""
        return not self.done() and self.begun()


class Processes(Executor):
    """Fresh processes that end with this one, however it ends, and leave Ctrl-C to it.

    A call that is cancelled ends, also when it runs already: its process is killed, and another takes its place. So
    it is when a process dies of its call, which then raises ``pebble.ProcessExpired``.
    """

    def __init__(self, workers: int) -> None:
        from pebble import ProcessPool

        self.workers = arguments.whole("workers", workers, high=MOST_WORKERS)
        spawn: Any = multiprocessing.get_context("spawn")
        self._pool = ProcessPool(self.workers, initializer=_begin_worker, context=spawn)
        self._lock = threading.RLock()
        self._queue: deque[tuple[Call[Any], Callable[[], Any]]] = deque()  # the pool itself would begin all it has
        self._running: set[Future[Any]] = set()

    def submit(self, function: Callable[..., Result], /, *given: Any, **named: Any) -> Future[Result]:
        """A future that is done when a process has done the call."""
        future: Call[Result] = Call()
        with self._lock:
            self._queue.append((future, partial(function, *given, **named)))
        self._begin()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when all calls are done; without ``wait`` or with ``cancel_futures`` at once.

        Calls that are not done then are cancelled, and the processes of those that run are killed.
        """
        with self._lock:
            pending = [*(future for future, _ in self._queue), *self._running]  # none may begin while others end
        for future in pending if cancel_futures or not wait else ():
            future.cancel()
        if wait:
            wait_for_calls([future for future in pending if not future.cancelled()])
            self._pool.close()
        else:
            self._pool.stop()
        self._pool.join()

    def _begin(self) -> None:
        """Give every free process a call."""
        with self._lock:
            while self._queue and len(self._running) < self.workers:
                future, call = self._queue.popleft()
                if future.cancelled():
                    future.set_running_or_notify_cancel()  # wakes those who wait for it
                    continue
                self._running.add(future)
                scheduled = self._pool.schedule(call)
                future.begun = scheduled.running
                future.add_done_callback(partial(_let_go, scheduled))
                scheduled.add_done_callback(partial(self._end, future))

    def _end(self, future: Future[Any], call: Future[Any]) -> None:
        with self._lock:
            self._running.discard(future)
        try:
            if call.cancelled():
                future.cancel()
            elif (error := call.exception()) is not None:
                future.set_exception(error)
            else:
                future.set_result(call.result())
        except InvalidStateError:
            pass  # it was cancelled here meanwhile
        self._begin()


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(multiprocessing.parent_process(),), daemon=True).start()


def _end_with_parent(parent: Any) -> None:
    wait_for_end([parent.sentinel])
    os._exit(1)


class Cluster(Executor):
    """The workers of a Dask cluster that runs already, and goes on running afterwards.

    A call that is cancelled while it runs is no longer waited for, but a worker cannot be made to leave it off.
    """

    def __init__(self, address: str) -> None:
        """Connect to the scheduler at this address."""
        try:
            import distributed
        except ImportError:
            raise PackageMissingError(
                "A Dask cluster needs the package distributed: pip install 'nagkit[dask]'."
            ) from None
        try:
            if not address:  # to Dask this means the cluster that it knows of, if any
                raise ValueError("it is empty")
            _within(_PATIENCE + 1, lambda: asyncio.run(_answer(address)))
            connect = partial(distributed.Client, address, timeout=_PATIENCE, set_as_default=False)
            self._client: Any = _within(_PATIENCE + 1, connect)
        except (OSError, TypeError, ValueError) as error:
            raise ArgumentError(
                "workers must be a number of processes or the address of a running Dask scheduler, such as "
                f"tcp://127.0.0.1:8786; got {address!r:.80} ({str(error) or 'no answer'})."
            ) from None
        self._given: WeakSet[Future[Any]] = WeakSet()

    @property
    def workers(self) -> int:
        """How many calls the cluster does at once now; 1 while it has no workers, which may still come."""
        try:
            return max(1, sum(self._client.nthreads().values()))
        except OSError:  # the scheduler is lost, as the calls will say
            return 1

    def submit(self, function: Callable[..., Result], /, *given: Any, **named: Any) -> Future[Result]:
        """A future that is done when a worker has done the call, and cancelled when the scheduler is lost."""
        call = self._client.submit(partial(function, *given, **named), pure=False)  # done even if done before
        future: Call[Result] = Call()
        future.begun = lambda: True  # the scheduler does not say when
        future.add_done_callback(partial(_release, call))
        call.add_done_callback(partial(_pass_on, future))
        self._given.add(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Disconnect, with ``wait`` when all calls are done; calls that are not done then are cancelled."""
        pending = list(self._given)
        for future in pending if cancel_futures or not wait else ():
            future.cancel()
        if wait:
            wait_for_calls(pending)
        self._client.close()


async def _answer(address: str) -> None:
    """Raise an error unless somebody at the address speaks Dask's language.

    A client asks no better, but one that finds nobody is left to the garbage collector, which closes it at any moment:
    also while another begins, and then both wait for the same lock for ever.
    """
    from distributed.comm import connect

    comm = await connect(address, timeout=_PATIENCE)
    await comm.close()


def _pass_on(future: Future[Any], call: Any) -> None:
    """Give the future what a call on a cluster gave; cancel it when that is lost. (Dask's own would wait for ever.)

    Dask does this in one thread for all clusters of this process, so nothing here may wait without an end.
    """
    if future.done():
        return
    try:
        if call.status == "error":
            future.set_exception(call.exception(_PATIENCE))
        else:
            future.set_result(call.result(_PATIENCE))
    except InvalidStateError:
        pass  # it was cancelled here meanwhile
    except TimeoutError:  # the result went with its worker, and another does the call again
        call.add_done_callback(partial(_pass_on, future))
    except (CancelledError, OSError):  # the scheduler is lost
        future.cancel()
    except Exception as error:  # what the worker gave cannot be read here
        future.set_exception(error)


def _let_go(call: Any, future: Future[Any]) -> None:
    """Cancel the call in a process when its future is cancelled, and wake those who wait for it."""
    if future.cancelled():
        future.set_running_or_notify_cancel()
        if not call.done():
            call.cancel()


def _release(call: Any, future: Future[Any]) -> None:
    """The same on a cluster, where to cancel would wait for the scheduler's answer to every call."""
    if future.cancelled():
        future.set_running_or_notify_cancel()
    call.release()


def _within(seconds: float, function: Callable[[], Result]) -> Result:
    """What the call gives, or its error; ``TimeoutError`` when it takes longer. It then goes on in vain."""
    future: Future[Result] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future.result(seconds)


def executor(workers: int | str | None = None) -> Executor:
    """This process when ``workers`` is None; so many processes; or a Dask cluster, named by its scheduler's address.

    An address looks like ``"tcp://10.0.0.1:8786"``; the cluster's own workers then do the work, and need nagkit.
    A script that asks for processes has to begin under ``if __name__ == "__main__":``, as each of them imports it.
    """
    if workers is None:
        return InProcess()
    if isinstance(workers, str) and not workers.isdecimal():
        return Cluster(workers)
    return Processes(int(workers) if isinstance(workers, str) else workers)


def results(
    executor: Executor, function: Callable[[Given], Result], jobs: Iterable[Given], ahead: int | None = None
) -> Iterator[list[Result]]:
    """``function`` of every job, each time what has finished meanwhile.

    What waits when this is left is cancelled, and what runs then is lost. The first error of a call is raised here,
    after the results of the calls that finished with it.

    Args:
        ahead: how many calls are handed to the executor before the first of them is finished; when None, enough to
            keep it busy.
    """
    remaining = iter(jobs)
    pending: set[Future[Result]] = set()
    try:
        while True:
            room = (_busy(executor) if ahead is None else ahead) - len(pending)
            for job in islice(remaining, max(0, room)):
                pending.add(executor.submit(function, job))
            if not pending:
                return
            done, pending = wait_for_calls(pending, return_when=FIRST_COMPLETED)
            finished = [future.result() for future in done if not future.cancelled() and future.exception() is None]
            if finished:
                yield finished
            for future in done:
                future.result()
    except CancelledError:
        raise NagkitError(
            "Calls were cancelled before their work, as when the scheduler of a cluster ends. What was finished is "
            "kept: call again to go on, with an executor that runs."
        ) from None
    except _endings() as error:
        raise NagkitError(
            f"A worker process ended before its work ({error}); perhaps memory ran out. What was finished is kept: "
            "call again to go on, with fewer workers if it happens again."
        ) from None
    finally:
        for future in pending:
            future.cancel()


def workers(executor: Executor) -> int:
    """How many calls an executor does at once at present; of an unknown one, perhaps as many as processors."""
    if isinstance(executor, InProcess):
        return 1
    of_the_library = getattr(executor, "_max_workers", os.cpu_count() or 1)
    return getattr(executor, "workers", of_the_library)


def _busy(executor: Executor) -> int:
    """How many calls keep an executor busy at present."""
    return 1 if isinstance(executor, InProcess) else _AHEAD * workers(executor)


def _endings() -> tuple[type[Exception], ...]:
    """What is raised for a call when workers end under it; of Dask when several did."""
    kinds = {"pebble": "ProcessExpired", "distributed": "KilledWorker"}
    return BrokenExecutor, *(getattr(sys.modules[name], kind) for name, kind in kinds.items() if name in sys.modules)
