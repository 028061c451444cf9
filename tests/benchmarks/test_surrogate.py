"""Surrogates: what is measured stays apart from what is predicted, and every prediction says how far it errs."""

import pickle
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagkit.benchmarks import Benchmark, Surrogate
from nagkit.benchmarks.columns import Columns
from nagkit.benchmarks.surrogate import (
    FOLDS,
    Error,
    Fit,
    Part,
    cross_validated,
    folds,
    measured_among,
    numbers,
)
from nagkit.checks.benchmark import BenchmarkContract
from nagkit.errors import DataDamagedError, DataMissingError
from nagkit.metrics import Front, Metric, headings
from nagkit.spaces import space
from nagkit.spaces.nas_bench_201 import NasBench201

ERROR = Error(0.254, 0.9, "40 measured networks")
LARGE, CELLS = space("mobilenet-v3"), NasBench201()
METRICS = [
    Metric("accuracy", "%", "max", source="Surrogate.", licence="MIT", error=ERROR.short("%")),
    Metric("accuracy_measured", "%", "max", source="Measured.", licence="MIT"),
    Metric("params", "M", "min", source="Exact.", licence="MIT"),
]


def fit_of(which, **changes):
    measured = which.canonical(which.sample(40, np.random.default_rng(3)), which.identities[-1])
    parts = {
        "name": "toy/large",
        "space": which.name,
        "source": "Made for this test.",
        "licence": "MIT",
        "metrics": {metric.name: metric for metric in METRICS},
        "errors": {"accuracy": ERROR},
        "arrays": {"tokens": np.unique(measured, axis=0)},
        "details": {"files": {"a": "b"}},
    }
    return Fit(**{**parts, **changes})


def sums(tokens, factor):
    return (tokens.sum(1) * factor)[:, None]


def millions(tokens, which):
    return which.params(tokens)[:, None] / 1e6


def surrogate_of(fit):
    which, identity = space(fit.space), space(fit.space).identities[-1]
    measured = fit.arrays["tokens"]
    values = 0.5 + np.arange(float(len(measured)))[:, None]
    among = partial(measured_among, rows=measured, values=values, space=which)
    return Surrogate(
        fit,
        [
            Part(("accuracy",), partial(sums, factor=0.1), measured, True, identity),
            Part(("accuracy_measured",), among, measured, False, identity),
            Part(("params",), partial(millions, which=which), measured, True),
        ],
    )


class TestSurrogate(BenchmarkContract):
    @pytest.fixture(params=[LARGE, CELLS], ids=lambda which: which.name)
    def benchmark(self, request):
        return surrogate_of(fit_of(request.param))


@pytest.fixture
def toy():
    return surrogate_of(fit_of(LARGE))


def test_it_keeps_the_protocol_of_a_benchmark(toy):
    assert isinstance(toy, Benchmark)
    assert toy.computed == {"accuracy", "params"}


def test_searches_see_what_every_architecture_has():
    measured, *others = sorted(METRICS, key=lambda metric: metric.name != "accuracy_measured")
    first = surrogate_of(fit_of(LARGE, metrics={metric.name: metric for metric in (measured, *others)}))
    assert next(iter(first.metrics)) == "accuracy_measured"
    assert (first.seen, first.judged) == ("accuracy", "accuracy")


def test_measurements_are_found_by_equality_alone(toy):
    measured = toy.known("accuracy_measured")
    assert toy.look_up(measured, "accuracy_measured").tolist() == (0.5 + np.arange(len(measured))).tolist()
    near = LARGE.neighbours(measured[:1])[0]
    others = near[~(near[:, None] == measured).all(2).any(1)]
    assert np.isnan(toy.look_up(others, "accuracy_measured")).all()
    assert np.isfinite(toy.look_up(others, "accuracy")).all()


def test_members_of_a_class_share_its_measurement():
    toy = surrogate_of(fit_of(CELLS))
    cells = CELLS.all()
    same = toy.classes(cells, "accuracy_measured") == toy.classes(toy.known("accuracy_measured")[:1], "accuracy")
    assert same.sum() > 1
    assert set(toy.look_up(cells[same], "accuracy_measured")) == {0.5}


