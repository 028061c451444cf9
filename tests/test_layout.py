import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagkit.errors import ArgumentError
from nagkit.layout import layered, placed
from nagkit.spaces import space


@st.composite
def dags(draw):
    n = draw(st.integers(1, 9))
    pairs = list(itertools.combinations(range(n), 2))
    return n, draw(st.sets(st.sampled_from(pairs))) if pairs else set()


@given(dags())
def test_every_edge_runs_from_its_source_down_to_its_target_layer_by_layer(dag):
    n, edges = dag
    layout = layered(n, edges)
    assert layout.routes.keys() == edges
    for (i, j), route in layout.routes.items():
        assert route[0] == tuple(layout.places[i])
        assert route[-1] == tuple(layout.places[j])
        assert all(np.diff([y for _, y in route]) == -1)


@given(dags())
def test_no_edge_passes_behind_a_box_and_no_two_boxes_touch(dag):
    n, edges = dag
    layout = layered(n, edges)
    for i, j in itertools.combinations(range(n), 2):
        assert np.abs(layout.places[i] - layout.places[j]).max() >= 1 - 1e-6
    for route in layout.routes.values():
        for x, y in route[1:-1]:
            assert all(abs(x - px) >= 0.5 for px, py in layout.places if py == y)


@given(dags())
def test_everything_lies_within_the_stated_size(dag):
    n, edges = dag
    layout = layered(n, edges)
    points = [*map(tuple, layout.places), *itertools.chain(*layout.routes.values())]
    assert all(0 <= x <= layout.columns + 1e-6 and 0 <= y <= layout.layers for x, y in points)


def test_the_order_in_which_edges_are_given_does_not_matter():
    edges = sorted(space("nas-bench-201").decode([0] * 6).edges)
    first, second = layered(8, edges), layered(8, reversed(edges))
    assert (first.places == second.places).all()
    assert first.routes == second.routes


def test_input_is_above_and_output_below():
    layout = layered(8, space("nas-bench-201").decode([0] * 6).edges)
    assert layout.places[0, 1] == layout.layers == 4
    assert layout.places[7, 1] == 0


def test_nodes_without_edges_stand_beside_the_rest():
    layout = layered(5, [(0, 1), (1, 2), (0, 2)])
    assert layout.places[3, 0] > layout.places[:3, 0].max()
    assert layout.places[4, 0] > layout.places[3, 0]


@pytest.mark.parametrize(
    ("n", "edges", "said"),
    [
        (2, [(0, 5)], "edges must join nodes from 0 to 1"),
        (2, [(-1, 1)], "edges must join nodes from 0 to 1"),
        (2, [(0, 1), (1, 0)], "no cycle"),
        (2, [(1, 1)], "no cycle"),
        (2, [(0, 1, 1)], "pairs"),
        (2, [(0, 0.5)], "pairs"),
        (2, 5, "edges must"),
        (0, [], "n must be"),
    ],
)
def test_what_is_no_dag_is_refused(as_a_user, n, edges, said):
    with pytest.raises(ArgumentError, match=said):
        layered(n, edges)


def test_in_a_column_every_edge_passes_beside_the_boxes_on_a_way_of_its_own():
    edges = list(itertools.combinations(range(7), 2))
    layout = placed([(0, layer) for layer in range(7)], edges)
    middle = layout.places[0, 0]
    assert layout.places[:, 1].tolist() == [6, 5, 4, 3, 2, 1, 0]
    points = [point for route in layout.routes.values() for point in route[1:-1]]
    assert all(0 <= x <= layout.columns and abs(x - middle) > 0.5 for x, _ in points)
    assert len(set(points)) == len(points)
    for (i, j), route in layout.routes.items():
        assert (route[0], route[-1]) == (tuple(layout.places[i]), tuple(layout.places[j]))
        assert all(np.diff([y for _, y in route]) == -1)


def test_places_and_ways_do_not_depend_on_other_edges():
    places = [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]
    every = [(0, 1), (1, 2), (2, 3), (2, 4), (3, 4)]
    whole = placed(places, every)
    assert whole.routes[0, 1] == ((0, 2), (1, 2))
    assert whole.routes[3, 4] == ((1, 1), (0, 0))
    for edge in every:
        assert placed(places, [edge]).routes[edge] == whole.routes[edge]
