"""The cell space of NAS-Bench-101 (Ying et al., ICML 2019): a DAG of at most seven vertices and nine edges.

Slots are the number of vertices, then the upper triangle of the adjacency matrix row by row, then the operations.
Vertex 0 is the input and vertex 6 always the output; of V vertices those from V - 1 to 5 are not there. A graph thus
has one row for each order of its inner vertices in which all edges go up.

Notation: n architectures, L slots, K symbols, V vertices.
"""

import itertools
import re
from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.graphs import ABSENT, Graphs
from nagkit.growth import Growth
from nagkit.sketch import Sketch
from nagkit.space import UNDECIDED, Architecture, SearchSpace, Slot
from nagkit.spaces import nas_bench_101_costs as costs
from nagkit.spaces.nas_bench_101_grammar import (
    CELL_EDGES,
    EDGES,
    INNER,
    MOST_EDGES,
    NONE,
    OPS,
    OUTPUT,
    SOURCE,
    TARGET,
    agreeing,
    completable,
    patterns,
)
from nagkit.spaces.skeleton import LARGEST_IMAGE, MOST_CLASSES

OPERATIONS = ("conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3")
_PLACE_OF_EDGE = np.zeros((OUTPUT + 1, OUTPUT + 1), dtype=np.int64)
_PLACE_OF_EDGE[SOURCE, TARGET] = np.arange(len(CELL_EDGES))
_VERTEX = re.compile(r"([\w-]+)\((\d(?:,\d)*)\)")


