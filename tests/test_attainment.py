"""Attainment surfaces agree with counting, run by run, who is at least as good; the picture says the same in words."""

import itertools
import re

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nagkit
from attacks import ATTACKS
from nagkit.attainment import Attainment, attainment_figure
from nagkit.errors import ArgumentError
from nagkit.metrics import Front, Metric

ACCURACY, LATENCY = Metric("val_accuracy", "%", "max"), Metric("latency_cpu", "ms", "min")
SPEED = Metric("frames", "1/s", "max")
SPACE = nagkit.space("nas-bench-201")
TOKENS = SPACE.sample(50, np.random.default_rng(0))


def front(*values, metrics=(ACCURACY, LATENCY)):
    values = values or [(np.nan, np.nan)]  # nothing known
    return Front.of(SPACE, metrics, TOKENS[: len(values)], np.array(values, dtype=float))


points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=5)


def attained(fronts, place):
    """How many runs have something that is at least as good as a place in both metrics."""
    signs = np.array([metric.sign for metric in fronts[0].metrics])
    return sum(any((signs * row >= signs * np.array(place)).all() for row in each.values) for each in fronts)


@settings(deadline=None)
@given(
    st.lists(points, min_size=1, max_size=8), st.sampled_from([LATENCY, SPEED]), st.sampled_from([1, 20, 50, 75, 100])
)
def test_a_surface_bounds_what_so_many_runs_attain(runs, right, level):
    fronts = [front(*run, metrics=(ACCURACY, right)) for run in runs]
    corners = Attainment.of("a", fronts, [level]).surfaces[level]
    signs = np.array([1, right.sign])
    for place in itertools.product(range(-1, 8), repeat=2):
        within = any((signs * corner >= signs * np.array(place)).all() for corner in corners)
        assert within == (100 * attained(fronts, place) >= level * len(runs)), place
    for a, b in itertools.permutations(corners.tolist(), 2):
        assert not (signs * np.array(a) >= signs * np.array(b)).all(), "a corner that says nothing"


RUNS = [front([60, 2], [50, 1]), front([70, 3], [50, 1]), front([65, 2], [40, 0.5]), front([55, 2])]


def test_at_a_limit_it_says_what_the_runs_reach():
    found = Attainment.of("nsga-ii", RUNS)
    assert [found.at(level, 2) for level in (25, 50, 75)] == [65, 60, 55]
    assert np.isnan(found.at(75, 0.5))
    assert found.told(75, 0.5) == "nothing in 75 %"


def test_line_is_the_middle_surface_and_band_lies_between_the_others():
    area, line = attainment_figure({"nsga-ii": RUNS}).data
    assert list(zip(line["x"], line["y"], strict=True)) == [(1, 50), (2, 60), (3, 65)]
    assert line["line"]["shape"] == "hv"
    for place in itertools.product(np.arange(40.25, 71), np.arange(0.55, 3, 0.1)):
        runs = attained(RUNS, place)
        assert inside(place, area) == (1 <= runs < 3), (place, runs)


def inside(place, trace):
    """Whether an outline goes around a place: the turns of its corners, seen from there, do not cancel."""
    corners = np.stack([trace["y"], trace["x"]], axis=1) - np.array(place)
    angles = np.arctan2(*np.array([corners[:, 0] / 30, corners[:, 1]]))
    steps = (np.diff(angles) + np.pi) % (2 * np.pi) - np.pi
    return abs(round(steps.sum() / (2 * np.pi))) == 1


def test_sentence_and_table_state_every_surface():
    shown = attainment_figure({"nsga-ii": RUNS, "random": [front([50, 2])]})
    assert shown.sentence == (
        "val accuracy (%, more is better), with latency_cpu at most 2 ms: nsga-ii reaches 65 % in 25 %, 60 % in 50 %, "
        "55 % in 75 % of 4 runs; random reaches 50 % in 25 %, 50 % in 50 %, 50 % in 75 % of 1 run."
    )
    half = shown.table[shown.table["attained by at least (% of runs)"] == 50]
    assert half["val_accuracy (%)"].tolist() == [50, 60, 65, 50]
    assert half["search"].tolist() == ["nsga-ii", "nsga-ii", "nsga-ii", "random"]
    assert shown.layout["xaxis"]["title"]["text"] == "latency cpu (ms, less is better)"
    assert len(go.Figure(shown.data, shown.layout).data) == 4
    styles = {(t["line"]["color"], t["line"]["dash"], t["marker"]["symbol"]) for t in shown.data[1::2]}
    assert len(styles) == 2


def test_runs_without_a_front_attain_nothing():
    empty = front()
    assert not len(Attainment.of("a", [empty, front([50, 2])]).surfaces[75])
    shown = attainment_figure({"a": [empty, empty]})
    assert shown.sentence == "No surface of the middle level has an architecture."
    assert len(shown.table) == 0


@pytest.mark.parametrize("attack", ATTACKS)
def test_displayed_strings_stay_text(attack):
    for trace in attainment_figure({attack: RUNS}).data:
        assert not re.search(r"[<>$\u202e\x1b]", trace["name"])


@pytest.mark.parametrize(
    ("runs", "levels", "said"),
    [
        ({}, (25, 50, 75), "runs must hold 1 to 24 searches; got 0"),
        ([RUNS], (25, 50, 75), "runs must be"),
        ({"a": []}, (25, 50, 75), "must hold the front of one run or more"),
        ({"a": RUNS}, (75, 50, 25), "levels must be three rising percentages"),
        ({"a": RUNS}, (-1, 50, 75), "level must be a number from 0 to 100"),
        ({"a": [*RUNS, front([1, 2], metrics=(ACCURACY, SPEED))]}, (25, 50, 75), "fronts of the same two metrics"),
        ({"a": RUNS, "b": [front([1, 2], metrics=(ACCURACY, SPEED))]}, (25, 50, 75), "'b' has"),
    ],
)
def test_what_cannot_be_drawn_is_refused(as_a_user, runs, levels, said):
    with pytest.raises(ArgumentError, match=said):
        attainment_figure(runs, levels)
