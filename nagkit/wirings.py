"""Classical random graphs as wirings: what generators of random-wired networks are compared with.

As in Xie et al. (ICCV 2019, section 3.3) every edge leads from the node with the lower number to that with the higher:
nodes are numbered at random (Erdős-Rényi), in the order in which they came (Barabási-Albert), or around the ring
(Watts-Strogatz).

Notation: N nodes, L = N (N - 1) / 2 pairs of them.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.spaces.random_wired import LARGEST, SMALLEST, RandomWired

if TYPE_CHECKING:
    import networkx

_RARE = 0.01  # where fewer graphs than this share fit a space, it would take long to find them


class Family(ABC):
    """A law of undirected graphs of any number of nodes."""

    @abstractmethod
    def graph(self, nodes: int, rng: np.random.Generator) -> "networkx.Graph":
        """A graph with nodes 0 to N - 1."""

    @abstractmethod
    def edges(self, nodes: int) -> float:
        """How many edges such graphs have in the mean; whole where all have the same number."""

    def fitting(self, space: RandomWired) -> float:
        """The share of graphs whose number of edges is within the limits of a space."""
        return float(space.least <= self.edges(space.nodes) <= space.most)


@dataclass(frozen=True)
class ErdosRenyi(Family):
    """Each pair of nodes is joined with probability ``p``, by itself (Gilbert, 1959)."""

    p: float

    def __post_init__(self) -> None:
        arguments.real("p", self.p, 0, 1)

    def graph(self, nodes: int, rng: np.random.Generator) -> "networkx.Graph":
        """A graph with nodes 0 to N - 1."""
        import networkx as nx

        return nx.gnp_random_graph(nodes, self.p, seed=_seed(rng))

    def edges(self, nodes: int) -> float:
        """In the mean p L."""
        return self.p * math.comb(nodes, 2)

    def fitting(self, space: RandomWired) -> float:
        """The share of a binomial distribution."""
        pairs = len(space.slots)
        within = range(space.least, space.most + 1)
        return math.fsum(math.comb(pairs, k) * self.p**k * (1 - self.p) ** (pairs - k) for k in within)


@dataclass(frozen=True)
class BarabasiAlbert(Family):
    """Node after node joins ``m`` of those before it, likelier those with more edges (Barabási & Albert, 1999).

    The first m have no edges between them; the next joins them all.
    """

    m: int

    def __post_init__(self) -> None:
        arguments.whole("m", self.m)

    def graph(self, nodes: int, rng: np.random.Generator) -> "networkx.Graph":
        """A graph with nodes 0 to N - 1."""
        import networkx as nx

        first = nx.Graph([(node, self.m) for node in range(self.m)])
        return nx.barabasi_albert_graph(nodes, self.m, seed=_seed(rng), initial_graph=first)

    def edges(self, nodes: int) -> float:
        """All have m (N - m)."""
        m = arguments.whole("m", self.m, high=nodes - 1)
        return m * (nodes - m)


@dataclass(frozen=True)
class WattsStrogatz(Family):
    """Each node of a ring is joined with its ``k`` nearest; then each edge gets another end with probability ``p``.

    An even k (Watts & Strogatz, 1998).
    """

    k: int
    p: float

    def __post_init__(self) -> None:
        if arguments.whole("k", self.k, low=2) % 2:
            raise ArgumentError(f"k must be even, as many on each side; got {self.k}. Take {self.k - 1}.")
        arguments.real("p", self.p, 0, 1)

    def graph(self, nodes: int, rng: np.random.Generator) -> "networkx.Graph":
        """A graph with nodes 0 to N - 1."""
        import networkx as nx

        return nx.watts_strogatz_graph(nodes, self.k, self.p, seed=_seed(rng))

    def edges(self, nodes: int) -> float:
        """All have N k / 2."""
        return nodes * arguments.whole("k", self.k, low=2, high=nodes - 1) // 2


def sample(space: RandomWired, family: Family, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
    """Wirings of one family as rows of a space; a graph with too few or too many edges for it is drawn again."""
    arguments.instance("space", space, RandomWired, "nagkit.space('random-wired-16')")
    arguments.instance("family", family, Family, "ErdosRenyi(0.3)")
    arguments.whole("n", n)
    arguments.generator("rng", rng)
    if family.fitting(space) < _RARE:
        raise ArgumentError(
            f"family must fit {space.name}, with {space.least} to {space.most} edges at least once in a hundred; "
            f"{family} has {family.edges(space.nodes):g} edges in the mean. families(nodes, edges) finds some that fit."
        )
    return np.stack([_drawn(space, family, rng) for _ in range(n)])


def families(nodes: int, edges: int, p: float = 0.75) -> tuple[Family, Family, Family]:
    """One family of each kind with about so many edges between so many nodes, to be compared at equal size.

    Erdős-Rényi graphs have them in the mean; the others as nearly as a whole m (up to N / 2, beyond which there are
    fewer again) or an even k allows, which ``family.edges(nodes)`` tells.

    Args:
        p: of the Watts-Strogatz graphs
    """
    nodes = arguments.whole("nodes", nodes, SMALLEST, LARGEST)
    edges = arguments.whole("edges", edges, nodes - 1, math.comb(nodes, 2))
    joined = [BarabasiAlbert(m) for m in range(1, nodes // 2 + 1)]
    rings = [WattsStrogatz(k, p) for k in range(2, nodes, 2)]
    attached, ring = (min(each, key=lambda family: abs(family.edges(nodes) - edges)) for each in (joined, rings))
    return ErdosRenyi(edges / math.comb(nodes, 2)), attached, ring


def _drawn(space: RandomWired, family: Family, rng: np.random.Generator) -> Int[np.ndarray, "L"]:
    """The row of the first graph that fits the space."""
    slots = list(zip(space.source.tolist(), space.target.tolist(), strict=True))
    while True:
        edges = {(min(edge), max(edge)) for edge in family.graph(space.nodes, rng).edges}
        if space.least <= len(edges) <= space.most:
            return np.array([int(slot in edges) for slot in slots])


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
