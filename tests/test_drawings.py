"""Pictures of one architecture say what is known of it, and do not jump while it is decided."""

import itertools
import re

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks import ATTACKS
from nagkit.diffusion.masked import Noise, denoise
from nagkit.drawings import NOTHING, architecture_figure, frame_figure
from nagkit.errors import ArgumentError
from nagkit.figures import PLOTLY
from nagkit.looks import LOOKS, look
from nagkit.outlines import BOX_HEIGHT, BOX_WIDTH, SHARP, outline
from nagkit.space import UNDECIDED, Architecture
from nagkit.spaces import space

CELLS = space("nas-bench-201")
SPACES = ("nas-bench-201", "nas-bench-101", "darts", "enas", "mobilenet-v3", "random-wired-8")
row = st.lists(st.integers(0, 4), min_size=6, max_size=6)


def arrows(picture):
    """The curve of every edge."""
    every = " ".join(s["path"] for s in picture.layout["shapes"] if s["fillcolor"] == NOTHING)
    return [f"M{curve}".strip() for curve in every.split("M")[1:]]


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
    curves = [sorted(arrows(picture)) for picture in (frame, still)]
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
    strips = [re.findall(r"M ([\d.]+),\S+ H ([\d.]+)", s["path"]) for s in picture.layout["shapes"]]
    widths = np.array([float(right) - float(left) for ((left, right),) in filter(None, strips)])
    assert np.allclose(widths / widths.sum(), belief[2], atol=1e-4)


def test_a_decided_frame_is_the_picture_of_its_architecture():
    tokens = np.array([3, 0, 4, 2, 1, 3])
    frame, still = frame_figure(CELLS, tokens, np.eye(5)[tokens]), architecture_figure(CELLS.decode(tokens))
    assert (frame.data, frame.layout, frame.sentence) == (still.data, still.layout, still.sentence)


def test_none_is_faint_and_dotted():
    picture = architecture_figure(CELLS.decode([0, 3, 3, 3, 3, 3]))
    x, y = picture.data[0]["x"][1], picture.data[0]["y"][1]  # of the first slot
    [box] = [s for s in picture.layout["shapes"] if s["path"] == outline(SHARP, x, y)]
    assert box["opacity"] < 0.5
    assert box["line"]["dash"] == "dot"


def test_sentence_and_table_state_what_is_drawn():
    picture = architecture_figure(CELLS.decode([3, 0, 4, 2, 1, 3]))
    assert picture.sentence == (
        "6 operations from input to output; in use: 1 × conv 1×1, 2 × conv 3×3, 1 × pool 3×3, 1 × skip; 1 without data."
    )
    assert picture.table["operation"].tolist() == list(CELLS.decode([3, 0, 4, 2, 1, 3]).ops)
    assert picture.table["from"].tolist() == ["", "0", "0", "1", "0", "1", "2 3", "4 5 6"]


def test_sums_are_drawn_but_are_no_operations():
    cells = space("darts")
    architecture = cells.decode(cells.sample(1, np.random.default_rng(0))[0])
    picture = architecture_figure(architecture)
    assert picture.sentence.startswith("16 operations from input to output; in use: ")
    assert picture.table["operation"].tolist() == list(architecture.ops)
    assert "sum" not in picture.sentence
    assert "without data" not in picture.sentence


def frames(name, steps=6):
    """One sample on its way, its row and the belief at each step."""
    found = space(name)
    for frame in denoise(found, found.belief, None, Noise.draw(found, 1, np.random.default_rng(3)), steps):
        yield frame.tokens[0], frame.probability[0]


@pytest.mark.parametrize("name", SPACES)
def test_no_node_moves_from_frame_to_frame(name):
    pictures = [frame_figure(space(name), *frame) for frame in frames(name)]
    for picture in pictures:
        for axis in ("xaxis", "yaxis", "width", "height"):
            assert picture.layout[axis] == pictures[0].layout[axis]
        labels = picture.data[0]
        assert labels["x"] == pictures[0].data[0]["x"]
        assert np.allclose(labels["y"], pictures[0].data[0]["y"], atol=0.05)  # a belief leaves room for its strip
        assert len(go.Figure(picture.data, picture.layout).data) == 1
    assert "undecided" in pictures[0].sentence
    assert "undecided" not in pictures[-1].sentence
    assert "?" not in "".join(pictures[-1].data[0]["text"])


