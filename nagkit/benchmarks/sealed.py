"""Sealed files: named arrays and what is said about them, which nothing changes unnoticed.

It is a safetensors file with one text of JSON: the description, and a sha256 over it and the arrays, which is verified
at every opening. Opened arrays are read-only views of the mapped file.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from nagkit.errors import ArgumentError, DataDamagedError, DataMissingError
from nagkit.files import write_atomically

RESERVED = "__metadata__"  # what safetensors calls its own part of the header
HEADER = "nagkit"
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
}


class Sealed(NamedTuple):
    """What a file held, and the sha256 that it was sealed with."""

    description: dict[str, Any]
    arrays: dict[str, np.ndarray]
    sha256: str


def write(path: str | os.PathLike[str], description: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """The file at ``path`` holds these; the same content gives the same bytes on every machine."""
    stored = {name: np.ascontiguousarray(a, dtype=a.dtype.newbyteorder("<")) for name, a in arrays.items()}
    draft = save(stored, {HEADER: _text(description, "0" * 64)})
    digest = _digest(description, _layout(stored), memoryview(draft)[_data_start(draft) :])
    write_atomically(path, save(stored, {HEADER: _text(description, digest)}))


def read(path: Path, number: int) -> Sealed:
    """The content of the file at ``path``, whose description has this ``number`` as its format."""
    arrays, header, data = _map(path)
    description, expected = header["table"], header["sha256"]
    if _digest(description, _layout(arrays), data) != expected:
        raise ValueError("its content does not have the sha256 that it names")
    if description["format"] != number:
        remedy = ": update nagkit" if description["format"] > number else ""
        raise ValueError(f"it has format {description['format']}, this nagkit reads format {number}{remedy}")
    return Sealed(description, arrays, expected)


@contextmanager
def refusals(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The path of a table that is there; what is wrong with its content inside becomes a ``DataDamagedError``."""
    if not isinstance(path, str | os.PathLike):
        raise ArgumentError(f"path must be the path of a table file; got {path!r}.")
    path = Path(path)
    if not path.is_file():
        raise DataMissingError(f"There is no table at {path}. Write one there with Columns.write, or correct the path.")
    try:
        yield path
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataDamagedError(
            f"{path} is not a whole nagkit table: {error!s:.300}. Delete it: a converted "
            "table is made again at its next use, one that nagkit ships comes back by installing nagkit again."
        ) from None


def _text(description: dict[str, Any], digest: str) -> str:
    return json.dumps({"sha256": digest, "table": description}, sort_keys=True, allow_nan=False)


def _layout(arrays: Mapping[str, np.ndarray]) -> list[list[Any]]:
    return sorted([name, array.dtype.str, list(array.shape)] for name, array in arrays.items())


def _digest(description: dict[str, Any], layout: list[list[Any]], data: Any) -> str:
    """sha256 over what is said about the arrays, their names, types and shapes, and their bytes."""
    digest = hashlib.sha256(json.dumps([description, layout], sort_keys=True).encode())
    digest.update(data)
    return digest.hexdigest()


def _data_start(data: Any) -> int:
    """Where the arrays begin: after the eight bytes that give the length of the header, and the header."""
    return 8 + int.from_bytes(bytes(data[:8]), "little")


def _map(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any], np.ndarray]:
    """The arrays as views of the mapped file, the header, and the mapped bytes of all arrays.

    safetensors checks the header (no holes, no overlaps, nothing beyond the end) but copies what it hands out, so the
    views are made here: without holes, each array begins where the one before it ends.
    """
    with safe_open(path, framework="np") as file:
        header = json.loads(file.metadata()[HEADER])
        slices = {name: file.get_slice(name) for name in file.offset_keys()}
        layout = {name: (DTYPES[part.get_dtype()], tuple(part.get_shape())) for name, part in slices.items()}
    mapped = np.memmap(path, dtype=np.uint8, mode="r")
    data = mapped[_data_start(mapped) :]
    arrays, offset = {}, 0
    for name, (dtype, shape) in layout.items():
        arrays[name] = np.ndarray(shape, dtype, buffer=data, offset=offset)
        offset += arrays[name].nbytes
    return arrays, header, data
