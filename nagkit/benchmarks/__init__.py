"""Measured tables of architectures; ``benchmark`` opens one by name."""

from collections.abc import Mapping

from nagkit import arguments
from nagkit.benchmarks import digits, nas_bench_201
from nagkit.benchmarks.benchmark import Benchmark  # before the function below, whose name its module would take
from nagkit.benchmarks.registry import present
from nagkit.benchmarks.table import Table

__all__ = ["NAMES", "Benchmark", "Table", "available", "benchmark"]

NAMES = (
    *(f"digits/{name}" for name in digits.TABLES),
    *(f"nas-bench-201/{dataset}" for dataset in nas_bench_201.DATASETS),
)


def benchmark(name: str) -> Table:
    """The benchmark of this name.

    ``"digits/mid8"`` comes with nagkit. ``"nas-bench-201/cifar10"``, ``"…/cifar100"`` and ``"…/imagenet16-120"`` are
    made at first use from public files (about 10 MB), which are downloaded where they are not here yet. Raises
    ``DataMissingError``, which names every way to get them, when that fails.
    """
    family, _, table = arguments.one_of("benchmark", name, NAMES).partition("/")
    return Table(digits.columns(table) if family == "digits" else nas_bench_201.columns(table))


def available() -> Mapping[str, bool]:
    """Every benchmark by name, and whether it opens without a network."""
    here = {f"digits/{name}": digits.present(name) for name in digits.TABLES}
    for dataset in nas_bench_201.DATASETS:
        whole = nas_bench_201.converted(dataset).is_file() or all(map(present, nas_bench_201.files(dataset)))
        here[f"nas-bench-201/{dataset}"] = whole
    return here
