import re

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nagkit import figures
from nagkit.errors import ArgumentError
from nagkit.figures import LOOKS, PLOTLY, architecture_figure, frame_figure, front_figure, safe
from nagkit.metrics import Front, Metric
from nagkit.space import UNDECIDED, Architecture
from nagkit.spaces import space
from nagkit.spaces.nas_bench_201 import SYMBOLS

CELLS = space("nas-bench-201")
ACCURACY, PARAMS = Metric("val_accuracy", "%", "max"), Metric("params", "M", "min")
ATTACKS = [
    "<img src=x onerror=alert(1)>",
    "</script><script>",
    "$\\alpha$",
    "a\u202eb",
    "\x1b[31m",
    "<a href='javascript:x'>",
]
row = st.lists(st.integers(0, 4), min_size=6, max_size=6)
sign = st.sampled_from(["max", "min"])


def front_of(values, metrics=(ACCURACY, PARAMS)):
    values = np.asarray(values, dtype=float)
    return Front.of(CELLS, metrics, CELLS.at(np.arange(len(values))), values)


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(a, b):
    bright, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


# ------------------------------------------------------------------------------------------------ one architecture


@settings(deadline=None)  # the first table loads pandas
@given(row)
def test_nodes_that_carry_data_are_those_the_space_calls_alive(tokens):
    states = architecture_figure(CELLS.decode(tokens)).table["state"][1:7]
    assert [state == "in use" for state in states] == CELLS.alive(np.array([tokens]))[0].tolist()


@given(row, row, st.sets(st.integers(0, 5)))
def test_frames_do_not_jump(tokens, others, open_slots):
    tokens = np.array(tokens)
    tokens[list(open_slots)] = UNDECIDED
    frame = frame_figure(CELLS, tokens, np.full((6, 5), 0.2))
    still = architecture_figure(CELLS.decode(others))
    assert frame.data[0]["x"] == still.data[0]["x"]
    for axis in ("xaxis", "yaxis", "width", "height"):
        assert frame.layout[axis] == still.layout[axis]
    curves = [[s["path"] for s in picture.layout["shapes"][:20]] for picture in (frame, still)]
    assert curves[0] == curves[1]


def test_an_undecided_slot_is_a_question_with_the_belief():
    belief = np.full((6, 5), 0.2)
    belief[2] = [0.05, 0.1, 0.1, 0.6, 0.15]
    tokens = np.array([3, 1, UNDECIDED, 2, 4, 3])
    picture = frame_figure(CELLS, tokens, belief)
    assert picture.data[0]["text"][3] == "<b>?</b> conv 3×3<br>60%"
    assert picture.table["state"][3].startswith("undecided: conv 3×3 60%, pool 3×3 15%")
    assert picture.table["operation"][3] == "?"
    assert "1 undecided" in picture.sentence
    strips = [s for s in picture.layout["shapes"] if s["type"] == "rect"]
    widths = np.array([s["x1"] - s["x0"] for s in strips])
    assert np.allclose(widths / widths.sum(), belief[2])


def test_a_decided_frame_is_the_picture_of_its_architecture():
    tokens = np.array([3, 0, 4, 2, 1, 3])
    frame, still = frame_figure(CELLS, tokens, np.eye(5)[tokens]), architecture_figure(CELLS.decode(tokens))
    assert (frame.data, frame.layout, frame.sentence) == (still.data, still.layout, still.sentence)


def test_none_is_faint_and_dotted():
    shapes = architecture_figure(CELLS.decode([0, 3, 3, 3, 3, 3])).layout["shapes"]
    box = shapes[21]  # ten edges with their heads, then the input, then the first slot
    assert box["opacity"] < 0.5
    assert box["line"]["dash"] == "dot"


def test_sentence_and_table_state_what_is_drawn():
    picture = architecture_figure(CELLS.decode([3, 0, 4, 2, 1, 3]))
    assert picture.sentence == (
        "6 operations from input to output; in use: 1 × conv 1×1, 2 × conv 3×3, 1 × pool 3×3, 1 × skip; 1 without data."
    )
    assert picture.table["operation"].tolist() == list(CELLS.decode([3, 0, 4, 2, 1, 3]).ops)
    assert picture.table["from"].tolist() == ["", "0", "0", "1", "0", "1", "2 3", "4 5 6"]


