"""A report for every combination of parameters, each in a folder of its own, with an index page over all of them."""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nagkit.errors import ArgumentError, NagkitError
from nagkit.executors import InProcess, results
from nagkit.files import writable, write_atomically
from nagkit.grid import Cell, grid
from nagkit.index import Index
from nagkit.report import Estimate, report, source

LOCK = ".lock"  # of the process that is at work in a folder
RECORD = "cell.json"  # beside a page: what it was made from, and what came of it


@dataclass(frozen=True)
class Finished:
    """What came of one cell: its figures, or the sentence by which it failed."""

    cell: Cell
    seconds: float
    fault: str = ""
    figures: Mapping[str, Estimate] = field(default_factory=dict)


class Sweep:
    """A report over a grid of parameters, in a folder that goes on where it was left.

    A cell that is complete, from the same notebook with the same parameters by the same nagkit, is never run again;
    one that failed is. ``cells`` are all of them, ``folder`` holds a folder for each and the index: ``index.html``,
    ``index.csv`` and ``index.json``.
    """

    def __init__(
        self, name: str, lists: Mapping[str, str | Sequence[object]], out: str | os.PathLike[str] | None = None
    ) -> None:
        """Check every cell; nothing is run or written before.

        Args:
            name: the report.
            lists: for each parameter its values, as ``[96, 192]``, ``range(20)`` or ``"0..19"`` (``nagkit.grid``).
            out: the folder; without it ``runs/sweeps/<name>``.
        """
        if out is not None and not isinstance(out, str | os.PathLike):
            raise ArgumentError(f"out must be a folder; got {out!r:.80}.")
        self.name, self.cells = name, grid(name, lists)
        self.folder = (Path("runs", "sweeps", name) if out is None else Path(out)).resolve()
        self._made_by = {"report": name, "notebook": _digest(source(name)), "nagkit": version("nagkit")}

    def place(self, cell: Cell) -> Path:
        """The folder of a cell."""
        return self.folder / cell.folder

    def finished(self) -> list[Finished]:
        """The cells that are complete, and those that failed when they were last run."""
        return [each for cell in self.cells if (each := self._read(cell)) is not None]

    def run(self, executor: Executor | None = None) -> Iterator[Finished]:
        """Run what is not complete: each cell when it has finished, is kept, and stands in the index.

        Leave this, or kill it, and call it again to go on. A cell that fails says so and lets the others go on.
        Workers of a cluster need the checkout and the folder where this process has them. Raises ``NagkitError`` where
        another process is at work in the folder.
        """
        writable(self.folder)
        with _held(self.folder):
            yield from self._run(executor)

    def _run(self, executor: Executor | None) -> Iterator[Finished]:
        known = {each.cell.folder: each for each in self.finished()}
        waiting = [cell for cell in self.cells if cell.folder not in known or known[cell.folder].fault]
        known = {name: each for name, each in known.items() if not each.fault}
        self._write(known)
        work = partial(_run, self.name, self._made_by, self.folder)
        for batch in results(InProcess() if executor is None else executor, work, waiting):
            known |= {each.cell.folder: each for each in batch}
            self._write(known)
            yield from batch

    def _read(self, cell: Cell) -> Finished | None:
        """What came of a cell, if its record says that it was made from this."""
        place = self.place(cell)
        try:
            record = json.loads((place / RECORD).read_text())
            if record["from"] != _made_from(self._made_by, cell) or not (record["fault"] or _whole(place)):
                return None
            figures = {key: Estimate(**each) for key, each in record["figures"].items()}
            return Finished(cell, float(record["seconds"]), str(record["fault"]), figures)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, NagkitError):
            return None  # no record, or none that nagkit wrote: the cell is run

    def _write(self, known: Mapping[str, Finished]) -> None:
        """The index of all cells, those that are not finished too."""
        for file, text in Index(self.name, self.cells, known).files().items():
            write_atomically(self.folder / file, text.encode())


def _run(name: str, made_by: Mapping[str, str], folder: Path, cell: Cell) -> Finished:
    """Run one cell and keep what came of it."""
    place, start = folder / cell.folder, time.perf_counter()
    try:
        for old in (RECORD, "result.json"):
            (place / old).unlink(missing_ok=True)
        report(name, cell.values, place)
        told = json.loads((place / "result.json").read_text()) if (place / "result.json").exists() else {}
        fault, figures = "", {key: Estimate(**each) for key, each in told.items()}
    except Exception as error:  # whatever it is, the other cells go on
        kind = "" if isinstance(error, NagkitError) else f"{type(error).__name__}: "
        fault, figures = f"{kind}{error}", {}
    found = Finished(cell, time.perf_counter() - start, fault, figures)
    record = {
        "from": _made_from(made_by, cell),
        "fault": fault,
        "seconds": found.seconds,
        "figures": {key: asdict(each) for key, each in figures.items()},
    }
    write_atomically(place / RECORD, (json.dumps(record, indent=2) + "\n").encode())
    return found


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Nobody else sweeps in this folder meanwhile; the lock goes with the process that holds it."""
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise NagkitError(
            f"Another process runs a sweep in {folder}. Wait for it, or stop it; or give this one a folder of its own."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _made_from(made_by: Mapping[str, str], cell: Cell) -> dict[str, Any]:
    return {**made_by, "parameters": dict(cell.values)}


def _whole(place: Path) -> bool:
    return (place / "report.html").is_file() and (place / "report.ipynb").is_file()


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
