"""A table as a benchmark: what it holds of some cells is known of every cell of their class, and of no other."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nagkit
from nagkit.benchmarks import Benchmark, Table, available, benchmark
from nagkit.benchmarks.columns import Columns
from nagkit.checks.benchmark import BenchmarkContract
from nagkit.errors import ArgumentError
from nagkit.metrics import Metric
from nagkit.spaces.nas_bench_201 import NasBench201

SPACE = NasBench201()
ACCURACY = Metric("accuracy", "%", "max", split="val", epochs=3, source="here", licence="MIT")
COST = Metric("cost", "M", "min", source="exact", licence="MIT")
LOSS = Metric("loss", "nats", "min", split="train", epochs=3, source="here", licence="MIT")


def columns_of(rows, identity="benchmark", missing=0.0, seed=0):
    rng = np.random.default_rng(seed)
    accuracy = rng.random(len(rows))
    accuracy[rng.random(len(rows)) < missing] = np.nan
    return Columns(
        name="toy/table",
        space="nas-bench-201",
        source="Made for this test.",
        licence="MIT",
        rows={identity: np.asarray(rows)},
        identity=dict.fromkeys(("accuracy", "cost", "loss"), identity),
        metrics={"accuracy": ACCURACY, "cost": COST, "loss": LOSS},
        values={
            "accuracy": accuracy,
            "cost": rng.integers(1, 9, len(rows)).astype(np.int32),
            "loss": rng.random((len(rows), 3)).astype(np.float32),
        },
        details={"recipe": "toy"},
    )


def some_rows(n=300, seed=0):
    return np.unique(SPACE.index(SPACE.canonical(SPACE.sample(n, np.random.default_rng(seed)), "benchmark")))


class TestTable(BenchmarkContract):
    @pytest.fixture(params=["string", "benchmark", "function"])
    def benchmark(self, request):
        rows = SPACE.index(SPACE.canonical(SPACE.at(some_rows()), request.param))
        return Table(columns_of(np.unique(rows), request.param, missing=0.3))


@pytest.fixture
def table():
    return Table(columns_of(some_rows(), missing=0.3))


def two_identities(first, second, missing=0.2, seed=0, n=30):
    """Accuracies and curves under the first identity, costs under the second."""
    rng = np.random.default_rng(seed)
    kept = {own: np.unique(SPACE.index(SPACE.canonical(SPACE.sample(n, rng), own))) for own in (first, second)}
    of = {"accuracy": first, "cost": second, "loss": first}
    tables = {name: columns_of(kept[own], own, missing, seed) for name, own in of.items()}
    values = {name: table.values[name] for name, table in tables.items()}
    return replace(tables["accuracy"], rows=kept, identity=of, values=values)


def slow_look_up(columns, row, name):
    """The value of one row, found by comparing its class with the class of every stored row."""
    identity = columns.identity[name]
    own = SPACE.canonical(row[None], identity)[0].tolist()
    for place, stored in enumerate(SPACE.canonical(SPACE.at(columns.rows[identity]), identity).tolist()):
        if stored == own:
            return float(columns.values[name][place])
    return np.nan


IDENTITY = st.sampled_from(SPACE.identities)


@pytest.mark.slow
@settings(max_examples=30)
@given(st.integers(0, 10**6), IDENTITY, IDENTITY)
def test_look_up_agrees_with_a_search_in_loops(seed, first, second):
    rng = np.random.default_rng(seed)
    columns = two_identities(first, second, seed=seed)
    tokens = SPACE.sample(10, rng)
    tokens[:3], tokens[3:6] = (SPACE.at(rng.choice(columns.rows[own], 3)) for own in (first, second))
    asked = ["accuracy", "cost"]
    expected = [[slow_look_up(columns, row, name) for name in asked] for row in tokens]
    assert np.array_equal(Table(columns).look_up(tokens, asked), expected, equal_nan=True)


def test_every_member_of_a_class_has_its_values(table):
    cells = SPACE.all()
    found, classes = table.look_up(cells, "cost"), SPACE.index(SPACE.canonical(cells, "benchmark"))
    for own in np.unique(classes)[::50]:
        assert len(np.unique(found[classes == own])) == 1
    assert np.isnan(found).sum() == (~np.isin(classes, some_rows())).sum()


def test_known_are_the_stored_architectures_with_a_value(table):
    known = table.known("accuracy")
    assert not np.isnan(table.look_up(known, "accuracy")).any()
    assert len(known) == (~np.isnan(table.look_up(SPACE.at(some_rows()), "accuracy"))).sum() < len(some_rows())
    assert np.array_equal(SPACE.canonical(known, "benchmark"), known)
    assert len(table.known("cost")) == len(some_rows())


def test_a_table_that_is_stored_by_any_member_of_a_class_knows_the_others():
    rows = some_rows()
    last = {}  # the last member of each class stands for it
    for place, own in enumerate(SPACE.index(SPACE.canonical(SPACE.all(), "benchmark")).tolist()):
        last[own] = place
    moved = np.sort([last[row] for row in rows.tolist()])
    assert not np.array_equal(moved, rows)
    assert not np.isnan(Table(columns_of(moved)).look_up(SPACE.at(rows), "cost")).any()


def test_curves_are_asked_for_by_curve(table):
    stored, absent = SPACE.at(some_rows()[:5]), np.array([[3, 3, 3, 3, 3, 2]])
    assert list(table.curves) == ["loss"]
    assert table.curve(stored, "loss").shape == (5, 3)
    assert np.isnan(table.curve(absent, "loss")).all() == np.isnan(table.look_up(absent, "cost"))[0]
    with pytest.raises(ArgumentError, match=r"table\.curve: loss"):
        table.look_up(stored, "loss")
    with pytest.raises(ArgumentError, match="curve must be one of"):
        table.curve(stored, "accuracy")


def all_strings():
    """Every string with its exact cost, and an accuracy for two thirds of the classes of strings."""
    classes = np.unique(SPACE.index(SPACE.canonical(SPACE.all(), "function")))
    accuracy = np.where(classes % 3, np.random.default_rng(0).random(len(classes)), np.nan)
    return replace(
        columns_of([0]),
        rows={"string": np.arange(SPACE.size), "function": classes},
        identity={"accuracy": "function", "cost": "string"},
        metrics={"accuracy": ACCURACY, "cost": COST},
        values={"accuracy": accuracy, "cost": np.arange(SPACE.size) / 1e3},
    )


class TestTwoIdentities(BenchmarkContract):
    @pytest.fixture(params=[all_strings, lambda: two_identities("benchmark", "graph", n=300)])
    def benchmark(self, request):
        return Table(request.param())


def test_a_column_of_classes_is_known_for_every_string_of_them(tmp_path):
    all_strings().write(tmp_path / "table")
    table, columns = Table(Columns.open(tmp_path / "table")), all_strings()
    stored = dict(zip(columns.rows["function"].tolist(), columns.values["accuracy"].tolist(), strict=True))
    classes = SPACE.index(SPACE.canonical(SPACE.all(), "function"))
    expected = [stored[own] for own in classes.tolist()]
    assert np.array_equal(table.look_up(SPACE.all(), "accuracy"), expected, equal_nan=True)
    assert np.array_equal(table.classes(SPACE.all(), "accuracy"), classes)


def test_strings_of_a_class_are_known_once_and_keep_their_own_costs():
    table = Table(all_strings())
    known, cells = table.known("accuracy"), SPACE.all()
    assert np.array_equal(SPACE.canonical(known, "function"), known)
    assert len(known) == np.isfinite(all_strings().values["accuracy"]).sum()
    assert np.array_equal(table.known("cost"), cells)
    assert np.array_equal(table.look_up(cells, "cost"), np.arange(SPACE.size) / 1e3)
    assert table.sentence().startswith(
        f"Table 'toy/table': 1 metric of {len(known):,} architectures different under 'function' "
        "and 1 metric of 15,625 architectures, from a space of 15,625 (nas-bench-201)."
    )


def test_it_says_in_a_sentence_what_it_holds(table):
    assert repr(table) == (
        f"Table 'toy/table': 2 metrics and 1 curve of up to {len(some_rows())} architectures "
        "different under 'benchmark', "
        "from a space of 15,625 (nas-bench-201). Made for this test. Licence: MIT."
    )
    assert table.details["recipe"] == "toy"


def test_nobody_can_change_what_a_table_offers(table):
    for mapping in (table.metrics, table.curves, table.details):
        with pytest.raises(TypeError):
            mapping["accuracy"] = None


def test_a_curve_of_classes_is_known_for_every_string_of_them():
    table = Table(two_identities("function", "string"))
    cells = SPACE.all()
    curves, first = (table.curve(each, "loss") for each in (cells, SPACE.canonical(cells, "function")))
    assert np.array_equal(curves, first, equal_nan=True)
    assert np.isfinite(curves).all(1).sum() > len(np.unique(curves[np.isfinite(curves).all(1)], axis=0)) > 1


def test_opening_asks_the_space_for_no_classes(monkeypatch):
    def canonical(*_):
        raise AssertionError("which architectures are the same may take long to tell")

    columns = all_strings()
    monkeypatch.setattr(NasBench201, "canonical", canonical)
    table = Table(columns)
    assert np.array_equal(table.look_up(SPACE.all(), "cost"), columns.values["cost"])  # every string is at its place
    assert len(table.known("cost")) == SPACE.size


@pytest.mark.usefixtures("as_a_user")
def test_a_million_architectures_of_two_identities_are_looked_up_in_a_second():
    table, cells = Table(all_strings()), np.tile(SPACE.all(), (64, 1))
    for asked in ("accuracy", ["accuracy", "cost"]):
        took = []
        for _ in range(3):
            start = time.perf_counter()
            table.look_up(cells, asked)
            took.append(time.perf_counter() - start)
        assert len(cells) / min(took) > 1e6


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (lambda: columns_of([0, 15_625]), r"rows\['benchmark'\] must be below 15,625 in 'nas-bench-201'; got 15625"),
        (lambda: columns_of([0, 1], "Function"), "identity .* must be one of .* Did you mean 'function'"),
        (lambda: columns_of([0, 1], ""), "identity .* must be one of 'string', 'graph', 'benchmark', 'function'"),
        (lambda: replace(columns_of([0, 1]), space="nas-bench-202"), "space must be one of"),
    ],
)
def test_a_table_that_does_not_belong_to_its_space_is_refused(as_a_user, columns, said):
    made = columns()
    with pytest.raises(ArgumentError, match=said):
        Table(made)


def test_two_rows_of_one_class_are_refused_when_it_is_asked_for(as_a_user):
    same = np.flatnonzero((SPACE.canonical(SPACE.all(), "function") == SPACE.at(np.array([0]))).all(1))
    assert len(same) > 1
    table = Table(columns_of(same[:2], "function"))
    for call in (lambda: table.look_up(SPACE.all(), "cost"), lambda: table.known("cost"), table.sentence):
        with pytest.raises(ArgumentError, match=r"one row of a class; 0 is the same as a later one under 'function'"):
            call()


def test_what_is_no_table_is_refused(as_a_user):
    for wrong in (None, "digits/mid8", {}):
        with pytest.raises(ArgumentError, match="columns must be"):
            Table(wrong)


def test_it_keeps_the_protocol(table):
    assert isinstance(table, Benchmark)


def test_an_unknown_benchmark_is_answered_with_the_nearest(as_a_user):
    with pytest.raises(ArgumentError, match="Did you mean 'nas-bench-201/cifar100'"):
        nagkit.benchmark("nasbench201/cifar100")
    for wrong in (None, 3, "", ["digits/mid8"]):
        with pytest.raises(ArgumentError, match="benchmark must be one of"):
            benchmark(wrong)


def test_what_is_available_can_be_asked_without_a_network(monkeypatch, tmp_path):
    monkeypatch.setenv("NAGKIT_CACHE", str(tmp_path))
    monkeypatch.delenv("NAGKIT_UPSTREAM", raising=False)
    here = available()
    assert list(here) == [
        "digits/mid8",
        "digits/hard8",
        "nas-bench-201/cifar10",
        "nas-bench-201/cifar100",
        "nas-bench-201/imagenet16-120",
        "nas-bench-101/cifar10",
        "mobilenet-v3/imagenet",
        "enas/cifar10",
    ]
    assert not any(whole for name, whole in here.items() if not name.startswith("digits/"))


def test_public_tables_are_available_where_their_files_are(upstream):
    assert all(available().values())


def test_functions_keep_their_names_beside_modules_of_the_same_name():
    import nagkit.benchmarks.benchmark
    import nagkit.space

    assert callable(nagkit.benchmark)
    assert callable(nagkit.space)
    assert callable(nagkit.benchmarks.benchmark)
