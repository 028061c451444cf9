"""How a search was made, as data for JSON, and a search made so again."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective

if TYPE_CHECKING:
    from nagkit.benchmarks import Surrogate, Table


def told(each: Objective | Constraint) -> dict[str, Any]:
    """An objective or a constraint without the function that gives its values."""
    found: dict[str, Any] = {"metric": each.metric.told(), "exact": each.exact, "benchmark": each.benchmark}
    if isinstance(each, Constraint):
        bounds = (("low", each.low), ("high", each.high))
        found |= {name: bound if math.isfinite(bound) else None for name, bound in bounds}
    return found


def objective(about: Mapping[str, Any]) -> Objective:
    """The objective of which ``told`` gave this."""
    metric = Metric(**about["metric"])
    return Objective(metric, ByBenchmark(about["benchmark"], metric.name), about["exact"], about["benchmark"])


def constraint(about: Mapping[str, Any]) -> Constraint:
    """The constraint of which ``told`` gave this."""
    metric = Metric(**about["metric"])
    low = -math.inf if about["low"] is None else about["low"]
    high = math.inf if about["high"] is None else about["high"]
    return Constraint(
        metric, ByBenchmark(about["benchmark"], metric.name), low, high, about["exact"], about["benchmark"]
    )


@dataclass(frozen=True)
class ByBenchmark:
    """The values of a metric by a benchmark, which is opened when the first are asked for."""

    benchmark: str
    metric: str

    def check(self) -> None:
        """Refuse where no benchmark is named."""
        if not self.benchmark:
            raise ArgumentError(
                f"evaluate must be given: the values of {self.metric} came from a function of a program, which no file "
                "holds. Give it, or make the search anew in that program, as in Run(path, search, budget)."
            )

    def __call__(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The values of these architectures."""
        self.check()
        return _opened(self.benchmark).look_up(tokens, self.metric)


@cache
def _opened(benchmark: str) -> "Table | Surrogate":
    from nagkit.benchmarks import benchmark as find

    return find(benchmark)
