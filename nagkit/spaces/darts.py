"""The cell space of DARTS (Liu, Simonyan & Yang, ICLR 2019): a normal and a reduction cell with operations on edges.

Vertices 0 and 1 of a cell are its inputs, the outputs of the cell before the last and of the last; 2 to 5 are its
nodes. A node is the sum of what exactly two edges bring from different vertices before it, and the cell's output is all
four nodes, concatenated. Slots are the edges, of the normal cell and then of the reduction cell, node by node, each
with an operation or ``none``; every row thus has 16 operations and 12 times ``none``.

Notation: n architectures, L = 28 slots, K = 8 symbols, m the other slots of a node.
"""

import itertools
import math
from functools import cache, cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.graphs import Graphs
from nagkit.growth import Growth
from nagkit.sketch import Sketch
from nagkit.space import UNDECIDED, Architecture, SearchSpace, Slot
from nagkit.spaces import darts_costs as costs
from nagkit.spaces.darts_cells import (
    CELL_EDGES,
    CELLS,
    EDGES,
    INTO,
    NODES,
    NONE,
    OPERATIONS,
    SOURCE,
    SYMBOLS,
    TARGET,
    read,
    written,
)
from nagkit.spaces.skeleton import LARGEST_IMAGE, MOST_CLASSES, Skeleton
from nagkit.spaces.slot_costs import SlotCosts

CIFAR = Skeleton((36, 72, 144), cells=(6, 7, 7))  # as published: twenty cells, reduction after a third and two
SMALL = Skeleton((8, 16, 32), cells=1, image_channels=1)  # three cells, for grey images of 8 pixels a side

_NODE = np.concatenate([TARGET, TARGET + len(NODES)]) - NODES.start  # of each slot, those of both cells counted on
_IN_NODE = np.eye(len(CELLS) * len(NODES), dtype=np.int64)[_NODE]  # (L, 8)
_STRUCTURES = math.prod(math.comb(node, INTO) for node in NODES)
_BEYOND = 2.0**44  # beyond the place of any cell in the list of all combinations; sums of it are exact