class NasBench101(SearchSpace):
    """1,293,208 rows; 423,624 different cells, those of the benchmark."""

    name = "nas-bench-101"
    slots = (
        Slot("vertices", tuple(map(str, range(2, OUTPUT + 2)))),
        *(Slot(f"edge {i}-{j}", ("-", "edge"), 1) for i, j in CELL_EDGES),
        *(Slot(f"vertex {vertex}", ("none", *OPERATIONS), 2) for vertex in range(1, OUTPUT)),
    )
    operations = ("input", "output", *OPERATIONS)
    identities = ("string", "graph")
    isomorphic = "graph"
    growth = Growth(
        OUTPUT + 1,
        {edge: EDGES.start + place for place, edge in enumerate(CELL_EDGES)},
        {vertex: OPS.start + vertex - 1 for vertex in range(1, OUTPUT)},
        first=(0,),
    )

    @cached_property
    def size(self) -> int:
        """Number of legal rows."""
        return int(_weights().sum())

    def legal(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n L K"]:
        """Which symbols can be completed to a cell; exact for any state."""
        slots = range(len(self.slots))
        return np.stack([self.legal_in(tokens, slot) for slot in slots], axis=1)

    def legal_in(self, tokens: Int[np.ndarray, "n L"], slot: Int[np.ndarray, "n"] | int) -> Bool[np.ndarray, "n K"]:
        """The same of one slot of each row."""
        slot = np.broadcast_to(slot, len(tokens))
        allowed = self._symbols[slot]
        row, symbol = np.nonzero(allowed)
        trials = tokens[row]
        trials[np.arange(len(row)), slot[row]] = symbol
        allowed[row, symbol] = completable(trials)
        return allowed

    def _illegal(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n L"]:
        """All symbols of the complete rows that are no cell: none of them is legal beside all others."""
        return np.broadcast_to(~completable(tokens)[:, None], tokens.shape)

    def trimmed(self, tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n L"]:
        """The cells without vertices beyond the first that has no operation, or on no path from input to output.

        That is how the benchmark reads a graph before it counts the edges. Without a path, no edge is left.
        """
        inner = np.logical_and.accumulate(tokens[:, OPS] != NONE, axis=1)  # (n, 5)
        there = np.pad(inner, ((0, 0), (1, 1)), constant_values=True)  # (n, 7)
        on = (tokens[:, EDGES] == 1) & there[:, SOURCE] & there[:, TARGET]  # (n, e)
        after, before = np.zeros((2, *there.shape), dtype=bool)  # the input, and the output
        after[:, 0] = before[:, OUTPUT] = True
        for e, (i, j) in enumerate(CELL_EDGES):
            after[:, j] |= on[:, e] & after[:, i]
        for e, (i, j) in reversed(list(enumerate(CELL_EDGES))):
            before[:, i] |= on[:, e] & before[:, j]
        kept = after & before
        place = np.cumsum(kept, axis=1) - 1  # of each vertex among those that stay
        place[:, OUTPUT] = OUTPUT
        row, edge = np.nonzero(on & kept[:, SOURCE] & kept[:, TARGET])
        cells = np.zeros_like(tokens)
        cells[row, 1 + _PLACE_OF_EDGE[place[row, SOURCE[edge]], place[row, TARGET[edge]]]] = 1
        row, vertex = np.nonzero(kept[:, 1:OUTPUT])
        cells[row, OPS.start + place[row, 1 + vertex] - 1] = tokens[row, OPS.start + vertex]
        cells[:, 0] = kept[:, 1:OUTPUT].sum(1)
        return cells

    def _grammar_faults(self, row: Int[np.ndarray, "L"]) -> tuple[str, ...]:
        last = int(row[0])  # the inner vertices that are there are 1 to last
        there = [0, *range(1, last + 1), OUTPUT]
        on = [edge for edge, bit in zip(CELL_EDGES, row[EDGES], strict=True) if bit]
        faults = []
        for vertex, op in enumerate(row[OPS].tolist(), 1):
            if (op != NONE) != (vertex <= last):
                given = "is not there and may have no" if vertex > last else "needs an"
                faults.append(f"Of {last + 2} vertices vertex {vertex} {given} operation.")
        faults += [f"Edge {i}-{j} joins a vertex that is not there." for i, j in on if {i, j} - set(there)]
        faults += [f"Vertex {i} has no edge out." for i in there[:-1] if all(source != i for source, _ in on)]
        faults += [f"Vertex {j} has no edge in." for j in there[1:] if all(target != j for _, target in on)]
        faults += [f"There may be at most {MOST_EDGES} edges; there are {len(on)}."] if len(on) > MOST_EDGES else []
        return tuple(faults)

    def sample(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        """Rows drawn uniformly from all legal ones."""
        arguments.whole("n", n)
        arguments.generator("rng", rng)
        ends = _weights().cumsum()
        tokens = patterns()[np.searchsorted(ends, rng.integers(ends[-1], size=n), side="right")]
        ops = rng.integers(1, len(OPERATIONS) + 1, size=(n, INNER))
        tokens[:, OPS] = np.where(np.arange(INNER) < tokens[:, :1], ops, NONE)
        return tokens

    def log_law(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """All rows are equally likely."""
        return np.zeros(len(self.check(tokens)))

    def belief(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n L K"]:
        """The logarithm of the share of rows with each symbol among those that agree with the decided ones."""
        left = agreeing(tokens) * _weights().astype(np.float32)  # (n, p): how many rows of each pattern
        total = np.maximum(left.sum(1, keepdims=True), 1e-30)
        share = np.zeros((len(tokens), *self._symbols.shape))
        edge = left @ patterns()[:, EDGES].astype(np.float32) / total
        share[:, EDGES, 0], share[:, EDGES, 1] = 1 - edge, edge
        inner = left @ (patterns()[:, :1] == np.arange(INNER + 1)).astype(np.float32) / total  # (n, 6)
        share[:, 0, : INNER + 1] = inner
        there = 1 - inner.cumsum(1)[:, :INNER]
        share[:, OPS, NONE] = 1 - there
        share[:, OPS, 1 : len(OPERATIONS) + 1] = there[:, :, None] / len(OPERATIONS)
        return np.log(np.maximum(share, 1e-30))

    @cached_property
    def tied(self) -> Int[np.ndarray, "L L"]:
        """The number of vertices goes with all edges and operations; those can change one by one."""
        slots = np.arange(len(self.slots))
        tied = np.full((len(slots), len(slots)), -1)
        tied[:, 0], tied[0] = slots, slots
        return tied

    def decode(self, row: Any) -> Architecture:
        """The architecture of one row; its text names each vertex and, in brackets, those that lead to it."""
        tokens = self.check_row(row)
        last = tokens[0] + 1  # the output among those that are there
        ops = ("input", *(OPERATIONS[op - 1] for op in tokens[OPS][: tokens[0]]), "output")
        pairs = [edge for edge, on in zip(CELL_EDGES, tokens[EDGES], strict=True) if on]
        edges = frozenset((i, min(j, last)) for i, j in pairs)
        return Architecture(self.name, ops, edges, tokens, _text(ops, edges))

    def graphs(self, tokens: Int[np.ndarray, "n L"]) -> Graphs:
        """Seven places; those of vertices that are not there are empty."""
        tokens = self.check(tokens)
        inner = np.where(tokens[:, OPS] == NONE, ABSENT, 1 + tokens[:, OPS])
        edges = np.zeros((len(tokens), OUTPUT + 1, OUTPUT + 1), dtype=bool)
        edges[:, *np.array(CELL_EDGES).T] = tokens[:, EDGES] == 1
        ends = np.zeros((len(tokens), 1), dtype=np.int64)
        return Graphs(np.concatenate([ends, inner, ends + self.operations.index("output")], axis=1), edges)

    def sketch(self, row: Int[np.ndarray, "L"], probability: Float[np.ndarray, "L K"]) -> Sketch:
        """All seven vertices in one column, those that are not there as ``none``, and every edge that may be."""
        last = int(row[0]) if row[0] != UNDECIDED else INNER
        there = (0, *range(1, last + 1), OUTPUT)
        ops, belief = self._believed(row, probability, {vertex: OPS.start + vertex - 1 for vertex in there[1:-1]})
        share = np.where(row == UNDECIDED, probability[:, 1], row)[EDGES].tolist()
        edges = {edge: p * (edge[0] in there and edge[1] in there) for edge, p in zip(CELL_EDGES, share, strict=True)}
        symbols = ("input", *(ops.get(vertex, "none") for vertex in range(1, OUTPUT)), "output")
        places = tuple((0, layer) for layer in range(OUTPUT + 1))
        return Sketch(symbols, edges, belief, places, int((row == UNDECIDED).sum()))

    def _row(self, architecture: str | Architecture) -> list[int]:
        """A text is such as ``conv3x3-bn-relu(0)|maxpool3x3(0,1)|output(1,2)``; see ``notation``."""
        if isinstance(architecture, Architecture) and architecture.space == self.name:
            return list(architecture.tokens)
        parts = architecture.split("|") if isinstance(architecture, str) else []
        found = [match for part in parts if (match := _VERTEX.fullmatch(part))]
        if not 1 <= len(parts) == len(found) <= OUTPUT or found[-1][1] != "output":
            raise ArgumentError(
                f"architectures must be of {self.name}, decoded or as texts of the form "
                "conv3x3-bn-relu(0)|maxpool3x3(0,1)|output(1,2) with at most five operations before the output, each "
                f"with the vertices that lead to it, 0 for the input; got {architecture!r:.120}."
            )
        row = [0] * len(self.slots)
        row[0] = len(found) - 1
        for vertex, match in enumerate(found, 1):
            for source in map(int, match[2].split(",")):
                if source >= vertex:
                    raise ArgumentError(f"architectures: vertex {vertex} must come after {source}; got {architecture}.")
                row[1 + CELL_EDGES.index((source, OUTPUT if vertex == len(found) else vertex))] = 1
            if vertex < len(found):
                row[OPS.start + vertex - 1] = 1 + OPERATIONS.index(arguments.one_of("operation", match[1], OPERATIONS))
        return row

    def canonical(self, tokens: Int[np.ndarray, "n L"], identity: str = "graph") -> Int[np.ndarray, "n L"]:
        """The first row of the class of each row.

        ``"string"`` (1,293,208 classes): the row itself. ``"graph"`` (423,624): labelled DAGs that are isomorphic,
        which is the identity of the benchmark.
        """
        arguments.one_of("identity", identity, self.identities)
        tokens = self.check(tokens)
        if identity == "string":
            return tokens
        place = np.full(len(tokens), np.inf)
        written = np.concatenate([tokens[:, 1:], np.arange(INNER) >= tokens[:, :1]], axis=1).astype(np.float64)
        for weights in _renumberings():
            place = np.minimum(place, written @ weights)
        return np.concatenate([tokens[:, :1], place.astype(np.int64)[:, None] // _PLACES % _RADICES], axis=1)

    def features(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n f"]:
        """What isomorphic cells share: how many of each operation and of edges between each two of them, how long paths
        from input to output are at least and at most, and how many 3x3 convolutions are on them.
        """
        tokens = self.check(tokens)
        ops = tokens[:, OPS, None] == np.arange(1, len(OPERATIONS) + 1)  # (n, 5, 3)
        ones = np.ones((len(tokens), INNER), dtype=np.int64)
        paths = [*_along_paths(tokens, ones), *_along_paths(tokens, ops[:, :, 1].astype(np.int64))]
        counts = np.concatenate([ops.sum(1), _edges_by_operations(tokens), np.stack(paths, axis=1)], axis=1)
        return (counts[:, :, None] > np.arange(INNER)).reshape(len(tokens), -1)  # "more than so many"

    def params(self, tokens: Int[np.ndarray, "n L"], classes: int = 10) -> Int[np.ndarray, "n"]:
        """Exact number of trainable parameters, that of the benchmark.

        Isomorphic cells may differ by a few, as the first vertices take what is left when the channels are shared.
        """
        tokens, classes = self.check(tokens), arguments.whole("classes", classes, high=MOST_CLASSES)
        return costs.params(tokens, classes)

    def flops(self, tokens: Int[np.ndarray, "n L"], classes: int = 10, image_size: int = 32) -> Int[np.ndarray, "n"]:
        """Exact multiply-accumulates for one square image, of convolutions, projections and classifier."""
        tokens, classes = self.check(tokens), arguments.whole("classes", classes, high=MOST_CLASSES)
        return costs.flops(tokens, classes, arguments.whole("image_size", image_size, low=4, high=LARGEST_IMAGE))


def notation(matrix: Any, operations: Sequence[str]) -> str:
    """The text of a cell as the benchmark publishes it: adjacency matrix (V, V), operations with input and output.

    Vertices on no path from input to output are left out, as in the benchmark.
    """
    on = np.triu(arguments.array("matrix", matrix) != 0, 1)
    if on.shape != (len(operations),) * 2 or not np.array_equal(on, np.asarray(matrix)) or len(on) < 2:
        raise ArgumentError(
            f"matrix must be an upper triangle of zeros and ones with a row for each of the {len(operations)} "
            f"operations, at least 2; got shape {on.shape}."
        )
    reach = np.linalg.matrix_power(np.eye(len(on), dtype=np.int64) + on, len(on)) > 0
    kept = np.flatnonzero(reach[0] & reach[:, -1]).tolist()
    if len(kept) < 2:
        raise ArgumentError("matrix must have a path from the input, its first vertex, to the output, its last.")
    edges = frozenset(zip(*(ends.tolist() for ends in np.nonzero(on[np.ix_(kept, kept)])), strict=True))
    return _text([operations[vertex] for vertex in kept], edges)


def _text(ops: Sequence[str], edges: frozenset[tuple[int, int]]) -> str:
    sources = [",".join(str(i) for i, j in sorted(edges) if j == vertex) for vertex in range(len(ops))]
    return "|".join(f"{op}({source})" for op, source in zip(ops[1:], sources[1:], strict=True))


def _edges_by_operations(tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n 16"]:
    """How many edges lead from the input or each operation to each operation or the output."""
    ops = np.pad(tokens[:, OPS], ((0, 0), (1, 1)), constant_values=((0, 0), (0, len(OPERATIONS) + 1)))  # (n, 7)
    kinds = len(OPERATIONS) + 1
    source, target = np.array(CELL_EDGES).T
    pair = ops[:, source] * kinds + ops[:, target] - 1  # (n, e)
    on = tokens[:, EDGES] == 1
    return np.stack([(on & (pair == each)).sum(1) for each in range(kinds**2)], axis=1)


def _along_paths(tokens: Int[np.ndarray, "n L"], weights: Int[np.ndarray, "n 5"]) -> tuple[np.ndarray, np.ndarray]:
    """The least (n,) and the largest (n,) sum of weights of inner vertices on a path from input to output."""
    weights = np.pad(weights, ((0, 0), (1, 1)))
    least, most = np.full((len(tokens), OUTPUT + 1), OUTPUT), np.full((len(tokens), OUTPUT + 1), -OUTPUT)
    least[:, 0] = most[:, 0] = 0
    for j in range(1, OUTPUT + 1):
        for i in range(j):
            on = tokens[:, 1 + CELL_EDGES.index((i, j))] == 1
            least[:, j] = np.where(on, np.minimum(least[:, j], least[:, i] + weights[:, j]), least[:, j])
            most[:, j] = np.where(on, np.maximum(most[:, j], most[:, i] + weights[:, j]), most[:, j])
    return least[:, OUTPUT], most[:, OUTPUT]


@cache
def _weights() -> Int[np.ndarray, "p"]:
    """How many rows have each pattern of edges."""
    return len(OPERATIONS) ** patterns()[:, 0]


# The place of a row among all combinations of symbols with its number of vertices.
_RADICES = np.array([2] * len(CELL_EDGES) + [1 + len(OPERATIONS)] * INNER)
_PLACES = np.append(np.cumprod(_RADICES[:0:-1])[::-1], 1)
_NEVER = 2.0**40  # beyond all places; sums of it are exact


@cache
def _renumberings() -> Float[np.ndarray, "120 31"]:
    """For each order of the inner vertices what symbols, and vertices that are not there, add to the place of a row.

    An order in which an edge would go down, or one that moves a vertex that is not there, adds beyond all places.
    """
    orders = list(itertools.permutations(range(1, OUTPUT)))
    weights = np.zeros((len(orders), len(_PLACES) + INNER))
    for row, order in zip(weights, orders, strict=True):
        new = (0, *order, OUTPUT)
        for slot, (i, j) in enumerate(CELL_EDGES):
            row[slot] = _PLACES[CELL_EDGES.index((new[i], new[j]))] if new[i] < new[j] else _NEVER
        for slot, vertex in enumerate(order, len(CELL_EDGES)):
            row[slot] = _PLACES[len(CELL_EDGES) + vertex - 1]
            row[INNER + slot] = 0 if vertex == slot - len(CELL_EDGES) + 1 else _NEVER
    return weights
