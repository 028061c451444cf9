"""What the studio can be opened on: tables, surrogates, images of one's own; and what is known of their values here.

Images of one's own are named by space and file, as in ``own:nas-bench-201:images.npz``. Whatever is expensive is kept
by name.
"""

from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

import nagkit
from nagkit import arguments
from nagkit.benchmarks import NAMES, TABLES, Surrogate, Table
from nagkit.benchmarks.registry import cache_folder
from nagkit.errors import ArgumentError, NagkitError
from nagkit.metrics import Metrics, Values
from nagkit.predictors.predictor import Predictor
from nagkit.space import SearchSpace

if TYPE_CHECKING:
    from nagkit_widgets.own_images import OwnImages

    from nagkit.networks.workload import Workload

EMBEDDED = "digits/mid8"
SIZES = ("params", "flops")
HERE = "latency_here"  # the metric of nagkit.networks.timing, which needs PyTorch
OWN = "own:"
TRAINABLE = ("nas-bench-201", "random-wired-8", "random-wired-16", "darts", "nas-bench-101", "enas")
LISTABLE = 20_000  # architectures of a space whose values are all looked at
DRAWN, FEW = 4096, 256  # random architectures that show where the values of a space too large to list lie, or whether


def available() -> tuple[str, ...]:
    """What can be opened on this machine, the one to begin with first: a public table, else ``EMBEDDED``.

    Surrogates come last.
    """
    from nagkit.benchmarks import available as listed

    here = [name for name, present in listed().items() if present]
    order = {name: (name not in TABLES, name.startswith("digits/"), name != EMBEDDED) for name in here}
    return tuple(sorted(here, key=order.__getitem__)) or (EMBEDDED,)


def parts(name: str) -> tuple[str, Path]:
    """Space and file of images of one's own."""
    _, space, path = [*name.split(":", 2), "", ""][:3]
    arguments.one_of("the space of images of your own", space, TRAINABLE)
    if not path.strip():
        raise ArgumentError(
            f"table must name a file of images, as in {OWN}{space}:images.npz; got {name!r:.80}. "
            "np.savez_compressed('images.npz', x=images, y=classes) makes one."
        )
    return space, Path(path)


def check_name(table: str) -> str:
    """``table``, if it is a benchmark's name or one of images of one's own."""
    if isinstance(table, str) and table.startswith(OWN):
        parts(table)
        return table
    return arguments.one_of("table", table, NAMES)


def space_of(table: str) -> SearchSpace:
    """The space; the table stays closed."""
    if table.startswith(OWN):
        return nagkit.space(parts(table)[0])
    family, _, _ = table.partition("/")
    return nagkit.space("nas-bench-201" if family == "digits" else family)


@lru_cache(maxsize=8)
def benchmark(name: str) -> "Table | Surrogate | OwnImages":
    """The table or surrogate of this name, or the images of one's own, opened once."""
    if name.startswith(OWN):
        from nagkit_widgets.own_images import OwnImages

        return OwnImages(name)
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
    if not np.isfinite(values).any():
        return 0.0, 100.0  # percent, of which nothing is known before the first training
    if len(values) == space.size:
        return float(np.nanmin(values)), float(np.nanmax(values))
    places = np.nanargmin(values), np.nanargmax(values)
    low, high = (
        _climbed(space, _values(table, metric), _rows(table)[place], sign)
        for place, sign in zip(places, (-1, 1), strict=True)
    )
    return low, high


def _values(table: str, metric: str) -> Values:
    predictor = here(table) if metric == HERE else _expected(table) if table.startswith(OWN) else None
    if predictor is not None and (metric == HERE or benchmark(table).metrics[metric].epochs):
        return predictor.mean
    return partial(benchmark(table).look_up, metrics=metric)


def _expected(table: str) -> Predictor | None:
    """What other tasks let expect of images of one's own, in a space where nagkit learned from such."""
    with suppress(ArgumentError):
        return getattr(benchmark(table), "expected", None)
    return None


def _rows(table: str) -> np.ndarray:
    space = benchmark(table).space
    if space.size <= LISTABLE:
        return space.all()
    return space.sample(DRAWN, np.random.default_rng(0))


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
    if not isinstance(opened, Surrogate):
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

    with suppress(NagkitError):  # what is damaged or of too few is told where it is timed anew
        timings = stored(workload(table))
        return None if timings is None else timings.predictor()
    return None


def workload(table: str) -> "Workload":
    """What is timed of a table's networks on this machine, or of those for images of one's own."""
    if table.startswith(OWN):
        return cast("OwnImages", benchmark(table)).workload
    from nagkit.networks.workload import Workload

    return Workload.of(table)


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
