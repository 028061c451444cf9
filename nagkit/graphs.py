"""Many labelled DAGs as arrays, for what computes on them.

Notation: n architectures, N nodes of the largest.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

ABSENT = -1


class Graphs(NamedTuple):
    """Nodes in topological order; a place may be empty, wherever it is.

    ``ops[i, v]`` is the place of a node's operation in ``space.operations``, ``ABSENT`` where there is no node.
    ``edges[i, v, w]`` says whether an edge leads from node v to node w, v < w.
    """

    ops: Int[np.ndarray, "n N"]
    edges: Bool[np.ndarray, "n N N"]

    @classmethod
    def of(
        cls, ops: Sequence[Sequence[str]], edges: Sequence[frozenset[tuple[int, int]]], names: Sequence[str]
    ) -> "Graphs":
        """Those with these operations and edges, whose operations have these names in all."""
        most = max(map(len, ops))
        places = np.full((len(ops), most), ABSENT)
        joined = np.zeros((len(ops), most, most), dtype=bool)
        for i, (labels, pairs) in enumerate(zip(ops, edges, strict=True)):
            places[i, : len(labels)] = [names.index(label) for label in labels]
            for pair in pairs:
                joined[i][pair] = True
        return cls(places, joined)
