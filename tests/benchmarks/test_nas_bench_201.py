"""The tables of NAS-Bench-201 against the official records, published figures, and each other."""

import subprocess
import sys
import time
from functools import cache

import numpy as np
import pytest
from scipy.stats import spearmanr

from nagkit.benchmarks import benchmark, nas_bench_201, readers, registry
from nagkit.benchmarks.nas_bench_201 import DATASETS, MEASURED, official_index
from nagkit.checks.benchmark import BenchmarkContract
from nagkit.errors import DataDamagedError, DataMissingError
from nagkit.spaces.nas_bench_201 import NasBench201

pytestmark = pytest.mark.usefixtures("upstream")
CELLS = NasBench201().all()
RECORDS = (0, 11, 284)
SHORT = {"3": "nor_conv_3x3", "1": "nor_conv_1x1", "s": "skip_connect", "n": "none", "p": "avg_pool_3x3"}


@cache
def table(dataset):
    return benchmark(f"nas-bench-201/{dataset}")


@cache
def official():
    """The cells in the official order."""
    return CELLS[np.argsort(official_index(CELLS))]


def values(dataset, metric, cells=None):
    return table(dataset).look_up(official() if cells is None else cells, metric)


@pytest.fixture(params=DATASETS)
def dataset(request, upstream):
    return request.param


class TestTables(BenchmarkContract):
    @pytest.fixture
    def benchmark(self, dataset):
        return table(dataset)


