"""The embedded table as a file, made of a ledger, and a ledger's trainings made of such a file.

The file lists all 15,625 rows, so that params and flops are exact for each; trained and timed values are those of
the class that a row belongs to, and marked as shared by it; NaN where the class is not trained yet. A *place* is that
of a class's first row.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from nagkit.benchmarks.columns import Columns
from nagkit.metrics import Metric
from nagkit.networks.ledger import Training
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import MICRO

SPACE = NasBench201()
IDENTITY = "function"  # cells of one class share a training
CLASSES = 10
LICENCE = "MIT"
EXACT = ("params", "flops")  # of every row; all else is measured once for each class
LATENCY = ("latency_cpu", "latency_cpu_spread")
CURVES: dict[
    str, tuple[str, str, Literal["max", "min"], str]
] = {  # name in the ledger -> name, unit, direction and split in the table
    "validation_accuracy": ("val_accuracy", "%", "max", "val"),
    "validation_loss": ("val_loss", "nats", "min", "val"),
    "test_accuracy": ("test_accuracy", "%", "max", "test"),
    "test_loss": ("test_loss", "nats", "min", "test"),
}

Listed = Iterator[tuple[Metric, np.ndarray]]


def columns(
    about: Mapping[str, Any],
    trainings: Mapping[int, Training],
    timings: Mapping[int, Mapping[int, float]],
    processor: str,
    before: Columns | None = None,
) -> Columns:
    """The table of these results, by place; equal results give equal bytes.

    Args:
        about: what was built, as in the ledger.
        timings: milliseconds on ``processor`` in each round.
        before: an earlier table of the same build. Latencies come from one processor: that of ``before`` until the
            timings here are of as many cells.
    """
    name = f"digits/{about['task']['name']}"
    latency = list(_latency(name, timings, processor))
    if before is not None and LATENCY[0] in before.values and same(before, about):
        timed = np.isfinite(before.values[LATENCY[0]][places()]).sum()
        if timed > len(timings):
            latency = [(before.metrics[column], before.values[column]) for column in LATENCY]
    listed = [*_trained(name, about, trainings), *_costs(name, about), *latency]
    versions = sorted({json.dumps(training.versions, sort_keys=True) for training in trainings.values()})
    return Columns(
        name=name,
        space=SPACE.name,
        identity="string",
        source=(
            "Small networks trained by nagkit on scikit-learn's digits, re-rendered: "
            f"{len(trainings):,} of {len(places()):,} classes of cells."
        ),
        licence=LICENCE,
        rows=np.arange(SPACE.size),
        metrics={metric.name: metric for metric, _ in listed},
        values={metric.name: values for metric, values in listed},
        shared={metric.name: IDENTITY for metric, _ in listed if metric.name not in EXACT},
        details={**about, "trained": len(trainings), "versions": [json.loads(text) for text in versions]},
    )


def trainings(table: Columns, about: Mapping[str, Any], seed: int) -> Iterator[Training]:
    """The trainings that a table holds; none when it is about something else or another seed."""
    if not same(table, about) or table.metrics["train_time"].seeds != str(seed):
        return
    seconds = table.values["train_time"]
    for place in places().tolist():
        if np.isfinite(seconds[place]):
            curves = {key: table.values[f"{name}_curve"][place].tolist() for key, (name, *_) in CURVES.items()}
            tokens = tuple(SPACE.at(np.array([place]))[0].tolist())
            yield Training(place, seed, tokens, curves, float(seconds[place]), _versions(table))


def same(table: Columns, about: Mapping[str, Any]) -> bool:
    """Whether a table was built by these recipes."""
    found = {name: table.details.get(name) for name in about}
    return json.dumps(found, sort_keys=True) == json.dumps(about, sort_keys=True)


def places() -> Int[np.ndarray, "m"]:
    """The place of every class, ascending."""
    return np.unique(_class())


@cache
def _class() -> Int[np.ndarray, "n"]:
    """For every row of the space the place of its class."""
    return SPACE.index(SPACE.canonical(SPACE.all(), IDENTITY))


def _trained(name: str, about: Mapping[str, Any], trainings: Mapping[int, Training]) -> Listed:
    epochs = about["training"]["epochs"]
    shared: dict[str, Any] = {
        "dataset": name,
        "epochs": epochs,
        "seeds": ",".join(sorted({str(training.seed) for training in trainings.values()})),
        "licence": LICENCE,
    }
    one = "One training for each class of cells"
    for key, (column, unit, direction, split) in CURVES.items():
        curve = _spread({place: training.curves[key] for place, training in trainings.items()}, epochs)
        yield Metric(column, unit, direction, split=split, source=f"{one}.", **shared), curve[:, -1].copy()
        yield Metric(f"{column}_curve", unit, direction, split=split, source=f"{one}, by epoch.", **shared), curve
    seconds = _spread({place: [training.seconds] for place, training in trainings.items()}, 1)[:, 0]
    yield Metric("train_time", "s", "min", split="train", source=f"{one}; one processor thread.", **shared), seconds


def _costs(name: str, about: Mapping[str, Any]) -> Listed:
    how = "Exact for the small network (width 8 and 16, one cell a stage)"
    params = SPACE.params(SPACE.all(), CLASSES, MICRO) / 1e6
    source = f"{how}; operations on dead edges count, as in the benchmark."
    yield Metric("params", "M", "min", dataset=name, source=source, licence=LICENCE), params
    flops = SPACE.flops(SPACE.all(), CLASSES, about["task"]["side"], MICRO) / 1e6
    source = f"{how}; multiply-accumulates of one image."
    yield Metric("flops", "M", "min", dataset=name, source=source, licence=LICENCE), flops


def _latency(name: str, timings: Mapping[int, Mapping[int, float]], processor: str) -> Listed:
    if not timings:
        return
    # Other work on the machine only ever slows a round down, so the fastest round repeats best.
    rounds_of = {place: np.array(list(rounds.values())) for place, rounds in timings.items()}
    values = _spread({place: [ms.min(), np.median(ms) - ms.min()] for place, ms in rounds_of.items()}, 2)
    shared: dict[str, Any] = {"dataset": name, "device": f"{processor}, one thread", "batch": 1, "licence": LICENCE}
    rounds = max(map(len, timings.values()))
    source = f"Measured by nagkit without dead edges: the fastest of up to {rounds} rounds through the cells."
    yield Metric(LATENCY[0], "ms", "min", source=source, **shared), values[:, 0].copy()
    source = f"By how much the median of the up to {rounds} rounds is slower than {LATENCY[0]}."
    yield Metric(LATENCY[1], "ms", "min", source=source, **shared), values[:, 1].copy()


def _spread(known: Mapping[int, Any], width: int) -> Float[np.ndarray, "n width"]:
    """The values of each class, given to all its rows; NaN where a class has none. float32, enough for all of them."""
    table = np.full((SPACE.size, width), np.nan, dtype=np.float32)
    for place, values in known.items():
        table[place] = values
    return table[_class()]


def _versions(table: Columns) -> Mapping[str, Any]:
    versions = table.details["versions"]
    return versions[0] if len(versions) == 1 else {"one of": versions}
