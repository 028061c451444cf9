"""A benchmark whose values lie in a table file.

Notation: n architectures asked for, m metrics, L slots, size the number of architectures in the space, rows the places
in the list of all of them.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.benchmarks.columns import Columns
from nagkit.benchmarks.lookup import Lookup
from nagkit.errors import ArgumentError
from nagkit.metrics import Metric, Metrics
from nagkit.space import SearchSpace
from nagkit.spaces import space as find_space


class Table(Lookup):
    """Known values of the architectures of one space, exact as they lie in the file, NaN where unknown.

    ``metrics`` are single numbers, asked for by ``look_up``; ``curves`` are numbers by epoch, asked for by ``curve``.
    Each belongs to an identity: a value is that of a whole class of architectures that are the same under it
    (``space.canonical``), so every one of them has it; see ``known`` and ``classes``.
    """

    computed: frozenset[str] = frozenset()
    seen, judged = "val_accuracy", "test_accuracy"

    def __init__(self, columns: Columns) -> None:
        if not isinstance(columns, Columns):
            raise ArgumentError(f"columns must be Columns, such as Columns.open(path); got {type(columns).__name__}.")
        self.name: str = columns.name
        self.space: SearchSpace = find_space(columns.space)
        for identity, rows in columns.rows.items():
            arguments.one_of(f"identity of columns in space {columns.space!r}", identity, self.space.identities)
            if rows[-1] >= self.space.size:
                raise ArgumentError(
                    f"rows[{identity!r}] must be below {self.space.size:,} in {columns.space!r}; got {rows[-1]}."
                )
        self.source: str = columns.source
        self.licence: str = columns.licence
        self.sha256: str = columns.sha256
        self.details = MappingProxyType(dict(columns.details))
        flat = {name for name, values in columns.values.items() if values.ndim == 1}
        self.metrics: Mapping[str, Metric] = MappingProxyType(
            Metrics({k: v for k, v in columns.metrics.items() if k in flat})
        )
        self.curves: Mapping[str, Metric] = MappingProxyType(
            Metrics({k: v for k, v in columns.metrics.items() if k not in flat})
        )
        self._columns = columns
        self._places: dict[str, Int[np.ndarray, "size"] | None] = {}

    def curve(self, tokens: Int[np.ndarray, "n L"], metric: str) -> Float[np.ndarray, "n epochs"]:
        """The values of these architectures after each epoch, a row of NaN where unknown."""
        return self._gather(self.space.index(tokens), self._offered("curve", metric, self.curves))

    def known(self, metric: str) -> Int[np.ndarray, "n L"]:
        """Every class of architectures that the table holds a value of, by the member that stands for it."""
        return self._known(self._metric(metric))

    def classes(self, tokens: Int[np.ndarray, "n L"], metric: str) -> Int[np.ndarray, "n"]:
        """For each architecture the place in the space of the first that shares its measurement of the metric."""
        return self._classes(tokens, self._metric(metric))

    def sentence(self) -> str:
        """What the table holds, in words."""
        names: dict[str, list[str]] = {}
        for name in (*self.metrics, *self.curves):
            names.setdefault(self._columns.identity[name], []).append(name)
        held = " and ".join(self._held(identity, columns) for identity, columns in names.items())
        return (
            f"Table {self.name!r}: {held}, from a space of {self.space.size:,} ({self.space.name}). {self.source} "
            f"Licence: {self.licence}."
        )

    def _held(self, identity: str, names: Sequence[str]) -> str:
        """What is known under one identity, in words."""
        kinds = ("metric", sum(name in self.metrics for name in names)), ("curve", sum(n in self.curves for n in names))
        what = " and ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in kinds if count)
        counts = [len(self._known(name)) for name in names]
        some = "up to " if min(counts) < max(counts) else ""
        different = "" if identity == "string" else f" different under {identity!r}"
        return f"{what} of {some}{max(counts):,} architectures{different}"

    def __reduce__(self) -> tuple[type["Table"], tuple[Columns]]:
        """Another process gets the numbers themselves, as it may not have the file."""
        return Table, (self._columns,)

    def _place(self, identity: str) -> Int[np.ndarray, "size"] | None:
        """Where each row of the space lies in the rows of an identity, -1 where nowhere.

        ``None`` when each lies at its own place. Found at the first use: a space may take longer to tell which
        architectures are the same than a file to open.
        """
        if identity not in self._places:
            rows = self._columns.rows[identity]
            complete = identity == "string" and len(rows) == self.space.size
            self._places[identity] = None if complete else self._spread(identity, rows)
        return self._places[identity]

    def _spread(self, identity: str, rows: Int[np.ndarray, "n"]) -> Int[np.ndarray, "size"]:
        """The place of each row in ``rows``, given to all members of its class."""
        first = self.space.index(self.space.canonical(self.space.all(), identity))
        stored = np.full(self.space.size, -1)
        stored[first[rows]] = np.arange(len(rows))
        if len(twice := rows[stored[first[rows]] != np.arange(len(rows))]):
            raise ArgumentError(
                f"rows[{identity!r}] of {self.name!r} must hold one row of a class; {twice[0]} is the same as a later "
                f"one under {identity!r}. Keep one of them."
            )
        return stored[first]

    def _columns_of(self, tokens: Int[np.ndarray, "n L"], names: Sequence[str]) -> list[np.ndarray]:
        rows = self.space.index(tokens)
        return [self._gather(rows, name) for name in names]

    def _classes(self, tokens: Int[np.ndarray, "n L"], name: str) -> Int[np.ndarray, "n"]:
        return self.space.index(self.space.canonical(tokens, self._columns.identity[name]))

    def _known(self, name: str) -> Int[np.ndarray, "n L"]:
        identity = self._columns.identity[name]
        self._place(identity)  # refuses rows of which two are one class
        rows = self._columns.rows[identity]
        return self.space.at(rows[~np.isnan(self._columns.values[name].reshape(len(rows), -1)).all(1)])

    def _gather(self, rows: Int[np.ndarray, "n"], name: str) -> Float[np.ndarray, "n ..."]:
        place = self._place(self._columns.identity[name])
        stored = rows if place is None else place[rows]
        values = self._columns.values[name][stored].astype(np.float64, copy=False)
        if place is not None:
            values[stored < 0] = np.nan
        return values

    def _offer(self) -> str:
        curves = f"; by epoch, from table.curve: {', '.join(self.curves)}" if self.curves else ""
        return f"Offered are {', '.join(self.metrics)}{curves}."
