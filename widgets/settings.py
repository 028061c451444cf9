"""What the controls of the studio hold, as one frozen value, and the guidance and range of values it stands for.

Whatever is expensive is kept: tables by name, predictors by (table, metric, number of labels, seed).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

import nagkit
from nagkit import arguments
from nagkit.benchmarks import Table
from nagkit.diffusion.guidance import Guidance
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.predictors.predictor import Predictor

EMBEDDED = "digits/mid8"
LABELS, ROUNDS = 0, 1  # names of the streams of random numbers that are drawn from one seed


@dataclass(frozen=True)
class Settings:
    """One position of all controls.

    ``limits`` are pairs of a metric's name and its highest allowed value. ``effective`` asks for an automatic strength
    that leaves about so many architectures in play; ``strength`` is then not used. ``labels`` is the number of known
    architectures that a predictor learns from.
    """

    table: str = EMBEDDED
    objectives: tuple[str, ...] = ("val_accuracy",)
    strength: float = 4.0
    effective: float | None = None
    limits: tuple[tuple[str, float], ...] = ()
    samples: int = 200
    steps: int = 6
    seed: int = 0
    labels: int = 200

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", tuple(self.objectives))
        object.__setattr__(self, "limits", tuple((name, float(high)) for name, high in self.limits))
        arguments.whole("samples", self.samples, 1, 5000)
        arguments.whole("steps", self.steps)
        arguments.whole("seed", self.seed, 0, 2**32 - 1)
        arguments.whole("labels", self.labels, 2)
        if not self.objectives:
            raise ArgumentError("objectives must name at least one metric; choose one in the list.")

    def guidance(self) -> Guidance:
        """The guidance that these settings stand for; the first call for a metric learns, later ones do not."""
        return _guidance(self)

    def axes(self) -> tuple[Metric, ...]:
        """The metrics drawn and compared: the objectives, and beside a single one the first limit or a cost."""
        metrics = benchmark(self.table).metrics
        names = list(self.objectives)
        if len(names) == 1:
            costs = [name for name, _ in self.limits] + [name for name in metrics if not metrics[name].epochs]
            names += [name for name in costs if name not in names][:1]
        return tuple(metrics[name] for name in names)

    def wish(self, metric: str) -> Objective:
        """Who gives the values of a metric: the table where it is a cost that is known everywhere, else a predictor."""
        table = benchmark(self.table)
        arguments.one_of("metric", metric, table.metrics)
        if learned(self.table, metric):
            return fitted(self.table, metric, self.labels, self.seed).objective()
        return table.objective(metric)

    def span(self, metric: str) -> tuple[float, float]:
        """Where the values of a metric lie, for a slider or an axis; for a learned one without its worst quarter."""
        column = known(self.table, metric)
        column = column[np.isfinite(column)]
        if not learned(self.table, metric):
            return float(column.min()), float(column.max())
        worst = 0.25 if benchmark(self.table).metrics[metric].sign > 0 else 0.75
        low, high = np.quantile(column, sorted((worst, 1.0 if worst < 0.5 else 0.0)))
        return float(low), float(high)


def available() -> tuple[str, ...]:
    """The tables that can be opened on this machine, the one to begin with first."""
    from nagkit.benchmarks import available as listed

    here = [name for name, present in listed().items() if present]
    return tuple(sorted(here, key=lambda name: name == EMBEDDED)) or (EMBEDDED,)


@lru_cache(maxsize=8)
def benchmark(name: str) -> Table:
    """The table of this name, opened once."""
    return nagkit.benchmark(name)


@lru_cache(maxsize=128)
def known(table: str, metric: str) -> np.ndarray:
    """The values of all architectures of the space (size,), NaN where unknown."""
    opened = benchmark(table)
    return opened.look_up(opened.space.all(), metric)


def learned(table: str, metric: str) -> bool:
    """Whether a metric has to be predicted: it takes a training to know it, or not all its values are known."""
    return bool(benchmark(table).metrics[metric].epochs) or bool(np.isnan(known(table, metric)).any())


@lru_cache(maxsize=32)
def fitted(table: str, metric: str, labels: int, seed: int) -> Predictor:
    """A predictor that has learned from ``labels`` known architectures, drawn without replacement by ``seed``."""
    opened = benchmark(table)
    chosen = stream(seed, LABELS).permutation(opened.known(metric))[:labels]
    predictor = nagkit.predictor("gaussian-process", opened.space, opened.metrics[metric])
    return predictor.fit(chosen, opened.look_up(chosen, metric))


@lru_cache(maxsize=64)
def _guidance(settings: Settings) -> Guidance:
    metrics = benchmark(settings.table).metrics
    limits = tuple(Constraint(metrics[name], settings.wish(name).values, high=high) for name, high in settings.limits)
    wishes = tuple(settings.wish(name) for name in settings.objectives)
    strength = settings.strength if settings.effective is None else 0.0
    return Guidance(strength, wishes, limits, settings.effective)


def stream(seed: int, *name: int) -> np.random.Generator:
    """The random numbers of one use of a seed; another use of the same seed does not change them."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=name))
