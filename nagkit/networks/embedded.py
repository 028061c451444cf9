"""An embedded table as a file, made of a ledger, and a ledger's trainings made of such a file.

Trained and timed values belong to classes of cells that compute the same (identity ``"function"``); a *place* is that
of a class's first row. Costs are exact and belong to every one of the 15,625 rows.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from nagkit.benchmarks.columns import Columns
from nagkit.metrics import Metric
from nagkit.networks.ledger import Training
from nagkit.networks.recipes import HELD_OUT
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import MICRO

SPACE = NasBench201()
IDENTITY = "function"  # cells of one class share a training
LICENCE = "MIT"
SOURCE = "Small networks trained by nagkit on scikit-learn's digits, re-rendered"
CLASSES = 10  # of the networks that are timed
ROUNDS = 8  # of timing
LATENCY = ("latency_cpu", "latency_cpu_spread")
COLUMNS: dict[
    str, tuple[str, str, Literal["max", "min"], str]
] = {  # curve in the ledger -> name, unit, direction and split in the table
    "validation_accuracy": ("val_accuracy", "%", "max", "val"),
    "validation_loss": ("val_loss", "nats", "min", "val"),
    "test_accuracy": ("test_accuracy", "%", "max", "test"),
    "test_loss": ("test_loss", "nats", "min", "test"),
}

Timings = Mapping[int, Mapping[int, float]]  # place -> round -> milliseconds
Listed = Iterator[tuple[Metric, Int[np.ndarray, "n"], np.ndarray]]  # metric, places, values


def columns(
    about: Mapping[str, Any],
    trainings: Sequence[Training],
    timings: Timings | None = None,
    machine: str = "",
    before: Columns | None = None,
) -> Columns:
    """The table of a task; equal results give equal bytes.

    Args:
        about: what was built, as in the ledger.
        trainings: by place and seed, with the same seeds at every place.
        timings: on ``machine``; when None the table is a small one, without latencies and exact costs.
        before: an earlier table of the same build. Latencies come from one machine: that of ``before`` until more
            cells are timed here in all rounds.
    """
    name = f"digits/{about['task']['name']}"
    measured = [*_trained(name, about, trainings), *_latencies(name, about, timings, machine, before)]
    rows = {IDENTITY: np.unique(np.concatenate([known for _, known, _ in measured]))}
    listed = [(IDENTITY, metric, _at(rows[IDENTITY], known, values)) for metric, known, values in measured]
    if timings is not None:
        rows["string"] = np.arange(SPACE.size)
        listed += [("string", metric, values) for metric, values in _costs(name, about)]
    trained = len({training.cell for training in trainings})
    own = {"held_out": about["task"]["name"] in HELD_OUT, "trained": trained, "versions": _listed(trainings)}
    return Columns(
        name=name,
        space=SPACE.name,
        source=f"{SOURCE}: {trained:,} of {len(places()):,} classes of cells.",
        licence=LICENCE,
        rows=rows,
        identity={metric.name: identity for identity, metric, _ in listed},
        metrics={metric.name: metric for _, metric, _ in listed},
        values={metric.name: values for _, metric, values in listed},
        details={**about, **own},
    )


def trainings(table: Columns, about: Mapping[str, Any]) -> Iterator[Training]:
    """The trainings that a table holds; none when it is about something else."""
    if not same(table, about):
        return
    task, seeds = about["task"]["name"], about["seeds"]
    curves = {
        (key, seed): table.values[_curve(column, seed, seeds)]
        for key, (column, *_) in COLUMNS.items()
        for seed in seeds
    }
    rows, seconds = table.rows[IDENTITY].tolist(), table.values["train_time"]
    for place, made_with in versions(table).items():
        k = bisect_left(rows, place)
        tokens = tuple(SPACE.at(np.array([place]))[0].tolist())
        for seed in seeds:
            own = {key: curves[key, seed][k].tolist() for key in COLUMNS}
            yield Training(task, place, seed, tokens, own, float(seconds[k]), made_with)


def versions(table: Columns) -> dict[int, Mapping[str, Any]]:
    """For the place of every training in a table what it depended on besides recipe and seed."""
    trained = table.rows[IDENTITY][np.isfinite(table.values["train_time"])].tolist()
    found: dict[int, Mapping[str, Any]] = {}
    for each in table.details["versions"]:
        made_with = {name: value for name, value in each.items() if name != "cells"}
        found |= dict.fromkeys(each.get("cells", trained), made_with)
    return found


def _listed(trainings: Sequence[Training]) -> list[dict[str, Any]]:
    """The different versions of trainings; where there are several, each with the places of its own."""
    cells: dict[str, dict[int, None]] = {}
    for training in trainings:
        cells.setdefault(json.dumps(training.versions, sort_keys=True), {})[training.cell] = None
    if len(cells) == 1:
        return [json.loads(*cells)]
    return [{**json.loads(text), "cells": list(places)} for text, places in sorted(cells.items())]


def timed(table: Columns, about: Mapping[str, Any]) -> set[int]:
    """The places of the cells whose latency a table holds; none when it is about something else."""
    if not same(table, about) or LATENCY[0] not in table.values:
        return set()
    return set(table.rows[IDENTITY][np.isfinite(table.values[LATENCY[0]])].tolist())


def same(table: Columns, about: Mapping[str, Any]) -> bool:
    """Whether a table was built by these recipes with these seeds."""
    found = {name: table.details.get(name) for name in about}
    return json.dumps(found, sort_keys=True) == json.dumps(about, sort_keys=True)


def places() -> Int[np.ndarray, "m"]:
    """The place of every class, ascending."""
    return np.unique(SPACE.index(SPACE.canonical(SPACE.all(), IDENTITY)))


def _at(rows: Int[np.ndarray, "m"], known: Int[np.ndarray, "n"], values: np.ndarray) -> np.ndarray:
    """The values in the order of the rows, NaN where unknown or infinite; float32 tells all of them apart."""
    column = np.full((len(rows), *values.shape[1:]), np.nan, dtype=np.float32)
    column[np.searchsorted(rows, known)] = np.where(np.isfinite(values), values, np.nan)
    return column


def _curve(column: str, seed: int, seeds: Sequence[int]) -> str:
    return f"{column}_curve" if len(seeds) == 1 else f"{column}_seed{seed}_curve"


def _trained(name: str, about: Mapping[str, Any], trainings: Sequence[Training]) -> Listed:
    """For accuracies and losses the mean over the seeds and, of several seeds, each."""
    seeds = about["seeds"]
    known = np.unique([training.cell for training in trainings]).astype(np.int64)
    shared: dict[str, Any] = {"dataset": name, "epochs": about["training"]["epochs"], "licence": LICENCE}
    for key, (column, unit, direction, split) in COLUMNS.items():
        curves = np.array([training.curves[key] for training in trainings], dtype=np.float32)  # as they are kept, so
        curves = curves.reshape(len(known), len(seeds), -1)  # that the mean is the same from a ledger and from a file
        each = {"": (", ".join(map(str, seeds)), curves.mean(1, dtype=np.float64))}
        if len(seeds) > 1:
            each |= {f"_seed{seed}": (str(seed), curves[:, k]) for k, seed in enumerate(seeds)}
        for suffix, (of, values) in each.items():
            how = f"Seed {of}" if suffix or len(seeds) == 1 else "Mean of the seeds"
            kind: dict[str, Any] = {"split": split, "seeds": of, **shared}
            yield Metric(f"{column}{suffix}", unit, direction, source=f"{how}.", **kind), known, values[:, -1]
            after = f"{how}, by epoch: on the first {about['training']['watched']} images, in the end on all."
            yield Metric(f"{column}{suffix}_curve", unit, direction, source=after, **kind), known, values
    seconds = np.array([training.seconds for training in trainings]).reshape(len(known), len(seeds)).mean(1)
    how = "Processor time of one thread" + (", a seed's share of trainings side by side" if len(seeds) > 1 else "")
    kind = {"split": "train", "seeds": ", ".join(map(str, seeds)), **shared}
    yield Metric("train_time", "s", "min", source=f"{how}.", **kind), known, seconds


def _costs(name: str, about: Mapping[str, Any]) -> Iterator[tuple[Metric, Float[np.ndarray, "n"]]]:
    classes, side = len(about["task"]["digits"]), about["task"]["side"]
    how = "Exact for the small network (width 8 and 16, one cell a stage)"
    params = SPACE.params(SPACE.all(), classes, MICRO) / 1e6
    source = f"{how}; operations on dead edges count, as in the benchmark."
    yield Metric("params", "M", "min", dataset=name, source=source, licence=LICENCE), params
    flops = SPACE.flops(SPACE.all(), classes, side, MICRO) / 1e6
    source = f"{how}; multiply-accumulates of one image."
    yield Metric("flops", "M", "min", dataset=name, source=source, licence=LICENCE), flops


def _latencies(
    name: str, about: Mapping[str, Any], timings: Timings | None, machine: str, before: Columns | None
) -> Listed:
    """Those of ``before`` unless more are measured here."""
    if timings is None:
        return
    complete = {place: rounds for place, rounds in timings.items() if len(rounds) >= ROUNDS}
    if before is not None and len(here := timed(before, about)) >= max(1, len(complete)):
        known = np.isin(before.rows[IDENTITY], list(here))
        for column in LATENCY:
            yield before.metrics[column], before.rows[IDENTITY][known], before.values[column][known]
    elif complete:
        yield from _timed(name, complete, machine)


def _timed(name: str, timings: Timings, machine: str) -> Listed:
    # Other work on the machine only ever slows a round down, so the fastest round repeats best.
    known = np.array(sorted(timings))
    rounds_of = [np.array(list(timings[place].values())) for place in known.tolist()]
    fastest = np.array([milliseconds.min() for milliseconds in rounds_of])
    slower = np.array([np.median(milliseconds) for milliseconds in rounds_of]) - fastest
    shared: dict[str, Any] = {"dataset": name, "device": f"{machine}, one thread", "batch": 1, "licence": LICENCE}
    source = f"Measured by nagkit without dead edges: the fastest of {ROUNDS} rounds through the cells."
    yield Metric(LATENCY[0], "ms", "min", source=source, **shared), known, fastest
    source = f"By how much the median of the {ROUNDS} rounds is slower than {LATENCY[0]}."
    yield Metric(LATENCY[1], "ms", "min", source=source, **shared), known, slower
