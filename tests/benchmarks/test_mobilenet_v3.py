"""The surrogate of MobileNetV3 against the measurements it was fitted to, those it was not, and published facts."""

import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from nagkit.benchmarks import benchmark, mobilenet_v3, readers, registry
from nagkit.benchmarks import mobilenet_v3_models as models
from nagkit.benchmarks import mobilenet_v3_records as records
from nagkit.benchmarks.linear import Linear
from nagkit.benchmarks.surrogate import folds
from nagkit.checks.benchmark import BenchmarkContract
from nagkit.errors import DataMissingError
from nagkit.spaces.mobilenet_v3 import RESOLUTIONS, MobileNetV3

pytestmark = [pytest.mark.usefixtures("upstream"), pytest.mark.slow]
SPACE = MobileNetV3()
LATENCIES = [f"latency_{name}" for name in records.TIMED]


@cache
def net():
    return benchmark(mobilenet_v3.NAME)


@cache
def accuracies():
    return records.measured_accuracies()


@cache
def latencies():
    return records.measured_latencies()


def same_blocks(block, count, resolutions=RESOLUTIONS):
    stages = "|".join([" ".join([block] * count)] * 5)
    return SPACE.encode([f"r{side}|{stages}" for side in resolutions])


class TestMobileNetV3(BenchmarkContract):
    @pytest.fixture
    def benchmark(self, upstream):
        return net()


def test_every_measured_accuracy_is_a_whole_number_of_images_and_no_network_comes_twice():
    tokens, accuracy = accuracies()
    assert len(np.unique(tokens, axis=0)) == len(tokens) == 2_610
    assert np.abs(accuracy * 500 - np.round(accuracy * 500)).max() < 1e-9
    assert (accuracy.min(), accuracy.max()) == (64.808, 76.072)
    sides, counts = np.unique(models.SIDES[tokens[:, 0]], return_counts=True)
    assert dict(zip(sides.tolist(), counts.tolist(), strict=True)) == {128: 939, 160: 879, 192: 792}


def test_what_was_measured_is_given_unchanged_and_nothing_else_is():
    tokens, accuracy = accuracies()
    assert np.array_equal(net().look_up(tokens, "accuracy_measured"), accuracy)
    assert np.array_equal(
        np.sort(net().classes(tokens, "accuracy_measured")),
        np.sort(net().classes(net().known("accuracy_measured"), "accuracy_measured")),
    )
    assert np.isnan(net().look_up(SPACE.sample(2_000, np.random.default_rng(0)), "accuracy_measured")).all()
    predicted = net().look_up(tokens, "accuracy")
    assert (predicted != accuracy).mean() > 0.99


def test_the_networks_are_those_of_the_source_slot_by_slot():
    file = records.network_file()
    listed = readers.read_zipped_pickle(registry.read(file), file.name)["arch"]
    tokens, _ = latencies()
    assert len(np.unique(tokens, axis=0)) == len(tokens) == len(listed) == 5_000
    for row, told in list(zip(tokens, listed, strict=True))[::250]:
        stages = [
            " ".join(f"k{told['ks'][4 * s + p]}e{told['e'][4 * s + p]}" for p in range(depth))
            for s, depth in enumerate(told["d"])
        ]
        assert SPACE.decode(row).text == f"r{int(readers.numbers(told['r'], file.name))}|" + "|".join(stages)


def test_published_facts_of_the_latencies():
    _, milliseconds = latencies()
    column = dict(zip(records.TIMED, milliseconds.T, strict=True))
    assert round(spearmanr(column["v100_64"], column["titan_xp_64"]).statistic, 3) == 0.991
    assert milliseconds.min() > 3.8
    assert milliseconds.max() < 108


@pytest.mark.parametrize(("block", "count", "side", "accuracy"), [("k3e3", 2, 160, 75.3), ("k7e6", 4, 224, 83.6)])
def test_published_values_of_the_official_predictor(block, count, side, accuracy):
    assert round(net().look_up(same_blocks(block, count, [side]), "accuracy_ofa")[0], 1) == accuracy


