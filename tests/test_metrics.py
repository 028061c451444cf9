"""Metrics, objectives, constraints and fronts: values that check themselves, and the front against loops."""

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nagkit
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Front, Metric, Metrics, Objective
from nagkit.spaces.nas_bench_201 import NasBench201

SPACE = NasBench201()
ACCURACY = Metric("val_accuracy", "%", "max")
LATENCY = Metric("latency", "ms", "min")
PARAMS = Metric("params", "M", "min")


def zeros(tokens):
    return np.zeros(len(tokens))


def firsts(tokens):
    return tokens[:, 0] + 0.5


def test_the_label_of_an_axis_has_name_unit_and_direction():
    assert ACCURACY.label == "val accuracy (%, more is better)"
    assert LATENCY.label == "latency (ms, less is better)"
    assert (ACCURACY.sign, LATENCY.sign) == (1, -1)


@pytest.mark.parametrize("direction", ["up", "MAX", None, 1, ""])
def test_a_direction_is_max_or_min(as_a_user, direction):
    with pytest.raises(ArgumentError, match="direction must be one of 'max', 'min'"):
        Metric("a", "b", direction)


@pytest.mark.parametrize("value", [ACCURACY, Objective(ACCURACY, zeros), Constraint(ACCURACY, zeros, low=1)])
def test_values_cannot_be_changed(value):
    field = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, None)


@pytest.mark.parametrize("kind", [Objective, lambda metric, values: Constraint(metric, values, high=1)])
def test_an_objective_and_a_constraint_need_a_metric_and_a_function(as_a_user, kind):
    for metric in ("val_accuracy", None, Metric):
        with pytest.raises(ArgumentError, match=r"metric must be a nagkit Metric, for example benchmark\.metrics"):
            kind(metric, zeros)
    for values in (None, 3, np.zeros(3)):
        with pytest.raises(ArgumentError, match="values must be a function of tokens that gives val_accuracy"):
            kind(ACCURACY, values)


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ({}, "has no bound; give low, high or both"),
        ({"low": 2, "high": 1}, "got 2, 1. Swap them"),
        ({"low": float("nan")}, "low must be a number; got nan"),
        ({"high": float("nan")}, "high must be a number; got nan"),
        ({"high": "3"}, "high must be a number; got '3'"),
        ({"low": None}, "low must be a number; got None"),
        ({"low": True}, "low must be a number; got True"),
    ],
)
def test_a_constraint_has_sensible_bounds(as_a_user, bounds, told):
    with pytest.raises(ArgumentError, match=told):
        Constraint(PARAMS, zeros, **bounds)


def test_near_a_target_is_little_distance_from_it():
    near = pickle.loads(pickle.dumps(Objective(PARAMS, firsts, exact=True, benchmark="a table").near(2)))
    assert near.metric.label == "params from 2 (M, less is better)"
    assert near.values(np.arange(5)[:, None]).tolist() == [1.5, 0.5, 0.5, 1.5, 2.5]
    assert near.exact
    assert near.benchmark == ""  # no benchmark has this metric


def test_a_search_finds_what_is_nearest_to_a_target():
    params = Objective(PARAMS, lambda tokens: SPACE.params(tokens) / 1e6, exact=True).near(0.7)
    search = nagkit.search.search("evolution", SPACE, [params], seed=0)
    for _ in range(30):
        asked = search.ask(10)
        search.tell(asked, params.values(asked)[:, None])
    assert params.values(search.archive.tokens).min() < np.sort(params.values(SPACE.all()))[160]  # the nearest 1 %


def test_what_is_unknown_is_near_nothing():
    near = Objective(ACCURACY, lambda tokens: np.array([np.nan, 93.0])).near(94.25)
    assert near.metric.name == "val_accuracy_from_94.25"
    np.testing.assert_array_equal(near.values(np.zeros((2, 6), dtype=int)), [np.nan, 1.25])


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("target", [None, "300", float("nan"), float("inf"), True])
def test_a_target_is_a_number(target):
    with pytest.raises(ArgumentError, match="target must be a number"):
        Objective(PARAMS, zeros).near(target)


def test_a_constraint_reads_as_an_inequality():
    assert str(Constraint(PARAMS, zeros, high=1.5)) == "params ≤ 1.5 M"
    assert str(Constraint(PARAMS, zeros, low=0.25)) == "params ≥ 0.25 M"
    assert str(Constraint(PARAMS, zeros, low=0, high=1)) == "0 ≤ params ≤ 1 M"


