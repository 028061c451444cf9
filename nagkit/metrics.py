"""What is measured, what is wanted, what is allowed, and what is best: Metric, Objective, Constraint, Front."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError

if TYPE_CHECKING:
    import pandas

    from nagkit.space import SearchSpace

Values = Callable[[Int[np.ndarray, "n L"]], Float[np.ndarray, "n"]]  # tokens to one number each, in the metric's unit


@dataclass(frozen=True)
class Metric:
    """One measured quantity: name, unit and direction, and under which conditions it holds.

    ``source`` says where the numbers come from, ``licence`` under which terms; ``seeds`` which trainings a value
    averages, or how many. ``error`` says of values that are not measured by how much they err, as in
    ``"surrogate ±0.25 %"``. Fields that do not matter to a metric are ``None``.
    """

    name: str
    unit: str
    direction: Literal["max", "min"]
    dataset: str | None = None
    split: str | None = None
    epochs: int | None = None
    seeds: str | None = None
    device: str | None = None
    batch: int | None = None
    source: str = ""
    licence: str = ""
    error: str | None = None

    def __post_init__(self) -> None:
        arguments.one_of("direction", self.direction, ("max", "min"))
        for field in ("name", "unit"):
            arguments.instance(field, getattr(self, field), str, "'val_accuracy' or '%'")
        for field in ("epochs", "batch"):
            if getattr(self, field) is not None:
                arguments.whole(field, getattr(self, field))

    @property
    def sign(self) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if self.direction == "max" else -1

    @property
    def label(self) -> str:
        """What an axis says: name, unit, direction, and the error of what is not measured."""
        error = f"; {self.error}" if self.error else ""
        return f"{self.name.replace('_', ' ')} ({self.unit}, {'more' if self.sign > 0 else 'less'} is better{error})"

    def told(self) -> dict[str, Any]:
        """Its fields as data for JSON; ``error`` only where there is one, so that files of before stay as they are."""
        return {name: value for name, value in asdict(self).items() if name != "error" or value}


class Metrics(dict[str, Metric]):
    """Metrics by name; an unknown name is answered with those that are known and the nearest."""

    def __missing__(self, name: object) -> Metric:
        known = ", ".join(map(repr, self))
        raise ArgumentError(f"metric must be one of {known}; got {name!r}.{arguments.nearest(name, self)}")


@dataclass(frozen=True)
class Distance:
    """How far the values of a metric are from a target, in its unit."""

    values: Values
    target: float

    def __call__(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The distances of these architectures."""
        return np.abs(self.values(tokens) - self.target)


@dataclass(frozen=True)
class Objective:
    """A metric to improve, and who gives its values: a predictor's or a benchmark's method, or an exact cost.

    ``exact`` values are true and cost nothing, so that a search asks for them instead of learning them. ``benchmark``
    names the one whose values these are, if any.
    """

    metric: Metric
    values: Values
    exact: bool = False
    benchmark: str = ""

    def __post_init__(self) -> None:
        _check_pair(self.metric, self.values)

    def near(self, target: float) -> "Objective":
        """The wish to bring the metric near a value in its unit, from above and from below: little distance from it.

        Guidance follows ranks, and those of the distance are those of exp(-(value - target)² / 2τ²) for any τ, so that
        its strength alone says how near. To stay within a tolerance for certain, take a constraint with two bounds.
        """
        target = arguments.real("target", target, -1e300, 1e300)
        about = f"Distance of {self.metric.name} from {target:g} {self.metric.unit}. {self.metric.source}".strip()
        metric = replace(self.metric, name=f"{self.metric.name}_from_{target:g}", direction="min", source=about)
        return Objective(metric, Distance(self.values, target), self.exact)


