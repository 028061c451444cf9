"""The table that comes with nagkit: it opens without a network and holds what it says."""

import time

import numpy as np
import pytest
from scipy.stats import kendalltau

from nagkit.benchmarks import benchmark, digits, worlds
from nagkit.benchmarks.reliability import reliability
from nagkit.checks.benchmark import BenchmarkContract
from nagkit.errors import ArgumentError, DataMissingError
from nagkit.networks.recipes import HELD_OUT
from nagkit.spaces.skeleton import MICRO


@pytest.fixture(params=["digits/mid8", "digits/hard8"])
def table(request):
    return benchmark(request.param)


class TestEmbedded(BenchmarkContract):
    @pytest.fixture
    def benchmark(self, table):
        return table


class TestWorld(BenchmarkContract):
    @pytest.fixture
    def benchmark(self):
        return benchmark(worlds()[0])


def test_without_its_file_the_command_that_makes_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(digits, "files", lambda package: tmp_path)
    assert worlds() == ()
    for name in ("digits/mid8", "digits/hard8", "digits/worlds"):
        with pytest.raises(DataMissingError, match=f"nagkit build {name}"):
            benchmark(f"{name}/all-photo" if name == "digits/worlds" else name)


def test_an_unknown_world_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'digits/worlds/all-photo'"):
        benchmark("digits/worlds/all-foto")


def test_the_mean_is_that_of_the_seeds():
    table = benchmark("digits/mid8")
    known = table.known("val_accuracy")
    assert table.metrics["val_accuracy"].seeds == "0, 1, 2"
    for metric in ("val_accuracy", "test_accuracy", "val_loss", "test_loss"):
        each = table.look_up(known, [f"{metric}_seed{seed}" for seed in range(3)])
        np.testing.assert_allclose(table.look_up(known, metric), each.mean(1), rtol=1e-6)
        for seed in range(3):
            curve = table.curve(known, f"{metric}_seed{seed}_curve")
            assert np.array_equal(curve[:, -1], each[:, seed])


def test_reliability_and_agreement_are_as_the_datasheet_promises():
    table = benchmark("digits/mid8")
    known = table.known("test_accuracy")
    accuracy = table.look_up(known, "test_accuracy")
    upper = known[accuracy >= np.median(accuracy)]
    assert reliability(table.look_up(upper, [f"test_accuracy_seed{seed}" for seed in range(3)])).mean >= 0.85
    assert kendalltau(table.look_up(known, "val_accuracy"), accuracy).statistic >= 0.9


def test_every_class_has_a_training_in_exactly_one_world():
    tables = [benchmark(name) for name in worlds()]
    counts = [len(table.known("val_accuracy")) for table in tables]
    assert len(tables) == 64
    assert min(counts) >= 80
    held_out = {table.name for table in tables if table.details["held_out"]}
    assert held_out == {f"digits/{name}" for name in HELD_OUT}
    assert len(held_out) >= 8
    assert len(tables) - len(held_out) >= 48
    places = np.concatenate([table.space.index(table.known("val_accuracy")) for table in tables])
    assert len(np.unique(places)) == len(places) == 5390


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
        benchmark(table.name)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.05


def test_costs_are_exact(table):
    known = table.known("params")
    assert np.allclose(table.look_up(known, "params") * 1e6, table.space.params(known, 10, MICRO), atol=0.5)


def test_accuracies_are_percentages_and_the_best_cell_learned(table):
    values = table.look_up(table.known("val_accuracy"), "val_accuracy")
    assert values.min() >= 0
    assert 35 < values.max() <= 100  # chance is 10
