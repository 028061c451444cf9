"""Pictures of many architectures state what they draw."""

import re

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacks import ATTACKS
from nagkit.errors import ArgumentError
from nagkit.figures import front_figure, safe
from nagkit.metrics import Front, Metric
from nagkit.spaces import space

CELLS = space("nas-bench-201")
ACCURACY, PARAMS = Metric("val_accuracy", "%", "max"), Metric("params", "M", "min")
sign = st.sampled_from(["max", "min"])


def front_of(values, metrics=(ACCURACY, PARAMS)):
    values = np.asarray(values, dtype=float)
    return Front.of(CELLS, metrics, CELLS.at(np.arange(len(values))), values)


def test_axes_show_unit_and_direction():
    layout = front_figure(front_of([[90, 1]]), np.array([[90.0, 1.0]])).layout
    assert layout["yaxis"]["title"]["text"] == "val accuracy (%, more is better)"
    assert layout["xaxis"]["title"]["text"] == "params (M, less is better)"


def test_unknown_values_are_not_drawn_and_dots_know_their_row():
    values = np.array([[90, 1], [np.nan, 2], [80, np.inf], [70, 0.5]])
    dots = front_figure(front_of(values), values, list("abcd")).data[2]
    assert (dots["x"], dots["y"]) == ([1, 0.5], [90, 70])
    assert dots["customdata"] == [0, 3]
    assert dots["hovertext"] == ["a", "d"]


def test_sentence_and_table_agree_with_the_drawn_front():
    values = np.array([[90, 1], [80, 0.5], [70, 0.9]])
    picture = front_figure(front_of(values), values)
    front = picture.data[3]
    assert (front["y"], front["x"]) == ([90, 80], [1, 0.5])
    assert picture.table["val_accuracy (%)"].tolist() == front["y"]
    assert picture.sentence.startswith("3 architectures with known values. 2 architectures on the front")


def test_an_empty_front_draws_nothing():
    picture = front_figure(front_of([[np.nan, 1]]), np.empty((0, 2)))
    assert all(trace["x"] == [] for trace in picture.data)


def inside(x, y, corners):
    """Whether (x, y) lies in the polygon: how often does a ray to the right cross its sides (oracle in a loop)?"""
    odd = False
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            odd = not odd
    return odd


@given(sign, sign, st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=12, unique=True))
def test_the_area_is_exactly_what_the_front_dominates(up, right, points):
    metrics = (Metric("a", "%", up), Metric("b", "M", right))
    values = np.array(points, dtype=float)
    front = front_of(values, metrics)
    area = front_figure(front, values).data[0]
    corners = list(zip(area["x"], area["y"], strict=True))
    signs = np.array([metric.sign for metric in metrics])
    low, high = (values * signs).min(0), (values * signs).max(0)
    for gain in np.stack(np.meshgrid(*[np.arange(-8.5, 9, 1)] * 2), -1).reshape(-1, 2):
        if (gain > low).all() and (gain < high + 1).all():
            y, x = gain * signs
            dominated = any((best * signs > gain).all() for best in front.values)
            assert inside(x, y, corners) == dominated


@pytest.mark.parametrize("axis", ["", "2"])
def test_plotly_accepts_the_mappings(axis):
    values = np.array([[90, 1], [80, 0.5], [np.nan, 1]])
    picture = front_figure(front_of(values), values, ["a", "b", "c"], np.array([[70.0, 1.0]]), axis)
    assert len(go.Figure(picture.data, picture.layout).data) == len(picture.data)


@pytest.mark.parametrize("attack", ATTACKS)
def test_displayed_strings_stay_text(attack):
    values = np.array([[1.0, 2.0]])
    front = front_figure(front_of(values, (Metric(attack, attack, "max"), PARAMS)), values, [attack])
    for text in [*front.data[2]["hovertext"], front.layout["yaxis"]["title"]["text"], safe(attack)]:
        assert not re.search(r"[<>$\u202e\x1b]", text)


def test_what_is_no_front_or_not_of_its_shape_is_refused(as_a_user):
    with pytest.raises(ArgumentError, match=r"front must be an? Front"):
        front_figure(None, np.zeros((1, 2)))
    with pytest.raises(ArgumentError, match=r"values must have shape \(n, 2\)"):
        front_figure(front_of([[1, 2]]), np.zeros((1, 3)))
    with pytest.raises(ArgumentError, match="two metrics"):
        front_figure(front_of([[1]], (ACCURACY,)), np.zeros((1, 1)))
    with pytest.raises(ArgumentError, match="one text for each of the 1"):
        front_figure(front_of([[1, 2]]), np.ones((1, 2)), ["a", "b"])
