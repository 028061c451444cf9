"""What the studio can be opened on: tables and surrogates by name, and what is known of their values on this machine.

Whatever is expensive is kept by name.
"""

from contextlib import suppress
from functools import lru_cache, partial

import numpy as np

import nagkit
from nagkit.benchmarks import TABLES, Surrogate, Table
from nagkit.benchmarks.registry import cache_folder
from nagkit.errors import NagkitError
from nagkit.metrics import Metrics, Values
from nagkit.predictors.predictor import Predictor
from nagkit.space import SearchSpace

EMBEDDED = "digits/mid8"
SIZES = ("params", "flops")
HERE = "latency_here"  # the metric of nagkit.networks.timing, which needs PyTorch
DRAWN, FEW = 4096, 256  # random architectures that show where the values of a space too large to list lie, or whether


def available() -> tuple[str, ...]:
    """What can be opened on this machine, the one to begin with first: a public table, else ``EMBEDDED``.

    Surrogates come last.
    """
    from nagkit.benchmarks import available as listed

    here = [name for name, present in listed().items() if present]
    order = {name: (name not in TABLES, name.startswith("digits/"), name != EMBEDDED) for name in here}
    return tuple(sorted(here, key=order.__getitem__)) or (EMBEDDED,)


def slots(table: str) -> int:
    """The number of slots of the table's space, which is that of most steps; the table stays closed."""
    family, _, _ = table.partition("/")
    return len(nagkit.space("nas-bench-201" if family == "digits" else family).slots)


@lru_cache(maxsize=8)
def benchmark(name: str) -> Table | Surrogate:
    """The table or surrogate of this name, opened once."""
    return nagkit.benchmark(name)


@lru_cache(maxsize=128)
def known(table: str, metric: str) -> np.ndarray:
    """The values of all architectures of the space (size,), NaN where unknown; those of this machine are predicted.

    Of a space too large to list, those of random architectures.
    """
    return _values(table, metric)(_rows(table))


@lru_cache(maxsize=128)
def ends(table: str, metric: str) -> tuple[float, float]:
    """The lowest and the highest value; in a space too large to list, as far as single changes lead on from random."""
    values, space = known(table, metric), benchmark(table).space
    if isinstance(benchmark(table), Table):
        return float(np.nanmin(values)), float(np.nanmax(values))
    places = np.nanargmin(values), np.nanargmax(values)
    low, high = (
        _climbed(space, _values(table, metric), _rows(table)[place], sign)
        for place, sign in zip(places, (-1, 1), strict=True)
    )
    return low, high


def _values(table: str, metric: str) -> Values:
    own = here(table) if metric == HERE else None
    return partial(benchmark(table).look_up, metrics=metric) if own is None else own.mean


def _rows(table: str) -> np.ndarray:
    opened = benchmark(table)
    if isinstance(opened, Table):
        return opened.space.all()
    return opened.space.sample(DRAWN, np.random.default_rng(0))


def _climbed(space: SearchSpace, values: Values, row: np.ndarray, sign: int) -> float:
    """The value reached upwards (sign 1) or down (-1), always by the best of all single changes, where none helps."""
    reached = float(values(row[None])[0])
    while True:
        near = space.neighbours(row[None])[0]
        found = values(near)
        best = (sign * found).argmax()
        if sign * (found[best] - reached) <= 0:
            return reached
        row, reached = near[best], float(found[best])


def metrics(table: str) -> Metrics:
    """The metrics of the table, and the latency on this machine where it was timed.

    Of a surrogate's, those that every architecture has.
    """
    own = here(table)
    offered = {name: benchmark(table).metrics[name] for name in _everywhere(table)}
    return Metrics({**offered, **({} if own is None else {HERE: own.metric})})


@lru_cache(maxsize=8)
def _everywhere(table: str) -> tuple[str, ...]:
    """The names of a table's metrics; of a surrogate's, those that none of a few random architectures is without."""
    opened = benchmark(table)
    if isinstance(opened, Table):
        return tuple(opened.metrics)
    few = opened.space.sample(FEW, np.random.default_rng(0))
    computed = [name for name in opened.metrics if name in opened.computed]
    complete = np.isfinite(opened.look_up(few, computed)).all(0)
    return tuple(name for name, whole in zip(computed, complete, strict=True) if whole)


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
    for name, metric in metrics(table).items():
        if name != HERE and metric.device and metric.unit == "ms":
            batch = f", batch {metric.batch}" if metric.batch else ""
            found.setdefault(f"{metric.device}{batch}", name)  # the first: others say how sure it is
    return found


def devices_and_here(table: str) -> dict[str, str]:
    """The devices of the table, and this machine where it was timed."""
    return devices(table) | ({"This machine": HERE} if here(table) is not None else {})


def learned(table: str, metric: str) -> bool:
    """Whether a metric has to be predicted: it takes a training to know it, or not all its values are known.

    What a surrogate tells is not learned once more.
    """
    if metric == HERE:
        return True
    if isinstance(benchmark(table), Surrogate):
        return False
    return bool(benchmark(table).metrics[metric].epochs) or bool(np.isnan(known(table, metric)).any())
