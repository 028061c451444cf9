"""The table file: what is written is what is read, byte for byte, and no damage goes unnoticed."""

import json
import struct
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from nagkit.benchmarks.columns import FORMAT, Columns
from nagkit.benchmarks.sealed import HEADER
from nagkit.errors import ArgumentError, DataDamagedError, DataMissingError
from nagkit.metrics import Metric

ACCURACY = Metric("accuracy", "%", "max", dataset="digits", split="val", epochs=8, source="here", licence="MIT")
LOSS = Metric("loss", "nats", "min", dataset="digits", split="train", epochs=3, source="here", licence="MIT")
COST = Metric("cost", "M", "min", source="exact", licence="MIT")


def small(**changes):
    parts = {
        "name": "toy/first",
        "space": "nas-bench-201",
        "source": "Made for this test.",
        "licence": "MIT",
        "rows": {"string": np.array([0, 3, 7, 9]), "function": np.array([0, 3, 7], dtype=np.int32)},
        "identity": {"accuracy": "function", "cost": "string", "loss": "function"},
        "metrics": {"loss": LOSS, "accuracy": ACCURACY, "cost": COST},
        "values": {
            "accuracy": np.array([91.5, np.nan, 12.25]),
            "loss": np.array([[3, 2, 1], [1, 1, 1], [0.5, 0.25, np.nan]], dtype=np.float32),
            "cost": np.array([1, 2, 3, 4], dtype=np.int32),
        },
        "details": {"recipe": {"width": 8}, "note": "é ≤"},
    }
    return Columns(**{**parts, **changes})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder with space" / "tänk.safetensors"


def assert_same(found, expected):
    for name in ("name", "space", "source", "licence", "identity", "details"):
        assert getattr(found, name) == getattr(expected, name)
    assert list(found.metrics.items()) == list(expected.metrics.items())
    for there, here in ((found.rows, expected.rows), (found.values, expected.values)):
        assert set(there) == set(here)
        for name, numbers in here.items():
            assert there[name].dtype == numbers.dtype
            assert np.array_equal(there[name], numbers, equal_nan=True)


def test_a_table_comes_back_as_it_was(path):
    small().write(path)
    assert_same(Columns.open(path), small())


SHAPE = st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(1, 4))


@given(SHAPE, st.text("aé. 日", max_size=3), st.integers(0, 10**6))
def test_any_table_comes_back_as_it_was(tmp_path_factory, shape, identity, seed):
    rng, (n, m, epochs) = np.random.default_rng(seed), shape
    values = {"accuracy": rng.normal(size=n), "loss": rng.normal(size=(m, epochs)).astype(np.float32)}
    values["accuracy"][rng.random(n) < 0.3] = np.nan
    table = small(
        rows={name: np.sort(rng.choice(100, k, replace=False)) for name, k in (("string", n), (identity, m))},
        identity={"accuracy": "string", "loss": identity},
        values=values,
        metrics={"accuracy": ACCURACY, "loss": LOSS},
    )
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    table.write(path)
    assert_same(Columns.open(path), table)


def test_the_same_table_gives_the_same_bytes(tmp_path):
    small().write(tmp_path / "a")
    turned = {name: dict(reversed(getattr(small(), name).items())) for name in ("rows", "identity", "values")}
    small(**turned).write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_each_identity_has_its_own_tensor_of_rows(path):
    small().write(path)
    with safe_open(path, framework="np") as file:
        assert set(file.keys()) == {"rows.function", "rows.string", "accuracy", "cost", "loss"}


def test_a_column_may_be_called_rows(path):
    named = {"metrics": replace(COST, name="rows"), "values": np.arange(3.0), "identity": "function"}
    rows = {"function": small().rows["function"]}
    table = small(rows=rows, **{part: {"rows": value} for part, value in named.items()})
    table.write(path)
    assert_same(Columns.open(path), table)


