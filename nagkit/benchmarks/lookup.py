"""What all benchmarks here share: names are checked, and values handed out as columns, objectives and constraints."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.space import SearchSpace


class Lookup(ABC):
    """A benchmark that knows its metrics by name; subclasses give the values.

    Where nobody names others, a search sees the metric ``seen``, and what it found is judged by ``judged``.
    """

    name: str
    space: SearchSpace
    metrics: Mapping[str, Metric]
    seen: str
    judged: str

    def look_up(
        self, tokens: Int[np.ndarray, "n L"], metrics: str | Sequence[str]
    ) -> Float[np.ndarray, "n"] | Float[np.ndarray, "n m"]:
        """The values of these architectures in each metric's unit, NaN where unknown.

        One name gives ``(n,)``, a list of m names ``(n, m)``.
        """
        if isinstance(metrics, str):
            return self._columns_of(tokens, [self._metric(metrics)])[0]
        if not isinstance(metrics, Sequence) or not metrics:
            raise ArgumentError(f"metrics must be a name or a list of names; got {metrics!r}. {self._offer()}")
        return np.stack(self._columns_of(tokens, [self._metric(name) for name in metrics]), axis=1)

    def objective(self, metric: str, exact: bool = False) -> Objective:
        """The wish to improve a metric, by the values of this benchmark.

        Args:
            exact: whether a search may ask for values instead of measuring, as for ``params``
        """
        name = self._metric(metric)
        return Objective(self.metrics[name], partial(self.look_up, metrics=name), exact, self.name)

    def constraint(self, metric: str, low: float = -np.inf, high: float = np.inf, exact: bool = False) -> Constraint:
        """The demand that a metric stays within [low, high], by the values of this benchmark; ``exact`` as above."""
        name = self._metric(metric)
        return Constraint(self.metrics[name], partial(self.look_up, metrics=name), low, high, exact, self.name)

    @abstractmethod
    def sentence(self) -> str:
        """What the benchmark holds, in words."""

    def __repr__(self) -> str:
        return self.sentence()

    @abstractmethod
    def _columns_of(self, tokens: Int[np.ndarray, "n L"], names: Sequence[str]) -> list[np.ndarray]:
        """The values (n,) of each of these metrics, in float64 that the caller may change."""

    def _offer(self) -> str:
        """Everything that can be asked for, in words."""
        return f"Offered are {', '.join(self.metrics)}."

    def _metric(self, metric: object) -> str:
        return self._offered("metric", metric, self.metrics)

    def _offered(self, kind: str, name: object, offered: Mapping[str, Metric]) -> str:
        """``name``, which is one of those offered."""
        if not isinstance(name, str) or name not in offered:
            raise ArgumentError(
                f"{kind} must be one of the {len(offered)} of {self.name!r}; got {name!r}."
                f"{arguments.nearest(name, offered)} {self._offer()}"
            )
        return name
