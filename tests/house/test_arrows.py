"""Imports go one way, and `import nagkit` stays light."""

import ast
import subprocess
import sys

import pytest

LAYERS = (
    {"nagkit.errors"},
    {
        "nagkit.architecture",
        "nagkit.arguments",
        "nagkit.database",
        "nagkit.dominance",
        "nagkit.executors",
        "nagkit.files",
        "nagkit.graphs",
        "nagkit.growth",
        "nagkit.layout",
        "nagkit.outlines",
        "nagkit.owner",
        "nagkit.progress",
        "nagkit.scalarised",
        "nagkit.sketch",
        "nagkit.threads",
        "nagkit.weights",
    },
    {"nagkit.log", "nagkit.metrics", "nagkit.space"},
    {"nagkit.spaces"},
    {"nagkit.benchmarks", "nagkit.networks", "nagkit.predictors", "nagkit.wirings"},
    {"nagkit.diffusion", "nagkit.generators"},
    {"nagkit.search", "nagkit.supernet"},
    {
        "nagkit.arcs",
        "nagkit.attainment",
        "nagkit.checks",
        "nagkit.claims",
        "nagkit.combinations",
        "nagkit.curves",
        "nagkit.distribution",
        "nagkit.drawings",
        "nagkit.figures",
        "nagkit.finals",
        "nagkit.fronts",
        "nagkit.grid",
        "nagkit.index",
        "nagkit.laws",
        "nagkit.lesson",
        "nagkit.looks",
        "nagkit.maps",
        "nagkit.motifs",
        "nagkit.pairs",
        "nagkit.parallel",
        "nagkit.preferences",
        "nagkit.race",
        "nagkit.report",
        "nagkit.run",
        "nagkit.shortlist",
        "nagkit.standings",
        "nagkit.study",
        "nagkit.sweep",
    },
    {"nagkit", "nagkit.cli"},  # the package itself gathers the names that notebooks use
    {"nagkit_widgets"},
)
HEAVY = {"ipywidgets", "pandas", "plotly", "scipy", "sklearn", "torch"}


def layer(module):
    """The number of the layer that a module lies in."""
    parts = module.split(".")
    head = ".".join(parts[:2]) if parts[0] == "nagkit" else parts[0]
    found = [number for number, names in enumerate(LAYERS) if head in names]
    assert found, f"{head} has no place in the layers; give it one here and in CONTRIBUTING.md"
    return found[0]


def imported(tree):
    """The modules of the project that a file imports anywhere in it, for types too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("nagkit"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nagkit"):
            inside = [f"{node.module}.{name.name}" for name in node.names]
            yield from inside if node.module == "nagkit" else [node.module]


def backward(module, tree):
    """The imports of a file that go against the arrows."""
    return [target for target in imported(tree) if target != "nagkit_data" and layer(target) > layer(module)]


def test_imports_go_one_way(package):
    wrong = {s.path: backward(s.module, s.tree) for s in package if s.module not in ("nagkit", "nagkit_data")}
    assert {path: imports for path, imports in wrong.items() if imports} == {}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("nagkit.spaces.nas_bench_201", "from nagkit.benchmarks import benchmark"),
        ("nagkit.metrics", "from nagkit import spaces"),
        ("nagkit.benchmarks.table", "import nagkit"),
        ("nagkit.arguments", "import nagkit.space"),
        ("nagkit.report", "def f():\n    from nagkit_widgets import studio"),
    ],
)
def test_an_import_that_goes_back_is_noticed(module, line):
    assert backward(module, ast.parse(line))


def test_importing_nagkit_loads_nothing_heavy():
    code = "import sys, nagkit; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(ran.stdout.split())


@pytest.mark.slow
def test_every_name_that_nagkit_offers_is_there():
    code = "import nagkit; print([getattr(nagkit, name) for name in nagkit.__all__])"
    subprocess.run([sys.executable, "-c", code], check=True)