def test_columns_are_mapped_and_cannot_be_written(path):
    small().write(path)
    table = Columns.open(path)
    for numbers in (table.values["accuracy"], table.rows["string"], table.rows["function"]):
        assert isinstance(numbers.base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            numbers[0] = 1


def test_writing_leaves_nothing_beside_the_file(path):
    small().write(path)
    small(name="toy/second").write(path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert Columns.open(path).name == "toy/second"


def test_a_table_opened_before_stays_whole_while_it_is_replaced(path):
    small().write(path)
    before = Columns.open(path)
    small(values={**small().values, "accuracy": np.zeros(3)}).write(path)
    assert_same(before, small())


def test_a_table_as_large_as_the_space_opens_in_50_ms(path):
    rng = np.random.default_rng(0)
    rows = {"string": np.arange(15_625), "function": np.arange(0, 15_625, 2)}
    identity = {f"m{i}": "function" if i % 5 == 0 else "string" for i in range(45)}
    values = {name: rng.random(len(rows[own])) for name, own in identity.items()}
    metrics = {name: replace(ACCURACY, name=name) for name in values}
    small(rows=rows, identity=identity, values=values, metrics=metrics).write(path)
    took = []
    for _ in range(5):
        start = time.perf_counter()
        Columns.open(path)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.05


@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_every_flipped_bit_is_noticed(path, step):
    small().write(path)
    whole = path.read_bytes()
    silent = []
    for bit in range(0, 8 * len(whole), step):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert_same(Columns.open(path), small())
        except DataDamagedError:
            continue
        silent.append(bit)  # what could be read is what was written: the bit does not matter
    assert len(silent) < 10, silent


def test_every_truncation_is_noticed(path):
    small().write(path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataDamagedError, match="Delete it"):
            Columns.open(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(DataDamagedError):
        Columns.open(path)


def header(**tensors):
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text


F64 = {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}
ATTACKS = {
    "empty": b"",
    "header of 2^63 bytes": struct.pack("<Q", 2**63) + b"{}",
    "header of 2^40 bytes": struct.pack("<Q", 2**40) + b"{}",
    "header that is not JSON": struct.pack("<Q", 2) + b"[[",
    "deeply nested header": struct.pack("<Q", 200_000) + b"[" * 200_000,
    "no metadata": header(rows=F64) + bytes(16),
    "metadata without ours": header(__metadata__={"x": "y"}, rows=F64) + bytes(16),
    "metadata of another type": header(__metadata__={HEADER: "[]"}, rows=F64) + bytes(16),
    "deeply nested metadata": header(__metadata__={HEADER: "[" * 100_000}, rows=F64) + bytes(16),
    "overlapping columns": header(rows=F64, x=F64) + bytes(16),
    "hole between columns": header(rows=F64, x={**F64, "data_offsets": [24, 40]}) + bytes(40),
    "column beyond the end": header(rows={**F64, "data_offsets": [0, 1600]}) + bytes(16),
    "shape larger than its bytes": header(rows={**F64, "shape": [2**40]}) + bytes(16),
    "shape that overflows": header(rows={**F64, "shape": [2**62, 4]}) + bytes(16),
    "negative shape": header(rows={**F64, "shape": [-2]}) + bytes(16),
    "unknown type of number": header(rows={**F64, "dtype": "Q64"}) + bytes(16),
    "pickle": b"\x80\x04cos\nsystem\n(S'touch marker'\ntR.",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_crafted_file_is_refused(path, attack):
    path.parent.mkdir()
    path.write_bytes(ATTACKS[attack])
    with pytest.raises(DataDamagedError, match="is not a whole nagkit table"):
        Columns.open(path)


def test_a_file_of_a_later_format_says_to_update(path, monkeypatch):
    monkeypatch.setattr("nagkit.benchmarks.columns.FORMAT", FORMAT + 1)
    small().write(path)
    monkeypatch.undo()
    with pytest.raises(DataDamagedError, match="update nagkit"):
        Columns.open(path)


def test_a_file_of_a_format_of_before_says_that_it_comes_back(path, monkeypatch):
    monkeypatch.setattr("nagkit.benchmarks.columns.FORMAT", FORMAT - 1)
    small().write(path)
    monkeypatch.undo()
    with pytest.raises(DataDamagedError, match=rf"has format {FORMAT - 1}.* Delete it") as refusal:
        Columns.open(path)
    assert "update" not in str(refusal.value)


@pytest.mark.parametrize("path", [None, 3, b"x", ["a"]])
def test_what_is_no_path_is_refused(as_a_user, path):
    with pytest.raises(ArgumentError, match="path must be"):
        Columns.open(path)


def test_a_missing_file_is_missing_not_damaged(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(DataMissingError, match="no table"):
            Columns.open(path)


def rows_of(function):
    return {"rows": {**small().rows, "function": function}}


def values_of(accuracy):
    return {"values": {**small().values, "accuracy": accuracy}}


def identity_of(accuracy):
    return {"identity": {**small().identity, "accuracy": accuracy}}


def without(part, name):
    return {part: {key: value for key, value in getattr(small(), part).items() if key != name}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": np.array([0, 3, 7])}, "rows must be a Mapping such as .*string"),
        ({"rows": None}, "rows must be a Mapping"),
        ({"rows": [("string", np.arange(4))]}, "rows must be a Mapping"),
        ({"rows": {}}, r"identity\['accuracy'\] must be one of none, as there are none"),
        ({"rows": {**small().rows, 3: np.arange(3)}}, "rows must have names of identities as keys.* got 3"),
        ({"rows": {**small().rows, None: np.arange(3)}}, "rows must have names of identities as keys.* got None"),
        ({"rows": {**small().rows, "graph": np.arange(3)}}, r"no column has 'graph'. Remove rows\['graph'\]"),
        (rows_of(np.array([], dtype=int)), r"rows\['function'\] must be an int64 .* shape \(0,\)"),
        (rows_of(np.array([[0, 1, 2]])), r"rows\['function'\] must be an int64 .* shape \(1, 3\)"),
        (rows_of(np.array(3)), r"rows\['function'\] must be an int64 .* shape \(\)"),
        (rows_of(np.array([0.0, 1.0, 2.0])), r"rows\['function'\] must be an int64 .* got float64"),
        (rows_of(np.array([0, 1, 2], dtype=np.int16)), r"rows\['function'\] must be an int64 .* got int16"),
        (rows_of(np.array([0, 1, 2], dtype=np.uint64)), r"rows\['function'\] must be an int64 .* got uint64"),
        (rows_of(np.array([False, True])), r"rows\['function'\] must be an int64 .* got bool"),
        (rows_of([0, 1, 2]), r"rows\['function'\] must be an int64 .* got list"),
        (rows_of(None), r"rows\['function'\] must be an int64 .* got NoneType"),
        (rows_of(np.array([0, 0, 1])), r"rows\['function'\] must be strictly ascending from 0; got \[0 0 1\]\. Sort"),
        (rows_of(np.array([3, 2, 1])), r"rows\['function'\] must be strictly ascending"),
        (rows_of(np.array([-1, 2, 3])), r"rows\['function'\] must be strictly ascending"),
        (rows_of(np.array([2**31 - 1, 0, 5], dtype=np.int32)), r"rows\['function'\] must be strictly ascending"),
        (rows_of(np.array([0, 1])), r"values\['accuracy'\] .* \(2,\) .* each of rows\['function'\]; got \(3,\)"),
        ({"identity": "function"}, "identity must be a Mapping"),
        ({"identity": None}, "identity must be a Mapping"),
        (without("identity", "cost"), "identity must name every column of metrics; 'cost' is missing"),
        ({"identity": {**small().identity, "costs": "string"}}, "identity must name only.* Did you mean 'cost'"),
        ({"identity": {**small().identity, 3: "string"}}, "identity must name only columns of metrics; got 3"),
        (identity_of("funktion"), r"identity\['accuracy'\] must be one of .* Did you mean 'function'"),
        (identity_of(3), r"identity\['accuracy'\] must be one of 'string', 'function'; got 3"),
        (identity_of(["function"]), r"identity\['accuracy'\] must be one of"),
        (identity_of("string"), r"values\['accuracy'\] must be .* \(4,\) .* each of rows\['string'\]; got \(3,\)"),
        ({"metrics": {}, "values": {}, "identity": {}, "rows": {}}, "metrics must name at least one column"),
        ({"metrics": [ACCURACY]}, "metrics must be a Mapping"),
        ({"metrics": {"accuracy": ACCURACY}}, "values must name only columns of metrics; got 'loss'"),
        ({"metrics": {**small().metrics, "accuracy": "accuracy"}}, r"metrics\['accuracy'\] must be the Metric"),
        ({"metrics": {**small().metrics, "accuracy": LOSS}}, r"metrics\['accuracy'\] must be the Metric"),
        ({"metrics": {**small().metrics, "rows.function": COST}}, r"not begin with 'rows\.' .* got 'rows.function'"),
        ({"metrics": {**small().metrics, "rows.graph": COST}}, r"not begin with 'rows\.' .* got 'rows.graph'"),
        ({"metrics": {**small().metrics, "__metadata__": COST}}, "not begin with .* got '__metadata__'"),
        ({"metrics": {**small().metrics, 3: COST}}, "metrics must have texts as keys .* got 3"),
        ({"values": [np.zeros(3)]}, "values must be a Mapping"),
        (without("values", "loss"), "values must name every column of metrics; 'loss' is missing"),
        (values_of([1.0, 2.0, 3.0]), r"values\['accuracy'\] must be an array"),
        (values_of(np.array([1.0, 2.0])), r"values\['accuracy'\] must be an array .* got \(2,\)"),
        (values_of(np.array([1.0, 2.0, np.inf])), r"values\['accuracy'\] must be finite"),
        (values_of(np.array(["a", "b", "c"])), r"values\['accuracy'\] must be of dtype"),
        (values_of(np.array([None, None, None])), r"values\['accuracy'\] must be of dtype"),
        (values_of(np.zeros((3, 0))), r"values\['accuracy'\] must be an array"),
        (values_of(np.zeros((3, 2, 2))), r"values\['accuracy'\] must be an array"),
        (values_of(np.zeros(3, dtype=complex)), r"values\['accuracy'\] must be of dtype"),
    ],
)
def test_a_table_that_does_not_fit_together_is_refused(as_a_user, changes, said):
    with pytest.raises(ArgumentError, match=said):
        small(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"details": {"a": float("nan")}}, "details must hold only what JSON can hold"),
        ({"details": {"a": {1, 2}}}, "details must hold only what JSON can hold"),
        ({"details": [1]}, "details must be a mapping"),
        ({"name": 3}, "name must be"),
        ({"space": None}, "space must be"),
        ({"licence": b"MIT"}, "licence must be"),
    ],
)
def test_what_no_file_can_hold_is_refused_before_it_is_written(as_a_user, changes, said):
    with pytest.raises(ArgumentError, match=said):
        small(**changes)


def test_details_are_at_once_what_the_file_will_give_back(as_a_user, path):
    table = small(details={9: 1, 10: (2, 3)})
    assert table.details == {"9": 1, "10": [2, 3]}
    table.write(path)
    assert_same(Columns.open(path), table)


WRITER = """
import sys
import numpy as np
from nagkit.benchmarks.columns import Columns
from nagkit.metrics import Metric
path, name = sys.argv[1:]
table = Columns(name, "nas-bench-201", "Made for this test.", "MIT", {"string": np.arange(3)}, {"cost": "string"},
                {"cost": Metric("cost", "M", "min")}, {"cost": np.arange(3.0)})
table.write(path)
print("ready", flush=True)
for _ in range(30):
    table.write(path)
"""


def test_two_processes_may_write_the_same_file(path):
    names = ("toy/a", "toy/b")
    arguments = [[sys.executable, "-c", WRITER, str(path), name] for name in names]
    writers = [subprocess.Popen(each, stdout=subprocess.PIPE) for each in arguments]
    for writer in writers:
        assert writer.stdout.readline() == b"ready\n"
    seen = set()
    while any(writer.poll() is None for writer in writers):
        seen.add(Columns.open(path).name)  # never a mixture, never half a file
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert seen <= set(names)
    assert Columns.open(path).name in names