@dataclass(frozen=True)
class Constraint:
    """A metric that has to stay within [low, high], and who gives its values; NaN never satisfies.

    ``exact`` and ``benchmark`` as in ``Objective``. Where values are only expected, ``odds`` may give the probability
    that each architecture (n, L) stays within the bounds; generators then make the likelier ones more frequent.
    """

    metric: Metric
    values: Values
    low: float = -np.inf
    high: float = np.inf
    exact: bool = False
    benchmark: str = ""
    odds: Values | None = None

    def __post_init__(self) -> None:
        _check_pair(self.metric, self.values)
        low, high = arguments.real("low", self.low), arguments.real("high", self.high)
        if low > high:
            raise ArgumentError(f"low must not exceed high for {self.metric.name}; got {low:g}, {high:g}. Swap them.")
        if low == -np.inf and high == np.inf:
            raise ArgumentError(f"The constraint on {self.metric.name} has no bound; give low, high or both.")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    def met(self, values: Float[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
        """Which of these values are within the bounds."""
        return (self.low <= values) & (values <= self.high)

    def beyond(self, values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """How far each value is beyond the bounds, in its unit; below 0 within them."""
        return np.maximum(self.low - values, values - self.high)

    def __str__(self) -> str:
        name, unit = self.metric.name, self.metric.unit
        if self.low == -np.inf:
            return f"{name} ≤ {self.high:g} {unit}"
        if self.high == np.inf:
            return f"{name} ≥ {self.low:g} {unit}"
        return f"{self.low:g} ≤ {name} ≤ {self.high:g} {unit}"


def headings(metrics: Sequence[Metric]) -> list[str]:
    """Names with units, and errors of what is not measured, for the columns of a table; repeated ones are numbered."""
    found: list[str] = []
    for metric in metrics:
        name = f"{metric.name} ({metric.unit}{f'; {metric.error}' if metric.error else ''})"
        again = sum(other == name or other.startswith(f"{name} ") for other in found)
        found.append(f"{name} {again + 1}" if again else name)
    return found


def _check_space(space: Any) -> "SearchSpace":
    from nagkit.space import SearchSpace

    return arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")


def _check_pair(metric: Any, values: Any) -> None:
    if not isinstance(metric, Metric):
        raise ArgumentError(f"metric must be a nagkit Metric, for example benchmark.metrics['params']; got {metric!r}.")
    if not callable(values):
        raise ArgumentError(f"values must be a function of tokens that gives {metric.name}; got {values!r}.")


@dataclass(frozen=True, eq=False)
class Front:
    """Architectures that no other dominates, best first in the first metric.

    One dominates another when it is as good in every metric and better in at least one. Equal ones all stay.

    ``tokens (m, L)`` and ``values (m, k)`` belong together; column ``j`` of the values is ``metrics[j]``.
    """

    space: "SearchSpace"
    metrics: tuple[Metric, ...]
    tokens: Int[np.ndarray, "m L"]
    values: Float[np.ndarray, "m k"]

    @classmethod
    def of(
        cls,
        space: "SearchSpace",
        metrics: Sequence[Metric],
        tokens: Int[np.ndarray, "n L"],
        values: Float[np.ndarray, "n k"],
    ) -> "Front":
        """The non-dominated rows among these, each architecture once; rows with an unknown value are left out."""
        import moocore

        metrics = arguments.several("metrics", metrics, Metric)
        if not metrics:
            raise ArgumentError("metrics must hold at least one Metric; got an empty list.")
        tokens, values = _check_space(space).check(tokens), arguments.array("values", values)
        if values.shape != (len(tokens), len(metrics)) or values.dtype.kind not in "fiu":
            raise ArgumentError(
                f"values must be numbers of shape ({len(tokens)}, {len(metrics)}); got {values.dtype} {values.shape}."
            )
        known = np.isfinite(values).all(1)
        tokens, first = np.unique(tokens[known], axis=0, return_index=True)
        values = values[known][first].astype(np.float64)
        signs = np.array([metric.sign for metric in metrics])
        if len(values):
            best = moocore.is_nondominated(-values * signs, keep_weakly=True)
            tokens, values = tokens[best], values[best]
            order = np.argsort(-values[:, 0] * signs[0], kind="stable")
            tokens, values = tokens[order], values[order]
        return cls(space, tuple(metrics), tokens, values)

    def __len__(self) -> int:
        return len(self.tokens)

    def sentence(self) -> str:
        """The front in words: how many architectures, and the range of each metric."""
        if not len(self):
            return "No architecture with known values."
        ranges = [
            f"{metric.name} {column.min():.4g} to {column.max():.4g} {metric.unit}"
            + (f" ({metric.error})" if metric.error else "")
            for metric, column in zip(self.metrics, self.values.T, strict=True)
        ]
        return f"{len(self)} architecture{'s' * (len(self) > 1)} on the front: {', '.join(ranges)}."

    def table(self) -> "pandas.DataFrame":
        """One row an architecture: its notation and its values, units in the headings."""
        import pandas as pd

        columns = dict(zip(headings(self.metrics), self.values.T, strict=True))
        return pd.DataFrame({"architecture": [self.space.decode(row).text for row in self.tokens], **columns})

    def __repr__(self) -> str:
        return self.sentence()
