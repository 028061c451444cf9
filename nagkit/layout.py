"""Where the nodes of a DAG stand and how its edges run, so that no edge crosses a box.

Notation: n nodes; a place is (column, layer), layer 0 at the bottom, where the last nodes stand.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

Point = tuple[float, float]
Edge = tuple[int, int]


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
    return _layered(n, tuple(sorted(edges)))


@lru_cache(maxsize=256)
def _layered(n: int, edges: tuple[Edge, ...]) -> Layout:
    from fast_sugiyama import from_edges

    joined = sorted({node for edge in edges for node in edge})
    name = dict(enumerate(joined))  # the library numbers its bends from len(joined) on
    number = {node: i for i, node in name.items()}
    numbered = [(number[i], number[j]) for i, j in edges]
    parts = list(from_edges(numbered, vertex_spacing=1.0, dummy_vertices=True)) if edges else []
    layers = max((height for _, _, height, _ in parts), default=0.0)
    places, routes, left = {}, {}, 0.0
    for spots, width, height, steps in parts:
        place = {node: (left + x, y + layers - height) for node, (x, y) in spots}  # every part begins at the top
        places.update({name[node]: place[node] for node in place if node in name})
        for passed in _paths(steps or [], len(joined)):
            routes[name[passed[0]], name[passed[-1]]] = tuple(place[node] for node in passed)
        left += width + 1.0
    for node in sorted(set(range(n)) - set(joined)):
        places[node] = (left, layers)
        left += 1.0
    at = np.array([places[node] for node in range(n)]).reshape(n, 2)
    return Layout(at, routes, max(left - 1.0, 0.0), layers)


def _paths(steps: Iterable[Any], n: int) -> Iterator[list[int]]:
    """For each edge the nodes it passes; those from n on are the bends that the library put in."""
    bend = {source: target for source, target in steps if source >= n}  # a bend has one way out
    for source, target in steps:
        if source < n:
            path = [source, target]
            while path[-1] >= n:
                path.append(bend[path[-1]])
            yield path
