"""Parallel coordinates: every line passes its values on axes with the best at the top, and limits are marked."""

import re

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nagkit
from attacks import ATTACKS
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Front, Metric
from nagkit.parallel import parallel_figure

METRICS = (Metric("val_accuracy", "%", "max"), Metric("params", "M", "min"), Metric("latency_cpu", "ms", "min"))
SPACE = nagkit.space("nas-bench-201")
VALUES = np.array([[70, 2, 0.3], [60, 1, 0.2], [65, 1.5, 0.4], [50, 3, 0.5], [np.nan, 1, 0.1]])
TOKENS = SPACE.all()[:5]
FRONT = Front.of(SPACE, METRICS, TOKENS, VALUES)


def limit(metric, low=-np.inf, high=np.inf):
    return Constraint(metric, lambda tokens: np.zeros(len(tokens)), low, high)


def paths(trace):
    """The lines of a trace, each by its heights."""
    found, line = [], []
    for x, y in zip(trace["x"], trace["y"], strict=True):
        if x is None:
            found.append(tuple(line))
            line = []
        else:
            assert x == len(line)
            line.append(y)
    return found


def height(value, column, metric):
    """Where a value stands between the worst and the best of its column."""
    worst, best = (min(column), max(column)) if metric.direction == "max" else (max(column), min(column))
    return (value - worst) / (best - worst) if best != worst else 0.5


number = st.integers(-5, 5)


@given(st.lists(st.tuples(number, number, number), min_size=1, max_size=6))
def test_every_line_passes_its_values_with_the_best_at_the_top(rows):
    values = np.array(rows, dtype=float)
    front = Front.of(
        SPACE, METRICS, TOKENS[:1].repeat(len(rows), 0) if len(rows) == 1 else SPACE.all()[: len(rows)], values
    )
    others, _, best, _ = parallel_figure(front, values).data
    for trace, expected in ((others, values), (best, front.values)):
        wanted = [[height(v, c, m) for v, c, m in zip(row, values.T, METRICS, strict=True)] for row in expected]
        assert np.allclose(paths(trace), wanted)


def test_front_and_others_differ_in_more_than_colour():
    others, _, front, _ = parallel_figure(FRONT, VALUES).data
    assert len(paths(others)) == 4, "what has an unknown value is not drawn"
    assert len(paths(front)) == 3
    assert (others["mode"], front["mode"]) == ("lines", "lines+markers")
    assert others["line"]["width"] < front["line"]["width"]
    assert others["opacity"] < front["opacity"]


def test_axes_have_names_units_directions_and_ticks_in_their_units():
    shown = parallel_figure(FRONT, VALUES)
    assert shown.layout["xaxis"]["ticktext"] == [
        "val accuracy<br>(%, more is better)",
        "params<br>(M, less is better)",
        "latency cpu<br>(ms, less is better)",
    ]
    ticks = shown.data[-1]
    for axis, metric in enumerate(METRICS):
        column = VALUES[:4, axis]
        here = [(y, text) for x, y, text in zip(ticks["x"], ticks["y"], ticks["text"], strict=True) if x == axis]
        assert 3 <= len(here) <= 7
        for y, text in here:
            assert y == pytest.approx(height(float(text), column, metric))
            assert 0 <= y <= 1


def test_a_limit_is_marked_and_what_breaks_it_is_dotted():
    shown = parallel_figure(FRONT, VALUES, [limit(METRICS[2], high=0.35), limit(METRICS[0], low=62)])
    _, beyond, front, _ = shown.data
    assert (len(paths(beyond)), len(paths(front))) == (2, 1)
    assert beyond["line"]["dash"] == "dot"
    assert beyond["marker"]["symbol"] != front["marker"]["symbol"]
    bars = [(s["y0"], s["y1"]) for s in shown.layout["shapes"] if s["type"] == "rect"]
    assert bars == [(pytest.approx(height(0.35, VALUES[:4, 2], METRICS[2])), 0), (pytest.approx(0.6), 0)]
    assert "1 of them meet latency_cpu ≤ 0.35 ms and val_accuracy ≥ 62 %." in shown.sentence


def test_a_limit_beyond_all_values_is_still_on_its_axis():
    shown = parallel_figure(FRONT, VALUES, [limit(METRICS[1], high=4)])
    assert [(s["y0"], s["y1"]) for s in shown.layout["shapes"] if s["type"] == "rect"] == [(0, 0)]
    assert max(shown.data[0]["y"][1::4]) == 1
    assert min(shown.data[0]["y"][1::4]) == pytest.approx(1 / 3)


def test_no_tick_is_minus_zero():
    values = np.array([[0.0, -0.3], [1.0, 5.7]])
    metrics = (Metric("gain", "points", "max"), Metric("loss", "points", "min"))
    shown = parallel_figure(Front.of(SPACE, metrics, TOKENS[:2], values), values)
    ticks = [text.strip("\N{NO-BREAK SPACE}") for text in shown.data[3]["text"]]
    assert ticks.count("0") == 2
    assert "-0" not in ticks


def test_table_sentence_and_pointer_state_the_front():
    shown = parallel_figure(FRONT, VALUES)
    assert shown.table["val_accuracy (%)"].tolist() == [70, 65, 60]
    assert shown.sentence.startswith(
        "4 architectures with known values over 3 axes, each with its best at the top. 3 arch"
    )
    assert shown.data[2]["hovertext"][1] == f"{FRONT.space.decode(FRONT.tokens[0]).text}<br>params 2 M"
    assert len(go.Figure(shown.data, shown.layout).data) == 4


@pytest.mark.parametrize("attack", ATTACKS)
def test_displayed_strings_stay_text(attack):
    for text in parallel_figure(FRONT, VALUES, hover=[attack] * 3).data[2]["hovertext"]:
        assert not re.search(r"[<>$\u202e\x1b]", text.replace("<br>", ""))


def test_what_cannot_be_drawn_is_refused(as_a_user):
    for given_, said in (
        ({"front": None}, "front must be"),
        ({"values": VALUES[:, :2]}, r"values must have shape \(n, 3\)"),
        ({"values": VALUES[4:]}, "known of at least one"),
        ({"limits": [limit(Metric("flops", "M", "min"), high=1)]}, "limits must be on metrics of the front"),
        ({"hover": ["a"]}, "hover must hold one text for each of the 3"),
        ({"front": Front.of(SPACE, METRICS[:1], TOKENS, VALUES[:, :1])}, "front must have two metrics or more"),
    ):
        with pytest.raises(ArgumentError, match=said):
            parallel_figure(**{"front": FRONT, "values": VALUES} | given_)
