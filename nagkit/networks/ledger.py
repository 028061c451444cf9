"""The ledger of a build: one SQLite file in which every finished training and timing is one transaction.

A cell is named by its place in the list of all rows of its space (``space.index``).
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nagkit.errors import ArgumentError, DataDamagedError, NagkitError

_PATIENCE = 60.0  # seconds to wait for another process to finish writing
_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trained (
    cell INTEGER NOT NULL, seed INTEGER NOT NULL, tokens TEXT NOT NULL, curves TEXT NOT NULL,
    seconds REAL NOT NULL, versions TEXT NOT NULL, PRIMARY KEY (cell, seed)
);
CREATE TABLE IF NOT EXISTS timings (
    cell INTEGER NOT NULL, round INTEGER NOT NULL, processor TEXT NOT NULL, milliseconds REAL NOT NULL,
    PRIMARY KEY (cell, round, processor)
);
"""


@dataclass(frozen=True)
class Training:
    """One finished training: each curve has a value for each epoch; ``seconds`` are of the processor.

    ``versions`` says what else the numbers depend on.
    """

    cell: int
    seed: int
    tokens: tuple[int, ...]
    curves: Mapping[str, list[float]]
    seconds: float
    versions: Mapping[str, Any]


class Ledger:
    """An open ledger. What a method has written stays, whenever the process ends."""

    def __init__(self, path: Path, about: Mapping[str, object]) -> None:
        """Open the file or make it.

        Args:
            about: what is built (recipes, skeleton); a ledger of something else is refused.
        """
        self.path = path
        with _refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE)
        try:
            with _refusals(path):
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.executescript(_SCHEMA)
                self._agree(about)
        except NagkitError:
            self.close()
            raise

    def _agree(self, about: Mapping[str, object]) -> None:
        for name, value in about.items():
            text = json.dumps(value)
            self._db.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (name, text))
            (known,) = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
            if known != text:
                raise ArgumentError(
                    f"path must be a ledger with {name} = {text}; {self.path} has {known}. Give another path."
                )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, trainings: Iterable[Training]) -> None:
        """Write these down in one transaction; a cell that is there already with that seed stays as it is."""
        rows = [
            (t.cell, t.seed, json.dumps(t.tokens), json.dumps(dict(t.curves)), t.seconds, json.dumps(dict(t.versions)))
            for t in trainings
        ]
        with _refusals(self.path), self._db:  # commits, or rolls back
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR IGNORE INTO trained VALUES (?, ?, ?, ?, ?, ?)", rows)

    def trained(self, seed: int) -> dict[int, Training]:
        """Every finished training with this seed, by cell."""
        query = "SELECT cell, tokens, curves, seconds, versions FROM trained WHERE seed = ? ORDER BY cell"
        with _refusals(self.path):
            return {
                cell: Training(cell, seed, tuple(json.loads(tokens)), json.loads(curves), seconds, json.loads(versions))
                for cell, tokens, curves, seconds, versions in self._db.execute(query, (seed,))
            }

    def add_timing(self, cell: int, number: int, processor: str, milliseconds: float) -> None:
        """Write down what a cell took in round ``number``."""
        row = (cell, number, processor, milliseconds)
        with _refusals(self.path):
            self._db.execute("INSERT OR IGNORE INTO timings VALUES (?, ?, ?, ?)", row)

    def timings(self, processor: str) -> dict[int, dict[int, float]]:
        """Milliseconds on this processor: cell -> round -> value."""
        found: dict[int, dict[int, float]] = {}
        query = "SELECT cell, round, milliseconds FROM timings WHERE processor = ? ORDER BY cell, round"
        with _refusals(self.path):
            for cell, number, milliseconds in self._db.execute(query, (processor,)):
                found.setdefault(cell, {})[number] = milliseconds
        return found


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """What SQLite and the file system refuse inside, as errors of nagkit."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:  # not permitted, no space, a folder, in use
        raise ArgumentError(
            f"path must be a ledger that can be read and written now; {path} cannot ({error}). "
            "Give another path, or wait until no other process writes to it."
        ) from None
    except sqlite3.DatabaseError as error:
        raise DataDamagedError(f"{path} is no ledger of a build ({error}). Move it away to begin anew.") from None