def test_operations_differ_in_label_and_outline_and_not_in_colour_alone():
    looks = [LOOKS[symbol] for symbol in SYMBOLS]
    assert len({look.label for look in looks}) == len(looks)
    assert len({(look.dash, look.width) for look in looks}) == len(looks)


def test_writing_reads_on_every_box_and_grey_reads_on_both_themes():
    for look in LOOKS.values():
        if look.colour is not None:
            assert contrast(look.colour, figures._ink(look.colour)) >= 4.5
    assert contrast(figures.GREY, "#ffffff") >= 3
    assert contrast(figures.GREY, "#111111") >= 3


@pytest.mark.parametrize("axis", ["", "2"])
def test_plotly_accepts_the_mappings(axis):
    values = [[90, 1], [80, 0.5], [np.nan, 1]]
    for picture in (
        architecture_figure(CELLS.decode([1] * 6), "one", axis),
        frame_figure(CELLS, np.full(6, UNDECIDED), np.full((6, 5), 0.2), axis=axis),
        front_figure(front_of(values), np.array(values), ["a", "b", "c"], np.array([[70.0, 1.0]]), axis),
    ):
        assert len(go.Figure(picture.data, picture.layout).data) == len(picture.data)


def test_the_bundle_has_the_figure_the_words_and_no_upload_button():
    picture = architecture_figure(CELLS.decode([1] * 6))
    bundle = picture._repr_mimebundle_()
    assert bundle[PLOTLY]["config"]["showSendToCloud"] is False
    assert bundle[PLOTLY]["config"]["displaylogo"] is False
    assert bundle[PLOTLY]["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"
    assert bundle["text/plain"].startswith(picture.sentence)


@pytest.mark.parametrize("attack", ATTACKS)
def test_displayed_strings_stay_text(attack):
    architecture = Architecture("x", ("input", attack, "output"), frozenset([(0, 1), (1, 2)]), (0,), attack)
    metric = Metric(attack, attack, "max")
    values = np.array([[1.0, 2.0]])
    picture = architecture_figure(architecture, attack)
    front = front_figure(front_of(values, (metric, PARAMS)), values, [attack])
    shown = [*picture.data[0]["text"], *picture.data[0]["hovertext"], picture.layout["title"]["text"]]
    shown += [*front.data[2]["hovertext"], front.layout["yaxis"]["title"]["text"], safe(attack)]
    for text in shown:
        assert not re.search(r"[<>$\u202e\x1b]", text)


def test_wrong_shapes_are_refused_with_the_right_ones(as_a_user):
    with pytest.raises(ArgumentError, match=r"row must have shape \(6,\).*got \(5,\)"):
        frame_figure(CELLS, np.zeros(5, dtype=int), np.full((6, 5), 0.2))
    with pytest.raises(ArgumentError, match=r"values must have shape \(n, 2\)"):
        front_figure(front_of([[1, 2]]), np.zeros((1, 3)))
    with pytest.raises(ArgumentError, match="two metrics"):
        front_figure(front_of([[1]], (ACCURACY,)), np.zeros((1, 1)))
    with pytest.raises(ArgumentError, match="one text for each of the 1"):
        front_figure(front_of([[1, 2]]), np.ones((1, 2)), ["a", "b"])


# ------------------------------------------------------------------------------------------------ many architectures


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


def test_what_is_no_architecture_space_or_front_is_refused(as_a_user):
    nas = space("nas-bench-201")
    with pytest.raises(ArgumentError, match=r"architecture must be an? Architecture"):
        architecture_figure(None)
    with pytest.raises(ArgumentError, match="space must be"):
        frame_figure(None, np.zeros(6, int), np.zeros((6, 5)))
    with pytest.raises(ArgumentError, match=r"front must be an? Front"):
        front_figure(None, np.zeros((1, 2)))
    for wrong in (np.nan, -0.1, 1.5):
        with pytest.raises(ArgumentError, match="probability must lie within 0 and 1"):
            frame_figure(nas, np.full(6, UNDECIDED), np.full((6, 5), wrong))