def test_an_edge_is_as_faint_as_it_is_unlikely():
    """A cell of three vertices whose input may lead to the output as well."""
    cells = space("nas-bench-101")
    row = cells.encode(["conv3x3-bn-relu(0)|output(1)"])[0]
    direct = [slot.name for slot in cells.slots].index("edge 0-6")
    row[direct] = UNDECIDED
    belief = np.eye(6)[np.maximum(row, 0)]
    belief[direct, :2] = 0.7, 0.3
    picture = frame_figure(cells, row, belief)
    curves = [s for s in picture.layout["shapes"] if s["fillcolor"] == NOTHING]
    found = [(s["opacity"], s["line"]["dash"], s["path"].count("M")) for s in curves]
    assert sorted(found) == [(0.3, "dash", 1), (1.0, "solid", 2)]
    assert picture.table["from"].tolist() == ["", "0", "", "", "", "", "0 (30%) 1"]
    assert picture.sentence == ("5 operations from input to output; in use: 1 × conv 3×3; 4 without data; 1 undecided.")


def test_an_undecided_depth_is_blocks_that_may_be_none_and_ways_to_the_next_stage():
    networks = space("mobilenet-v3")
    row = networks.encode(["r224|k3e3 k5e6|k7e4 k3e3 k3e3|k3e3 k3e3|k3e3 k3e3|k3e3 k3e3"])[0]
    row[[1, 8, 9]] = UNDECIDED  # depth, third and fourth block of the first stage
    belief = np.eye(25)[np.maximum(row, 0)]
    belief[1, :3], belief[8, :2], belief[9, :2] = (0.5, 0.3, 0.2), (0.5, 0.5), (0.8, 0.2)
    table = frame_figure(networks, row, belief).table
    assert table["operation"].tolist()[1:11] == [
        *("resize 224", "k3e3", "k5e6", "?", "?"),
        *("k7e4", "k3e3", "k3e3", "none", "k3e3"),
    ]
    assert table["state"][4] == "undecided: none 50%, k3e3 50%"
    assert table["from"][[4, 5, 6, 10]].tolist() == ["3 (50%)", "4 (20%)", "3 (50%) 4 (30%) 5 (20%)", "8"]
    row[1] = 0
    assert frame_figure(networks, row, belief).table["operation"].tolist()[4:6] == ["none", "none"]


def random_dag(n, degree, seed):
    """An architecture of so many nodes with about so many edges each, and any operations."""
    rng = np.random.default_rng(seed)
    edges = {(i, j) for i, j in itertools.combinations(range(n), 2) if rng.random() < 2 * degree / n}
    ops = ("input", *rng.choice(sorted(LOOKS), n - 2).tolist(), "output")
    return Architecture("x", ops, frozenset(edges | {(i, i + 1) for i in (0, n - 2)}), (0,), "x")


def points(curve):
    """Places all along a curve: a straight line has two ends, a swing four points (Bézier)."""
    numbers = r"(-?[\d.e-]+),(-?[\d.e-]+)"
    found, here = [], None
    for command, given_ in re.findall(r"([MLC])([^MLC]*)", curve):
        ends = np.array(re.findall(numbers, given_), dtype=float)
        t = np.linspace(0, 1, 17)[:, None]
        if command == "L":
            found.append((1 - t) * here + t * ends[0])
        elif command == "C":
            a, b, c = ends
            found.append((1 - t) ** 3 * here + 3 * t * (1 - t) ** 2 * a + 3 * t**2 * (1 - t) * b + t**3 * c)
        here = ends[-1]
    return np.concatenate(found)