class Darts(SearchSpace):
    """1.08·10¹⁸ pairs of cells: 1,037,664,180 normal ones, each with as many reduction cells."""

    name = "darts"
    slots = tuple(Slot(f"{cell} {source}-{node}", SYMBOLS) for cell in CELLS for source, node in CELL_EDGES)
    operations = ("input before", "input", "sum", "concatenation", "output", *OPERATIONS)
    identities = ("string", "graph")
    isomorphic = "graph"
    # Both cells as they follow each other in a network: vertex 6 is the output of the normal cell, and the reduction
    # cell works on it and on vertex 1; 7 to 10 are its nodes.
    growth = Growth(
        11,
        {edge: slot for slot, edge in enumerate(CELL_EDGES)}
        | {
            ((1, 6)[source] if source < 2 else source + 5, node + 5): EDGES + slot
            for slot, (source, node) in enumerate(CELL_EDGES)
        },
        {},
        always=tuple((node, 6) for node in NODES),
    )

    @property
    def size(self) -> int:
        """Number of legal rows: in each cell 180 choices of edges, and seven operations on each of eight."""
        return (_STRUCTURES * len(OPERATIONS) ** (INTO * len(NODES))) ** len(CELLS)

    def legal(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n L K"]:
        """Which symbols leave a node two edges, beside those of the same node; what other nodes hold does not matter.

        For partly decided nodes it is exact.
        """
        return _allowed(*_beside(tokens))

    def legal_in(self, tokens: Int[np.ndarray, "n L"], slot: Int[np.ndarray, "n"] | int) -> Bool[np.ndarray, "n K"]:
        """The same of one slot of each row."""
        others = self._others(tokens, slot)
        return _allowed((others > NONE).sum(1), (others == UNDECIDED).sum(1))

    def _others(self, tokens: Int[np.ndarray, "n L"], slot: Int[np.ndarray, "n"] | int) -> Int[np.ndarray, "n m"]:
        """What the other slots of the same node hold, in the order of ``tied``; ``none`` fills up."""
        mates = self.tied[np.broadcast_to(slot, len(tokens)), 1:]
        return np.where(mates < 0, NONE, np.take_along_axis(tokens, np.maximum(mates, 0), axis=1))

    @cached_property
    def tied(self) -> Int[np.ndarray, "L 5"]:
        """The slots of a node go together, each with those after it first."""
        tied = np.full((len(self.slots), max(NODES)), -1)
        for slot, node in enumerate(_NODE):
            mates = np.flatnonzero(node == _NODE)
            tied[slot, : len(mates)] = np.roll(mates, -int(np.searchsorted(mates, slot)))
        return tied

    def _grammar_faults(self, row: Int[np.ndarray, "L"]) -> tuple[str, ...]:
        edges = (row > NONE) @ _IN_NODE
        return tuple(
            f"Node {NODES[node % len(NODES)]} of the {CELLS[node // len(NODES)]} cell must have {INTO} edges in that "
            f"are not 'none'; it has {edges[node]}."
            for node in np.flatnonzero(edges != INTO)
        )

    def _repaired(self, rows: Int[np.ndarray, "n L"], edited: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n L"]:
        """An edge too many makes one of the two others go, an edge too few makes another come: the edge moves.

        If one of the others has the operation of the new edge, it goes; else which of them that operation decides.
        What comes has the operation of the edge that stayed.
        """
        rows, here = rows.copy(), np.arange(len(rows))
        others, own = self._others(rows, edited), rows[here, edited]
        on, mates = others > NONE, self.tied[edited, 1:]
        many, few = on.sum(1) + (own > NONE) > INTO, on.sum(1) + (own > NONE) < INTO
        turn = (np.cumsum(on, axis=1) - 1 == own[:, None] % INTO) + 2 * (others == own[:, None])
        goes = np.where(on, turn, -1).argmax(1)
        free = ~on & (mates >= 0)
        few &= free.any(1)
        rows[here[many], mates[many, goes[many]]] = NONE
        rows[here[few], mates[few, free[few].argmax(1)]] = others[few].max(1)
        return rows

    def sample(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        """Rows drawn uniformly from all legal ones."""
        arguments.whole("n", n)
        arguments.generator("rng", rng)
        tokens = rng.integers(1, len(SYMBOLS), size=(n, len(self.slots)))
        for node in range(_IN_NODE.shape[1]):
            slots = np.flatnonzero(node == _NODE)
            tokens[:, slots] *= rng.random((n, len(slots))).argsort(1).argsort(1) < INTO
        return tokens

    def log_law(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """All rows are equally likely."""
        return np.zeros(len(self.check(tokens)))

    def belief(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n L K"]:
        """The logarithm of the share of rows with each symbol among those that agree with the decided others."""
        on, undecided = _beside(tokens)
        edge = np.clip((INTO - on) / (undecided + 1), 0, 1)[:, :, None]  # as many of the open ones are still to come
        share = np.concatenate([1 - edge, np.repeat(edge / len(OPERATIONS), len(OPERATIONS), axis=2)], axis=2)
        return np.log(np.maximum(share, 1e-30))

    def decode(self, row: Any) -> Architecture:
        """The architecture of one row; its text is a ``Genotype``, as the published code writes it.

        The labelled DAG is that of a normal cell and the reduction cell after it. Operations are nodes of their own, so
        that each cell has eight of them, and four sums.
        """
        tokens = self.check_row(row)
        ops, edges = self.graphs(np.array([tokens]))
        pairs = frozenset((i, j) for i, j in np.argwhere(edges[0]).tolist())
        return Architecture(self.name, tuple(self.operations[op] for op in ops[0]), pairs, tokens, written(tokens))

    def graphs(self, tokens: Int[np.ndarray, "n L"]) -> Graphs:
        """28 nodes, alike in all rows but for the operations, and but for the edges that lead to these."""
        tokens = self.check(tokens)
        slots = there(tokens)
        ops = np.tile(_OPS, (len(tokens), 1))
        ops[:, _PLACES] = self.operations.index(OPERATIONS[0]) + np.take_along_axis(tokens, slots, axis=1) - 1
        edges = np.tile(_ALWAYS, (len(tokens), 1, 1))
        edges[np.arange(len(tokens))[:, None], _VERTICES[slots // EDGES, SOURCE[slots % EDGES]], _PLACES] = True
        return Graphs(ops, edges)

    def sketch(self, row: Int[np.ndarray, "L"], probability: Float[np.ndarray, "L K"]) -> Sketch:
        """Both cells with all edges that there may be, each with its operation or the belief about it."""
        symbols, values = ["input before", "input"], [0, 1]  # those that a cell works on
        edges, slots = {}, {}
        sure = np.where(row == UNDECIDED, 1 - probability[:, NONE], row != NONE).tolist()
        for cell in range(len(CELLS)):
            places = list(values)
            for node in NODES:
                total = len(symbols) + node
                for source in range(node):
                    own, slot = len(symbols), cell * EDGES + CELL_EDGES.index((source, node))
                    edges[places[source], own] = edges[own, total] = float(np.clip(sure[slot], 0, 1))
                    slots[own] = slot
                    symbols.append("none")
                places.append(total)
                symbols.append("sum")
            edges |= {(place, len(symbols)): 1.0 for place in places[2:]}
            values = [values[1], len(symbols)]
            symbols.append("output" if cell else "concatenation")
        ops, belief = self._believed(row, probability, slots)
        for node, op in ops.items():
            symbols[node] = op
        return Sketch(tuple(symbols), edges, belief, undecided=int((row == UNDECIDED).sum()))

    def _row(self, architecture: str | Architecture) -> list[int]:
        """A text is such as ``Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=range(2, 6), reduce=[…], …)``."""
        if isinstance(architecture, Architecture) and architecture.space == self.name:
            return list(architecture.tokens)
        return read(architecture)

    def canonical(self, tokens: Int[np.ndarray, "n L"], identity: str = "graph") -> Int[np.ndarray, "n L"]:
        """The first row of the class of each row.

        ``"string"``: the row itself. ``"graph"``: labelled DAGs that are isomorphic, which is to say that the nodes of
        each cell come in another order. The channels of the cell's output then do, too; what reads them has weights of
        its own for each, so that both compute the same functions.
        """
        arguments.one_of("identity", identity, self.identities)
        tokens = self.check(tokens)
        if identity == "string":
            return tokens
        cells = tokens.reshape(-1, EDGES).astype(np.float64)
        place = (cells @ _renumberings()).min(1).astype(np.int64)
        return (place[:, None] // _RADICES % len(SYMBOLS)).reshape(tokens.shape)

    def features(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n f"]:
        """What isomorphic architectures share: their canonical row as it is written, and of each cell how many of each
        operation work on each input and on other nodes, and how many nodes are more than so many edges deep.
        """
        canonical = self.canonical(tokens)
        kinds = np.minimum(SOURCE, 2)  # either input, or a node
        kinds = np.concatenate([kinds, kinds + 3])
        counts = [(canonical[:, kinds == kind] == op).sum(1) for kind in range(6) for op in range(1, len(SYMBOLS))]
        levels = np.stack(counts, axis=1)[:, :, None] > np.arange(len(NODES) + 1)  # "more than so many"
        deep = (self.depths(canonical)[:, :, :, None] > np.arange(1, len(NODES))).sum(2)  # (n, 2, 3)
        deeper = deep.reshape(len(canonical), -1)[:, :, None] > np.arange(len(NODES))
        flat = [each.reshape(len(canonical), -1) for each in (levels, deeper)]
        return np.concatenate([self.one_hot(canonical), *flat], axis=1)

    def depths(self, tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n 2 4"]:
        """How many edges the longest path from an input of its cell to each node has."""
        on = self.check(tokens).reshape(-1, len(CELLS), EDGES) != NONE
        depth = np.zeros((*on.shape[:2], NODES.stop), dtype=np.int64)
        for edge, (source, node) in enumerate(CELL_EDGES):
            depth[:, :, node] = np.maximum(depth[:, :, node], on[:, :, edge] * (depth[:, :, source] + 1))
        return depth[:, :, NODES.start :]

    def counts(self, tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n 16"]:
        """How many slots of the normal cell hold each symbol, and how many of the reduction cell."""
        cells = self.check(tokens).reshape(-1, len(CELLS), EDGES)
        return (cells[..., None] == np.arange(len(SYMBOLS))).sum(2).reshape(len(cells), -1)

    def params(
        self, tokens: Int[np.ndarray, "n L"], classes: int = 10, skeleton: Skeleton = CIFAR
    ) -> Int[np.ndarray, "n"]:
        """Exact number of trainable parameters.

        Args:
            skeleton: stages of so many ``channels``, each of so many ``cells``, the first of each but the first stage a
                reduction cell; so its ``reduction`` does not matter
        """
        tokens = self.check(tokens)
        return self.slot_params(classes, skeleton).of(tokens)

    def flops(
        self, tokens: Int[np.ndarray, "n L"], classes: int = 10, image_size: int = 32, skeleton: Skeleton = CIFAR
    ) -> Int[np.ndarray, "n"]:
        """Exact multiply-accumulates for one square image; see ``params`` for the skeleton."""
        tokens = self.check(tokens)
        return self.slot_flops(classes, image_size, skeleton).of(tokens)

    def slot_params(self, classes: int = 10, skeleton: Skeleton = CIFAR) -> SlotCosts:
        """What each symbol of each slot adds to the parameters, and what all networks have."""
        classes = arguments.whole("classes", classes, high=MOST_CLASSES)
        return costs.params(classes, arguments.instance("skeleton", skeleton, Skeleton, "CIFAR or SMALL"))

    def slot_flops(self, classes: int = 10, image_size: int = 32, skeleton: Skeleton = CIFAR) -> SlotCosts:
        """What each symbol of each slot adds to the multiply-accumulates, and what all networks have."""
        classes = arguments.whole("classes", classes, high=MOST_CLASSES)
        image_size = arguments.whole("image_size", image_size, high=LARGEST_IMAGE)
        return costs.flops(classes, image_size, arguments.instance("skeleton", skeleton, Skeleton, "CIFAR or SMALL"))


def there(tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n 16"]:
    """The slots of complete, legal rows that hold an operation, in ascending order: two for each node."""
    return np.nonzero(tokens)[1].reshape(len(tokens), -1)


def _beside(tokens: Int[np.ndarray, "n L"]) -> tuple[Int[np.ndarray, "n L"], Int[np.ndarray, "n L"]]:
    """Beside each slot how many others of its node hold an operation, and how many are undecided."""
    on, undecided = (tokens > NONE).astype(np.int64), (tokens == UNDECIDED).astype(np.int64)
    return (on @ _IN_NODE)[:, _NODE] - on, (undecided @ _IN_NODE)[:, _NODE] - undecided


def _allowed(on: np.ndarray, undecided: np.ndarray) -> np.ndarray:
    """Which symbols (along a new last axis) a slot may have, given what the others of its node hold."""
    without = (on <= INTO) & (on + undecided >= INTO)
    with_edge = (on <= INTO - 1) & (on + undecided >= INTO - 1)
    return np.stack([without, *[with_edge] * len(OPERATIONS)], axis=-1)


# The nodes of the labelled DAGs: two inputs; of each node of the normal cell two operations and their sum; the
# concatenation of these sums; the same of the reduction cell, and the output.
_FIRST = (2, 15)  # of each cell
_PLACES = np.array([first + 3 * j + k for first in _FIRST for j in range(len(NODES)) for k in range(INTO)])
_SUMS = np.array([[first + 3 * j + INTO for j in range(len(NODES))] for first in _FIRST])  # (2, 4)
_VERTICES = np.concatenate([[[0, 1], [1, 14]], _SUMS], axis=1)  # (2, 6)
_ENDS = np.array([14, 27])
_OPS = np.full(28, Darts.operations.index("sum"))
_OPS[[0, 1, *_ENDS]] = [Darts.operations.index(op) for op in ("input before", "input", "concatenation", "output")]
_ALWAYS = np.zeros((28, 28), dtype=bool)
_ALWAYS[_PLACES, np.repeat(_SUMS.ravel(), INTO)] = _ALWAYS[_SUMS, _ENDS[:, None]] = True

_RADICES = len(SYMBOLS) ** np.arange(EDGES)[::-1]


@cache
def _renumberings() -> Float[np.ndarray, "14 24"]:
    """For each order of the nodes of a cell what symbols add to the place of the cell in the list of all combinations.

    An edge that would go down adds beyond all places.
    """
    orders = list(itertools.permutations(NODES))
    weights = np.full((EDGES, len(orders)), _BEYOND)
    for column, order in enumerate(orders):
        new = (0, 1, *order)
        for edge, (source, node) in enumerate(CELL_EDGES):
            if new[source] < new[node]:
                weights[edge, column] = _RADICES[CELL_EDGES.index((new[source], new[node]))]
    return weights
