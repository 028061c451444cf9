"""The public cells of NAS-Bench-101 and their surrogate against the facts that are known of both."""

import os
import pickle
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from nagkit.benchmarks import benchmark, nas_bench_101, readers, registry
from nagkit.benchmarks.perceptron import Perceptron
from nagkit.benchmarks.surrogate import folds
from nagkit.checks.benchmark import BenchmarkContract
from nagkit.errors import DataDamagedError, DataMissingError
from nagkit.spaces.nas_bench_101 import NasBench101

SPACE = NasBench101()
MATRIX = np.triu(np.ones((3, 3), np.int8), 1)
CELL = {
    "fixed_metrics": {
        "module_adjacency": pickle.dumps(MATRIX, 4),
        "module_operations": ["input", "conv3x3-bn-relu", "output"],
        "trainable_parameters": 0,
    },
    "final_test_accuracy": 0.9,
    "final_training_time": 100.0,
}


@cache
def cells():
    return benchmark(nas_bench_101.NAME)


@cache
def records():
    return nas_bench_101.records()


@pytest.mark.slow
class TestNasBench101(BenchmarkContract):
    @pytest.fixture
    def benchmark(self, upstream):
        return cells()


@pytest.mark.slow
@pytest.mark.usefixtures("upstream")
class TestFacts:
    def test_there_are_16484_different_cells_with_the_published_range(self):
        found = records()
        assert len(found.cells) == 16_484
        assert len(np.unique(SPACE.canonical(found.cells, "graph"), axis=0)) == 16_484
        accuracy = found.accuracy / 100
        assert [round(x, 5) for x in (accuracy.min(), accuracy.max())] == [0.09989, 0.94017]
        assert [round(x, 5) for x in (accuracy.mean(), np.median(accuracy))] == [0.89690, 0.90635]
        params = SPACE.params(found.cells)
        assert (params.min(), params.max()) == (227_274, 49_979_274)

    def test_the_shares_of_cells_by_vertices_are_those_of_the_whole_space(self):
        vertices = records().cells[:, 0] + 2
        assert [round(100 * (vertices == count).mean(), 1) for count in (7, 6, 5)] == [84.5, 14.9, 0.6]

    def test_what_was_measured_is_given_unchanged_and_to_no_other_cell(self):
        found, table = records(), cells()
        assert np.array_equal(table.look_up(found.cells, "test_accuracy"), found.accuracy)
        assert np.array_equal(table.look_up(found.cells, "train_time"), found.seconds)
        other = SPACE.sample(20_000, np.random.default_rng(0))
        known = set(table.classes(table.known("test_accuracy"), "test_accuracy").tolist())
        here = [number in known for number in table.classes(other, "test_accuracy").tolist()]
        assert np.array_equal(np.isfinite(table.look_up(other, "test_accuracy")), here)
        assert 0.03 < np.mean(here) < 0.05

    def test_isomorphic_cells_share_accuracy_and_surrogate(self):
        one = "conv3x3-bn-relu(0)|maxpool3x3(0)|output(1,2)"
        two = "maxpool3x3(0)|conv3x3-bn-relu(0)|output(1,2)"
        values = cells().look_up(SPACE.encode([one, two]), ["test_accuracy", "test_accuracy_surrogate"])
        assert np.array_equal(values[0], values[1], equal_nan=True)
        different = SPACE.canonical(SPACE.encode([one, two]), "string")
        assert not np.array_equal(different[0], different[1])

    def test_predictions_are_accuracies(self):
        values = cells().look_up(SPACE.sample(20_000, np.random.default_rng(1)), "test_accuracy_surrogate")
        assert values.min() >= 10
        assert values.max() < 95
        assert 90 < np.median(values) < 91.5

    def test_only_the_surrogate_says_that_it_is_one_with_its_error(self):
        table = cells()
        assert list(table.errors) == ["test_accuracy_surrogate"]
        error, metric = table.errors["test_accuracy_surrogate"], table.metrics["test_accuracy_surrogate"]
        assert error.sentence("%") in metric.source
        assert "surrogate" in metric.label
        assert [name for name, each in table.metrics.items() if each.error] == ["test_accuracy_surrogate"]
        assert table.computed == {"test_accuracy_surrogate", "params", "flops"}
        assert error.tau > 0.85
        assert error.mae < 1.1

    def test_the_error_is_that_of_a_network_that_did_not_see_what_it_is_judged_by(self):
        found = records()
        rows = SPACE.canonical(found.cells, "graph")
        held = next(folds(len(rows)))
        rest = np.setdiff1d(np.arange(len(rows)), held)
        model = Perceptron.fitted(nas_bench_101.features(rows[rest]), -np.log(100 - found.accuracy[rest]))
        values = np.maximum(100 - np.exp(-model.values(nas_bench_101.features(rows[held]))), 10)
        error = cells().errors["test_accuracy_surrogate"]
        assert len(held) == 3_297
        assert np.abs(values - found.accuracy[held]).mean() == pytest.approx(error.mae, rel=1e-4)
        assert kendalltau(values, found.accuracy[held]).statistic == pytest.approx(error.tau, rel=1e-4)

    def test_another_process_makes_the_same_bytes(self, tmp_path):
        cells()
        program = "from nagkit.benchmarks import nas_bench_101 as m; m.surrogate(); print(m.converted())"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, registry.CACHE: str(tmp_path)},
            capture_output=True,
            check=True,
            text=True,
        )
        assert Path(done.stdout.strip()).read_bytes() == nas_bench_101.converted().read_bytes()

    def test_ten_thousand_cells_take_well_below_a_second(self):
        tokens, taken = SPACE.sample(10_000, np.random.default_rng(4)), []
        for _ in range(3):
            start = time.process_time()
            cells().look_up(tokens, "test_accuracy_surrogate")
            taken.append(time.process_time() - start)
        assert min(taken) < 0.7


