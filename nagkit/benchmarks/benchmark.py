"""What every benchmark offers: known values of architectures, with their provenance."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from nagkit.metrics import Constraint, Metric, Objective
from nagkit.space import SearchSpace


@runtime_checkable
class Benchmark(Protocol):
    """Measured, exact or predicted values of the architectures of one space.

    ``computed`` names the metrics whose values are not looked up but computed, of architectures never measured too.
    """

    name: str
    space: SearchSpace
    metrics: Mapping[str, Metric]
    computed: frozenset[str]

    def look_up(
        self, tokens: Int[np.ndarray, "n L"], metrics: str | Sequence[str]
    ) -> Float[np.ndarray, "n"] | Float[np.ndarray, "n m"]:
        """The values of these architectures in each metric's unit, NaN where unknown.

        One name gives ``(n,)``, a list of m names ``(n, m)``.
        """
        ...

    def known(self, metric: str) -> Int[np.ndarray, "n L"]:
        """Architectures with a value, one for each measurement: no two of them share theirs.

        Of a ``computed`` metric, those among the measured architectures that have a value.
        """
        ...

    def classes(self, tokens: Int[np.ndarray, "n L"], metric: str) -> Int[np.ndarray, "n"]:
        """Numbers that are equal exactly for architectures that share one measurement of the metric."""
        ...

    def objective(self, metric: str, exact: bool = False) -> Objective:
        """The wish to improve a metric, by the values of this benchmark.

        ``exact`` allows a search to ask for values instead of measuring, as for ``params``.
        """
        ...

    def constraint(self, metric: str, low: float = -np.inf, high: float = np.inf, exact: bool = False) -> Constraint:
        """The demand that a metric stays within [low, high], by the values of this benchmark; ``exact`` as above."""
        ...
