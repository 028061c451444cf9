"""A worker: one thread walks an iterator, the kernel's loop draws what came last, and Stop is heard within one step.

The thread only computes: it never prints and never touches a widget. It swaps each item into one attribute; a
coroutine on the kernel's loop hands the latest to ``draw``, and only when the page has drawn the one before. Items
that come faster are not drawn; the last one always is. Work that arrives while other work runs waits in a queue of
one: newer work replaces it, and what runs is stopped for it.

Where no loop runs, or ``NAGKIT_HEADLESS`` is set (papermill), the same code runs at once, in place.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Generic, Literal, TypeVar

from nagkit.errors import NagkitError

Item = TypeVar("Item")
TICK = 0.02  # seconds between two looks at what the thread has done
PATIENCE = 2.0  # seconds to wait for a page that does not answer: it may be closed


class Worker(Generic[Item]):
    """At most one thread, at most one drawing under way; ``last`` is the newest item, ``fault`` what went wrong.

    Args:
        draw: is given the latest item, on the kernel's loop
        finish: is called on the kernel's loop when the work has ended, was stopped or failed
        busy: whether the page is still drawing
        pace: least number of seconds between two items, so that eyes can follow
    """

    def __init__(
        self,
        draw: Callable[[Item], None],
        finish: Callable[[], None] = lambda: None,
        busy: Callable[[], bool] = lambda: False,
        pace: float = 0.0,
    ) -> None:
        self._draw, self._finish, self._busy, self.pace = draw, finish, busy, pace
        self.last: Item | None = None
        self.fault: Exception | None = None
        self.stopped = False
        self._lock = threading.Lock()
        self._interrupt = threading.Event()
        self._thread: threading.Thread | None = None
        self._next: Iterator[Item] | None = None
        self._latest: tuple[Item, ...] = ()
        self._pumping = False
        self._task: asyncio.Task[None] | None = None  # held here, since a loop keeps only a weak reference

    @property
    def state(self) -> Literal["idle", "running", "stopping"]:
        """What the thread does at this moment."""
        if self._thread is None:
            return "idle"
        return "stopping" if self._interrupt.is_set() and self._next is None else "running"

    def start(self, work: Iterator[Item]) -> None:
        """Begin to walk ``work``; refused while other work runs."""
        self._take(work, replace=False)

    def replace(self, work: Iterator[Item]) -> None:
        """Walk ``work`` as soon as what runs has stopped; of several that wait, only the newest is kept."""
        self._take(work, replace=True)

    def stop(self) -> None:
        """End after the present step; what waits is dropped, what was drawn stays."""
        with self._lock:
            self._next = None
            if self._thread is not None:
                self.stopped = True
            self._interrupt.set()

    def interrupted(self) -> bool:
        """Whether what runs is to end, for a stop or for newer work; for work whose steps are long."""
        return self._interrupt.is_set()

    def forget(self) -> None:
        """Tell no more of the work that was last done, as something else is shown; refused while any runs."""
        if self._thread is not None:
            raise NagkitError("The worker is running. Stop it first, or let it finish.")
        self.last, self.fault, self.stopped = None, None, False

    def wait(self) -> None:
        """Return when nothing runs or waits any more."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _take(self, work: Iterator[Item], replace: bool) -> None:
        loop = kernel_loop()
        with self._lock:
            if self._thread is not None and not replace:
                raise NagkitError("The worker is running. Stop it first, or let it finish.")
            self._next = work
            self._interrupt.set()  # heard by what runs; cleared when the next work begins
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="nagkit-worker", daemon=True)
            if loop is not None:
                thread.start()  # it waits for the lock
                if not self._pumping:
                    self._pumping = True
                    loop.call_soon_threadsafe(self._launch, loop)
            self._thread = thread
        if loop is None:
            self._in_place()

    def _in_place(self) -> None:
        pace, self.pace = self.pace, 0.0
        try:
            self._run()
        finally:
            self.pace = pace
        self._show()
        self._finish()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException:  # an interrupt or an exit: what waits is dropped, and other work may begin
            with self._lock:
                self._next, self._thread, self.stopped = None, None, True
            raise

    def _work(self) -> None:
        while True:
            with self._lock:
                work, self._next = self._next, None
                if work is None:
                    self._thread = None
                    return
                self._interrupt.clear()
            self.fault, self.stopped = None, False
            try:
                self.stopped = not self._walk(work)
            except Exception as fault:  # whatever it is, it is shown where the user looks, not lost in a log
                self.fault = fault

    def _walk(self, work: Iterator[Item]) -> bool:
        """Whether the work came to its own end; what was left is closed in this thread, as files want it."""
        began = time.monotonic()
        try:
            for item in work:
                self.last, self._latest = item, (item,)
                self._interrupt.wait(self.pace - (time.monotonic() - began))
                if self._interrupt.is_set():
                    return False
                began = time.monotonic()
        finally:
            if isinstance(work, Generator):
                work.close()
        return not self._interrupt.is_set()

    def _show(self) -> None:
        latest, self._latest = self._latest, ()
        for item in latest:
            self._draw(item)

    def _launch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._pump())

    async def _pump(self) -> None:
        try:
            await self._follow()
        except BaseException:  # the loop ends; another may follow
            self._pumping = False
            raise
        try:
            self._finish()
        except Exception as fault:
            self.fault = fault

    async def _follow(self) -> None:
        """Draw until nothing runs and nothing is left to draw."""
        drawn = 0.0
        while True:
            running = self._thread is not None
            try:
                if self._latest and (not self._busy() or time.monotonic() - drawn > PATIENCE):
                    drawn = time.monotonic()
                    self._show()
            except Exception as fault:
                self.stop()
                self.fault, self._latest = fault, ()
            with self._lock:
                if not running and self._thread is None and not self._latest:
                    self._pumping = False
                    return
            await asyncio.sleep(TICK)


def kernel_loop() -> asyncio.AbstractEventLoop | None:
    """The loop of the kernel, or nothing where the work has to run in place."""
    if os.environ.get("NAGKIT_HEADLESS"):
        return None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
