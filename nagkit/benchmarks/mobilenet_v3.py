"""ImageNet accuracy and GPU latency of networks of MobileNetV3 (Once-For-All; Cai et al., ICLR 2020): a surrogate.

Of 5·10²⁰ networks 2,610 have a measured accuracy and 5,000 others measured latencies, in public files. The models of
both (``mobilenet_v3_models``) are fitted at first use and kept in the cache with the measurements.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from nagkit.benchmarks import mobilenet_v3_models as models
from nagkit.benchmarks import mobilenet_v3_records as records
from nagkit.benchmarks import registry
from nagkit.benchmarks.linear import Linear
from nagkit.benchmarks.mobilenet_v3_models import OFFICIAL_FROM, SPACE
from nagkit.benchmarks.mobilenet_v3_records import TIMED
from nagkit.benchmarks.surrogate import Error, Fit, Part, Surrogate, cross_validated, exact, kept, measured_among, place
from nagkit.metrics import Metric

VERSION = 1  # raised when a model changes, so that it is fitted again
NAME = "mobilenet-v3/imagenet"
LOCAL = "none stated; fetched on request and kept on this machine"


def files() -> list[registry.File]:
    """The public files that this benchmark is made of."""
    return [records.accuracy_file(), records.official_file(), records.network_file(), *_latency_files()]


def converted() -> Path:
    """Where the fitted models and the measurements are kept."""
    return place(NAME, VERSION, files())


def surrogate() -> Surrogate:
    """The benchmark; its models are fitted at first use, and opened from then on."""
    return kept(converted(), _fit, _parts)


def errors(accuracies: records.Accuracies, latencies: records.Latencies) -> dict[str, Error]:
    """The error of each surrogate metric on those of these measurements that its model was not fitted to."""
    (networks, accuracy), (timed, milliseconds) = accuracies, latencies
    folded = "{:,} measured networks, each left out once in five-fold cross-validation"
    own = cross_validated(models.accuracy_model, networks, accuracy[:, None])[:, 0]
    found = {"accuracy": Error.of(own, accuracy, folded.format(len(networks)))}
    theirs = models.official(networks, list(records.official_layers().values()))[:, 0]
    known = ~np.isnan(theirs)
    told = f"the {known.sum():,} measured networks from {OFFICIAL_FROM} px on"
    found["accuracy_ofa"] = Error.of(theirs[known], accuracy[known], told)
    values = cross_validated(models.latency_model, timed, milliseconds)
    for name, column, each in zip(TIMED, values.T, milliseconds.T, strict=True):
        found[f"latency_{name}"] = Error.of(column, each, folded.format(len(timed)))
    return found


def _parts(arrays: Mapping[str, np.ndarray]) -> list[Part]:
    """Where the values of each metric come from."""
    measured, timed = (arrays[f"{name}.tokens"].astype(np.int64) for name in ("accuracy", "latency"))
    linear = {name: Linear(arrays[f"{name}.weights"], arrays[f"{name}.offset"]) for name in ("accuracy", "latency")}
    layers = [(arrays[f"official.{n}.weight"], arrays[f"official.{n}.bias"]) for n in records.SHAPES]
    among = partial(measured_among, rows=measured, values=arrays["accuracy.measured"][:, None], space=SPACE)
    timings, both = tuple(f"latency_{name}" for name in TIMED), np.concatenate([measured, timed])
    return [
        Part(("accuracy",), partial(models.accuracies, model=linear["accuracy"]), measured, True),
        Part(("accuracy_measured",), among, measured, False),
        Part(("accuracy_ofa",), partial(models.official, layers=layers), measured, True),
        Part(timings, partial(models.latencies, model=linear["latency"]), timed, True),
        *(Part((name,), partial(exact, name=name, space=SPACE), both, True) for name in ("params", "flops")),
    ]


def _fit() -> Fit:
    """The measurements, the models fitted to all of them, and their errors where they were not fitted."""
    networks, accuracy = records.measured_accuracies()
    timed, milliseconds = records.measured_latencies()
    arrays = {"accuracy.tokens": networks.astype(np.int32), "latency.tokens": timed.astype(np.int32)}
    arrays["accuracy.measured"] = accuracy
    for n, (weight, bias) in records.official_layers().items():
        arrays |= {f"official.{n}.weight": weight, f"official.{n}.bias": bias}
    linear = {"accuracy": models.accuracy_linear(networks, accuracy[:, None])}
    linear["latency"] = models.latency_linear(timed, milliseconds)
    for name, model in linear.items():
        arrays |= {f"{name}.weights": model.weights, f"{name}.offset": model.offset}
    found = errors((networks, accuracy), (timed, milliseconds))
    metrics = (*_accuracies(found, len(networks)), *_latencies(found, len(timed)), *_costs())
    return Fit(
        name=NAME,
        space=SPACE.name,
        source="Networks of Once-For-All on ImageNet (Cai et al., ICLR 2020), from public files.",
        licence=f"see each metric; the measured accuracies: {LOCAL}",
        metrics={metric.name: metric for metric in metrics},
        errors=found,
        arrays=arrays,
        details={"files": {file.name: file.sha256 for file in files()}},
    )


def _accuracies(found: Mapping[str, Error], count: int) -> Iterator[Metric]:
    """Predicted by our model, measured, and predicted by the official one."""
    file, theirs = records.accuracy_file(), records.official_file()
    how = "top-1 on the 50,000 validation images of sub-networks of the super-network of width 1.0, not fine-tuned"
    error, where = found["accuracy"], f"From {_origin(file)}."
    yield _accuracy(
        "accuracy",
        f"Surrogate: a linear model of the log of the error, fitted to {count:,} measurements ({how}) at 128, 160 and "
        f"192 px; {error.sentence('%')}. Beyond 192 px it extrapolates. {where}",
        LOCAL,
        error,
    )
    yield _accuracy("accuracy_measured", f"Measured: {how}; NaN where not measured. {where}", LOCAL)
    error = found["accuracy_ofa"]
    yield _accuracy(
        "accuracy_ofa",
        "Surrogate: the official accuracy predictor of Once-For-All, a second opinion for ranking. It is above the "
        "measurements by about its error, knows the resolution in steps of 16 px, and is NaN below "
        f"{OFFICIAL_FROM} px, where it is off by other amounts; {error.sentence('%')}. From {_origin(theirs)}.",
        theirs.licence,
        error,
    )


def _latencies(found: Mapping[str, Error], count: int) -> Iterator[Metric]:
    for name, (device, batch) in TIMED.items():
        error, file = found[f"latency_{name}"], records.latency_file(name)
        yield Metric(
            f"latency_{name}",
            "ms",
            "min",
            dataset="ImageNet",
            device=device,
            batch=batch,
            source=f"Surrogate: a linear model of blocks, resolution and FLOPs, fitted to {count:,} measurements"
            f"{f' of {batch} images at once' if batch > 1 else ''}; {error.sentence('ms')}. From {_origin(file)}.",
            licence=file.licence,
            error=error.short("ms"),
        )


def _costs() -> Iterator[Metric]:
    yield Metric("params", "M", "min", dataset="ImageNet", source="Exact; 1,000 classes.", licence="MIT")
    how = "Exact; multiply-accumulates of one image of the side that the network takes."
    yield Metric("flops", "M", "min", dataset="ImageNet", source=how, licence="MIT")


def _accuracy(name: str, source: str, licence: str, error: Error | None = None) -> Metric:
    short = error.short("%") if error else None
    return Metric(name, "%", "max", dataset="ImageNet", split="val", source=source, licence=licence, error=short)


def _origin(file: registry.File) -> str:
    return f"{file.repository} at {file.commit[:7]}, {file.path}"


def _latency_files() -> list[registry.File]:
    return [records.latency_file(name) for name in TIMED]
