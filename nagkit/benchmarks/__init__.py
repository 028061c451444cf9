"""Measured tables of architectures, and surrogates of spaces too large for one; ``benchmark`` opens one by name."""

from collections.abc import Mapping

from nagkit import arguments
from nagkit.benchmarks import digits, enas, mobilenet_v3, nas_bench_101, nas_bench_201
from nagkit.benchmarks.benchmark import Benchmark  # before the function below, whose name its module would take
from nagkit.benchmarks.registry import present
from nagkit.benchmarks.surrogate import Surrogate
from nagkit.benchmarks.table import Table

__all__ = ["NAMES", "TABLES", "Benchmark", "Surrogate", "Table", "available", "benchmark", "missing", "worlds"]

TABLES = (
    *(f"digits/{name}" for name in digits.TABLES),
    *(f"nas-bench-201/{dataset}" for dataset in nas_bench_201.DATASETS),
)
SURROGATES = {source.NAME: source for source in (nas_bench_101, mobilenet_v3, enas)}
NAMES = (*TABLES, *SURROGATES)


def benchmark(name: str) -> Table | Surrogate:
    """The benchmark of this name.

    ``"digits/mid8"`` and ``"digits/hard8"`` come with nagkit, and so do the small tables that ``worlds`` names.
    ``"nas-bench-201/cifar10"``, ``"…/cifar100"`` and ``"…/imagenet16-120"`` are made at first use from public files
    (about 10 MB), which are downloaded where they are not here yet. So are ``"nas-bench-101/cifar10"``,
    ``"mobilenet-v3/imagenet"`` and ``"enas/cifar10"``, each a ``Surrogate``: most of their values are predicted, and
    say so. Raises ``DataMissingError``, which names every way to get the files, when that fails.
    """
    of_a_world = isinstance(name, str) and name.startswith(f"digits/{digits.FAMILY}")
    name = arguments.one_of("benchmark", name, (worlds() or [name]) if of_a_world else NAMES)
    if name in SURROGATES:
        return SURROGATES[name].surrogate()
    family, _, table = name.partition("/")
    return Table(digits.columns(table) if family == "digits" else nas_bench_201.columns(table))


def worlds() -> tuple[str, ...]:
    """Benchmarks of one family, each of another task and other architectures, to learn what carries over to a new one.

    ``benchmark(name).details`` tells the task, and under ``"held_out"`` whether it is kept to judge by.
    """
    return tuple(f"digits/{name}" for name in digits.worlds())


def available() -> Mapping[str, bool]:
    """Every benchmark of ``NAMES``, and whether it opens without a network."""
    here = {f"digits/{name}": digits.present(name) for name in digits.TABLES}
    for dataset in nas_bench_201.DATASETS:
        whole = nas_bench_201.converted(dataset).is_file() or all(map(present, nas_bench_201.files(dataset)))
        here[f"nas-bench-201/{dataset}"] = whole
    for name, source in SURROGATES.items():
        here[name] = source.converted().is_file() or all(map(present, source.files()))
    return here


def missing() -> Mapping[str, tuple[str, ...]]:
    """Every public benchmark that does not open without a network, and the sources of which files are not here."""
    found = {}
    for name in (name for name, here in available().items() if not here and not name.startswith("digits/")):
        files = SURROGATES[name].files() if name in SURROGATES else nas_bench_201.files(name.partition("/")[2])
        found[name] = tuple(dict.fromkeys(file.source for file in files if not present(file)))
    return found
