"""How far long work is, and the time left: a bar in a notebook or a terminal, or lines for a process that follows.

Where a program has its output read by something else than a person, nothing is shown.
"""

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

FILE = "progress.jsonl"  # in the folder of work that another process follows; a line each time it tells how far it is
_PAUSE = 0.2  # seconds between two lines, and between two looks at them

Step = TypeVar("Step")


class Progress:
    """A bar that goes when the work is done.

    Work whose folder is followed (see ``followed``) writes lines to be drawn by its follower instead.

    Args:
        what: the work, in a word or two.
        total: how many steps it has; None where that is not known before.
        unit: what a step is.
        out: the folder of the work, if it has one.
    """

    def __init__(
        self, what: str, total: int | None = None, unit: str = "step", out: str | os.PathLike[str] = ""
    ) -> None:
        from tqdm.auto import tqdm

        file = Path(out, FILE)
        self._file = file if str(out) and file.is_file() else None
        self._about = {"what": what, "unit": unit}
        self._written = 0.0
        quiet = None if self._file is None else True  # None: as it fits to where this runs
        self._bar: Any = tqdm(total=total, desc=what, unit=unit, disable=quiet, leave=False)
        self._total, self._done = total, 0
        self._write()

    def tell(self, done: int, total: int | None = None, note: str = "") -> None:
        """So many steps are done, of so many if that is known only now; what was done before the first is left out
        of account.
        """
        if self._done == 0:
            self._bar.initial = self._bar.n = self._bar.last_print_n = max(done - 1, 0)
        if total is not None:
            self._bar.total = self._total = total
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)
        self._done = done
        if done == self._total or time.monotonic() - self._written > _PAUSE:
            self._write()

    def _write(self) -> None:
        if self._file is not None:
            line = json.dumps({**self._about, "total": self._total, "done": self._done})
            with self._file.open("a") as file:
                file.write(line + "\n")
            self._written = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def progress(
    steps: Iterable[Step], what: str, total: int | None = None, out: str | os.PathLike[str] = ""
) -> Iterator[Step]:
    """These steps, with a bar that says how many are done and how long the others take.

    Args:
        steps: the work, an iterator.
        what: the work, in a word or two.
        total: how many steps it has; when None as many as ``steps`` says, if it does.
        out: the folder of the work, if it has one.
    """
    if total is None and isinstance(steps, Sized):
        total = len(steps)
    with Progress(what, total, out=out) as bar:
        for number, step in enumerate(steps, 1):
            yield step
            bar.tell(number)


@contextmanager
def followed(out: str | os.PathLike[str], shown: bool) -> Iterator[None]:
    """Work with this folder, in whatever process, leaves its bars to this one, which draws them if they are shown."""
    file, ended = Path(out, FILE).resolve(), threading.Event()  # a notebook is run with its own folder as the current
    file.write_bytes(b"")
    thread = threading.Thread(target=_follow, args=(file, ended), daemon=True)
    try:
        if shown:
            thread.start()
        yield
    finally:
        ended.set()
        if shown:
            thread.join()
        file.unlink(missing_ok=True)


def _follow(file: Path, ended: threading.Event) -> None:
    """Draw what the lines of a file tell, until the work has ended."""
    bar: Progress | None = None
    what = None
    with file.open() as lines:
        unfinished = ""
        while not ended.wait(_PAUSE):
            *whole, unfinished = (unfinished + lines.read()).split("\n")
            for told in map(json.loads, whole):
                if told["what"] != what or told["done"] == 0:
                    if bar is not None:
                        bar.__exit__()
                    what, bar = told["what"], Progress(told["what"], told["total"], told["unit"])
                if told["done"] and bar is not None:
                    bar.tell(told["done"], told["total"])
    if bar is not None:
        bar.__exit__()