def test_the_official_predictor_equals_its_network_in_torch():
    import torch

    tokens = SPACE.sample(300, np.random.default_rng(1))
    layers = []
    for weight, bias in records.official_layers().values():
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        layer.weight.data, layer.bias.data = torch.from_numpy(weight), torch.from_numpy(bias)
        layers += [layer, torch.nn.ReLU()]
    features = np.zeros((len(tokens), 128), np.float32)
    for row, told in enumerate(SPACE.decode(each) for each in tokens):
        side, *stages = told.text.split("|")
        for s, stage in enumerate(stages):
            for p, block in enumerate(stage.split()):
                features[row, 3 * (4 * s + p) + (3, 5, 7).index(int(block[1]))] = 1
                features[row, 60 + 3 * (4 * s + p) + (3, 4, 6).index(int(block[3]))] = 1
        features[row, 120 + (int(side[1:]) - 112) // 16] = 1
    with torch.no_grad():
        expected = 100 * torch.nn.Sequential(*layers[:-1])(torch.from_numpy(features)).numpy()[:, 0]
    expected[models.SIDES[tokens[:, 0]] < 160] = np.nan
    np.testing.assert_allclose(net().look_up(tokens, "accuracy_ofa"), expected, atol=1e-3)


@pytest.mark.parametrize(("block", "count"), [("k3e3", 2), ("k5e4", 3), ("k7e6", 4)])
def test_accuracy_rises_with_the_resolution_ever_more_slowly(block, count):
    values = net().look_up(same_blocks(block, count), "accuracy")
    assert (np.diff(values) > 0).all()
    assert (np.diff(values, 2) < 0).all()


def test_accuracy_rises_with_the_resolution_for_any_network():
    tokens = np.repeat(SPACE.sample(200, np.random.default_rng(2)), len(RESOLUTIONS), axis=0)
    tokens[:, 0] = np.tile(np.arange(len(RESOLUTIONS)), 200)
    assert (np.diff(net().look_up(tokens, "accuracy").reshape(200, -1), axis=1) > 0).all()


def test_the_smallest_and_the_largest_network_have_sensible_accuracies():
    assert 63 < net().look_up(same_blocks("k3e3", 2, [128]), "accuracy")[0] < 65
    assert 76 < net().look_up(same_blocks("k7e6", 4, [192]), "accuracy")[0] < 77
    assert 76 < net().look_up(same_blocks("k7e6", 4, [224]), "accuracy")[0] < 78


def test_fitted_to_two_resolutions_it_meets_the_third():
    tokens, accuracy = accuracies()
    for side in (128, 192):  # inwards, and outwards as from 192 to 224 px
        held = models.SIDES[tokens[:, 0]] == side
        values = models.accuracy_model(tokens[~held], accuracy[~held, None])(tokens[held])[:, 0]
        assert abs((values - accuracy[held]).mean()) < 0.1
        assert np.abs(values - accuracy[held]).mean() < 0.35


def test_fitted_to_the_small_it_meets_the_large():
    tokens, accuracy = accuracies()
    params = SPACE.params(tokens)
    held = params > np.quantile(params, 0.85)
    values = models.accuracy_model(tokens[~held], accuracy[~held, None])(tokens[held])[:, 0]
    assert np.abs(values - accuracy[held]).mean() < 0.3


def test_latencies_are_positive_and_those_of_large_batches_follow_the_flops():
    tokens = np.concatenate(
        [SPACE.sample(3_000, np.random.default_rng(3)), same_blocks("k3e3", 2), same_blocks("k7e6", 4)]
    )
    values = net().look_up(tokens, LATENCIES)
    assert values.min() > 2
    assert kendalltau(net().look_up(tokens, "latency_v100_64"), net().look_up(tokens, "flops")).statistic > 0.9


def test_every_surrogate_says_so_with_its_error():
    for name, metric in net().metrics.items():
        predicted = name in net().errors
        assert predicted == metric.source.startswith("Surrogate") == bool(metric.error) == ("surrogate" in metric.label)
        if predicted:
            error = net().errors[name]
            assert error.sentence(metric.unit) in metric.source
            assert metric.error == error.short(metric.unit)
            assert error.held_out
    assert set(net().metrics) - set(net().errors) == {"accuracy_measured", "params", "flops"}


def test_errors_are_within_the_bounds_that_the_documentation_promises():
    error = net().errors["accuracy"]
    assert error.mae < 0.27
    assert error.tau > 0.9
    assert 5 < net().errors["accuracy_ofa"].mae < 6.5
    for name in ("titan_rtx_32", "titan_rtx_64", "v100_64"):
        assert net().errors[f"latency_{name}"].tau > 0.98
    for name in LATENCIES:
        assert net().errors[name].tau > 0.5


def test_errors_are_those_of_models_that_did_not_see_what_they_are_judged_by():
    for name, error in mobilenet_v3.errors(accuracies(), latencies()).items():
        assert (error.mae, error.tau) == pytest.approx((net().errors[name].mae, net().errors[name].tau), rel=1e-6)
    tokens, accuracy = accuracies()
    missed = np.empty(len(tokens))
    for held in folds(len(tokens)):  # by hand
        rest = np.setdiff1d(np.arange(len(tokens)), held)
        model = Linear.fitted(models.accuracy_features(tokens[rest]), -np.log(100 - accuracy[rest, None]))
        missed[held] = 100 - np.exp(-model.values(models.accuracy_features(tokens[held]))[:, 0])
    assert np.abs(missed - accuracy).mean() == pytest.approx(net().errors["accuracy"].mae, rel=1e-5)
    assert kendalltau(missed, accuracy).statistic == pytest.approx(net().errors["accuracy"].tau, rel=1e-5)


def test_two_processes_make_the_same_bytes(tmp_path):
    program = "from nagkit.benchmarks import mobilenet_v3 as m; m.surrogate(); print(m.converted())"
    made = []
    for name in ("one", "two"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, registry.CACHE: str(tmp_path / name)},
            capture_output=True,
            check=True,
            text=True,
        )
        made.append(Path(done.stdout.strip()).read_bytes())
    assert made[0] == made[1]


def test_it_is_made_once_and_opened_from_then_on(monkeypatch, tmp_path):
    net()
    monkeypatch.setenv(registry.UPSTREAM, str(tmp_path))  # nothing there
    assert np.isfinite(benchmark(mobilenet_v3.NAME).look_up(same_blocks("k5e4", 3), "accuracy")).all()


def test_without_files_every_way_to_get_them_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv(registry.CACHE, str(tmp_path))
    monkeypatch.delenv(registry.UPSTREAM, raising=False)
    monkeypatch.setattr(registry, "_download", lambda file: (_ for _ in ()).throw(DataMissingError(file.name)))
    with pytest.raises(DataMissingError, match="moofa"):
        mobilenet_v3.surrogate()


def test_one_thousand_networks_take_less_than_a_tenth_of_a_second():
    tokens, names = SPACE.sample(1_000, np.random.default_rng(4)), list(net().metrics)
    taken = []
    for _ in range(5):
        start = time.process_time()
        net().look_up(tokens, names)
        taken.append(time.process_time() - start)
    assert min(taken) < 0.1
