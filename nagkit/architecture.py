"""An architecture as a person looks at it: one labelled DAG, with its name and its notation."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nagkit.errors import ArgumentError

if TYPE_CHECKING:
    import networkx


@dataclass(frozen=True)
class Architecture:
    """One labelled DAG. Nodes are in topological order, so every edge goes up.

    ``ops[i]`` names the operation of node ``i``; ``edges`` holds pairs ``(i, j)`` with ``i < j``.
    ``text`` is the architecture in the notation of its space, ``tokens`` its row.
    """

    space: str
    ops: tuple[str, ...]
    edges: frozenset[tuple[int, int]]
    tokens: tuple[int, ...]
    text: str

    def __post_init__(self) -> None:
        n = len(self.ops)
        wrong = sorted(e for e in self.edges if not 0 <= e[0] < e[1] < n)
        if wrong:
            raise ArgumentError(f"edges must satisfy 0 <= i < j < {n}; got {wrong[:3]}.")

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that name this exact labelled graph, the same on every machine."""
        graph = json.dumps([self.space, self.ops, sorted(self.edges)])
        return hashlib.sha256(graph.encode()).hexdigest()[:12]

    def graph(self) -> "networkx.DiGraph":
        """The same DAG for networkx, each node with its ``op``."""
        import networkx as nx

        graph = nx.DiGraph(space=self.space, text=self.text)
        graph.add_nodes_from((i, {"op": op}) for i, op in enumerate(self.ops))
        graph.add_edges_from(sorted(self.edges))
        return graph
