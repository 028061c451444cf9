"""The table file: named columns of numbers, memory-mapped and checked, with every metric described beside its numbers.

One format serves the converted public tables and our own embedded ones. The file is a safetensors file with one
tensor for each column and one, ``rows.<identity>``, for the rows of each identity, and one text of JSON: the metrics,
the identity of each, where the numbers come from, under which licence, and a sha256 over all of it that is verified at
every opening.

Writing a table takes two lines (here: exact parameters of all 15,625 strings, and one number and one curve of 8 epochs
of the 5,390 classes of strings that compute the same)::

    columns = Columns(
        name="digits/mid8", space="nas-bench-201", source="...", licence="MIT",
        rows={"string": np.arange(15_625),  # (15625,) ascending, see below
              "function": np.unique(space.index(space.canonical(space.all(), "function")))},  # (5390,)
        identity={"params": "string", "val_accuracy": "function", "val_loss": "function"},
        metrics={"params": Metric("params", "M", "min", ...),
                 "val_accuracy": Metric("val_accuracy", "%", "max", split="val", epochs=8, source="...", licence="MIT"),
                 "val_loss": Metric("val_loss", "nats", "min", ...)},
        values={"params": np.array([...]),        # (15625,)
                "val_accuracy": np.array([...]),  # (5390,)
                "val_loss": np.array([[...]])},   # (5390, 8): a curve
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

FORMAT = 3  # raised when a file of before can no longer be read as it was
ROWS = "rows."  # begins the name of a tensor that holds the rows of an identity, and of no column
RESERVED = "__metadata__"  # what safetensors calls its own part of the header
HEADER = "nagkit"
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
}


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of numbers about the architectures of a space, one row for each that is different, and what they mean.

    ``rows[identity] (n,)`` are places in the lexicographic list of the space (``space.index``), strictly ascending,
    one for each class of architectures that are the same under that identity (``space.canonical``); any member may
    stand for its class. Under ``"string"`` each stands for itself. ``identity[name]`` says to which of these rows a
    column belongs: ``values[name]`` is ``(n,)``, or ``(n, epochs)`` for a curve, NaN where unknown. ``metrics[name]``
    says what it is. ``details`` holds anything else worth keeping, as JSON. ``sha256`` is that of the file this
    was opened from. Raises ``ArgumentError`` where these do not fit together.
    """

    name: str
    space: str
    source: str
    licence: str
    rows: Mapping[str, np.ndarray]
    identity: Mapping[str, str]
    metrics: Mapping[str, Metric]
    values: Mapping[str, np.ndarray]
    details: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def __post_init__(self) -> None:
        for name in ("name", "space", "source", "licence"):
            arguments.instance(name, getattr(self, name), str, "'string'")
        arguments.instance("rows", self.rows, Mapping, "{'string': space.index(tokens)}")
        for name in ("identity", "metrics", "values"):
            arguments.instance(name, getattr(self, name), Mapping, "{'params': ...}")
        object.__setattr__(self, "details", _as_json(self.details))
        for identity, rows in self.rows.items():
            _check_rows(identity, rows)
        _check_names(self.metrics, self.values, self.identity)
        for name, values in self.values.items():
            if not isinstance(self.metrics[name], Metric) or self.metrics[name].name != name:
                raise ArgumentError(f"metrics[{name!r}] must be the Metric of that name; got {self.metrics[name]!r}.")
            identity = arguments.one_of(f"identity[{name!r}]", self.identity[name], self.rows)
            _check_column(name, values, identity, len(self.rows[identity]))
        if unused := sorted(set(self.rows) - set(self.identity.values())):
            raise ArgumentError(
                f"rows must name only identities of columns; no column has {unused[0]!r}. Remove rows[{unused[0]!r}], "
                "or give it to a column in identity."
            )

    def write(self, path: str | os.PathLike[str]) -> None:
        """The file at ``path`` holds this table; the same table gives the same bytes on every machine."""
        arrays = {name: _stored(values) for name, values in self.values.items()}
        arrays |= {ROWS + identity: _stored(rows) for identity, rows in self.rows.items()}
        description = {
            "format": FORMAT,
            "name": self.name,
            "space": self.space,
            "source": self.source,
            "licence": self.licence,
            "identity": dict(self.identity),
            "metrics": [asdict(self.metrics[name]) for name in self.metrics],
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
                remedy = ": update nagkit" if table["format"] > FORMAT else ""
                raise ValueError(f"it has format {table['format']}, this nagkit reads format {FORMAT}{remedy}")
            metrics = {each["name"]: Metric(**each) for each in table["metrics"]}
            return cls(
                **{name: table[name] for name in ("name", "space", "source", "licence", "identity", "details")},
                rows={name.removeprefix(ROWS): arrays[name] for name in sorted(arrays) if name.startswith(ROWS)},
                metrics=metrics,
                values={name: arrays[name] for name in metrics},
                sha256=expected,
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


def _check_rows(identity: Any, rows: Any) -> None:
    if not isinstance(identity, str):
        raise ArgumentError(f"rows must have names of identities as keys, such as 'string'; got {identity!r:.80}.")
    argument = f"rows[{identity!r}]"
    shaped = isinstance(rows, np.ndarray) and rows.ndim == 1 and len(rows)
    if not shaped or rows.dtype.newbyteorder("<") not in (DTYPES["I64"], DTYPES["I32"]):
        found = f"{rows.dtype} of shape {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise ArgumentError(
            f"{argument} must be an int64 or int32 array of shape (n,) with n at least 1, such as "
            f"space.index(tokens); got {found}."
        )
    if rows[0] < 0 or (rows[1:] <= rows[:-1]).any():
        raise ArgumentError(
            f"{argument} must be strictly ascending from 0; got {np.array2string(rows, threshold=6)}. Sort its columns "
            "by the rows and drop repetitions."
        )


def _check_names(metrics: Mapping[str, Any], values: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """All three are about the same columns, whose names nothing else in the file takes."""
    if not metrics:
        raise ArgumentError("metrics must name at least one column; got none. Add a Metric, its values and identity.")
    if taken := [name for name in metrics if not isinstance(name, str) or name.startswith((ROWS, RESERVED))]:
        raise ArgumentError(
            f"metrics must have texts as keys that do not begin with {ROWS!r} or {RESERVED!r}; got {taken[0]!r:.80}. "
            "Give the column another name."
        )
    for argument, found in (("values", values), ("identity", identity)):
        if missing := sorted(set(metrics) - set(found)):
            raise ArgumentError(f"{argument} must name every column of metrics; {missing[0]!r} is missing. Add it.")
        if unknown := [name for name in found if name not in metrics]:
            raise ArgumentError(
                f"{argument} must name only columns of metrics; got {unknown[0]!r:.80}."
                f"{arguments.nearest(unknown[0], metrics)} Correct or remove it, or add its Metric."
            )


def _check_column(name: str, values: Any, identity: str, n: int) -> None:
    if not isinstance(values, np.ndarray) or values.ndim not in (1, 2) or len(values) != n or not values.size:
        shape = getattr(values, "shape", type(values).__name__)
        raise ArgumentError(
            f"values[{name!r}] must be an array of shape ({n},) or ({n}, epochs), a row for each of "
            f"rows[{identity!r}]; got {shape}."
        )
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
