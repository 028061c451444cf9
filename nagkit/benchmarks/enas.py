"""The macro space of ENAS with six nodes, as D-VAE evaluated it (Zhang et al., NeurIPS 2019), and a surrogate.

A public file tells of 19,015 different networks the accuracy with the weights that they share in one super-network.
None was trained by itself. These accuracies depend on nothing but the skips: networks with the same skips and other
operations have the same one, in all of the 8,477 choices of skips in the file. The published evaluator makes all six
operations of a node the last one, the max pool, since its branches share a variable that Python reads when all are made
(``eval_child.py``, ``lambda: y``). So the surrogate, a small network fitted at first use and kept in the cache, is told
the skips alone, and judged on choices of skips that it was not fitted to.

Notation: n networks, k measured ones, p pairs that a skip may join, L slots.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nagkit.benchmarks import registry
from nagkit.benchmarks.perceptron import Perceptron
from nagkit.benchmarks.surrogate import (
    Error,
    Fit,
    Part,
    Surrogate,
    cross_validated,
    exact,
    kept,
    measured_among,
    place,
)
from nagkit.errors import DataDamagedError
from nagkit.metrics import Metric
from nagkit.spaces.enas import NODES, OPERATIONS, Enas

VERSION = 1  # raised when the model changes, so that it is fitted again
NAME = "enas/cifar10"
SPACE = Enas()
BURN_IN = 1_000  # networks at the head of the file, which D-VAE leaves out
IMAGES = 5_000  # validation images; every measured accuracy is a whole number of them
DIGITS = 6  # decimals; what arithmetic adds beyond them depends on how many networks are asked for at once
_NODES = (rf"\[([0-{len(OPERATIONS) - 1}])" + r", ([01])" * node + r"\]" for node in range(NODES))
_LINE = re.compile(r"\[" + ", ".join(_NODES) + r"\], ([01]\.\d+)")


class Records(NamedTuple):
    """What the public file tells: networks, each once, and their accuracy in percent."""

    networks: Int[np.ndarray, "k L"]
    accuracy: Float[np.ndarray, "k"]


def files() -> list[registry.File]:
    """The public file that this benchmark is made of."""
    return [registry.sources()["d-vae"].file("data/final_structures6.txt")]


def converted() -> Path:
    """Where the fitted model and the measurements are kept."""
    return place(NAME, VERSION, files())


def surrogate() -> Surrogate:
    """The benchmark; its model is fitted at first use, and opened from then on."""
    return kept(converted(), _fit, _parts)


def records() -> Records:
    """Every network of the public file once, in the order of their rows."""
    (file,) = files()
    lines = registry.read(file).decode("ascii", "replace").splitlines()
    found = [_LINE.fullmatch(line) for line in lines]
    if None in found or len(found) <= BURN_IN:
        why = f"line {found.index(None) + 1} is none" if None in found else f"it has no more than {BURN_IN:,} lines"
        raise DataDamagedError(f"{file.name} does not hold networks of {SPACE.name}: {why}. Fetch it again.")
    told = [match.groups() for match in found[BURN_IN:] if match]
    networks, first, inverse = np.unique(
        np.array([row[:-1] for row in told], dtype=np.int64), axis=0, return_index=True, return_inverse=True
    )
    images = np.array([float(row[-1]) for row in told]) * IMAGES
    if np.abs(images - np.round(images)).max() > 1e-6 or (images != images[first][inverse.reshape(-1)]).any():
        raise DataDamagedError(f"{file.name} does not hold one accuracy on {IMAGES:,} images for each network.")
    return Records(networks, np.round(images[first]) / (IMAGES / 100))


def one_of_each(measured: Records) -> Records:
    """One network for each choice of skips among these."""
    _, first = np.unique(SPACE.skips(measured.networks), axis=0, return_index=True)
    return Records(measured.networks[first], measured.accuracy[first])


def errors(measured: Records) -> dict[str, Error]:
    """The error of the surrogate on choices of skips that it was not fitted to."""
    networks, accuracy = one_of_each(measured)
    values = cross_validated(model, networks, accuracy[:, None])[:, 0]
    told = f"{len(networks):,} measured choices of skips, each left out once in five-fold cross-validation"
    return {"weight_sharing_accuracy_surrogate": Error.of(values, accuracy, told)}


def model(networks: Int[np.ndarray, "k L"], accuracy: Float[np.ndarray, "k 1"]) -> partial[Float[np.ndarray, "n 1"]]:
    """The function of networks that gives their accuracy in percent, learned from these."""
    return partial(accuracies, model=fitted(Records(networks, accuracy[:, 0])))


def fitted(measured: Records) -> Perceptron:
    """The network that tells the accuracy in percent from the skips, learned from these."""
    return Perceptron.fitted(SPACE.skips(measured.networks).astype(np.float64), measured.accuracy)


def accuracies(networks: Int[np.ndarray, "n L"], model: Perceptron) -> Float[np.ndarray, "n 1"]:
    """The accuracy in percent that a model expects."""
    return np.round(model.values(SPACE.skips(networks).astype(np.float64)), DIGITS)[:, None]


def _parts(arrays: Mapping[str, np.ndarray]) -> list[Part]:
    """Where the values of each metric come from."""
    networks = arrays["networks"].astype(np.int64)
    among = partial(measured_among, rows=networks, values=arrays["accuracy"][:, None], space=SPACE)
    predicted = partial(accuracies, model=Perceptron.of(arrays))
    return [
        Part(("weight_sharing_accuracy",), among, networks, False),
        Part(("weight_sharing_accuracy_surrogate",), predicted, networks, True),
        *(Part((name,), partial(exact, name=name, space=SPACE), networks, True) for name in ("params", "flops")),
    ]


def _fit() -> Fit:
    """The measurements, the model fitted to all of them, and its error where it was not fitted."""
    measured = records()
    found = errors(measured)
    arrays = {"networks": measured.networks.astype(np.int32), "accuracy": measured.accuracy}
    return Fit(
        name=NAME,
        space=SPACE.name,
        source="ENAS's macro space of six nodes on CIFAR-10, evaluated for D-VAE (Zhang et al., NeurIPS 2019).",
        licence=files()[0].licence,
        metrics={metric.name: metric for metric in _metrics(found, measured)},
        errors=found,
        arrays=arrays | fitted(one_of_each(measured)).arrays(),
        details={"files": {file.name: file.sha256 for file in files()}},
    )


def _metrics(errors: Mapping[str, Error], measured: Records) -> Iterator[Metric]:
    (file,), error = files(), errors["weight_sharing_accuracy_surrogate"]
    where = f"From {file.repository} at {file.commit[:7]}, {file.path}."
    told: dict[str, Any] = {"dataset": "CIFAR-10", "split": "val", "licence": file.licence}
    how = (
        f"on {IMAGES:,} validation images with weights shared in one super-network, not trained by itself; it depends "
        "on the skips alone, and says nothing about operations"
    )
    only = f"NaN for all but {len(measured.networks):,} networks."
    yield Metric("weight_sharing_accuracy", "%", "max", source=f"Measured: {how}. {only} {where}", **told)
    choices = len(one_of_each(measured).networks)
    source = (
        f"Surrogate of the accuracy {how}: a small network of the skips, fitted to {choices:,} measured choices of "
        f"skips; {error.sentence('%')}. {where}"
    )
    yield Metric("weight_sharing_accuracy_surrogate", "%", "max", source=source, error=error.short("%"), **told)
    yield Metric("params", "M", "min", dataset="CIFAR-10", source="Exact; 10 classes.", licence="MIT")
    how = "Exact; multiply-accumulates of one image."
    yield Metric("flops", "M", "min", dataset="CIFAR-10", source=how, licence="MIT")
