"""The table file: named columns of numbers, memory-mapped and checked, with every metric described beside its numbers.

One format serves the converted public tables and our own embedded ones. The file is a safetensors file with one
tensor for each column and one for the rows, and one text of JSON: the metrics, where the numbers come from, under which
licence, and a sha256 over all of it that is verified at every opening.

Writing a table takes two lines (here: three architectures, one number and one curve of five epochs each)::

    columns = Columns(
        name="digits/mid8", space="nas-bench-201", identity="benchmark", source="...", licence="MIT",
        rows=space.index(tokens),  # (n,) ascending, see below
        metrics={"val_accuracy": Metric("val_accuracy", "%", "max", split="val", epochs=8, source="...", licence="MIT"),
                 "val_loss": Metric("val_loss", "nats", "min", ...)},
        values={"val_accuracy": np.array([...]),  # (n,)
                "val_loss": np.array([[...]])},   # (n, epochs): a curve
        shared={},  # or the identity of columns whose rows share measurements
        details={"recipe": ...},  # anything JSON can hold
    )
    columns.write(path)

Units of the house: accuracies in ``%``, losses in ``nats``, ``params`` and ``flops`` in ``M`` (millions), times in
``s``, latencies in ``ms``, energies in ``mJ``.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from nagkit import arguments
from nagkit.errors import ArgumentError, DataDamagedError, DataMissingError
from nagkit.files import write_atomically
from nagkit.metrics import Metric

FORMAT = 2  # raised when a file of before can no longer be read as it was
ROWS = "rows"
HEADER = "nagkit"
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
}


@dataclass(frozen=True, eq=False)
class Columns:
    """A table of n architectures: what is known about each, and what every number means.

    ``rows (n,)`` are the places of the architectures in the lexicographic list of the space (``space.index``),
    strictly ascending. A row stands for its whole class under ``identity`` (``space.canonical``); with ``"string"``
    it stands for itself. ``values[name]`` is ``(n,)``, or ``(n, epochs)`` for a curve, NaN where unknown;
    ``metrics[name]`` says what it is. ``shared[name]`` is the identity of a column that was measured once for each
    class and written into all rows of it: such rows are one measurement, not several. ``details`` holds anything else
    worth keeping, as JSON.
    """

    name: str
    space: str
    identity: str
    source: str
    licence: str
    rows: np.ndarray
    metrics: Mapping[str, Metric]
    values: Mapping[str, np.ndarray]
    shared: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("name", "space", "identity", "source", "licence"):
            arguments.instance(name, getattr(self, name), str, "'string'")
        object.__setattr__(self, "details", _as_json(self.details))
        _check_rows(self.rows)
        if set(self.metrics) != set(self.values) or ROWS in self.metrics:
            raise ArgumentError(
                f"metrics and values must name the same columns, and none {ROWS!r}; "
                f"got {sorted(self.metrics)} and {sorted(self.values)}."
            )
        for name, values in self.values.items():
            if not isinstance(self.metrics[name], Metric) or self.metrics[name].name != name:
                raise ArgumentError(f"metrics[{name!r}] must be the Metric of that name; got {self.metrics[name]!r}.")
            _check_column(name, values, len(self.rows))
        for name, identity in self.shared.items():
            if name not in self.metrics or not isinstance(identity, str):
                raise ArgumentError(f"shared must give columns an identity; got {name!r}: {identity!r}.")

    def write(self, path: str | os.PathLike[str]) -> None:
        """The file at ``path`` holds this table; the same table gives the same bytes on every machine."""
        arrays = {name: _stored(values) for name, values in [(ROWS, self.rows), *self.values.items()]}
        description = {
            "format": FORMAT,
            "name": self.name,
            "space": self.space,
            "identity": self.identity,
            "source": self.source,
            "licence": self.licence,
            "metrics": [asdict(self.metrics[name]) for name in self.metrics],
            "shared": dict(self.shared),
            "details": dict(self.details),
        }
        draft = save(arrays, {HEADER: _text(description, "0" * 64)})
        digest = _digest(description, _layout(arrays), memoryview(draft)[_data_start(draft) :])
        write_atomically(path, save(arrays, {HEADER: _text(description, digest)}))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Columns":
        """The table at ``path``: its columns are read-only views of the mapped file, verified against the sha256."""
        if not isinstance(path, str | os.PathLike):
            raise ArgumentError(f"path must be the path of a table file; got {path!r}.")
        path = Path(path)
        if not path.is_file():
            raise DataMissingError(
                f"There is no table at {path}. Write one there with Columns.write, or correct the path."
            )
        try:
            arrays, header, data = _map(path)
            table, expected = header["table"], header["sha256"]
            if _digest(table, _layout(arrays), data) != expected:
                raise ValueError("its content does not have the sha256 that it names")
            if table["format"] != FORMAT:
                raise ValueError(f"it has format {table['format']}, this nagkit reads format {FORMAT}: update nagkit")
            metrics = {each["name"]: Metric(**each) for each in table["metrics"]}
            return cls(
                **{
                    name: table[name]
                    for name in ("name", "space", "identity", "source", "licence", "shared", "details")
                },
                rows=arrays[ROWS],
                metrics=metrics,
                values={name: arrays[name] for name in metrics},
            )
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataDamagedError(
                f"{path} is not a whole nagkit table: {error!s:.300}. Delete it: a converted "
                "table is made again at its next use, one that nagkit ships comes back by installing nagkit again."
            ) from None


def _as_json(details: Any) -> dict[str, Any]:
    """The details as they come back from a file: lists for tuples, texts for keys."""
    if not isinstance(details, Mapping):
        raise ArgumentError(f"details must be a mapping; got {details!r:.80}.")
    try:
        kept: dict[str, Any] = json.loads(json.dumps(dict(details), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError(
            f"details must hold only what JSON can hold: texts, finite numbers, lists and mappings; {error}."
        ) from None
    return kept


def _check_rows(rows: Any) -> None:
    if not isinstance(rows, np.ndarray) or rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer) or not len(rows):
        raise ArgumentError(
            "rows must be an integer array of shape (n,) with n at least 1, such as space.index(tokens)."
        )
    if rows[0] < 0 or (np.diff(rows) <= 0).any():
        raise ArgumentError("rows must be strictly ascending from 0; sort the table by rows and drop repetitions.")


def _check_column(name: str, values: Any, n: int) -> None:
    if not isinstance(values, np.ndarray) or values.ndim not in (1, 2) or len(values) != n or not values.size:
        shape = getattr(values, "shape", type(values).__name__)
        raise ArgumentError(f"values[{name!r}] must be an array of shape ({n},) or ({n}, epochs); got {shape}.")
    if values.dtype.newbyteorder("<") not in DTYPES.values():
        allowed = ", ".join(str(np.dtype(dtype.name)) for dtype in DTYPES.values())
        raise ArgumentError(f"values[{name!r}] must be of dtype {allowed}; got {values.dtype}.")
    if np.isinf(values).any():
        raise ArgumentError(f"values[{name!r}] must be finite, or NaN where unknown; it holds an infinity.")


def _stored(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))


def _text(description: dict[str, Any], digest: str) -> str:
    return json.dumps({"sha256": digest, "table": description}, sort_keys=True, allow_nan=False)


def _layout(arrays: Mapping[str, np.ndarray]) -> list[list[Any]]:
    return sorted([name, array.dtype.str, list(array.shape)] for name, array in arrays.items())


def _digest(description: dict[str, Any], layout: list[list[Any]], data: Any) -> str:
    """sha256 over what is said about the columns, their names, types and shapes, and their bytes."""
    digest = hashlib.sha256(json.dumps([description, layout], sort_keys=True).encode())
    digest.update(data)
    return digest.hexdigest()


def _data_start(data: Any) -> int:
    """Where the columns begin: after the eight bytes that give the length of the header, and the header."""
    return 8 + int.from_bytes(bytes(data[:8]), "little")


def _map(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any], np.ndarray]:
    """The columns as views of the mapped file, the header, and the mapped bytes of all columns.

    safetensors checks the header (no holes, no overlaps, nothing beyond the end) but copies what it hands out, so the
    views are made here: without holes, each column begins where the one before it ends.
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
