"""Files that appear whole or not at all: written beside their place, flushed to disk, then renamed."""

import os
import tempfile
from pathlib import Path

from nagkit.errors import ArgumentError


def writable(folder: str | os.PathLike[str]) -> None:
    """Makes a folder, before any work; one that could not take its result is refused."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise ArgumentError(
            f"out must be a folder that can be made; {folder} cannot: {fault.strerror}. Name another one."
        ) from None
    if not os.access(folder, os.W_OK):
        raise ArgumentError(f"out must be a folder that can be written; {folder} cannot. Name another one.")


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """``path`` holds exactly ``data``, also after a crash; until then it holds what it held before.

    Folders are made as needed. Two processes may write the same path: one of the two contents stays, whole.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)  # mkstemp makes files that only their owner can read
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the rename itself is on disk only after its folder is
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