def test_without_files_every_way_to_get_them_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv(registry.CACHE, str(tmp_path))
    monkeypatch.delenv(registry.UPSTREAM, raising=False)
    monkeypatch.setattr(registry, "_download", lambda file: (_ for _ in ()).throw(DataMissingError(file.name)))
    with pytest.raises(DataMissingError, match="haap"):
        nas_bench_101.surrogate()


def told(**changes):
    """What a reader gives of one small cell, some of it changed."""
    cell = {
        **CELL["fixed_metrics"],
        "module_adjacency": readers.read_pickle(CELL["fixed_metrics"]["module_adjacency"], "cell"),
    }
    parameters = SPACE.params(SPACE.encode(["conv3x3-bn-relu(0)|output(0,1)"])).item()
    cell |= {"trainable_parameters": parameters, **{key: value for key, value in changes.items() if key in cell}}
    return {**CELL, **{key: value for key, value in changes.items() if key in CELL}, "fixed_metrics": cell}


DAMAGES = {
    "no cells": [],
    "a cell without a matrix": {0: {"final_test_accuracy": 0.9}},
    "unknown operation": {0: told(module_operations=["input", "conv9x9", "output"])},
    "too few operations": {0: told(module_operations=["input", "output"])},
    "operations that are no texts": {0: told(module_operations=[1, 2, 3])},
    "other parameters": {0: told(trainable_parameters=5)},
    "accuracy that is no number": {0: told(final_test_accuracy="0.9")},
    "the same cell twice": {0: told(), 1: told()},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_files_without_cells_are_refused(monkeypatch, damage):
    monkeypatch.setattr(registry, "read", lambda file: b"")
    monkeypatch.setattr(readers, "read_pickle", lambda *_: DAMAGES[damage])
    with pytest.raises(DataDamagedError, match="haap"):
        nas_bench_101.records()


def test_files_that_contradict_each_other_are_refused(monkeypatch):
    contents = iter([{0: told()}, {0: told(final_test_accuracy=0.8)}])
    monkeypatch.setattr(registry, "read", lambda file: b"")
    monkeypatch.setattr(readers, "read_pickle", lambda *_: next(contents))
    with pytest.raises(DataDamagedError, match="told otherwise"):
        nas_bench_101.records()


def test_one_whole_cell_is_read(monkeypatch):
    held = {0: told()}
    monkeypatch.setattr(registry, "read", lambda file: b"")
    monkeypatch.setattr(readers, "read_pickle", lambda *_: held)
    found = nas_bench_101.records()
    assert SPACE.decode(found.cells[0]).text == "conv3x3-bn-relu(0)|output(0,1)"
    assert (found.accuracy.tolist(), found.seconds.tolist()) == ([90.0], [100.0])
