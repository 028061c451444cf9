"""Pictures of graphs that grow say what was decided and how likely it was, in arcs, words and table alike."""

from functools import cache

import numpy as np
import plotly.graph_objects as go
import pytest

import nagkit
from nagkit.arcs import ALWAYS, BROAD, THIN, growth_figure, motifs_figure
from nagkit.distribution import Distribution
from nagkit.errors import ArgumentError
from nagkit.motifs import Motifs

CELLS, GRAPHS = nagkit.space("nas-bench-201"), nagkit.space("nas-bench-101")
FEW, MANY = nagkit.space("random-wired-8"), nagkit.space("random-wired-12")
CHAINS = nagkit.space("enas")
SPACES = pytest.mark.parametrize("space", [CELLS, GRAPHS, CHAINS, MANY], ids=lambda space: space.name)


@cache
def frames(space):
    return list(nagkit.generator("autoregressive", space).frames(3, nagkit.Guidance(), np.random.default_rng(2)))


def laws(space):
    rng = np.random.default_rng(0)
    return Distribution.of_space(space, 50, rng), Distribution.of_space(space, 200, rng)


@cache
def motifs(space):
    return Motifs.of_slots(*laws(space))


def arcs(picture, axis=""):
    """The shapes of edges on one pair of axes."""
    return [s for s in picture.layout["shapes"] if s["type"] == "path" and s["xref"] == f"x{axis}"]


@SPACES
def test_every_choice_is_a_row_with_the_probability_that_it_had(space):
    table = growth_figure(space, frames(space), 1).table
    answer, slots = frames(space)[-1].tokens[1], [slot.name for slot in space.slots]
    assert sorted(table["slot"]) == sorted(slots), "each slot once"
    for place, block in enumerate(space.growth.blocks):
        for slot in block:
            row = table[table["slot"] == slots[slot]].iloc[0]
            assert row["chosen"] == space.slots[slot].symbols[answer[slot]]
            assert row["probability"] == frames(space)[place].probability[1, slot, answer[slot]]


@SPACES
def test_plotly_knows_everything_in_the_pictures(space):
    for picture in (growth_figure(space, frames(space), title="<b>"), motifs_figure(space, motifs(space))):
        figure = go.Figure(data=picture.data, layout=picture.layout)
        assert figure.layout.height == picture.layout["height"] > 100
        assert picture.sentence.endswith(".")


def test_arcs_are_as_wide_as_their_edges_are_likely():
    shown = growth_figure(CELLS, frames(CELLS))
    last = [slot for (_, w), slot in CELLS.growth.edges.items() if w == 3]
    absent = frames(CELLS)[2].probability[0, last, 0]
    wide = [arc["line"]["width"] for arc in arcs(shown, "3") if arc["path"].endswith("3,0")]
    np.testing.assert_allclose(wide, THIN + (BROAD - THIN) * (1 - absent), atol=0.01)


def test_what_was_decided_against_is_dotted_and_gone_afterwards():
    answer = frames(CELLS)[-1].tokens
    row = int((answer[:, :3] == 0).any(1).argmax())
    assert (answer[row, :3] == 0).any(), "the first two nodes lack an edge"
    shown = growth_figure(CELLS, frames(CELLS), row)
    for axis, node in (("", 1), ("2", 2), ("3", 3)):
        own = [(v, w) for v, w in CELLS.growth.edges if w == node]
        before = [(v, w) for (v, w), slot in CELLS.growth.edges.items() if w < node and answer[row, slot]]
        drawn = arcs(shown, axis)
        assert len(drawn) == len(own) + len(before)
        dotted = sum(answer[row, CELLS.growth.edges[edge]] == 0 for edge in own)
        assert sum(arc["line"]["dash"] == "dot" for arc in drawn) == dotted


def test_strips_hold_the_odds_and_mark_the_choice():
    shown, answer = growth_figure(CELLS, frames(CELLS)), frames(CELLS)[-1].tokens[0]
    parts = [s for s in shown.layout["shapes"] if s["type"] == "rect" and s["xref"] == "x"][1:]  # without the ground
    widths = np.array([part["x1"] - part["x0"] for part in parts])
    np.testing.assert_allclose(widths / widths.sum(), frames(CELLS)[0].probability[0, 0], atol=1e-3)
    assert [part["line"]["width"] > 1 for part in parts] == [symbol == answer[0] for symbol in range(5)]