def cell(letters):
    a, b, c, d, e, f = (SHORT[letter] for letter in letters)
    return NasBench201().encode([f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"])


@pytest.mark.parametrize(
    ("index", "letters"),
    [(6111, "333s31"), (13714, "333s13"), (9930, "333s33"), (857, "113s33"), (10676, "311s33"), (11472, "3n3sns")],
)
def test_official_index_of_known_cells(index, letters):
    assert official_index(cell(letters)).tolist() == [index]


@pytest.mark.slow
def test_two_sources_list_the_cells_in_the_same_order():
    file = registry.sources()["help"].file("data/nasbench201/str_arch2idx.pt")
    places = readers.read_zipped_pickle(registry.read(file), file.name)
    assert official_index(NasBench201().encode(list(places))).tolist() == list(places.values())


# Golden figures: percent, two decimals, as published with the benchmark.
SIX = [(dataset, split) for dataset in ("cifar10", "cifar100", "imagenet16-120") for split in ("val", "test")]
GOLDEN = {
    1835: (39.77, 54.30, 15.03, 15.61, 16.43, 16.32),
    11472: (90.86, 93.91, 70.50, 70.89, 44.10, 44.23),
    9930: (91.55, 94.36, 73.49, 73.51, 46.37, 46.34),
    6111: (91.61, 94.37, 72.75, 73.22, 45.56, 46.71),
    13714: (91.50, 94.37, 73.31, 73.09, 45.58, 46.33),
}


@pytest.mark.parametrize("index", GOLDEN)
def test_published_accuracies_of_known_cells(index):
    found = [values(dataset, f"{split}_accuracy")[index] for dataset, split in SIX]
    assert np.round(found, 2).tolist() == list(GOLDEN[index])


@pytest.mark.parametrize(
    ("dataset", "metric", "best", "cells"),
    [
        ("cifar10", "test_accuracy", 94.3733, {6111, 13714}),
        ("cifar100", "test_accuracy", 73.5133, {9930}),
        ("imagenet16-120", "test_accuracy", 47.3111, {857}),
        ("cifar10", "val_accuracy", 91.6067, {6111}),
        ("cifar100", "val_accuracy", 73.4933, {9930}),
        ("imagenet16-120", "val_accuracy", 46.7333, {10676}),
    ],
)
def test_published_best_cells(dataset, metric, best, cells):
    found = values(dataset, metric)
    assert round(found.max(), 4) == best
    assert set(np.flatnonzero(found > best - 1e-4).tolist()) == cells


@pytest.mark.parametrize(("dataset", "worst"), [("cifar10", 10.0), ("cifar100", 1.0), ("imagenet16-120", 0.8333)])
def test_the_worst_cell_guesses(dataset, worst):
    assert round(values(dataset, "test_accuracy").min(), 4) == worst


@pytest.mark.parametrize(
    ("dataset", "pair", "rho"),
    [
        ("cifar10", ("val_accuracy", "test_accuracy"), 0.984),
        ("cifar100", ("val_accuracy", "test_accuracy"), 0.993),
        ("imagenet16-120", ("val_accuracy", "test_accuracy"), 0.995),
        ("cifar10", ("val_accuracy_12", "test_accuracy"), 0.772),
        ("cifar10", ("params", "test_accuracy"), 0.753),
        ("cifar100", ("params", "test_accuracy"), 0.728),
        ("imagenet16-120", ("params", "test_accuracy"), 0.691),
        ("cifar10", ("logsynflow", "test_accuracy"), 0.826),
        ("cifar100", ("logsynflow", "test_accuracy"), 0.792),
        ("imagenet16-120", ("logsynflow", "test_accuracy"), 0.777),
        ("cifar10", ("nregions", "test_accuracy"), 0.725),
        ("cifar100", ("nregions", "test_accuracy"), 0.802),
        ("cifar10", ("latency_eyeriss", "flops"), 0.54),
    ],
)
def test_rank_correlations(dataset, pair, rho):
    found = values(dataset, list(pair))
    digits = len(str(rho)) - 2
    assert round(spearmanr(*found[~np.isnan(found).any(1)].T).statistic, digits) == rho


@cache
def record(index):
    path = f"fake_torch_dir/NATS-tss-v1_0-3ffb9-simple/{index:06d}.pickle.pbz2"
    file = registry.sources()["nats-bench"].file(path)
    return readers.read_compressed_pickle(registry.read(file), file.name)


def runs(index, epochs, name):
    """Each run of one cell in the official record: seed -> (result, accuracy by split after the last epoch)."""
    found = {}
    for (dataset, seed), result in record(index)[str(epochs)]["all_results"].items():
        if dataset == name:
            last = f"@{epochs - 1}"
            found[seed] = (
                result,
                {k.removesuffix(last): v for k, v in result["eval_acc1es"].items() if k.endswith(last)},
            )
    return found


OFFICIAL = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16-120": "ImageNet16-120"}


@pytest.mark.parametrize("index", RECORDS)
def test_costs_equal_the_official_record(dataset, index):
    params, flops = values(dataset, ["params", "flops"])[index]
    for result, _ in runs(index, 200, OFFICIAL[dataset]).values():
        assert round(params, 6) == round(float(readers.numbers(result["params"], "record")), 6)
        assert round(flops, 5) == result["flop"]


@pytest.mark.parametrize("index", RECORDS)
def test_accuracy_after_200_epochs_equals_the_official_record(dataset, index):
    test = "ori-test" if dataset == "cifar10" else "x-test"
    accuracies = [split for _, split in runs(index, 200, OFFICIAL[dataset]).values()]
    assert values(dataset, "test_accuracy")[index] == pytest.approx(np.mean([s[test] for s in accuracies]), abs=1e-6)
    name = "cifar10-valid" if dataset == "cifar10" else OFFICIAL[dataset]
    accuracies = [split for _, split in runs(index, 200, name).values()]
    assert values(dataset, "val_accuracy")[index] == pytest.approx(
        np.mean([s["x-valid"] for s in accuracies]), abs=1e-6
    )


@pytest.mark.parametrize("index", RECORDS)
@pytest.mark.parametrize("seed", [777, 888, 999])
def test_accuracy_of_each_seed_equals_the_official_record(dataset, index, seed):
    own = dataset == "cifar10"
    _, split = runs(index, 200, "cifar10-valid" if own else OFFICIAL[dataset])[seed]
    metric = f"{'val' if own else 'valtest'}_accuracy_seed{seed}"
    assert values(dataset, metric)[index] == pytest.approx(split["x-valid" if own else "ori-test"], abs=1e-6)


@pytest.mark.parametrize("index", RECORDS)
def test_accuracy_after_12_epochs_equals_the_official_record(dataset, index):
    test = runs(index, 12, OFFICIAL[dataset])[111][1]["ori-test" if dataset == "cifar10" else "x-test"]
    validation = runs(index, 12, "cifar10-valid" if dataset == "cifar10" else OFFICIAL[dataset]).values()
    found = values(dataset, ["val_accuracy_12", "test_accuracy_12"])[index]
    assert found == pytest.approx([np.mean([split["x-valid"] for _, split in validation]), test], abs=1e-4)


@pytest.mark.parametrize("index", RECORDS)
def test_training_time_equals_the_official_record(dataset, index):
    name = "cifar10-valid" if dataset == "cifar10" else OFFICIAL[dataset]
    for result, _ in runs(index, 200, name).values():
        total = sum(result["train_times"].values())
        assert values(dataset, "train_time")[index] == pytest.approx(total, rel=1e-9)


def test_validation_is_twice_the_mean_of_both_halves_less_the_test_half():
    for dataset in ("cifar100", "imagenet16-120"):
        halves = values(dataset, [f"valtest_accuracy_seed{seed}" for seed in (777, 888, 999)])
        validation, test = values(dataset, ["val_accuracy", "test_accuracy"]).T
        assert np.abs((validation + test) / 2 - np.nanmean(halves, axis=1)).max() < 1e-9
        assert validation.min() > 0


def test_seeds_that_were_run(dataset):
    split = "val" if dataset == "cifar10" else "valtest"
    known = [(~np.isnan(values(dataset, f"{split}_accuracy_seed{seed}"))).sum() for seed in (777, 888, 999)]
    assert known == [15_625, 15_625, 8_169]
    assert not set(table(dataset).metrics) & {f"{'valtest' if split == 'val' else 'val'}_accuracy_seed777"}


@pytest.mark.parametrize(
    ("dataset", "low", "high"),
    [("cifar10", 542, 3_461), ("cifar100", 1_084, 6_922), ("imagenet16-120", 3_290, 21_000)],
)
def test_range_of_the_training_time(dataset, low, high):
    found = values(dataset, "train_time")
    assert (round(found.min()), round(found.max())) == (low, high)


def test_first_row_of_each_source():
    found = values("cifar10", ["val_accuracy_seed777", "val_accuracy_seed888", "val_accuracy_seed999", "train_time"])[0]
    assert np.round(found, 4).tolist() == [82.092, 81.616, 82.24, 1444.2186]
    found = values("cifar100", [f"valtest_accuracy_seed{seed}" for seed in (777, 888, 999)])[0]
    assert np.round(found, 2).tolist() == [51.93, 53.38, 53.11]
    short = [values(d, f"{s}_accuracy_12")[0] for d in OFFICIAL for s in ("test", "val")]
    assert np.round(short, 3).tolist() == [69.55, 63.364, 31.26, 31.84, 17.0, 18.467]
    assert [round(values(d, "test_accuracy")[0], 4) for d in OFFICIAL] == [85.8633, 52.9133, 26.6333]


def test_parameters_equal_the_published_column_in_all_rows(dataset):
    name, unit = DATASETS[dataset].freerea, 1 if dataset == "imagenet16-120" else 1e6
    file = registry.sources()["freerea"].file(f"cached_metrics/nats/{name}/params.csv")
    published = readers.read_csv(registry.read(file), file.name, ["params"])["params"]
    assert np.array_equal(np.round(published * unit), np.round(values(dataset, "params") * 1e6))


def latency_column(device):
    file = registry.sources()["help"].file(f"data/nasbench201/latency/{device}.pt")
    return readers.numbers(readers.read_zipped_pickle(registry.read(file), file.name), file.name)


@pytest.mark.parametrize(("device", "slowest"), [("eyeriss", 10.5269), ("fpga", 8.67856)])
def test_accelerator_latency_equals_the_published_column_in_all_rows(device, slowest):
    found = values("cifar10", f"latency_{device}")
    assert np.abs(found - latency_column(device)).max() < 5e-15
    assert found.max() == slowest


@pytest.mark.parametrize(("dataset", "highest"), [("cifar10", 2.2262379485), ("imagenet16-120", 0.569677132)])
def test_published_maximum_of_the_eyeriss_energy(dataset, highest):
    assert values(dataset, "energy_eyeriss").max() == pytest.approx(highest, abs=1e-12)


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_fpga_energy_is_seven_times_its_latency(dataset):
    assert np.allclose(values(dataset, "energy_fpga"), 7 * values(dataset, "latency_fpga"), rtol=1e-14)


def test_costs_that_could_not_be_determined_are_not_offered():
    assert not {"latency_fpga", "energy_fpga"} & set(table("imagenet16-120").metrics)


@pytest.mark.parametrize(
    ("device", "low", "high"),
    [("raspi4", 0.01, 98.89), ("pixel3", 0.0, 36.77), ("gold_6226", 2.66, 20.37), ("1080ti_1", 3.60, 17.09)],
)
def test_range_of_a_measured_latency(device, low, high):
    found = values("cifar10", f"latency_{device}")
    assert (round(found.min(), 2), round(found.max(), 2)) == (low, high)


def test_25_devices_are_measured_and_two_computed(dataset):
    latencies = {name.removeprefix("latency_") for name in table(dataset).metrics if name.startswith("latency_")}
    assert len(MEASURED) == 25
    assert latencies - {"eyeriss", "fpga"} == set(MEASURED)
    for device, (_, batch) in MEASURED.items():
        metric = table(dataset).metrics[f"latency_{device}"]
        assert (metric.unit, metric.direction, metric.dataset, metric.batch) == ("ms", "min", "CIFAR-10", batch)
        assert np.array_equal(values(dataset, metric.name), latency_column(device))
        assert ("Not measured on" in metric.source) == (dataset != "cifar10")


def test_every_metric_names_its_repository_or_says_that_it_is_exact(dataset):
    repositories = [source.repository for source in registry.sources().values()]
    for metric in table(dataset).metrics.values():
        assert metric.source.startswith("Exact") or any(name in metric.source for name in repositories), metric
        assert metric.licence in {"MIT", "Apache-2.0", "Apache-2.0 and MIT"}


def test_only_accuracies_carry_epochs_splits_and_seeds(dataset):
    for name, metric in table(dataset).metrics.items():
        if "accuracy" in name:
            assert metric.epochs == (12 if name.endswith("_12") else 200)
            assert name.startswith(f"{metric.split}_accuracy")
            assert metric.seeds and metric.unit == "%" and metric.direction == "max"


def test_every_string_has_its_own_values(dataset):
    table(dataset)
    columns = nas_bench_201.columns(dataset)
    assert set(columns.identity.values()) == {"string"}
    assert np.array_equal(columns.rows["string"], np.arange(len(CELLS)))
    assert np.array_equal(table(dataset).classes(official(), "val_accuracy"), NasBench201().index(official()))


def test_opening_takes_less_than_50_ms(dataset):
    table(dataset)
    took = []
    for _ in range(5):
        start = time.perf_counter()
        benchmark(f"nas-bench-201/{dataset}")
        took.append(time.perf_counter() - start)
    assert min(took) < 0.05


@pytest.mark.usefixtures("as_a_user")
def test_a_million_architectures_are_looked_up_in_a_second(dataset):
    cells = np.tile(CELLS, (64, 1))
    for asked in ("val_accuracy", ["val_accuracy", "params", "latency_pixel3"]):
        took = []
        for _ in range(3):
            start = time.perf_counter()
            table(dataset).look_up(cells, asked)
            took.append(time.perf_counter() - start)
        assert len(cells) / min(took) > 1e6


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(registry.CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.slow
def test_a_damaged_table_file_is_noticed_at_the_next_opening(fresh_cache):
    benchmark("nas-bench-201/cifar10")
    path = nas_bench_201.converted("cifar10")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataDamagedError, match=path.name):
        benchmark("nas-bench-201/cifar10")


@pytest.mark.slow
def test_the_conversion_gives_the_same_bytes_each_time(fresh_cache):
    path = nas_bench_201.converted("cifar100")
    contents = []
    for _ in range(2):
        benchmark("nas-bench-201/cifar100")
        contents.append(path.read_bytes())
        path.unlink()
    assert contents[0] == contents[1]


def test_without_the_public_files_nothing_is_made(fresh_cache, monkeypatch):
    monkeypatch.delenv(registry.UPSTREAM)
    monkeypatch.setattr(registry, "HOST", "http://127.0.0.1:9")  # the discard port: nobody answers
    nas_bench_201._order.cache_clear()
    with pytest.raises(DataMissingError, match="nagkit data fetch"):
        benchmark("nas-bench-201/cifar10")
    assert not any(path.is_file() for path in fresh_cache.rglob("*"))


@pytest.mark.slow
def test_two_processes_may_make_the_table_at_the_same_time(fresh_cache):
    program = "from nagkit.benchmarks import benchmark; print(benchmark('nas-bench-201/cifar10').sentence())"
    both = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) for _ in range(2)]
    first, second = (process.communicate()[0] for process in both)
    assert first == second != b""
    assert [path.suffix for path in (fresh_cache / "tables").iterdir()] == [".safetensors"]
