"""NAS-Bench-101 (Ying et al., ICML 2019): the cells of which the records are public in small files, and a surrogate.

The benchmark has 423,624 different cells. Of 16,484, a uniform sample, the public files tell test accuracy and training
time. A small network, fitted to these at first use and kept in the cache, predicts the accuracy of any cell.

Notation: n cells, k measured ones, f features, L slots.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nagkit.benchmarks import readers, registry
from nagkit.benchmarks.perceptron import Perceptron
from nagkit.benchmarks.surrogate import Error, Fit, Part, Surrogate, exact, folds, kept, measured_among, place
from nagkit.errors import DataDamagedError
from nagkit.metrics import Metric
from nagkit.spaces.nas_bench_101 import NasBench101, notation

VERSION = 1  # raised when the model changes, so that it is fitted again
NAME = "nas-bench-101/cifar10"
SPACE = NasBench101()
DIGITS = 6  # decimals; what arithmetic adds beyond them depends on how many cells are asked for at once
SAME = "graph"  # the identity under which the benchmark counts cells as one
CHANCE = 10.0  # percent
LICENCE = "none stated, NAS-Bench-101 itself: Apache-2.0; fetched on request and kept on this machine"


class Records(NamedTuple):
    """What the public files tell: cells as they write them, accuracy in percent, training time in seconds."""

    cells: Int[np.ndarray, "k L"]
    accuracy: Float[np.ndarray, "k"]
    seconds: Float[np.ndarray, "k"]


def files() -> list[registry.File]:
    """The public files that this benchmark is made of."""
    return list(registry.sources()["haap"].files)


def converted() -> Path:
    """Where the fitted model and the measurements are kept."""
    return place(NAME, VERSION, files())


def surrogate() -> Surrogate:
    """The benchmark; its model is fitted at first use, and opened from then on."""
    return kept(converted(), _fit, _parts)


def records() -> Records:
    """Every cell of the public files once."""
    found: dict[int, tuple[str, float, float, int]] = {}
    file = files()[0]
    try:
        for file in files():
            for index, told in readers.read_pickle(registry.read(file), file.name).items():
                if found.setdefault(index, one := _record(told, file)) != one:
                    raise ValueError(f"cell {index} is told otherwise in another file")
        texts, accuracy, seconds, params = zip(*(found[index] for index in sorted(found)), strict=True)
        cells = SPACE.encode(texts)
        if not np.array_equal(SPACE.params(cells), params):
            raise ValueError("its cells have other parameters")
        if len(np.unique(SPACE.canonical(cells, SAME), axis=0)) < len(cells):
            raise ValueError("it names a cell twice")
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataDamagedError(f"{file.name} does not hold cells of {SPACE.name}: {error!s:.200}.") from None
    return Records(cells, np.round(100 * np.array(accuracy), DIGITS), np.array(seconds))


def _record(told: Mapping[str, Any], file: registry.File) -> tuple[str, float, float, int]:
    """Text, test accuracy, training time and parameters of one cell."""
    cell = told["fixed_metrics"]
    matrix = readers.numbers(cell["module_adjacency"], file.name)
    operations = readers.texts(cell["module_operations"], file.name)
    accuracy, seconds = (
        float(readers.numbers(told[f"final_{what}"], file.name)) for what in ("test_accuracy", "training_time")
    )
    return (
        notation(matrix, operations),
        accuracy,
        seconds,
        int(readers.numbers(cell["trainable_parameters"], file.name)),
    )


def errors(measured: Records) -> dict[str, Error]:
    """The error of the surrogate on a fifth of these, by a model fitted to the others."""
    cells = SPACE.canonical(measured.cells, SAME)
    held = next(folds(len(cells)))
    rest = np.delete(np.arange(len(cells)), held)
    values = accuracies(cells[held], fitted(cells[rest], measured.accuracy[rest]))[:, 0]
    told = f"{len(held):,} measured cells, a fixed fifth"
    return {"test_accuracy_surrogate": Error.of(values, measured.accuracy[held], told)}


def fitted(cells: Int[np.ndarray, "k L"], accuracy: Float[np.ndarray, "k"]) -> Perceptron:
    """The model of the log of the error, learned from these canonical cells and accuracies in percent."""
    return Perceptron.fitted(features(cells), -np.log(100 - accuracy))


def accuracies(cells: Int[np.ndarray, "n L"], model: Perceptron) -> Float[np.ndarray, "n 1"]:
    """The test accuracy in percent that a model of the log of the error expects of canonical cells; at least chance."""
    return np.round(np.maximum(100 - np.exp(-model.values(features(cells))), CHANCE), DIGITS)[:, None]


def features(cells: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n f"]:
    """What the graph has, how it is written, and the logs of its exact costs."""
    costs = np.log(np.stack([SPACE.params(cells), SPACE.flops(cells)], axis=1))
    return np.concatenate([SPACE.features(cells), SPACE.one_hot(cells), costs], axis=1)


def _parts(arrays: Mapping[str, np.ndarray]) -> list[Part]:
    """Where the values of each metric come from."""
    cells = arrays["cells"].astype(np.int64)
    among = partial(measured_among, rows=cells, values=arrays["measured"], space=SPACE)
    return [
        Part(("test_accuracy", "train_time"), among, cells, False, SAME),
        Part(("test_accuracy_surrogate",), partial(accuracies, model=Perceptron.of(arrays)), cells, True, SAME),
        *(Part((name,), partial(exact, name=name, space=SPACE), cells, True) for name in ("params", "flops")),
    ]


def _fit() -> Fit:
    """The measurements, the model fitted to all of them, and its error where it was not fitted."""
    measured = records()
    cells, found = SPACE.canonical(measured.cells, SAME), errors(measured)
    arrays = {"cells": cells.astype(np.int32), "measured": np.stack([measured.accuracy, measured.seconds], axis=1)}
    arrays |= fitted(cells, measured.accuracy).arrays()
    return Fit(
        name=NAME,
        space=SPACE.name,
        source="NAS-Bench-101 on CIFAR-10 (Ying et al., ICML 2019), 3.9 % of its cells, from public files.",
        licence=f"measurements: {LICENCE}",
        metrics={metric.name: metric for metric in _metrics(found["test_accuracy_surrogate"], len(cells))},
        errors=found,
        arrays=arrays,
        details={"files": {file.name: file.sha256 for file in files()}},
    )


def _metrics(error: Error, count: int) -> Iterator[Metric]:
    source = registry.sources()["haap"]
    where = f"From {source.repository} at {source.commit[:7]}, pkl."
    told: dict[str, Any] = {"dataset": "CIFAR-10", "epochs": 108, "licence": LICENCE}
    how = f"Measured: after 108 epochs; NaN for all but {count:,} cells, a uniform sample. {where}"
    yield Metric("test_accuracy", "%", "max", split="test", seeds="mean of 3", source=how, **told)
    yield Metric("train_time", "s", "min", split="train", seeds="mean of 3", source=how, **told)
    how = (
        f"Surrogate: a small network, fitted to {count:,} measured cells, a uniform sample; {error.sentence('%')}, and "
        f"then fitted to all. {where}"
    )
    short = error.short("%")
    yield Metric("test_accuracy_surrogate", "%", "max", split="test", source=how, error=short, **told)
    how = "Exact, equal to the benchmark's; isomorphic cells may differ by a few."
    yield Metric("params", "M", "min", dataset="CIFAR-10", source=how, licence="MIT")
    how = "Exact; multiply-accumulates of one image."
    yield Metric("flops", "M", "min", dataset="CIFAR-10", source=how, licence="MIT")
