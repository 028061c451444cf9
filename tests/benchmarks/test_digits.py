"""The tables that come with nagkit: they open without a network and hold what they say."""

import time
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from nagkit.benchmarks import benchmark, digits, worlds
from nagkit.benchmarks.reliability import reliability
from nagkit.checks.benchmark import BenchmarkContract
from nagkit.errors import ArgumentError, DataMissingError
from nagkit.networks.recipes import HELD_OUT, RECIPES, ImageRecipe
from nagkit.spaces.skeleton import MICRO

DATASHEET = Path(__file__).parents[2] / "data" / "digits" / "README.md"


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
    found = {"one seed (intra": [], "the mean of three": [], "two seeds": [], "test, means": [], "the same, one": []}
    for part in (known, known[accuracy >= np.median(accuracy)]):
        test, val = (
            table.look_up(part, [f"{split}_accuracy_seed{seed}" for seed in range(3)]) for split in ("test", "val")
        )
        found["one seed (intra"].append(reliability(test).one)
        found["the mean of three"].append(reliability(test).mean)
        means = table.look_up(part, ["val_accuracy", "test_accuracy"])
        for row, pair in {
            "two seeds": test[:, :2],
            "test, means": means,
            "the same, one": [val[:, 0], test[:, 0]],
        }.items():
            found[row].append(kendalltau(*np.asarray(pair if isinstance(pair, list) else pair.T)).statistic)
    assert found["the mean of three"][1] >= 0.85
    assert found["test, means"][0] >= 0.9
    rows = [line.split("|")[1:4] for line in DATASHEET.read_text("utf-8").splitlines() if line.count("|") == 4]
    for words, values in found.items():
        ((_, *told),) = [row for row in rows if words in row[0]]
        assert [cell.split()[0] for cell in told] == [f"{value:.3f}".removeprefix("0") for value in values], words


def test_what_is_complete_is_whole(table):
    seeds = {"digits/mid8": [0, 1, 2], "digits/hard8": [0]}[table.name]
    assert table.details["seeds"] == seeds
    for metric in [name for name in table.metrics if name not in ("params", "flops")]:
        assert len(table.known(metric)) == 5390
        assert np.isfinite(table.look_up(table.space.all(), metric)).all()


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


def test_every_string_has_the_value_of_its_class_in_the_file(table):
    cells, file = table.space.all(), digits.columns(table.name.removeprefix("digits/"))
    rows = file.rows["function"]
    for metric in ("val_accuracy", "test_loss"):
        stored = dict(zip(rows.tolist(), file.values[metric].tolist(), strict=True))
        first = table.space.index(table.space.canonical(cells, "function"))
        assert table.look_up(cells, metric).tolist() == [stored[place] for place in first.tolist()]


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
    assert np.allclose(table.look_up(known, "flops") * 1e6, table.space.flops(known, 10, 8, MICRO), atol=0.5)


def test_a_table_names_its_task(table, as_a_user):
    recipe = ImageRecipe(**table.details["task"])
    assert recipe == RECIPES[table.name.removeprefix("digits/")]


def test_accuracies_are_percentages_and_the_best_cell_learned(table):
    values = table.look_up(table.known("val_accuracy"), "val_accuracy")
    assert values.min() >= 0
    assert 35 < values.max() <= 100  # chance is 10
