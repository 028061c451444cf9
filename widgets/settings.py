"""What the controls of the studio hold, as one frozen value, and the guidance and range of values it stands for.

Whatever is expensive is kept: tables by name, predictors by (table, metric, number of labels, seed).
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from nagkit_widgets.sources import (
    EMBEDDED,
    HERE,
    OWN,
    available,
    benchmark,
    check_name,
    devices_and_here,
    ends,
    here,
    known,
    learned,
    metrics,
    sizes,
    space_of,
)

import nagkit
from nagkit import arguments
from nagkit.benchmarks import TABLES, Surrogate
from nagkit.diffusion.guidance import Guidance
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.predictors.predictor import Predictor
from nagkit.space import SearchSpace

STRENGTH, EFFECTIVE = (0.0, 20.0), (1.0, 10_000.0)  # these and the next are what the controls can show
LABELLED, SAMPLES, SEED = (20, 1000), (8, 1000), (0, 2**31 - 1)
BUDGET = (10, 1000)
DIFFUSION = "diffusion"
SYSTEMS = {  # of which all but the first are searches, here after the papers that they go back to
    DIFFUSION: "DiffusionNAG: guided diffusion",
    "latent": "AG-Net: latent variables",
    "policy": "GraphPNAS: a law of graphs",
    "supernet": "TND-NAS: shared weights",
    "bayesian": "Bayesian search",
    "guided": "Bayesian, guided samples",
    "evolution": "Regularised evolution",
    "local": "Local search",
    "random": "Random search",
}
LABELS, ROUNDS = 0, 1  # names of the streams of random numbers that are drawn from one seed


@dataclass(frozen=True)
class Settings:
    """One position of all controls.

    ``table`` is a table or, of a space too large for one, a surrogate, whose values are taken as they are; or images of
    one's own (see ``sources``). ``system`` is one of ``SYSTEMS``; a search evaluates ``budget`` architectures, and uses
    neither strength nor samples, steps and labels.
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
    system: str = DIFFUSION
    budget: int = 60

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", _names(self.objectives))
        object.__setattr__(self, "limits", _pairs(self.limits))
        check_name(self.table)
        arguments.one_of("system", self.system, SYSTEMS)
        arguments.whole("budget", self.budget, *BUDGET)
        arguments.real("strength", self.strength, *STRENGTH)
        if self.effective is not None:
            arguments.real("effective", self.effective, *EFFECTIVE)
        arguments.whole("samples", self.samples, *SAMPLES)
        arguments.whole("steps", self.steps, 1, len(self.space.slots))
        arguments.whole("seed", self.seed, *SEED)
        arguments.whole("labels", self.labels, *LABELLED)
        if self.table in available() or self.table.startswith(OWN):
            self.check_metrics()

    @property
    def space(self) -> SearchSpace:
        """The space; the table stays closed."""
        return space_of(self.table)

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
        """Who gives the values of a metric: a surrogate, a table that knows them everywhere, or a predictor."""
        arguments.one_of("metric", metric, metrics(self.table))
        if learned(self.table, metric):
            return fitted(self.table, metric, self.labels, self.seed).objective()
        return benchmark(self.table).objective(metric)

    def span(self, metric: str) -> tuple[float, float]:
        """Where the values of a metric lie, for an axis; of what training gives without the worst quarter."""
        low, high = ends(self.table, metric)
        about = metrics(self.table)[metric]
        trained = about.sign > 0 if isinstance(benchmark(self.table), Surrogate) else learned(self.table, metric)
        if metric == HERE or not trained or not np.isfinite(known(self.table, metric)).any():
            return low, high
        worst = float(np.nanquantile(known(self.table, metric), 0.25 if about.sign > 0 else 0.75))
        return (worst, high) if about.sign > 0 else (low, worst)


def settings(**start: Any) -> Settings:
    """The settings that a panel begins with: those given, on the first table here where none is named.

    Whatever the panel cannot show is refused: other names than those of ``Settings``, limits without a slider, limits
    below its lowest stop. A table that is not here yet is downloaded.
    """
    names = [field.name for field in fields(Settings)]
    for name in start:
        arguments.one_of("a start value", name, names)
    table = check_name(start.get("table", available()[0]))
    wished = {} if table in TABLES else {"objectives": (benchmark(table).seen,)}
    initial = Settings(**{"table": table, **wished, **start})
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


def stops(settings: Settings, metric: str) -> tuple[float, float, float]:
    """Lowest and highest stop of a slider over the values of a metric, and its step; some value meets the lowest.

    In a space too large to list that is one of a random architecture, as generators begin with such.
    """
    low, high = settings.span(metric)
    if isinstance(benchmark(settings.table), Surrogate):
        low = float(known(settings.table, metric).min())
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


def timed_anew() -> None:
    """Forget what followed from earlier timings of this machine."""
    for kept in (here, known, ends, fitted, _guidance):
        kept.cache_clear()


@lru_cache(maxsize=32)
def fitted(table: str, metric: str, labels: int, seed: int) -> Predictor:
    """A predictor that has learned from ``labels`` known architectures, drawn without replacement by ``seed``.

    That of the latency on this machine has learned from what was timed here.
    """
    if metric == HERE and (own := here(table)) is not None:
        return own
    opened = benchmark(table)
    if table.startswith(OWN):
        return opened.expected
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
