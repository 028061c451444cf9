"""What the controls of the studio hold, as one frozen value, and the guidance and range of values it stands for.

Whatever is expensive is kept: tables by name, predictors by (table, metric, number of labels, seed).
"""

import math
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np

import nagkit
from nagkit import arguments
from nagkit.benchmarks import TABLES, Table
from nagkit.benchmarks.registry import cache_folder
from nagkit.diffusion.guidance import Guidance
from nagkit.errors import ArgumentError, NagkitError
from nagkit.metrics import Constraint, Metric, Metrics, Objective
from nagkit.predictors.predictor import Predictor

EMBEDDED = "digits/mid8"
STRENGTH, EFFECTIVE = (0.0, 20.0), (1.0, 10_000.0)  # these and the next are what the controls can show
LABELLED, SAMPLES, STEPS, SEED = (20, 1000), (8, 1000), (1, 6), (0, 2**31 - 1)
SIZES = ("params", "flops")
HERE = "latency_here"  # the metric of nagkit.networks.timing, which needs PyTorch
LABELS, ROUNDS = 0, 1  # names of the streams of random numbers that are drawn from one seed


@dataclass(frozen=True)
class Settings:
    """One position of all controls.

    ``limits`` are pairs of a metric's name and its highest allowed value. ``effective`` asks for an automatic strength
    that leaves about so many architectures in play; ``strength`` is then not used. ``labels`` is the number of known
    architectures that a predictor learns from. Numbers that the controls cannot show are refused, and so are metrics
    that the table does not hold, as soon as the table opens without a network.
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
        object.__setattr__(self, "objectives", _names(self.objectives))
        object.__setattr__(self, "limits", _pairs(self.limits))
        arguments.one_of("table", self.table, TABLES)
        arguments.real("strength", self.strength, *STRENGTH)
        if self.effective is not None:
            arguments.real("effective", self.effective, *EFFECTIVE)
        arguments.whole("samples", self.samples, *SAMPLES)
        arguments.whole("steps", self.steps, *STEPS)
        arguments.whole("seed", self.seed, *SEED)
        arguments.whole("labels", self.labels, *LABELLED)
        if self.table in available():
            self.check_metrics()

    def check_metrics(self) -> None:
        """Refuse objectives and limits that the table does not hold; this opens the table."""
        offered = metrics(self.table)
        for argument, named in (("objectives", self.objectives), ("limits", tuple(name for name, _ in self.limits))):
            for name in named:
                arguments.one_of(f"each metric in {argument}", name, offered)
            if len(set(named)) < len(named):
                raise ArgumentError(f"{argument} must name each metric once; got {', '.join(named)}.")

    def guidance(self) -> Guidance:
        """The guidance that these settings stand for; the first call for a metric learns, later ones do not."""
        return _guidance(self)

    def axes(self) -> tuple[Metric, ...]:
        """The metrics drawn and compared: the objectives, and beside a single one the first limit or a cost."""
        offered = metrics(self.table)
        names = list(self.objectives)
        if len(names) == 1:
            costs = [name for name, _ in self.limits] + [name for name in offered if not offered[name].epochs]
            names += [name for name in costs if name not in names][:1]
        return tuple(offered[name] for name in names)

    def wish(self, metric: str) -> Objective:
        """Who gives the values of a metric: the table where it is a cost that is known everywhere, else a predictor."""
        arguments.one_of("metric", metric, metrics(self.table))
        if learned(self.table, metric):
            return fitted(self.table, metric, self.labels, self.seed).objective()
        return benchmark(self.table).objective(metric)

    def span(self, metric: str) -> tuple[float, float]:
        """Where the values of a metric lie, for a slider or an axis; for a learned one without its worst quarter."""
        column = known(self.table, metric)
        column = column[np.isfinite(column)]
        if metric == HERE or not learned(self.table, metric):
            return float(column.min()), float(column.max())
        worst = 0.25 if benchmark(self.table).metrics[metric].sign > 0 else 0.75
        low, high = np.quantile(column, sorted((worst, 1.0 if worst < 0.5 else 0.0)))
        return float(low), float(high)


def settings(**start: Any) -> Settings:
    """The settings that a panel begins with: those given, on the first table here where none is named.

    Whatever the panel cannot show is refused: other names than those of ``Settings``, limits without a slider, limits
    below its lowest stop. A table that is not here yet is downloaded.
    """
    names = [field.name for field in fields(Settings)]
    for name in start:
        arguments.one_of("a start value", name, names)
    initial = Settings(**{"table": available()[0], **start})
    initial.check_metrics()
    latencies = list(devices_and_here(initial.table).values())
    for name, high in initial.limits:
        arguments.one_of("the metric of a limit", name, [*sizes(initial.table), *latencies])
        lowest, highest, _ = stops(initial, name)
        arguments.real(f"the limit on {name}", high, lowest, highest)
    timed = [name for name, _ in initial.limits if name in latencies]
    if len(timed) > 1:
        raise ArgumentError(f"limits must name one latency at most; got {', '.join(timed)}.")
    return initial


def sizes(table: str) -> list[str]:
    """The metrics of the size of a network that the table holds."""
    return [name for name in SIZES if name in benchmark(table).metrics]


def goals(table: str) -> list[str]:
    """The metrics that can be wished for, those of one training out of several last."""
    offered = metrics(table)
    return sorted(offered, key=lambda name: name.endswith(f"_seed{offered[name].seeds}"))


def devices(table: str) -> dict[str, str]:
    """The devices that the table was timed on, and the metric with the latency on each."""
    found: dict[str, str] = {}
    for name, metric in benchmark(table).metrics.items():
        if metric.device and metric.unit == "ms":
            batch = f", batch {metric.batch}" if metric.batch else ""
            found.setdefault(f"{metric.device}{batch}", name)  # the first: others say how sure it is
    return found


def devices_and_here(table: str) -> dict[str, str]:
    """The devices of the table, and this machine where it was timed."""
    return devices(table) | ({"This machine": HERE} if here(table) is not None else {})


def stops(settings: Settings, metric: str) -> tuple[float, float, float]:
    """Lowest and highest stop of a slider over all values of a metric, and its step; some value meets the lowest."""
    low, high = settings.span(metric)
    step = 10 ** math.floor(math.log10((high - low) / 50)) if high > low else 1.0
    bottom, top = math.ceil(low / step) * step, math.ceil(high / step) * step
    return bottom + step * (bottom < low), top, step  # one more where the product was rounded down


def _names(objectives: object) -> tuple[str, ...]:
    """The objectives, of which there is at least one."""
    named = arguments.several("objectives", objectives, str)
    if not named:
        raise ArgumentError("objectives must name at least one metric; choose one in the list.")
    return named


def _pairs(limits: Any) -> tuple[tuple[str, float], ...]:
    """The limits, each a name and a number."""
    listed = list(limits) if isinstance(limits, Iterable) else [limits]
    for pair in listed:
        if isinstance(pair, str) or not isinstance(pair, Collection) or len(pair) != 2:
            raise ArgumentError(
                f"limits must be pairs of a metric and a number, as in [('params', 0.5)]; got {pair!r:.80}."
            )
    return tuple((name, arguments.real(f"the limit on {name}", high)) for name, high in listed)


def available() -> tuple[str, ...]:
    """The tables that can be opened on this machine, the one to begin with first: a public one, else ``EMBEDDED``."""
    from nagkit.benchmarks import available as listed

    here = [name for name, present in listed().items() if present and name in TABLES]
    return tuple(sorted(here, key=lambda name: (name.startswith("digits/"), name != EMBEDDED))) or (EMBEDDED,)


@lru_cache(maxsize=8)
def benchmark(name: str) -> Table:
    """The table of this name, opened once."""
    return arguments.instance("table", nagkit.benchmark(name), Table, "nagkit.benchmark('digits/mid8')")


@lru_cache(maxsize=128)
def known(table: str, metric: str) -> np.ndarray:
    """The values of all architectures of the space (size,), NaN where unknown; those of this machine are predicted."""
    opened = benchmark(table)
    own = here(table) if metric == HERE else None
    return opened.look_up(opened.space.all(), metric) if own is None else own.mean(opened.space.all())


def metrics(table: str) -> Metrics:
    """The metrics of the table, and the latency on this machine where it was timed."""
    own = here(table)
    return Metrics({**benchmark(table).metrics, **({} if own is None else {HERE: own.metric})})


@lru_cache(maxsize=8)
def here(table: str) -> Predictor | None:
    """The predictor of the latency of a table's networks on this machine, once enough of them were timed here."""
    if not (cache_folder() / "timings").is_dir():
        return None  # and PyTorch, which takes a while to load, is not needed yet
    from nagkit.networks.timing import stored
    from nagkit.networks.workload import Workload

    with suppress(NagkitError):  # what is damaged or of too few is told where it is timed anew
        timings = stored(Workload.of(table))
        return None if timings is None else timings.predictor()
    return None


