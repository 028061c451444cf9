"""The log of a run: numbered entries in an SQLite file, to which one process at a time adds.

An entry's digest is a sha256 over its kind, its content and the digest of the entry before it. The state, of which
only the latest is kept, has one over its content and the digest of the entry that it belongs to. So no damage goes
unnoticed.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from nagkit.database import connect, refusals
from nagkit.errors import ArgumentError, DataDamagedError, DataMissingError, NagkitError
from nagkit.owner import Owner

MARK = 0x6E61676B  # SQLite's application_id of a run: "nagk"
_WHAT = "run"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, content TEXT NOT NULL, digest TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS state (
    one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, content TEXT NOT NULL, digest TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS owner (one INTEGER PRIMARY KEY CHECK (one = 1), content TEXT NOT NULL);
"""
_TABLES = {"log": ("number", "kind", "content", "digest"), "state": ("one", "number", "content", "digest")} | {
    "owner": ("one", "content")
}


@dataclass(frozen=True)
class Entry:
    """One entry of a log, or the state that was kept with it."""

    number: int
    kind: str
    content: Mapping[str, Any]
    digest: str


class Log:
    """An open log: ``entries`` and ``state`` as they were when it was opened, verified, and what was added since."""

    def __init__(self, path: Path, make: bool = False) -> None:
        """Open the file; where there is none, make it or refuse."""
        if not make and not path.exists():
            raise DataMissingError(f"There is no run at {path}. Correct the path; `nagkit runs list` shows some.")
        self.path, self._me = path, ""
        self._db = connect(path, _SCHEMA, _WHAT, MARK)
        try:
            with refusals(path, _WHAT):
                self._db.execute("BEGIN")  # one picture of the file, although another process may write to it
                self._check_file()
                self.entries, self.state = self._read()
                self._db.execute("COMMIT")
        except NagkitError:
            self.close()
            raise

    def __enter__(self) -> "Log":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        try:
            if self._me:
                with refusals(self.path, _WHAT):
                    self._db.execute("DELETE FROM owner WHERE content = ?", (self._me,))
        finally:
            self._db.close()

    def take(self, take_over: bool = False) -> None:
        """Be the only one that adds entries until ``close``.

        Refused while another process does; one that has ended in whatever way is known to have.

        Args:
            take_over: whether whoever holds it is known to have ended, although it does not look so from here
        """
        me = Owner.me()
        with refusals(self.path, _WHAT), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            held = self._db.execute("SELECT content FROM owner").fetchone()
            if held and not take_over and not (holder := self._holder(held[0])).gone():
                raise ArgumentError(
                    f"path must be a run that no other writes to; {self.path} is held by {holder}. End that walk, or "
                    "give take_over=True if you know that it has ended. Reading is possible at any time."
                )
            self._me = json.dumps(asdict(me))
            self._db.execute("REPLACE INTO owner VALUES (1, ?)", (self._me,))
            self.entries, self.state = self._read()

    def _holder(self, text: str) -> Owner:
        try:
            return Owner(**json.loads(text))
        except (TypeError, ValueError):
            raise self._damaged("who holds it is not what was written") from None

    def append(self, kind: str, content: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> None:
        """Add an entry, and keep the state instead of the one before if there is one, in one transaction."""
        text = json.dumps(content, allow_nan=False)
        digest = _digest(self.entries[-1].digest if self.entries else "", kind, text)
        entry = Entry(len(self.entries), kind, json.loads(text), digest)
        with refusals(self.path, _WHAT), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            if self._db.execute("SELECT content FROM owner").fetchone() != (self._me,):
                raise ArgumentError(
                    f"{self.path} was taken over by another process. Open it again to go on from there."
                )
            self._db.execute("INSERT INTO log VALUES (?, ?, ?, ?)", (entry.number, kind, text, digest))
            if state is not None:
                kept = json.dumps(state, allow_nan=False)
                row = (entry.number, kept, _digest(digest, "state", kept))
                self._db.execute("REPLACE INTO state VALUES (1, ?, ?, ?)", row)
                self.state = Entry(entry.number, "state", json.loads(kept), row[2])
        self.entries.append(entry)

    def budget(self) -> int:
        """How many architectures the run may ask for, as it was last told."""
        told = [entry.content["budget"] for entry in self.entries if entry.kind in ("about", "walk")]
        return int(told[-1])

    def _check_file(self) -> None:
        """The file is whole as far as SQLite knows, and a run."""
        if (problem := self._db.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise self._damaged(problem)
        tables = "SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        if {*self._db.execute(tables)} != {(name, "table") for name in _TABLES}:
            raise self._damaged("it holds other tables than a run")
        for name, columns in _TABLES.items():
            if tuple(row[1] for row in self._db.execute(f"PRAGMA table_info({name})")) != columns:
                raise self._damaged(f"its table {name} has other columns")

    def _read(self) -> tuple[list[Entry], Entry | None]:
        entries: list[Entry] = []
        rows = self._db.execute("SELECT number, kind, content, digest FROM log ORDER BY number").fetchall()
        for place, (number, kind, text, digest) in enumerate(rows):
            if number != place or digest != _digest(entries[-1].digest if entries else "", kind, text):
                raise self._damaged(f"entry {place} is not what was written")
            entries.append(Entry(number, kind, json.loads(text), digest))
        kept = self._db.execute("SELECT number, content, digest FROM state").fetchone()
        if kept is None:
            if any(entry.kind == "asked" for entry in entries):
                raise self._damaged("the state of the search is missing")
            return entries, None
        number, text, digest = kept
        if number not in range(len(entries)) or digest != _digest(entries[number].digest, "state", text):
            raise self._damaged("the state of the search is not what was written")
        return entries, Entry(number, "state", json.loads(text), digest)

    def _damaged(self, problem: str) -> DataDamagedError:
        return DataDamagedError(
            f"{self.path} is no whole run: {problem}. Go on from a copy, or move it away to begin anew."
        )


def is_run(path: Path) -> bool:
    """Whether this is a file that was made for a run, whole or not."""
    if not path.is_file():
        return False
    for how in ("mode=ro", "immutable=1"):  # the second in a folder that cannot be written
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as db:
                return bool(db.execute("PRAGMA application_id").fetchone() == (MARK,))
        except sqlite3.Error:
            continue
    return False


def _digest(before: str, kind: str, text: Any) -> str:
    return hashlib.sha256(json.dumps([before, kind, text]).encode()).hexdigest()
