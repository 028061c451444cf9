"""Randomly wired networks as a search space (Xie et al., ICCV 2019, arXiv 1904.01569): DAGs whose nodes do the same.

A node takes the weighted sum of what leads to it, then ReLU, a separable 3x3 convolution and batch normalisation. Nodes
without an edge in are fed by the input, and the output is the mean of the nodes without an edge out, so that every set
of edges is a network. Slots are the edges, node by node: all into node 1, then all into node 2, and so on.

Notation: n architectures, N nodes 0 to N - 1, L = N (N - 1) / 2 slots, C channels, r image side, k classes. FLOPs are
multiply-accumulates of convolutions, weighted sums and classifier; normalisation, ReLU and means are not counted.
"""

import math
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.graphs import Graphs
from nagkit.growth import Growth
from nagkit.sketch import Sketch
from nagkit.space import UNDECIDED, Architecture, SearchSpace, Slot
from nagkit.spaces.skeleton import LARGEST_IMAGE, MOST_CLASSES, PUBLISHED, Skeleton

FAMILY = "random-wired"
NODE = "relu-sepconv3x3-bn"
SMALLEST, LARGEST = 4, 32  # nodes
DENSEST = 5  # edges a node, on average
SIZES = (8, 12, 16, 32)  # nodes, of the spaces that have a name in ``nagkit.space``
_SURE = 70.0  # the largest logarithm of odds
_DEGREES = 6  # from so many edges in or out on, nodes count as alike
_SAMPLE = 1000  # architectures that say how much trends vary
_TEXT = re.compile(r"(?:-|\d\d?(?: \d\d?)*)(?:\|(?:-|\d\d?(?: \d\d?)*))*")