def timed_anew() -> None:
    """Forget what followed from earlier timings of this machine."""
    for kept in (here, known, fitted, _guidance):
        kept.cache_clear()


def learned(table: str, metric: str) -> bool:
    """Whether a metric has to be predicted: it takes a training to know it, or not all its values are known."""
    if metric == HERE:
        return True
    return bool(benchmark(table).metrics[metric].epochs) or bool(np.isnan(known(table, metric)).any())


@lru_cache(maxsize=32)
def fitted(table: str, metric: str, labels: int, seed: int) -> Predictor:
    """A predictor that has learned from ``labels`` known architectures, drawn without replacement by ``seed``.

    That of the latency on this machine has learned from what was timed here.
    """
    if metric == HERE and (own := here(table)) is not None:
        return own
    opened = benchmark(table)
    chosen = stream(seed, LABELS).permutation(opened.known(metric))[:labels]
    predictor = nagkit.predictor("gaussian-process", opened.space, opened.metrics[metric])
    return predictor.fit(chosen, opened.look_up(chosen, metric))


@lru_cache(maxsize=64)
def _guidance(settings: Settings) -> Guidance:
    offered = metrics(settings.table)
    limits = tuple(Constraint(offered[name], settings.wish(name).values, high=high) for name, high in settings.limits)
    wishes = tuple(settings.wish(name) for name in settings.objectives)
    strength = settings.strength if settings.effective is None else 0.0
    return Guidance(strength, wishes, limits, settings.effective)


def stream(seed: int, *name: int) -> np.random.Generator:
    """The random numbers of one use of a seed; another use of the same seed does not change them."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=name))