def test_the_error_is_said_wherever_the_number_is(toy):
    metric, params = toy.metrics["accuracy"], toy.metrics["params"]
    assert metric.label == "accuracy (%, more is better; surrogate ±0.25 %)"
    assert headings([metric, params, metric]) == [
        "accuracy (%; surrogate ±0.25 %)",
        "params (M)",
        "accuracy (%; surrogate ±0.25 %) 2",
    ]
    tokens = toy.space.sample(5, np.random.default_rng(0))
    front = Front.of(toy.space, [metric, params], tokens, toy.look_up(tokens, ["accuracy", "params"]))
    assert "% (surrogate ±0.25 %)" in front.sentence()
    assert "error" not in params.told()
    assert Metric(**metric.told()) == metric
    assert ERROR.sentence("%") == "mean absolute error 0.254 % and Kendall's tau 0.900 on 40 measured networks"


def test_an_error_is_that_of_loops():
    rng = np.random.default_rng(0)
    values, measured = rng.normal(size=(2, 30))
    found = Error.of(values, measured, "here")
    assert found.mae == pytest.approx(sum(abs(a - b) for a, b in zip(values, measured, strict=True)) / 30)
    signs = [np.sign(values[i] - values[j]) * np.sign(measured[i] - measured[j]) for i in range(30) for j in range(i)]
    assert found.tau == pytest.approx(np.mean(signs))


@given(st.integers(FOLDS, 60))
def test_every_measurement_is_held_out_once(n):
    held = list(folds(n))
    assert len(held) == FOLDS
    assert sorted(np.concatenate(held).tolist()) == list(range(n))


def test_nobody_is_predicted_by_a_model_that_saw_it():
    tokens, measured = np.arange(23)[:, None], np.arange(23.0)[:, None]

    def fit(seen, targets):
        assert (seen == targets).all()
        return lambda asked: np.where(np.isin(asked, seen), np.nan, asked)

    assert np.array_equal(cross_validated(fit, tokens, measured), measured)


def test_numbers_tell_rows_apart():
    tokens = np.unique(LARGE.sample(20_000, np.random.default_rng(0)), axis=0)
    assert len(np.unique(numbers(LARGE, tokens))) == len(tokens)
    assert numbers(CELLS, CELLS.all()).tolist() == list(range(CELLS.size))


def test_a_fit_comes_back_as_it_was_and_the_same_gives_the_same_bytes(tmp_path):
    fit = fit_of(LARGE)
    for name in ("one", "two"):
        fit.write(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found = Fit.open(tmp_path / "one")
    for name in ("name", "space", "source", "licence", "metrics", "errors", "details"):
        assert getattr(found, name) == getattr(fit, name)
    assert np.array_equal(found.arrays["tokens"], fit.arrays["tokens"])
    assert len(found.sha256) == 64
    with pytest.raises(ValueError, match="read-only"):
        found.arrays["tokens"][0] = 0


def test_another_process_gets_the_numbers_themselves(tmp_path):
    fit_of(LARGE).write(tmp_path / "fit")
    toy = surrogate_of(Fit.open(tmp_path / "fit"))
    (tmp_path / "fit").unlink()
    copy = pickle.loads(pickle.dumps(toy))
    tokens = toy.known("accuracy")
    assert np.array_equal(copy.look_up(tokens, list(toy.metrics)), toy.look_up(tokens, list(toy.metrics)))
    assert (copy.sha256, copy.errors) == (toy.sha256, toy.errors)
    assert np.array_equal(pickle.loads(pickle.dumps(toy.objective("accuracy"))).values(tokens), sums(tokens, 0.1)[:, 0])


@pytest.mark.parametrize("change", ["truncated", "one bit", "empty", "a table", "text"])
def test_a_damaged_fit_is_refused(tmp_path, change):
    path = tmp_path / "fit"
    fit_of(LARGE).write(path)
    content = path.read_bytes()
    if change == "a table":
        values = {"cost": np.arange(4.0)}
        metrics, rows = {"cost": Metric("cost", "M", "min")}, {"string": np.arange(4)}
        Columns("toy", "nas-bench-201", "here", "MIT", rows, {"cost": "string"}, metrics, values).write(path)
    else:
        path.write_bytes(
            {
                "truncated": content[:-1],
                "one bit": content[:-1] + bytes([content[-1] ^ 1]),
                "empty": b"",
                "text": b"not a file of arrays",
            }[change]
        )
    with pytest.raises(DataDamagedError, match="not a whole nagkit table"):
        Fit.open(path)


def test_a_fit_that_is_not_there_is_missed(tmp_path):
    with pytest.raises(DataMissingError):
        Fit.open(tmp_path / "fit")


def test_it_says_what_is_measured_exact_and_predicted(toy):
    said = toy.sentence()
    for told in ("measured accuracy_measured of 40", "exact params", "predicted", "accuracy.", "5.44e+20", "MIT"):
        assert told in said
    assert repr(toy) == said