@SPACES
def test_motifs_are_written_with_share_and_lift(space):
    found = motifs(space)
    shown = motifs_figure(space, found)
    words = " ".join(shown.data[0]["text"])
    for slot in (*space.growth.edges.values(), *space.growth.ops.values()):
        places, symbols = found.of(space.slots[slot].name), space.slots[slot].symbols
        said = symbols[1] if len(symbols) == 2 else max(places, key=lambda symbol: found.share[places[symbol]])
        assert f"{found.share[places[said]]:.0%}" in words
    assert words.count("×") >= len(space.growth.edges)
    assert len(arcs(shown)) == len(space.growth.edges) + len(space.growth.always)
    assert shown.table.equals(found.table())


@SPACES
def test_no_two_words_stand_at_one_place(space):
    growing = growth_figure(space, frames(space))
    for trace in (motifs_figure(space, motifs(space)).data[0], *growing.data):
        if trace["mode"] == "text":
            places = list(zip(trace["x"], trace["y"], strict=True))
            assert len(set(places)) == len(places)


def test_edges_that_are_always_there_are_in_all_pictures_as_soon_as_their_nodes():
    shown = growth_figure(CHAINS, frames(CHAINS))
    texts = [note["text"] for note in shown.layout["annotations"]]
    assert texts == [f"<b>node {node}</b>" for node in range(1, 7)]
    for node in range(1, 7):
        drawn = arcs(shown, "" if node == 1 else str(node))
        chain = [arc for arc in drawn if arc["line"] == ALWAYS]
        assert [arc["path"].split(" C")[0] for arc in chain] == [f"M {v},0" for v in range(node)]
    assert [arc["line"] for arc in arcs(motifs_figure(CHAINS, motifs(CHAINS)))[:6]] == [ALWAYS] * 6


def test_an_edge_is_as_wide_in_motifs_as_it_is_frequent():
    samples = laws(CHAINS)[0].tokens
    drawn = arcs(motifs_figure(CHAINS, motifs(CHAINS)))[6:]
    frequent = [samples[:, slot].mean() for slot in CHAINS.growth.edges.values()]
    np.testing.assert_allclose(
        [arc["line"]["width"] for arc in drawn], THIN + (BROAD - THIN) * np.array(frequent), atol=0.01
    )


def test_a_picture_of_many_nodes_is_as_high_as_one_of_a_few():
    shown = growth_figure(MANY, frames(MANY))
    assert len(shown.layout["annotations"]) == 11, "a panel for each node that has others before it"
    assert len(arcs(shown, "11")) == 11 + int(frames(MANY)[-1].tokens[0, :55].sum())
    highest, few = (motifs_figure(space, motifs(space)).layout["height"] for space in (MANY, FEW))
    assert highest == few


def test_a_policy_that_decides_slot_by_slot_is_sent_to_the_graph(as_a_user):
    generator = nagkit.generator("autoregressive", CELLS, model="recurrent")
    slotwise = list(generator.frames(1, nagkit.Guidance(), np.random.default_rng(0)))
    with pytest.raises(ArgumentError, match=r"in 3 steps; take all frames .* whose model is 'graph'. Got 7 frames"):
        growth_figure(CELLS, slotwise)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: growth_figure(nagkit.space("mobilenet-v3"), frames(CELLS)), "'mobilenet-v3' has none"),
        (lambda: growth_figure(CELLS, frames(CELLS)[1:]), "frames must decide the graph node by node, in 3 steps"),
        (lambda: growth_figure(CELLS, frames(CELLS)[::-1]), "frames must decide"),
        (lambda: growth_figure(CELLS, []), "frames must hold all frames"),
        (lambda: growth_figure(CELLS, frames(CELLS), 3), "row must be a whole number from 0 to 2"),
        (lambda: motifs_figure(CELLS, motifs(GRAPHS)), "motifs must be of the slots of 'nas-bench-201'"),
        (lambda: motifs_figure(FEW, motifs(MANY)), "of 'random-wired-8', .* got those of 'random-wired-12'"),
        (lambda: motifs_figure(MANY, motifs(FEW)), "of 'random-wired-12', .* got those of 'random-wired-8'"),
        (lambda: motifs_figure(CELLS, Motifs.of_pairs(*laws(CELLS))), "of the slots .* each a from and a to"),
        (lambda: motifs_figure(CELLS, 3), "motifs must be a Motifs"),
    ],
)
def test_what_cannot_be_drawn_is_refused(as_a_user, wrong, said):
    with pytest.raises(ArgumentError, match=said):
        wrong()