def slow_front(rows, values, metrics):
    """Every row that no other row beats in one metric without losing in another."""
    signs = [metric.sign for metric in metrics]
    known = {tuple(row): tuple(value) for row, value in zip(rows, values, strict=True) if np.isfinite(value).all()}
    best = []
    for row, own in known.items():
        beaten = False
        for other in known.values():
            gains = [s * (b - a) for s, a, b in zip(signs, own, other, strict=True)]
            if min(gains) >= 0 and max(gains) > 0:
                beaten = True
        if not beaten:
            best.append((row, own))
    return set(best)


@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 3), st.integers(1, 6))
def test_the_front_agrees_with_loops(seed, n, k, levels):
    rng = np.random.default_rng(seed)
    metrics = (ACCURACY, LATENCY, PARAMS)[:k]
    tokens = np.unique(SPACE.sample(n, rng), axis=0)
    values = rng.integers(0, levels, (len(tokens), k)).astype(float)
    values[rng.random(values.shape) < 0.1] = np.nan
    front = Front.of(SPACE, metrics, tokens, values)
    found = set(zip(map(tuple, front.tokens.tolist()), map(tuple, front.values.tolist()), strict=True))
    assert found == slow_front(tokens.tolist(), values.tolist(), metrics)
    assert (np.diff(front.values[:, 0] * metrics[0].sign) <= 0).all()


def test_an_architecture_is_on_the_front_once():
    front = Front.of(SPACE, [ACCURACY], np.zeros((3, 6), dtype=int), np.array([[np.nan], [1.0], [1.0]]))
    assert front.values.tolist() == [[1.0]]


def test_equally_good_architectures_are_all_on_the_front():
    tokens = SPACE.at(np.arange(3))
    assert len(Front.of(SPACE, [ACCURACY, LATENCY], tokens, np.ones((3, 2)))) == 3


def test_nothing_known_gives_an_empty_front_that_says_so():
    front = Front.of(SPACE, [ACCURACY, LATENCY], SPACE.at(np.arange(3)), np.full((3, 2), np.nan))
    assert len(front) == 0
    assert repr(front) == "No architecture with known values."
    assert list(front.table().columns) == ["architecture", "val_accuracy (%)", "latency (ms)"]


def test_a_front_says_itself_and_gives_a_table():
    front = Front.of(
        SPACE, [ACCURACY, LATENCY], SPACE.at(np.arange(3)), np.array([[90.0, 5.0], [80.0, 2.0], [70.0, 3.0]])
    )
    assert repr(front) == "2 architectures on the front: val_accuracy 80 to 90 %, latency 2 to 5 ms."
    table = front.table()
    assert table["val_accuracy (%)"].tolist() == [90, 80]
    assert table["architecture"].tolist() == [SPACE.decode(row).text for row in front.tokens]


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("metrics", "tokens", "values", "told"),
    [
        ([ACCURACY], SPACE.at(np.arange(3)), np.ones((3, 2)), r"values must be numbers of shape \(3, 1\)"),
        ([ACCURACY], SPACE.at(np.arange(3)), np.ones(3), r"values must be numbers of shape \(3, 1\)"),
        ([], SPACE.at(np.arange(3)), np.ones((3, 0)), "metrics"),
        (["val_accuracy"], SPACE.at(np.arange(3)), np.ones((3, 1)), "metrics"),
        ([ACCURACY], np.zeros((0, 6), dtype=int), np.ones((0, 1)), "tokens must be a batch"),
        ([ACCURACY], np.full((1, 6), 9), np.ones((1, 1)), "from 0 to 4"),
        ([ACCURACY], np.zeros((1, 6)), np.ones((1, 1)), "whole numbers"),
        ([ACCURACY], SPACE.at(np.arange(1)), [["high"]], "values must be"),
    ],
)
def test_a_front_of_things_that_do_not_fit_is_refused(metrics, tokens, values, told):
    with pytest.raises(ArgumentError, match=told):
        Front.of(SPACE, metrics, tokens, values)


def test_an_unknown_metric_is_answered_with_the_nearest():
    metrics = Metrics(accuracy=ACCURACY)
    with pytest.raises(
        ArgumentError, match=r"metric must be one of 'accuracy'; got 'acuracy'\. Did you mean 'accuracy'"
    ):
        metrics["acuracy"]
    assert metrics.get("acuracy") is None
    assert "acuracy" not in metrics