def assert_drawn_clearly(picture):
    """No two boxes meet, no edge passes behind a box, all runs down, and all of it is on the page."""
    labels, layout = picture.data[0], picture.layout
    middles = np.array([labels["x"], labels["y"]]).T
    half = np.array([BOX_WIDTH, BOX_HEIGHT]) / 2
    apart = np.abs(middles[:, None] - middles[None]) + 10 * np.eye(len(middles))[:, :, None]
    assert (apart > 2 * half).any(2).all()
    low, high = np.array([layout["xaxis"]["range"], layout["yaxis"]["range"]]).T
    assert ((low <= middles - half) & (middles + half <= high)).all()
    for curve in arrows(picture):
        along = points(curve)
        assert ((low <= along) & (along <= high)).all()
        inside = (np.abs(along[:, None] - middles[None]) < half - 1e-3).all(2)
        assert not inside.any(), f"{curve} passes behind {np.flatnonzero(inside.any(0))}"


@settings(deadline=None, max_examples=30)
@given(st.integers(4, 64), st.floats(0.5, 4), st.integers(0, 10**6))
def test_no_edge_passes_behind_a_box_in_graphs_of_any_size(n, degree, seed):
    architecture = random_dag(n, degree, seed)
    picture = architecture_figure(architecture)
    assert_drawn_clearly(picture)
    heights = np.array(picture.data[0]["y"])
    assert len(arrows(picture)) == len(architecture.edges)
    assert all(heights[i] > heights[j] for i, j in architecture.edges), "from top to bottom"


@pytest.mark.parametrize("name", [*SPACES, "random-wired-32"])
def test_every_space_is_drawn_clearly(name):
    found = space(name)
    for row_ in found.sample(3, np.random.default_rng(0)):
        for picture in (
            architecture_figure(found.decode(row_)),
            frame_figure(found, row_, np.eye(found.radices.max())[row_]),
        ):
            assert_drawn_clearly(picture)
            heights = picture.data[0]["y"]
            assert heights[0] == max(heights)


def test_kinds_of_operations_have_outlines_of_their_own_also_while_undecided():
    kinds = [
        look(name).kind for name in ("nor_conv_3x3", "sep_conv_3x3", "avg_pool_3x3", "skip_connect", "none", "input")
    ]
    assert len(set(kinds)) == len(kinds)
    belief = np.full((6, 5), 0.08)
    belief[:, 4] = 0.68
    picture = frame_figure(CELLS, np.array([UNDECIDED, 3, 3, 3, 3, 3]), belief)
    [box] = [s for s in picture.layout["shapes"] if (s["line"]["dash"], s["line"]["width"]) == ("dash", 1.2)]
    decided = architecture_figure(CELLS.decode([4, 3, 3, 3, 3, 3]))
    assert box["path"] in {s["path"] for s in decided.layout["shapes"]}


@pytest.mark.parametrize("axis", ["", "2"])
def test_plotly_accepts_the_mappings(axis):
    for picture in (
        architecture_figure(CELLS.decode([1] * 6), "one", axis),
        frame_figure(CELLS, np.full(6, UNDECIDED), np.full((6, 5), 0.2), axis=axis),
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
    picture = architecture_figure(architecture, attack)
    for text in [*picture.data[0]["text"], *picture.data[0]["hovertext"], picture.layout["title"]["text"]]:
        assert not re.search(r"[<>$\u202e\x1b]", text)


def test_what_is_no_architecture_space_row_or_probability_is_refused(as_a_user):
    with pytest.raises(ArgumentError, match=r"architecture must be an? Architecture"):
        architecture_figure(None)
    with pytest.raises(ArgumentError, match="space must be"):
        frame_figure(None, np.zeros(6, int), np.zeros((6, 5)))
    with pytest.raises(ArgumentError, match=r"row must have shape \(6,\).*got \(5,\)"):
        frame_figure(CELLS, np.zeros(5, dtype=int), np.full((6, 5), 0.2))
    for wrong in (np.nan, -0.1, 1.5):
        with pytest.raises(ArgumentError, match="probability must lie within 0 and 1"):
            frame_figure(CELLS, np.full(6, UNDECIDED), np.full((6, 5), wrong))
