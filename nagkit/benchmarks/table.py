"""A benchmark whose values lie in a table file.

Notation: n architectures asked for, m metrics, L slots, rows the places in the list of the whole space.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.benchmarks.columns import Columns
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Metrics, Objective
from nagkit.space import SearchSpace
from nagkit.spaces import space as find_space


class Table:
    """Known values of the architectures of one space, exact as they lie in the file, NaN where unknown.

    ``metrics`` are single numbers, asked for by ``look_up``; ``curves`` are numbers by epoch, asked for by ``curve``.
    An architecture has the values of every other one that is the same under ``identity`` (``space.canonical``). A
    metric may be shared more widely, where one measurement serves a whole class: see ``known`` and ``classes``.
    """

    def __init__(self, columns: Columns) -> None:
        if not isinstance(columns, Columns):
            raise ArgumentError(f"columns must be Columns, such as Columns.open(path); got {type(columns).__name__}.")
        self.name: str = columns.name
        self.space: SearchSpace = find_space(columns.space)
        if columns.rows[-1] >= self.space.size:
            raise ArgumentError(f"rows must be below {self.space.size:,} in {columns.space!r}; got {columns.rows[-1]}.")
        self.identity: str = columns.identity
        self.source: str = columns.source
        self.licence: str = columns.licence
        self.details = MappingProxyType(dict(columns.details))
        flat = {name for name, values in columns.values.items() if values.ndim == 1}
        self.metrics: Mapping[str, Metric] = MappingProxyType(
            Metrics({k: v for k, v in columns.metrics.items() if k in flat})
        )
        self.curves: Mapping[str, Metric] = MappingProxyType(
            Metrics({k: v for k, v in columns.metrics.items() if k not in flat})
        )
        self._columns = columns

    def look_up(
        self, tokens: Int[np.ndarray, "n L"], metrics: str | Sequence[str]
    ) -> Float[np.ndarray, "n"] | Float[np.ndarray, "n m"]:
        """The values of these architectures in each metric's unit, NaN where unknown.

        One name gives ``(n,)``, a list of m names ``(n, m)``.
        """
        if isinstance(metrics, str):
            return self._gather(self._stored(tokens), self._metric(metrics, self.metrics))
        if not isinstance(metrics, Sequence) or not metrics:
            raise ArgumentError(f"metrics must be a name or a list of names; got {metrics!r}. {self._offer()}")
        names = [self._metric(name, self.metrics) for name in metrics]
        stored = self._stored(tokens)
        return np.stack([self._gather(stored, name) for name in names], axis=1)

    def curve(self, tokens: Int[np.ndarray, "n L"], metric: str) -> Float[np.ndarray, "n epochs"]:
        """The values of these architectures after each epoch, a row of NaN where unknown."""
        return self._gather(self._stored(tokens), self._metric(metric, self.curves))

    def known(self, metric: str) -> Int[np.ndarray, "n L"]:
        """Every architecture that the table holds a value of, one for each class that shares a measurement."""
        return self._known(self._metric(metric, self.metrics))

    def classes(self, tokens: Int[np.ndarray, "n L"], metric: str) -> Int[np.ndarray, "n"]:
        """For each architecture the place in the space of the first that shares its measurement of the metric."""
        return self._classes(tokens, self._metric(metric, self.metrics))

    def objective(self, metric: str) -> Objective:
        """The wish to improve a metric, by the values of this table."""
        name = self._metric(metric, self.metrics)
        return Objective(self.metrics[name], partial(self.look_up, metrics=name))

    def constraint(self, metric: str, low: float = -np.inf, high: float = np.inf) -> Constraint:
        """The demand that a metric stays within [low, high], by the values of this table."""
        name = self._metric(metric, self.metrics)
        return Constraint(self.metrics[name], partial(self.look_up, metrics=name), low, high)

    def sentence(self) -> str:
        """What the table holds, in words."""
        names: dict[str, list[str]] = {}
        for name in (*self.metrics, *self.curves):
            names.setdefault(self._identity(name), []).append(name)
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

    def __repr__(self) -> str:
        return self.sentence()

    @cached_property
    def _place(self) -> Int[np.ndarray, "size"] | None:
        """Where each row of the space lies in the file, -1 where nowhere; ``None`` when it lies at its own place."""
        rows = self._columns.rows
        if len(rows) == self.space.size and self.identity == "string":
            return None
        stored = np.full(self.space.size, -1)
        stored[self._representative(rows)] = np.arange(len(rows))
        return stored[self._representative(np.arange(self.space.size))]

    def _identity(self, name: str) -> str:
        return self._columns.shared.get(name, self.identity)

    def _classes(self, tokens: Int[np.ndarray, "n L"], name: str) -> Int[np.ndarray, "n"]:
        return self.space.index(self.space.canonical(tokens, self._identity(name)))

    def _known(self, name: str) -> Int[np.ndarray, "n L"]:
        values = self._columns.values[name].reshape(len(self._columns.rows), -1)
        tokens = self.space.at(self._columns.rows[~np.isnan(values).all(1)])
        return tokens[np.unique(self._classes(tokens, name), return_index=True)[1]]

    def _representative(self, rows: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
        return self.space.index(self.space.canonical(self.space.at(rows), self.identity))

    def _stored(self, tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n"]:
        rows = self.space.index(tokens)
        return rows if self._place is None else self._place[rows]

    def _gather(self, stored: Int[np.ndarray, "n"], name: str) -> Float[np.ndarray, "n ..."]:
        values = self._columns.values[name][stored].astype(np.float64, copy=False)
        if self._place is not None:
            values[stored < 0] = np.nan
        return values

    def _metric(self, metric: object, offered: Mapping[str, Metric]) -> str:
        if not isinstance(metric, str) or metric not in offered:
            kind = "metric" if offered is self.metrics else "curve"
            raise ArgumentError(
                f"{kind} must be one of the {len(offered)} of {self.name!r}; got {metric!r}."
                f"{arguments.nearest(metric, offered)} {self._offer()}"
            )
        return metric

    def _offer(self) -> str:
        curves = f"; by epoch, from table.curve: {', '.join(self.curves)}" if self.curves else ""
        return f"Offered are {', '.join(self.metrics)}{curves}."
