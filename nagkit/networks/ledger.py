"""The ledger of a build: one SQLite file in which every finished training and timing is one transaction."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from nagkit.errors import ArgumentError, DataDamagedError
from nagkit.networks.training import Epoch

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trained (
    cell INTEGER NOT NULL, seed INTEGER NOT NULL, tokens TEXT NOT NULL, curves TEXT NOT NULL,
    seconds REAL NOT NULL, versions TEXT NOT NULL, PRIMARY KEY (cell, seed)
);
CREATE TABLE IF NOT EXISTS timed (
    cell INTEGER NOT NULL, round INTEGER NOT NULL, milliseconds REAL NOT NULL, PRIMARY KEY (cell, round)
);
"""


class Ledger:
    """An open ledger; a cell is named by its place in the list of all rows of its space."""

    def __init__(self, path: Path, about: Mapping[str, object]) -> None:
        """Open the file or make it.

        Args:
            about: what the build makes (recipes, skeleton); a file about something else is refused.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._db = sqlite3.connect(path, isolation_level=None, timeout=60)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise DataDamagedError(f"{path} is no ledger of a build ({error}). Move it away to begin anew.") from None
        self._agree(about)

    def _agree(self, about: Mapping[str, object]) -> None:
        for name, value in about.items():
            text = json.dumps(value)
            self._db.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (name, text))
            (known,) = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
            if known != text:
                self.close()
                raise ArgumentError(
                    f"{self.path} was begun with {name} = {known}, not {text}. Give another path for another build."
                )

    def close(self) -> None:
        """Close the file; everything finished is in it already."""
        self._db.close()

    def trained(self, seed: int) -> dict[int, dict]:
        """The finished trainings with this seed: cell -> tokens, curves, seconds, versions."""
        query = "SELECT cell, tokens, curves, seconds, versions FROM trained WHERE seed = ? ORDER BY cell"
        with closing(self._db.execute(query, (seed,))) as rows:
            return {
                cell: {
                    "tokens": json.loads(tokens),
                    "curves": json.loads(curves),
                    "seconds": seconds,
                    "versions": json.loads(versions),
                }
                for cell, tokens, curves, seconds, versions in rows
            }

    def add_training(
        self, cell: int, seed: int, tokens: Sequence[int], epochs: Sequence[Epoch], versions: Mapping[str, str]
    ) -> None:
        """Write down a finished training, for good."""
        columns = [asdict(epoch) for epoch in epochs]
        curves = {name: [epoch[name] for epoch in columns] for name in columns[0] if name != "number"}
        row = (cell, seed, json.dumps(list(tokens)), json.dumps(curves), sum(curves["seconds"]), json.dumps(versions))
        self._db.execute("INSERT INTO trained VALUES (?, ?, ?, ?, ?, ?)", row)
