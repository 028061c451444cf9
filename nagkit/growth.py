"""How the labelled DAGs of a space grow, node by node, and which slot says what.

Notation: N nodes in topological order, L slots.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Growth:
    """Where the slots of a space are in its DAGs.

    ``first`` are slots that are decided before there is any node. ``edges`` gives the slot of the edge from node v to
    node w, v < w; its first symbol says that there is none, the others are its labels. ``ops`` gives the slot of the
    operation of a node. ``always`` are edges that are there whatever the slots say. All slots are named once.
    """

    nodes: int
    edges: Mapping[tuple[int, int], int]
    ops: Mapping[int, int]
    first: tuple[int, ...] = ()
    always: tuple[tuple[int, int], ...] = ()

    @cached_property
    def blocks(self) -> tuple[tuple[int, ...], ...]:
        """Slots that are decided together, in order: each of ``first``; then node by node its edges, its operation."""
        found: list[tuple[int, ...]] = [(slot,) for slot in self.first]
        for node in range(self.nodes):
            row = tuple(self.edges[v, node] for v in range(node) if (v, node) in self.edges)
            found += [row] if row else []
            found += [(self.ops[node],)] if node in self.ops else []
        return tuple(found)

    @cached_property
    def grown(self) -> tuple[tuple[int, bool], ...]:
        """Before each block how many nodes there are, and whether the last of them has its edges alone so far."""
        found = [(0, False) for _ in self.first]
        for node in range(self.nodes):
            found += [(node, False)] if any((v, node) in self.edges for v in range(node)) else []
            found += [(node + 1, True)] if node in self.ops else []
        return tuple(found)
