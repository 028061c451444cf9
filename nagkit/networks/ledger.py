"""The ledger of all builds: one SQLite file in which every finished piece of work is one transaction.

A cell is named by its place in the list of all rows of its space (``space.index``), or by ``number`` where no list can
hold them; a task by its name.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from nagkit.database import connect, refusals
from nagkit.errors import ArgumentError

_WHAT = "ledger of a build"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (
    task TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (task, name)
);
CREATE TABLE IF NOT EXISTS trained (
    task TEXT NOT NULL, cell INTEGER NOT NULL, seed INTEGER NOT NULL, tokens TEXT NOT NULL, curves TEXT NOT NULL,
    seconds REAL NOT NULL, versions TEXT NOT NULL, PRIMARY KEY (task, cell, seed)
);
CREATE TABLE IF NOT EXISTS timings (
    cell INTEGER NOT NULL, round INTEGER NOT NULL, processor TEXT NOT NULL, milliseconds REAL NOT NULL,
    PRIMARY KEY (cell, round, processor)
);
"""


def number(tokens: Sequence[int] | Int[np.ndarray, "L"]) -> int:
    """A name for an architecture of any space: 63 bits of the SHA-256 of its row."""
    digest = hashlib.sha256(json.dumps(list(map(int, tokens))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass(frozen=True)
class Training:
    """One finished training: each curve has a value for each epoch; ``seconds`` are of the processor.

    ``versions`` says what else the numbers depend on.
    """

    task: str
    cell: int
    seed: int
    tokens: tuple[int, ...]
    curves: Mapping[str, list[float]]
    seconds: float
    versions: Mapping[str, Any]


class Ledger:
    """An open ledger. What a method has written stays, whenever the process ends."""

    def __init__(self, path: Path) -> None:
        """Open the file or make it."""
        self.path = path
        self._db = connect(path, _SCHEMA, _WHAT)

    def agree(self, task: str, about: Mapping[str, object]) -> None:
        """Write down what a task is (recipes, skeleton, seeds); a ledger that knows it as something else is refused."""
        with refusals(self.path, _WHAT):
            for name, value in about.items():
                text = json.dumps(value)
                self._db.execute("INSERT OR IGNORE INTO about VALUES (?, ?, ?)", (task, name, text))
                query = "SELECT value FROM about WHERE task = ? AND name = ?"
                (known,) = self._db.execute(query, (task, name)).fetchone()
                if json.loads(known) != json.loads(text):
                    raise ArgumentError(
                        f"ledger must hold {task} as it is now, with {name} = {text:.400}; {self.path} has it with "
                        f"{known:.400}. Move that file away, or give another ledger."
                    )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, trainings: Iterable[Training]) -> None:
        """Write these down in one transaction; what is there already stays as it is."""
        rows = [
            (
                *(each.task, each.cell, each.seed, json.dumps(each.tokens), json.dumps(dict(each.curves))),
                *(each.seconds, json.dumps(dict(each.versions))),
            )
            for each in trainings
        ]
        with refusals(self.path, _WHAT), self._db:  # commits, or rolls back
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR IGNORE INTO trained VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def cells(self, task: str, seeds: Collection[int]) -> set[int]:
        """The cells that are trained on a task with all of these seeds."""
        query = "SELECT cell, seed FROM trained WHERE task = ?"
        with refusals(self.path, _WHAT):
            known = set(self._db.execute(query, (task,)))
        return {cell for cell, _ in known if all((cell, seed) in known for seed in seeds)}

    def count(self, task: str) -> int:
        """How many trainings on a task are finished; as none is ever changed, as many are the same ones."""
        with refusals(self.path, _WHAT):
            (found,) = self._db.execute("SELECT COUNT(*) FROM trained WHERE task = ?", (task,)).fetchone()
        return int(found)

    def trained(self, task: str) -> list[Training]:
        """Every finished training on a task, by cell and seed."""
        query = "SELECT cell, seed, tokens, curves, seconds, versions FROM trained WHERE task = ? ORDER BY cell, seed"
        with refusals(self.path, _WHAT):
            return [
                Training(task, cell, seed, tuple(json.loads(tokens)), json.loads(curves), seconds, json.loads(versions))
                for cell, seed, tokens, curves, seconds, versions in self._db.execute(query, (task,))
            ]

    def add_timing(self, cell: int, number: int, processor: str, milliseconds: float) -> None:
        """Write down what a cell took in round ``number``."""
        row = (cell, number, processor, milliseconds)
        with refusals(self.path, _WHAT):
            self._db.execute("INSERT OR IGNORE INTO timings VALUES (?, ?, ?, ?)", row)

    def timings(self, processor: str) -> dict[int, dict[int, float]]:
        """Milliseconds on this processor: cell -> round -> value."""
        found: dict[int, dict[int, float]] = {}
        query = "SELECT cell, round, milliseconds FROM timings WHERE processor = ? ORDER BY cell, round"
        with refusals(self.path, _WHAT):
            for cell, number, milliseconds in self._db.execute(query, (processor,)):
                found.setdefault(cell, {})[number] = milliseconds
        return found
