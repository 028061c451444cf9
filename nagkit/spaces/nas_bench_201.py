"""The cell space of NAS-Bench-201 (Dong & Yang, ICLR 2020): four nodes, six edges, five operations on each edge.

A slot is an edge, in the order of the architecture string: (0-1) (0-2) (1-2) (0-3) (1-3) (2-3). As a labelled DAG
the cell is its line graph: eight nodes, the input, six operations in slot order, the output.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.graphs import Graphs
from nagkit.growth import Growth
from nagkit.sketch import Sketch
from nagkit.space import Architecture, SearchSpace, Slot
from nagkit.spaces.skeleton import PUBLISHED, Skeleton

NONE, SKIP, CONV1, CONV3, POOL = range(5)
SYMBOLS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
CELL_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))  # slots of each way from input to output

_LINE_GRAPH = frozenset(
    [(0, 1 + i) for i, (source, _) in enumerate(CELL_EDGES) if source == 0]
    + [(1 + i, 1 + j) for i, a in enumerate(CELL_EDGES) for j, b in enumerate(CELL_EDGES) if a[1] == b[0]]
    + [(1 + i, 7) for i, (_, target) in enumerate(CELL_EDGES) if target == 3]
)
_NOTATION = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|")


class NasBench201(SearchSpace):
    """15,625 cells; 6,466 different ones under the benchmark's own rule."""

    name = "nas-bench-201"
    slots = tuple(Slot(f"{source}-{target}", SYMBOLS) for source, target in CELL_EDGES)
    operations = ("input", "output", *SYMBOLS)
    identities = ("string", "graph", "benchmark", "function")
    growth = Growth(4, {edge: slot for slot, edge in enumerate(CELL_EDGES)}, {})

    def decode(self, row: Any) -> Architecture:
        """The architecture of one row; its ``text`` is the string of the benchmark."""
        tokens = self.check_row(row)
        ops = tuple(SYMBOLS[k] for k in tokens)
        a, b, c, d, e, f = ops
        text = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
        return Architecture(self.name, ("input", *ops, "output"), _LINE_GRAPH, tokens, text)

    def graphs(self, tokens: Int[np.ndarray, "n L"]) -> Graphs:
        """Line graphs, alike in all but the operations."""
        ops, edges = np.pad(2 + self.check(tokens), ((0, 0), (1, 1))), np.zeros((8, 8), dtype=bool)
        ops[:, -1] = self.operations.index("output")
        edges[tuple(np.array(sorted(_LINE_GRAPH)).T)] = True
        return Graphs(ops, np.tile(edges, (len(ops), 1, 1)))

    def sketch(self, row: Int[np.ndarray, "L"], probability: Float[np.ndarray, "L K"]) -> Sketch:
        """The cell, with the belief about each slot at its node."""
        ops, belief = self._believed(row, probability, {1 + l: l for l in range(len(self.slots))})
        edges = dict.fromkeys(_LINE_GRAPH, 1.0)
        return Sketch(("input", *ops.values(), "output"), edges, belief, undecided=len(belief))

    def _row(self, architecture: str | Architecture) -> list[int]:
        """An architecture string is such as ``|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|``."""
        if isinstance(architecture, Architecture) and architecture.space == self.name:
            return self.check([architecture.tokens], "architectures")[0].tolist()
        match = _NOTATION.fullmatch(architecture) if isinstance(architecture, str) else None
        if match is None:
            raise ArgumentError(
                f"architectures must be of {self.name}, decoded or as strings of the form "
                f"|op~0|+|op~0|op~1|+|op~0|op~1|op~2|; got {architecture!r:.120}."
            )
        return [SYMBOLS.index(arguments.one_of("operation", op, SYMBOLS)) for op in match.groups()]

    def canonical(self, tokens: Int[np.ndarray, "n L"], identity: str = "benchmark") -> Int[np.ndarray, "n L"]:
        """The first row of the class of each row, where "the same class" is one of four identities.

        ``"string"`` (15,625 classes): the row itself. ``"graph"`` (12,751): skips merged, order of summands free.
        ``"benchmark"`` (6,466): dead sources become zero terms, which stay in sums; the rule of the benchmark.
        ``"function"`` (5,390): zero terms are dropped from sums.

        Sums are written, as the benchmark writes them, node by node, so that two ways to nest the same sum count as
        two; compared term by term, 11,410, 5,755 and 4,930 classes would be left of the last three.
        """
        arguments.one_of("identity", identity, self.identities)
        return self.at(_representatives(identity)[self.index(tokens)])

    def params(
        self, tokens: Int[np.ndarray, "n L"], classes: int = 10, skeleton: Skeleton = PUBLISHED
    ) -> Int[np.ndarray, "n"]:
        """Exact number of trainable parameters, operations on dead edges included, as in the benchmark."""
        n1, n3 = self.convolutions(tokens)
        arguments.instance("skeleton", skeleton, Skeleton, "PUBLISHED or MICRO")
        return skeleton.params(n1, n3, classes)

    def flops(
        self,
        tokens: Int[np.ndarray, "n L"],
        classes: int = 10,
        image_size: int = 32,
        skeleton: Skeleton = PUBLISHED,
    ) -> Int[np.ndarray, "n"]:
        """Exact multiply-accumulates for one image, as the benchmark counts them."""
        n1, n3 = self.convolutions(tokens)
        arguments.instance("skeleton", skeleton, Skeleton, "PUBLISHED or MICRO")
        return skeleton.flops(n1, n3, classes, image_size)

    def convolutions(self, tokens: Int[np.ndarray, "n L"]) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
        """The numbers of 1x1 and of 3x3 convolutions in each cell."""
        tokens = self.check(tokens)
        return (tokens == CONV1).sum(1), (tokens == CONV3).sum(1)

    def features(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n f"]:
        """What matters to a cell: operations on live edges, how often each path occurs, how many of each operation.

        A path is its sequence of operations from input to output without skips; dead edges count as ``none``.
        """
        return _all_features()[self.index(tokens)]

    def counts(self, tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n c"]:
        """How many live edges hold each operation; dead ones count as ``none``."""
        return _all_counts()[self.index(tokens)]

    def alive(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n L"]:
        """Whether each edge lies on a path of operations other than ``none`` from input to output."""
        used = self.check(tokens) != NONE  # (n, 6)
        from_input, to_output = np.zeros((2, len(used), 4), dtype=bool)
        from_input[:, 0] = to_output[:, 3] = True
        for slot, (source, target) in enumerate(CELL_EDGES):
            from_input[:, target] |= used[:, slot] & from_input[:, source]
        for slot, (source, target) in reversed(list(enumerate(CELL_EDGES))):
            to_output[:, source] |= used[:, slot] & to_output[:, target]
        source, target = np.array(CELL_EDGES).T
        return used & from_input[:, source] & to_output[:, target]


@cache
def _all_live() -> np.ndarray:
    """All rows, dead edges as ``none``."""
    rows = NasBench201().all()
    return np.where(NasBench201().alive(rows), rows, NONE)


@cache
def _all_counts() -> np.ndarray:
    return (_all_live()[:, :, None] == np.arange(len(SYMBOLS))).sum(1)


@cache
def _all_features() -> np.ndarray:
    space, live, counts = NasBench201(), _all_live(), list(_all_counts().T[SKIP:])
    words = np.stack([_word(live[:, path]) for path in PATHS], axis=1)  # (n, path)
    counts += [(words == word).sum(1) for word in np.unique(words[words >= 0])]
    levels = np.stack(counts, axis=1)[:, :, None] > np.arange(len(CELL_EDGES))  # (n, c, level): "more than so many"
    levels = levels.reshape(len(live), -1)
    return np.concatenate([space.one_hot(live), levels[:, levels.any(0)]], axis=1)


def _word(ops: np.ndarray) -> np.ndarray:
    """A number for each sequence of operations (n, length), skips left out; -1 for a path that ``none`` cuts."""
    code = np.zeros(len(ops), dtype=int)
    for op in ops.T:
        code = np.where(op > SKIP, code * len(SYMBOLS) + op, code)
    return np.where((ops == NONE).any(1), -1, code)


@cache
def _representatives(identity: str) -> np.ndarray:
    """For each of the 15,625 rows the place of the first row of its class."""
    if identity == "string":
        return np.arange(len(SYMBOLS) ** len(CELL_EDGES))
    rows = NasBench201().all().tolist()
    _, first, inverse = np.unique([_expression(row, identity) for row in rows], return_index=True, return_inverse=True)
    return first[inverse]


def _expression(row: Sequence[int], identity: str) -> str:
    """What a cell computes, written as the benchmark writes it: skips vanish, summands are sorted, ``#`` is zero."""
    values = ["0", "", "", ""]
    for node in (1, 2, 3):
        terms = []
        for slot, (source, target) in enumerate(CELL_EDGES):
            if target == node:
                terms.append(_term(row[slot], values[source], identity))
        if identity == "function":
            terms = [term for term in terms if term != "#"] or ["#"]
        values[node] = "+".join(sorted(terms))
    return values[3]


def _term(op: int, source: str, identity: str) -> str:
    if op == SKIP:
        return source
    if identity != "graph" and (op == NONE or source == "#"):
        return "#"
    return f"({source})@{op}"
