"""The published networks of ENAS's macro space and their surrogate against the facts that are known of both."""

import ast
from functools import cache

import numpy as np
import pytest
from scipy.stats import kendalltau

from nagkit.benchmarks import benchmark, enas, registry
from nagkit.benchmarks.perceptron import Perceptron
from nagkit.benchmarks.surrogate import folds
from nagkit.checks.benchmark import BenchmarkContract
from nagkit.errors import DataDamagedError, DataMissingError
from nagkit.spaces.enas import Enas

SPACE = Enas()
MEASURED, PREDICTED = "weight_sharing_accuracy", "weight_sharing_accuracy_surrogate"
LINE = "[[1], [4, 0], [5, 0, 0], [0, 1, 1, 1], [2, 1, 1, 1, 1], [3, 0, 0, 0, 0, 1]], 0.7302"


@cache
def table():
    return benchmark(enas.NAME)


@cache
def records():
    return enas.records()


@pytest.mark.slow
class TestEnas(BenchmarkContract):
    @pytest.fixture
    def benchmark(self, upstream):
        return table()


@pytest.mark.usefixtures("upstream")
class TestFile:
    def test_there_are_19015_different_networks_with_the_published_range(self):
        networks, accuracy = records()
        assert len(np.unique(networks, axis=0)) == len(networks) == len(accuracy) == 19_015
        assert [accuracy.min(), accuracy.max()] == [70.2, 75.02]
        assert round(accuracy.mean(), 3) == 73.630
        SPACE.check(networks)

    def test_they_are_those_of_the_file_after_the_first_thousand_lines(self):
        """Each line read on its own as Python's literals."""
        lines = registry.read(enas.files()[0]).decode().splitlines()
        assert len(lines) == 20_020
        told = {}
        for line in lines[1_000:]:
            nested, share = ast.literal_eval(line)
            told[tuple(number for node in nested for number in node)] = round(100 * share, 2)
        networks, accuracy = records()
        assert told == dict(zip(map(tuple, networks.tolist()), accuracy.tolist(), strict=True))

    def test_every_accuracy_is_a_whole_number_of_images(self):
        images = records().accuracy * enas.IMAGES / 100
        assert np.abs(images - np.round(images)).max() < 1e-9

    def test_the_accuracy_depends_on_the_skips_alone(self):
        networks, accuracy = records()
        choices, of_network = np.unique(SPACE.skips(networks), axis=0, return_inverse=True)
        of_network, least, most = of_network.reshape(-1), np.full(len(choices), 100.0), np.zeros(len(choices))
        np.minimum.at(least, of_network, accuracy)
        np.maximum.at(most, of_network, accuracy)
        assert np.array_equal(least, most)
        assert len(choices) == len(enas.one_of_each(records()).networks) == 8_477
        assert (np.bincount(of_network) > 1).sum() > 3_000  # so that much could have differed


@pytest.mark.slow
@pytest.mark.usefixtures("upstream")
class TestSurrogate:
    def test_what_was_measured_is_given_unchanged_and_to_no_other_network(self):
        networks, accuracy = records()
        assert np.array_equal(table().look_up(networks, MEASURED), accuracy)
        known = set(map(tuple, networks.tolist()))
        near = SPACE.neighbours(networks[:200]).reshape(-1, len(SPACE.slots))
        asked = np.concatenate([near, networks[:50]])
        there = [tuple(row) in known for row in asked.tolist()]
        assert np.array_equal(np.isfinite(table().look_up(asked, MEASURED)), there)

    def test_predictions_depend_on_the_skips_alone_too(self):
        networks = SPACE.sample(500, np.random.default_rng(0))
        other = networks.copy()
        other[:, 0] = (other[:, 0] + 1) % 6
        values = table().look_up(networks, PREDICTED)
        assert np.array_equal(values, table().look_up(other, PREDICTED))
        assert len(np.unique(values)) > 400
        assert (values > 70).all()
        assert (values < 75.2).all()

    def test_only_the_surrogate_says_that_it_is_one_with_its_error(self):
        error, metric = table().errors[PREDICTED], table().metrics[PREDICTED]
        assert [name for name, each in table().metrics.items() if each.error] == list(table().errors) == [PREDICTED]
        assert error.sentence("%") in metric.source
        assert "surrogate" in metric.label
        assert table().computed == {PREDICTED, "params", "flops"}
        assert (table().seen, table().judged) == (PREDICTED, PREDICTED)
        assert error.tau > 0.88
        assert error.mae < 0.1
        assert all("not trained by itself" in table().metrics[name].source for name in (MEASURED, PREDICTED))

    def test_the_error_is_that_of_networks_that_did_not_see_these_skips(self):
        networks, accuracy = enas.one_of_each(records())
        skips, values = SPACE.skips(networks).astype(float), np.empty(len(networks))
        for held in folds(len(networks)):
            rest = np.setdiff1d(np.arange(len(networks)), held)
            assert not set(map(bytes, skips[held])) & set(map(bytes, skips[rest]))
            values[held] = Perceptron.fitted(skips[rest], accuracy[rest]).values(skips[held])
        error = table().errors[PREDICTED]
        assert np.abs(values - accuracy).mean() == pytest.approx(error.mae, rel=1e-4)
        assert kendalltau(values, accuracy).statistic == pytest.approx(error.tau, rel=1e-4)

    def test_costs_are_those_of_the_space_in_millions(self):
        networks = SPACE.sample(20, np.random.default_rng(2))
        expected = np.stack([SPACE.params(networks), SPACE.flops(networks)], axis=1) / 1e6
        assert np.array_equal(table().look_up(networks, ["params", "flops"]), expected)


def test_without_the_file_every_way_to_get_it_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv(registry.CACHE, str(tmp_path))
    monkeypatch.delenv(registry.UPSTREAM, raising=False)
    monkeypatch.setattr(registry, "HOST", "http://127.0.0.1:9")
    with pytest.raises(DataMissingError, match="nagkit data fetch d-vae"):
        enas.surrogate()


def read(monkeypatch, *lines):
    monkeypatch.setattr(registry, "read", lambda file: "\n".join([LINE] * enas.BURN_IN + list(lines)).encode())
    return enas.records()


def test_a_line_is_a_network_and_its_accuracy(monkeypatch):
    networks, accuracy = read(monkeypatch, LINE, LINE.replace("[[1]", "[[0]"), LINE)
    assert accuracy.tolist() == [73.02, 73.02]
    assert networks.tolist()[1] == [1, 4, 0, 5, 0, 0, 0, 1, 1, 1, 2, 1, 1, 1, 1, 3, 0, 0, 0, 0, 1]
    assert networks.tolist()[0] == [0, *networks.tolist()[1][1:]]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["", LINE],
        [LINE, LINE.replace("[[1]", "[[6]")],
        [LINE, LINE.replace("[4, 0]", "[4, 2]")],
        [LINE, LINE.replace("[4, 0]", "[4, 0, 0]")],
        [LINE, LINE.replace("0.7302", "__import__('os')")],
        [LINE, LINE.replace("0.7302", "nan")],
        [LINE, LINE.replace("0.7302", "0.73021")],  # no whole number of images
        [LINE, LINE.replace("0.7302", "0.7304")],  # the same network, told otherwise
        [LINE, "é"],
    ],
)
def test_files_without_networks_are_refused(monkeypatch, lines):
    with pytest.raises(DataDamagedError, match=r"d-vae/data/final_structures6\.txt does not hold"):
        read(monkeypatch, *lines)
