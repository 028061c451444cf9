"""Where the nodes of a DAG stand and how its edges run, so that no edge crosses a box.

Notation: n nodes; a place is (column, layer), layer 0 at the bottom, where the last nodes stand.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nagkit import arguments
from nagkit.errors import ArgumentError

if TYPE_CHECKING:
    import networkx

Point = tuple[float, float]
Edge = tuple[int, int]
NEAREST, LANE = 0.62, 0.17  # how far beside its column the shortest edge over a layer passes, and each longer one
BEND = 0.2  # columns that an edge takes which passes a layer; a box takes one


@dataclass(frozen=True, eq=False)
class Layout:
    """Places of all nodes, and for each edge the points it passes, both ends included.

    An edge over several layers has one point in every layer between; at these points no box stands.
    """

    places: Float[np.ndarray, "n 2"]
    routes: dict[Edge, tuple[Point, ...]]
    columns: float
    layers: float


def layered(n: int, edges: Iterable[Edge]) -> Layout:
    """The layered layout of a DAG; the same graph always gives the same layout.

    Layers, order and columns are those of Sugiyama's method as ``fast-sugiyama`` computes it (Gansner et al., 1993).
    Parts without a connection stand side by side.
    """
    pairs = arguments.array("edges", list(edges) if isinstance(edges, Iterable) else edges)
    n = arguments.whole("n", n)
    if pairs.size and (pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu"):
        raise ArgumentError(f"edges must be pairs of nodes (i, j); got {pairs.tolist()!r:.80}.")
    if pairs.size and (pairs.min() < 0 or pairs.max() >= n):
        raise ArgumentError(f"edges must join nodes from 0 to {n - 1}; got {pairs.tolist()!r:.80}.")
    return _layered(n, tuple(sorted((i, j) for i, j in pairs.tolist())))


def placed(places: Sequence[tuple[int, int]], edges: Iterable[Edge]) -> Layout:
    """The layout of nodes whose places, (column, layer) from top left, are given; edges run down or to the right.

    An edge over several layers passes beside its column, left of it from every other layer, the longer the farther
    out. Other columns have to be free there.
    """
    return _placed(tuple(places), tuple(sorted(edges)))


@lru_cache(maxsize=256)
def _placed(places: tuple[tuple[int, int], ...], edges: tuple[Edge, ...]) -> Layout:
    bottom = max(layer for _, layer in places)
    routes = {}
    for i, j in edges:
        (x, top), (to_x, to) = places[i], places[j]
        out = NEAREST + LANE * (to - top - 2) + LANE / 2 * (top // 2 % 2)  # those of one length are told apart
        beside = [(x + (out if top % 2 else -out), float(bottom - layer)) for layer in range(top + 1, to)]
        routes[i, j] = ((float(x), float(bottom - top)), *beside, (float(to_x), float(bottom - to)))
    points = np.array([point for route in routes.values() for point in route] or places, dtype=float)
    left = min(points[:, 0].min(), 0.0)
    routes = {edge: tuple((x - left, y) for x, y in route) for edge, route in routes.items()}
    spots = np.array([(x - left, bottom - layer) for x, layer in places], dtype=float)
    return Layout(spots, routes, max(points[:, 0].max(), spots[:, 0].max() + left) - left, float(bottom))


@lru_cache(maxsize=256)
def _layered(n: int, edges: tuple[Edge, ...]) -> Layout:
    import networkx as nx

    graph = nx.DiGraph(edges)
    graph.add_nodes_from(range(n))
    if not nx.is_directed_acyclic_graph(graph):
        raise ArgumentError(f"edges must have no cycle; got {list(edges)!r:.80}. Take one edge of each cycle out.")
    parts = [_part(graph.subgraph(nodes)) for nodes in nx.weakly_connected_components(graph)]
    parts.sort(key=lambda part: (not part.routes, min(part.places)))  # single nodes last
    layers = max((part.layers for part in parts), default=0.0)
    places, routes, left = np.zeros((n, 2)), {}, 0.0
    for part in parts:
        move = np.array([left, layers - part.layers])  # every part begins at the top
        for node, place in part.places.items():
            places[node] = place + move
        for edge, route in part.routes.items():
            routes[edge] = tuple((x + move[0], y + move[1]) for x, y in route)
        left += part.columns + 1.0
    return Layout(places, routes, max(left - 1.0, 0.0), layers)


class _Part(NamedTuple):
    """The layout of one connected part."""

    places: dict[int, Point]
    routes: dict[Edge, tuple[Point, ...]]
    columns: float
    layers: float


def _part(graph: "networkx.DiGraph") -> _Part:
    """One call of the library for each part: given several, it gives its bends the numbers of other parts' nodes."""
    from fast_sugiyama import from_edges

    nodes = sorted(graph)
    if len(nodes) == 1:
        return _Part({nodes[0]: (0.0, 0.0)}, {}, 0.0, 0.0)
    number = {node: i for i, node in enumerate(nodes)}
    edges = sorted((number[i], number[j]) for i, j in graph.edges)
    [(spots, columns, layers, steps)] = from_edges(edges, vertex_spacing=1.0, dummy_vertices=True, dummy_size=BEND)
    place = {int(node): (round(x, 6), round(y, 6)) for node, (x, y) in spots}
    paths = list(_paths(steps or [], len(nodes)))
    routes = {(nodes[path[0]], nodes[path[-1]]): tuple(place[node] for node in path) for path in paths}
    return _Part({node: place[number[node]] for node in nodes}, routes, round(columns, 6), layers)


def _paths(steps: Iterable[Any], n: int) -> Iterator[list[int]]:
    """For each edge the nodes it passes; those from n on are the bends that the library put in."""
    bend = {source: target for source, target in steps if source >= n}  # a bend has one way out
    for source, target in steps:
        if source < n:
            path = [source, target]
            while path[-1] >= n:
                path.append(bend[path[-1]])
            yield path
