"""The cells of NAS-Bench-201: four identities against evaluated stand-ins, exact costs against published figures."""

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nagkit
from nagkit.checks.space import SpaceContract
from nagkit.errors import ArgumentError
from nagkit.spaces.nas_bench_201 import CELL_EDGES, NONE, SYMBOLS, NasBench201
from nagkit.spaces.skeleton import MICRO, Skeleton

SPACE = NasBench201()
CELLS = SPACE.all()
ROW = st.lists(st.integers(0, 4), min_size=6, max_size=6)
CLASSES = {"string": 15_625, "graph": 12_751, "benchmark": 6_466, "function": 5_390}


class TestNasBench201(SpaceContract):
    @pytest.fixture
    def space(self):
        return nagkit.space("nas-bench-201")

    @pytest.fixture(params=NasBench201.identities)
    def identity(self, request):
        return request.param


STAND_INS = {
    0: lambda x: math.cos(1.1 * x) - 0.4,  # none, where it is an operation like any other
    1: lambda x: x,
    2: lambda x: math.sin(1.7 * x) + 0.31 * x * x,  # each of the others maps zero to zero, and no two of them agree
    3: lambda x: math.atan(2.3 * x) - 0.17 * x * x,
    4: lambda x: math.expm1(0.4 * x) + 0.05 * x**3,
}
ZERO = 0.123456789  # a zero term that a sum does not lose, for the benchmark's identity


def evaluated(row, identity):
    """What a cell computes from one number, operation by operation."""
    values = [0.7, 0.0, 0.0, 0.0]
    for (source, target), op in zip(CELL_EDGES, row, strict=True):
        x = values[source]
        if identity == "graph":
            term = STAND_INS[op](x)
        elif identity == "function":
            term = 0.0 if op == NONE else STAND_INS[op](x)
        else:
            term = ZERO if op == NONE or x == ZERO else STAND_INS[op](x)
        values[target] = term if values[target] == 0.0 else values[target] + term
    return values[3]


FUNCTIONS = {"graph": 11_410, "benchmark": 5_755, "function": 4_930}  # classes when sums are compared term by term


@pytest.mark.parametrize("identity", FUNCTIONS)
def test_cells_of_one_class_compute_the_same(identity):
    outputs = np.array([evaluated(row, identity) for row in CELLS.tolist()])
    order = np.argsort(outputs)
    cluster = np.empty(len(outputs), dtype=int)
    cluster[order] = np.cumsum(np.diff(outputs[order], prepend=-np.inf) > 1e-12)
    representative = SPACE.index(SPACE.canonical(CELLS, identity))
    pairs = set(zip(cluster.tolist(), representative.tolist(), strict=True))
    assert len(pairs) == len(set(representative.tolist()))  # no class computes two things
    assert len(set(cluster.tolist())) == FUNCTIONS[identity]  # but a sum within a sum may be written in two ways


@pytest.mark.parametrize("identity", NasBench201.identities)
def test_number_of_classes(identity):
    assert len(np.unique(SPACE.canonical(CELLS, identity), axis=0)) == CLASSES[identity]


def test_dropping_zeros_merges_whole_classes_of_the_benchmark():
    finer, coarser = (SPACE.index(SPACE.canonical(CELLS, identity)).tolist() for identity in ("benchmark", "function"))
    assert len(set(zip(finer, coarser, strict=True))) == len(set(finer))


def live_edges(row):
    """The edges that some way from input to output uses, way by way."""
    graph = nx.DiGraph(edge for edge, op in zip(CELL_EDGES, row, strict=True) if op != NONE)
    ways = nx.all_simple_edge_paths(graph, 0, 3) if {0, 3} <= set(graph) else []
    live = {edge for way in ways for edge in way}
    return [edge in live for edge in CELL_EDGES]


def test_an_edge_is_alive_when_a_way_from_input_to_output_uses_it():
    sample = CELLS[::7]
    assert np.array_equal(SPACE.alive(sample), [live_edges(row) for row in sample.tolist()])


def test_published_counts_of_dead_cells_and_pruned_cells():
    alive = SPACE.alive(CELLS)
    assert (~alive.any(1)).sum() == 341
    assert len(np.unique(np.where(alive, CELLS, NONE), axis=0)) == 9_445


PUBLISHED = {  # (classes, image side): parameters and multiply-accumulates of 1, of a 1x1, of a 3x3 convolution
    (10, 32): ((73_306, 28_000, 243_040), (7_783_050, 3_932_160, 35_389_440)),
    (100, 32): ((79_156, 28_000, 243_040), (7_788_900, 3_932_160, 35_389_440)),
    (120, 16): ((80_456, 28_000, 243_040), (1_953_400, 983_040, 8_847_360)),
}


