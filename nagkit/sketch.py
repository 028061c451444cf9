"""A DAG on its way, as it is drawn: what is decided of it, and the belief about the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sketch:
    """Nodes in topological order, with all edges that there may be.

    ``ops[i]`` is the operation of node ``i``, the likeliest while it is undecided; ``belief[i]`` is then the
    probability of each. ``edges`` holds the probability of each edge: 1 when it is decided, 0 when it is ruled out.
    ``places[i]`` says where node ``i`` stands whatever is decided, (column, layer) from top left; without places the
    edges say it. ``undecided`` is the number of slots that are.
    """

    ops: tuple[str, ...]
    edges: Mapping[tuple[int, int], float]
    belief: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    places: tuple[tuple[int, int], ...] = ()
    undecided: int = 0
