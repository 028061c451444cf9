"""SQLite files in which what was written stays, whenever the process ends."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nagkit.errors import ArgumentError, DataDamagedError, NagkitError

_PATIENCE = 60.0  # seconds to wait for another process to finish writing


def connect(path: Path, schema: str, what: str, mark: int = 0) -> sqlite3.Connection:
    """The open file, made with its folders where there is none; every transaction is on disk when it returns.

    Args:
        what: what the file is, for refusals, such as ``"ledger of a build"``
        mark: the ``application_id`` of such files; one with tables and another is refused and stays as it is
    """
    if _only_to_read(path):
        with refusals(path, what):  # nobody here can write to it, so it does not change either
            return sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)
    with refusals(path, what):
        path.parent.mkdir(parents=True, exist_ok=True)
        # whoever holds the connection uses it from one thread at a time, but may be closed by another
        db = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE, check_same_thread=False)
    try:
        with refusals(path, what):
            for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"):
                db.execute(f"PRAGMA {pragma}")  # the file may be a stranger's
            (found,), made = db.execute("PRAGMA application_id").fetchone(), _made(db)
            if made and found != mark:
                raise sqlite3.DatabaseError("it holds something else")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            if not made:
                db.executescript(f"BEGIN IMMEDIATE; PRAGMA application_id = {mark}; {schema} COMMIT;")
    except NagkitError:
        db.close()
        raise
    return db


def _only_to_read(path: Path) -> bool:
    return path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def _made(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master").fetchone() is not None


@contextmanager
def refusals(path: Path, what: str) -> Iterator[None]:
    """What SQLite and the file system refuse inside, as errors of nagkit."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:  # not permitted, no space, a folder, in use
        raise ArgumentError(
            f"path must be a {what} that can be read and written now; {path} cannot ({error}). "
            "Give another path, make room on the disk, or wait until no other process writes to it."
        ) from None
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise
    except sqlite3.DatabaseError as error:
        raise DataDamagedError(f"{path} is no {what} ({error}). Move it away to begin anew.") from None
