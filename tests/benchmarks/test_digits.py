"""The table that comes with nagkit: it opens without a network and holds what it says."""

import time

import numpy as np
import pytest

from nagkit.benchmarks import benchmark, digits
from nagkit.checks.benchmark import BenchmarkContract
from nagkit.errors import DataMissingError
from nagkit.spaces.skeleton import MICRO


@pytest.fixture
def table():
    if not digits.present("mid8"):
        pytest.skip("the embedded table is not built: nagkit build digits")
    return benchmark("digits/mid8")


class TestMid8(BenchmarkContract):
    @pytest.fixture
    def benchmark(self, table):
        return table


def test_without_its_file_the_command_that_makes_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(digits, "files", lambda package: tmp_path)
    with pytest.raises(DataMissingError, match="nagkit build digits"):
        benchmark("digits/mid8")


def test_it_holds_at_least_1500_different_cells(table):
    assert len(table.known("val_accuracy")) >= 1_500


def test_no_training_is_known_twice_and_exact_costs_are_known_of_every_string(table):
    for metric in table.metrics:
        known = table.known(metric)
        if metric in ("params", "flops"):
            assert len(known) == table.space.size
        else:
            assert len(np.unique(table.space.canonical(known, "function"), axis=0)) == len(known)
            strings = np.isfinite(table.look_up(table.space.all(), metric)).sum()
            assert strings > 1.5 * len(known)  # many strings, one training


def test_cells_that_compute_the_same_have_the_same_accuracy(table):
    cells = table.space.all()
    first = table.space.canonical(cells, "function")
    for metric in ("val_accuracy", "test_loss"):
        assert np.array_equal(table.look_up(cells, metric), table.look_up(first, metric), equal_nan=True)


def test_it_opens_in_less_than_50_ms(table):
    table.look_up(table.space.all(), "val_accuracy")
    took = []
    for _ in range(5):
        start = time.perf_counter()
        benchmark("digits/mid8")
        took.append(time.perf_counter() - start)
    assert min(took) < 0.05


def test_costs_are_exact(table):
    known = table.known("params")
    assert np.allclose(table.look_up(known, "params") * 1e6, table.space.params(known, 10, MICRO), atol=0.5)


def test_accuracies_are_percentages_and_the_best_cell_learned(table):
    values = table.look_up(table.known("val_accuracy"), "val_accuracy")
    assert values.min() >= 0
    assert 80 < values.max() <= 100
