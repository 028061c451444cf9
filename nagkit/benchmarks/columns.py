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

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nagkit import arguments
from nagkit.benchmarks import sealed
from nagkit.benchmarks.sealed import DTYPES, RESERVED
from nagkit.errors import ArgumentError
from nagkit.metrics import Metric

FORMAT = 3  # raised when a file of before can no longer be read as it was
ROWS = "rows."  # begins the name of a tensor that holds the rows of an identity, and of no column


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
        arrays = dict(self.values) | {ROWS + identity: rows for identity, rows in self.rows.items()}
        description = {
            "format": FORMAT,
            "name": self.name,
            "space": self.space,
            "source": self.source,
            "licence": self.licence,
            "identity": dict(self.identity),
            "metrics": [metric.told() for metric in self.metrics.values()],
            "details": dict(self.details),
        }
        sealed.write(path, description, arrays)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Columns":
        """The table at ``path``: its columns are read-only views of the mapped file, verified against the sha256."""
        with sealed.refusals(path) as found:
            table, arrays, sha256 = sealed.read(found, FORMAT)
            metrics = {each["name"]: Metric(**each) for each in table["metrics"]}
            return cls(
                **{name: table[name] for name in ("name", "space", "source", "licence", "identity", "details")},
                rows={name.removeprefix(ROWS): arrays[name] for name in sorted(arrays) if name.startswith(ROWS)},
                metrics=metrics,
                values={name: arrays[name] for name in metrics},
                sha256=sha256,
            )


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