@pytest.mark.parametrize(("classes", "side"), PUBLISHED)
def test_costs_of_every_cell_equal_the_published_closed_forms(classes, side):
    counts = np.array([[1, row.count(2), row.count(3)] for row in CELLS.tolist()])
    params, flops = PUBLISHED[classes, side]
    assert np.array_equal(SPACE.params(CELLS, classes), counts @ params)
    assert np.array_equal(SPACE.flops(CELLS, classes, side), counts @ flops)


def test_published_bounds_of_the_costs():
    assert (SPACE.params(CELLS).min(), SPACE.params(CELLS).max()) == (73_306, 1_531_546)
    assert (SPACE.flops(CELLS).min(), SPACE.flops(CELLS).max()) == (7_783_050, 220_119_690)


@pytest.mark.parametrize("classes", [1, 2, 37, 1000])
def test_each_class_costs_one_row_of_the_classifier(classes):
    extra = SPACE.params(CELLS[:5], classes + 1) - SPACE.params(CELLS[:5], classes)
    assert np.array_equal(extra, np.full(5, 65))
    assert np.array_equal(SPACE.flops(CELLS[:5], classes + 1) - SPACE.flops(CELLS[:5], classes), extra)


@given(ROW)
def test_the_string_is_the_one_of_the_benchmark(row):
    architecture = SPACE.decode(np.array(row))
    nodes = [
        "|".join(["", *(f"{SYMBOLS[row[s]]}~{i}" for i, s in enumerate(slots)), ""])
        for slots in ([0], [1, 2], [3, 4, 5])
    ]
    assert architecture.text == "+".join(nodes)
    assert SPACE.encode([architecture.text]).tolist() == [row]


def test_the_dag_is_the_line_graph_of_the_cell():
    expected = nx.line_graph(nx.DiGraph(CELL_EDGES))
    architecture = SPACE.decode(CELLS[1234])
    graph = architecture.graph()
    inner = {(CELL_EDGES[a - 1], CELL_EDGES[b - 1]) for a, b in graph.edges if a != 0 and b != 7}
    assert inner == set(expected.edges)
    assert {CELL_EDGES[b - 1][0] for a, b in graph.edges if a == 0} == {0}
    assert {CELL_EDGES[a - 1][1] for a, b in graph.edges if b == 7} == {3}
    assert architecture.ops[0] == "input"
    assert architecture.ops[-1] == "output"
    assert architecture.ops[1:-1] == tuple(SYMBOLS[k] for k in CELLS[1234])


@given(ROW, ROW)
def test_features_agree_exactly_for_cells_that_differ_in_dead_edges_only(first, second):
    rows = np.array([first, second])
    live = np.where(SPACE.alive(rows), rows, NONE)
    same = np.array_equal(*SPACE.features(rows))
    assert same == np.array_equal(live[0], live[1])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|none~0|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~3|",
        " |none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    ],
)
def test_a_malformed_string_is_refused_with_the_right_form(text):
    with pytest.raises(ArgumentError, match=r"\|op~0\|\+\|op~0\|op~1\|"):
        SPACE.encode([text])


def test_an_unknown_operation_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'nor_conv_3x3'"):
        SPACE.encode(["|none~0|+|none~0|none~1|+|none~0|none~1|nor_conv_5x3~2|"])


def test_an_unknown_space_is_answered_with_the_nearest(as_a_user):
    with pytest.raises(ArgumentError, match="Did you mean 'nas-bench-201'"):
        nagkit.space("nasbench201")
    with pytest.raises(ArgumentError, match="space must be"):
        nagkit.space(201)


@pytest.mark.parametrize("image_size", [0, 3, 2.0, None, "32"])
def test_a_bad_image_size_is_refused(as_a_user, image_size):
    with pytest.raises(ArgumentError, match="image_size"):
        SPACE.flops(CELLS, 10, image_size)


@pytest.mark.parametrize(
    "change", [{"channels": (16, 0)}, {"cells": 0}, {"image_channels": 1.5}, {"reduction": "pool"}]
)
def test_a_bad_skeleton_is_refused(as_a_user, change):
    with pytest.raises(ArgumentError, match=next(iter(change))):
        Skeleton(**change)


def test_costs_of_the_micro_skeleton_counted_by_hand():
    # stem 1->8 with its normalisation, one strided convolution 8->16, last normalisation, classifier 16->10
    empty = 9 * 8 + 16 + 9 * 8 * 16 + 32 + 32 + 170
    n3 = 9 * 64 + 16 + 9 * 256 + 32
    rows = np.array([[0] * 6, [3] * 6])
    assert SPACE.params(rows, 10, MICRO).tolist() == [empty, empty + 6 * n3]
    macs = 9 * 8 * 64 + 9 * 8 * 16 * 16 + 170
    assert SPACE.flops(rows, 10, 8, MICRO).tolist() == [macs, macs + 6 * 9 * (64 * 64 + 16 * 256)]