class RandomWired(SearchSpace):
    """All sets of edges between N nodes that hold so many edges: from 42 (N = 4) to 2e134 (N = 32).

    Args:
        nodes: N, 4 to 32
        edges: how many there may be, (least, most); with ``None`` from N - 1, below which the nodes cannot hang
            together, to 5 N, which holds Barabási-Albert wirings of five edges a node (135 between 32), as the paper
            has them; an edge costs no convolution, but time and memory
    """

    operations = ("input", "output", NODE)
    identities = ("string",)

    def __init__(self, nodes: int = 12, edges: tuple[int, int] | None = None) -> None:
        self.nodes = arguments.whole("nodes", nodes, SMALLEST, LARGEST)
        self.slots = tuple(Slot(f"edge {i}-{j}", ("-", "edge")) for j in range(self.nodes) for i in range(j))
        usual = self.nodes - 1, min(DENSEST * self.nodes, len(self.slots))
        self.least, self.most = usual if edges is None else _limits(edges, len(self.slots))
        limits = "" if (self.least, self.most) == usual else f"-{self.least}-{self.most}"
        self.name = f"{FAMILY}-{self.nodes}{limits}"
        target, source = np.tril_indices(self.nodes, -1)
        self.source, self.target = source, target  # (L,) of the edge of each slot
        pairs = zip(source.tolist(), target.tolist(), strict=True)
        self.growth = Growth(self.nodes, {pair: slot for slot, pair in enumerate(pairs)}, {})

    @cached_property
    def size(self) -> int:
        """Number of sets of edges."""
        return sum(math.comb(len(self.slots), edges) for edges in range(self.least, self.most + 1))

    def legal(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n L K"]:
        """Which edges may be there or not, so that there are neither too few nor too many; exact for any state."""
        return self._countable((tokens == 1).sum(1)[:, None], (tokens == UNDECIDED).sum(1)[:, None], tokens)

    def legal_in(self, tokens: Int[np.ndarray, "n L"], slot: Int[np.ndarray, "n"] | int) -> Bool[np.ndarray, "n K"]:
        """The same of one slot of each row."""
        own = tokens[np.arange(len(tokens)), slot]
        return self._countable((tokens == 1).sum(1), (tokens == UNDECIDED).sum(1), own)

    def _countable(self, there: np.ndarray, undecided: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Whether a slot that holds ``own`` now may be each symbol, beside the edges and undecided slots of the row."""
        others, left = there - (own == 1), undecided - (own == UNDECIDED)
        return np.stack(
            [(others + edge <= self.most) & (others + edge + left >= self.least) for edge in (0, 1)], axis=-1
        )

    def _illegal(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n L"]:
        """All symbols of the complete rows with too few or too many edges."""
        edges = (tokens == 1).sum(1, keepdims=True)
        return np.broadcast_to((edges < self.least) | (edges > self.most), tokens.shape)

    def _grammar_faults(self, row: Int[np.ndarray, "L"]) -> tuple[str, ...]:
        edges = int(row.sum())
        if self.least <= edges <= self.most:
            return ()
        return (f"There must be {self.least} to {self.most} edges; there are {edges}.",)

    def _repaired(self, rows: Int[np.ndarray, "n L"], edited: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n L"]:
        """An edge too many makes the nearest one go, an edge too few makes the nearest one come: the edge moves.

        Near is the place among the slots: most often another edge into the same node.
        """
        wrong = np.flatnonzero(self._illegal(rows)[:, 0])
        rows, slots = rows.copy(), np.arange(rows.shape[1])
        distance = np.abs(slots - edited[wrong, None]).astype(float)  # (w, L)
        same = rows[wrong] == rows[wrong, edited[wrong]][:, None]
        distance[~same | (distance == 0)] = np.inf
        rows[wrong, distance.argmin(1)] ^= 1
        return rows

    def sample(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        """Rows of which all numbers of edges are equally likely, and all sets of so many edges."""
        arguments.whole("n", n)
        arguments.generator("rng", rng)
        edges = rng.integers(self.least, self.most + 1, size=(n, 1))
        return (rng.random((n, len(self.slots))).argsort(1).argsort(1) < edges).astype(np.int64)

    def log_law(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The more sets there are of so many edges, the less likely is each of them."""
        return -_log_choose(len(self.slots), self.check(tokens).sum(1))

    def log_probability(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The log probability of each row under ``sample`` (nats, exact)."""
        return self.log_law(tokens) - math.log(self.most - self.least + 1)

    def belief(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n L K"]:
        """The log odds of an edge beside the decided ones, the same for all undecided slots of a row; exact."""
        there, undecided = ((tokens == what).sum(1)[:, None] for what in (1, UNDECIDED))
        edges = np.arange(self.least, self.most + 1)
        sets = -_log_choose(len(self.slots), edges)  # the law of each
        ways = [_log_sum(sets + _log_choose(undecided - 1, edges - there - edge)) for edge in (0, 1)]
        odds = np.zeros((*tokens.shape, 2))
        odds[:, :, 1] = np.clip(ways[1] - ways[0], -_SURE, _SURE)[:, None]
        return odds

    def adjacency(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n N N"]:
        """Whether an edge leads from the first node to the second."""
        on = np.zeros((len(tokens), self.nodes, self.nodes), dtype=bool)
        on[:, self.source, self.target] = self.check(tokens) == 1
        return on

    def decode(self, row: Any) -> Architecture:
        """The architecture of one row, node i the (i + 1)-th after the input.

        Its text gives of each node the nodes that lead to it, or ``-`` where the input does: ``-|0|0 1|-``.
        """
        tokens = self.check_row(row)
        graphs = self.graphs(np.array([tokens]))
        edges = frozenset((int(i), int(j)) for i, j in np.argwhere(graphs.edges[0]))
        into = [[str(i) for i in np.flatnonzero(on)] for on in self.adjacency(np.array([tokens]))[0].T]
        text = "|".join(" ".join(sources) or "-" for sources in into)
        return Architecture(self.name, ("input", *[NODE] * self.nodes, "output"), edges, tokens, text)

    def graphs(self, tokens: Int[np.ndarray, "n L"]) -> Graphs:
        """Input, nodes, output."""
        on = self.adjacency(tokens)
        edges = np.pad(on, ((0, 0), (1, 1), (1, 1)))
        edges[:, 0, 1:-1] = ~on.any(1)
        edges[:, 1:-1, -1] = ~on.any(2)
        ops = np.full(edges.shape[:2], self.operations.index(NODE))
        ops[:, 0], ops[:, -1] = self.operations.index("input"), self.operations.index("output")
        return Graphs(ops, edges)

    def sketch(self, row: Int[np.ndarray, "L"], probability: Float[np.ndarray, "L K"]) -> Sketch:
        """All nodes in one column with every edge that may be; those from the input and to the output follow."""
        share = np.zeros((self.nodes + 2, self.nodes + 2))
        share[1 + self.source, 1 + self.target] = np.where(row == UNDECIDED, probability[:, 1], row)
        share[0, 1:-1] = np.prod(1 - share[:, 1:-1], axis=0)
        share[1:-1, -1] = np.prod(1 - share[1:-1, :-1], axis=1)
        may = np.pad(np.triu(np.ones((self.nodes + 1,) * 2, dtype=bool)), ((0, 1), (1, 0)))
        may[0, -1] = False
        edges = {(int(i), int(j)): float(share[i, j]) for i, j in np.argwhere(may)}
        places = tuple((0, layer) for layer in range(len(share)))
        return Sketch(("input", *[NODE] * self.nodes, "output"), edges, {}, places, int((row == UNDECIDED).sum()))

    def _row(self, architecture: str | Architecture) -> list[int]:
        """A text is such as ``-|0|0 1|-``; see ``decode``."""
        if isinstance(architecture, Architecture) and architecture.space == self.name:
            return list(architecture.tokens)
        match = _TEXT.fullmatch(architecture) if isinstance(architecture, str) else None
        parts = match[0].split("|") if match else []
        into = [[] if part == "-" else [int(i) for i in part.split()] for part in parts]
        if len(into) != self.nodes or any(i >= j for j, sources in enumerate(into) for i in sources):
            raise ArgumentError(
                f"architectures must be of {self.name}, decoded or as texts of the form -|0|0 1|… that give of each of "
                f"the {self.nodes} nodes those before it that lead to it, or - for none; got {architecture!r:.120}."
            )
        return [int(i in into[j]) for i, j in zip(self.source, self.target, strict=True)]

    def canonical(self, tokens: Int[np.ndarray, "n L"], identity: str = "string") -> Int[np.ndarray, "n L"]:
        """The rows themselves. Isomorphic wirings are told apart: to merge them is slow for more than a few nodes."""
        arguments.one_of("identity", identity, self.identities)
        return self.check(tokens)

    def structure(self, tokens: Int[np.ndarray, "n L"]) -> "Structure":
        """What isomorphic wirings share."""
        on = self.adjacency(tokens)
        return Structure(on, *_along_paths(on))

    def features(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n f"]:
        """What isomorphic wirings share: how many nodes have no edge in, more than one, more than two, and so on, and
        the same for edges out; how many nodes are more than so many edges from the input; how long the shortest and
        the longest path are from input to output.
        """
        found = self.structure(tokens)
        levels = ((found.into, _DEGREES), (found.out, _DEGREES), (found.longest, self.nodes))
        nodes = [(values[:, :, None] > np.arange(level)).sum(1) for values, level in levels]  # (n, level)
        counts = np.column_stack([*nodes, found.deep(), found.shallow()])
        return (counts[:, :, None] > np.arange(self.nodes)).reshape(len(tokens), -1)  # "more than so many"

    def trends(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n 5"]:
        """Numbers of edges, of nodes that the input feeds and of nodes that the output takes, the longest path, and the
        logarithm of the number of paths from input to output, each with a spread of about 1/√5 over the space.
        """
        return self.structure(tokens).summary() / (self._spread * 5**0.5)

    @cached_property
    def _spread(self) -> Float[np.ndarray, "5"]:
        spread = self.structure(self.sample(_SAMPLE, np.random.default_rng(0))).summary().std(0)
        return np.where(spread > 0, spread, 1.0)  # narrow limits may leave one of them no choice

    def params(
        self, tokens: Int[np.ndarray, "n L"], classes: int = 10, skeleton: Skeleton = PUBLISHED
    ) -> Int[np.ndarray, "n"]:
        """Exact number of trainable parameters: those of the convolutions, and a weight for each edge.

        Args:
            skeleton: stages of so many ``channels``, each of so many ``cells``, which here are wirings; the nodes that
                the input of a stage feeds halve the image, so its ``reduction`` does not matter
        """
        classes = arguments.whole("classes", classes, high=MOST_CLASSES)
        edges, fed = self._counted(tokens)
        first, last = _checked(skeleton).channels[0], skeleton.channels[-1]
        fixed = 9 * skeleton.image_channels * first + 2 * first + 2 * last + (last + 1) * classes
        total = np.full(len(edges), fixed)
        for _, before, after in cells(skeleton):
            total += edges + fed * (before * (9 + after) + 2 * after) + (self.nodes - fed) * after * (9 + after + 2)
        return total

    def flops(
        self, tokens: Int[np.ndarray, "n L"], classes: int = 10, image_size: int = 32, skeleton: Skeleton = PUBLISHED
    ) -> Int[np.ndarray, "n"]:
        """Exact multiply-accumulates for one square image; see ``params`` for the skeleton."""
        classes = arguments.whole("classes", classes, high=MOST_CLASSES)
        side = [arguments.whole("image_size", image_size, low=4, high=LARGEST_IMAGE)]
        edges, fed = self._counted(tokens)
        for _ in _checked(skeleton).channels[1:]:
            side.append((side[-1] + 1) // 2)
        fixed = 9 * skeleton.image_channels * skeleton.channels[0] * side[0] ** 2 + skeleton.channels[-1] * classes
        total = np.full(len(edges), fixed)
        for stage, before, after in cells(skeleton):
            work = fed * before * (9 + after) + (self.nodes - fed) * after * (9 + after) + edges * after
            total += work * side[stage] ** 2
        return total

    def _counted(self, tokens: Int[np.ndarray, "n L"]) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
        """Numbers of edges, and of nodes that the input feeds."""
        on = self.adjacency(tokens)
        return on.sum((1, 2)), (~on.any(1)).sum(1)


class Structure(NamedTuple):
    """Edges between nodes, and of every node how many are on the longest and on the shortest path from the input to it,
    and how many such paths there are.
    """

    edges: Bool[np.ndarray, "n N N"]
    longest: Int[np.ndarray, "n N"]
    shortest: Int[np.ndarray, "n N"]
    paths: Float[np.ndarray, "n N"]

    @property
    def into(self) -> Int[np.ndarray, "n N"]:
        """Edges into each node."""
        return self.edges.sum(1)

    @property
    def out(self) -> Int[np.ndarray, "n N"]:
        """Edges out of each node."""
        return self.edges.sum(2)

    def deep(self) -> Int[np.ndarray, "n"]:
        """Edges between nodes on the longest path from input to output."""
        return self.longest.max(1)

    def shallow(self) -> Int[np.ndarray, "n"]:
        """Edges between nodes on the shortest path from input to output."""
        return np.where(self.out == 0, self.shortest, self.edges.shape[1]).min(1)

    def summary(self) -> Float[np.ndarray, "n 5"]:
        """What ``RandomWired.trends`` scales."""
        ends = [(degree == 0).sum(1) for degree in (self.into, self.out)]
        paths = np.log((self.paths * (self.out == 0)).sum(1))
        return np.stack([self.edges.sum((1, 2)), *ends, self.deep(), paths], axis=1).astype(np.float64)


def _along_paths(on: Bool[np.ndarray, "n N N"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What ``Structure`` says of paths, node by node (n, N): the longest, the shortest, how many."""
    longest, shortest = np.zeros((2, *on.shape[:2]), dtype=np.int64)
    paths = np.ones(on.shape[:2])
    for j in range(1, on.shape[1]):
        edge = on[:, :j, j]
        fed = ~edge.any(1)
        longest[:, j] = np.where(edge, longest[:, :j] + 1, 0).max(1)
        shortest[:, j] = np.where(fed, 0, np.where(edge, shortest[:, :j] + 1, on.shape[1]).min(1))
        paths[:, j] = np.where(fed, 1, (edge * paths[:, :j]).sum(1))
    return longest, shortest, paths


def cells(skeleton: Skeleton) -> Iterator[tuple[int, int, int]]:
    """Of each wiring of a network its stage, and the channels before and within it."""
    before = skeleton.channels[0]
    for stage, (after, count) in enumerate(skeleton.stages):
        for _ in range(count):
            yield stage, before, after
            before = after


def _checked(skeleton: Any) -> Skeleton:
    return arguments.instance("skeleton", skeleton, Skeleton, "PUBLISHED or MICRO")


def _limits(edges: Any, pairs: int) -> tuple[int, int]:
    if not isinstance(edges, tuple) or len(edges) != 2:
        raise ArgumentError(f"edges must be (least, most), for example (11, 40); got {edges!r:.80}.")
    least = arguments.whole("edges", edges[0], 0, pairs - 1)
    return least, arguments.whole("edges", edges[1], least + 1, pairs)  # with one number alone no edge could change


def _log_choose(n: Any, k: Any) -> np.ndarray:
    """The logarithm of how many sets of k there are among n, -inf where there are none."""
    n, k = np.broadcast_arrays(n, k)
    logs = np.append(0.0, np.log(np.arange(1, max(int(n.max()), 1) + 1)).cumsum())  # of factorials
    none = (k < 0) | (k > n)
    within, rest = np.where(none, 0, k), np.where(none, 0, n - k)
    return np.where(none, -np.inf, logs[np.maximum(n, 0)] - logs[within] - logs[rest])


def _log_sum(logs: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n"]:
    """The logarithm of the sum of what these are logarithms of; very low where all are -inf."""
    highest = np.maximum(logs.max(1), -1e30)
    return highest + np.log(np.maximum(np.exp(logs - highest[:, None]).sum(1), 1e-300))
