"""Which cells NAS-Bench-101 has: at most nine edges, and every vertex on a path from input to output.

In a DAG with one source and one sink every vertex lies on such a path when all but the input have an edge in and all
but the output have an edge out.

Notation: n partial rows, m of them with a number of vertices; e edges. Vertex 0 is the input, 6 the output; of V
vertices those from V - 1 to 5 are not there.
"""

from functools import cache

import numpy as np
from jaxtyping import Bool, Int

from nagkit.space import UNDECIDED

OUTPUT = 6
INNER = OUTPUT - 1  # vertices that are neither input nor output, at most
MOST_EDGES = 9
NONE = 0  # the operation of a vertex that is not there
CELL_EDGES = tuple((i, j) for i in range(OUTPUT) for j in range(i + 1, OUTPUT + 1))
SOURCE, TARGET = np.array(CELL_EDGES).T
EDGES, OPS = slice(1, 1 + len(CELL_EDGES)), slice(1 + len(CELL_EDGES), 1 + len(CELL_EDGES) + INNER)  # slots

_FROM = (SOURCE[:, None] == np.arange(OUTPUT)).astype(np.float32)  # (e, 6): edges leave vertices 0 to 5
_TO = (TARGET[:, None] == np.arange(1, OUTPUT + 1)).astype(np.float32)  # (e, 6): edges lead to vertices 1 to 6
_TARGETS = _FROM * 2.0 ** (TARGET - 1)[:, None].astype(np.float32)  # (e, 6): bits of the targets of each vertex
_ONES = np.array([bits.bit_count() for bits in range(2**OUTPUT)], dtype=np.int8)

# By number of inner vertices, 0 to 5: the vertices that need an edge out, those that need one in, possible edges.
_INSIDE = np.arange(1, INNER + 1) <= np.arange(INNER + 1)[:, None]  # (6, 5)
_NEED_OUT = np.concatenate([np.ones((INNER + 1, 1), dtype=bool), _INSIDE], axis=1)
_NEED_IN = np.concatenate([_INSIDE, np.ones((INNER + 1, 1), dtype=bool)], axis=1)
_POSSIBLE = _NEED_OUT[:, SOURCE] & _NEED_IN[:, TARGET - 1]  # (6, e)


def completable(tokens: Int[np.ndarray, "n 27"]) -> Bool[np.ndarray, "n"]:
    """Whether some legal row agrees with all decided slots of each row."""
    row, inner = np.nonzero(_inner(tokens))
    edges = tokens[row, EDGES]
    possible, on = _POSSIBLE[inner], edges == 1
    may = possible & (edges == UNDECIDED)
    needed = _needed(_NEED_OUT[inner] & ~_any(on, _FROM), _NEED_IN[inner] & ~_any(on, _TO), may, MOST_EDGES - on.sum(1))
    found = np.zeros(len(tokens), dtype=bool)
    found[row[~(on & ~possible).any(1) & (on.sum(1) + needed <= MOST_EDGES)]] = True
    return found


def agreeing(tokens: Int[np.ndarray, "n 27"]) -> Bool[np.ndarray, "n p"]:
    """Which legal patterns of edges agree with all decided slots of each row."""
    edges, rows = tokens[:, EDGES], patterns()[:, EDGES].T.astype(np.float32)  # (n, e), (e, p)
    wrong = (edges == 1).astype(np.float32) @ (1 - rows) + (edges == 0).astype(np.float32) @ rows
    return (wrong == 0) & _inner(tokens)[:, patterns()[:, 0]]


def _inner(tokens: Int[np.ndarray, "n 27"]) -> Bool[np.ndarray, "n 6"]:
    """Which numbers of inner vertices, 0 to 5, the first slot and the operations leave."""
    first, ops = tokens[:, :1], tokens[:, OPS, None]
    left = (ops == UNDECIDED) | ((ops != NONE) == _INSIDE.T)  # (n, 5, 6)
    return left.all(1) & ((first == UNDECIDED) | (first == np.arange(INNER + 1)))


def _any(edges: Bool[np.ndarray, "m 21"], of: np.ndarray) -> Bool[np.ndarray, "m 6"]:
    return edges.astype(np.float32) @ of > 0


def _needed(
    out: Bool[np.ndarray, "m 6"],
    into: Bool[np.ndarray, "m 6"],
    may: Bool[np.ndarray, "m 21"],
    left: Int[np.ndarray, "m"],
) -> Int[np.ndarray, "m"]:
    """The least number of further edges for what lacks one; more than there may be where nothing helps.

    One edge can serve two needs: the least is the number of needs less a largest matching between those that some
    possible edge would serve together (Gallai, 1959). Only asked for where an edge for each would be too many.
    """
    needed = out.sum(1) + into.sum(1)
    starving = (out & ~_any(may, _FROM)).any(1) | (into & ~_any(may, _TO)).any(1)
    tight = ~starving & (needed > left)
    needed[tight] -= _matching(out[tight], into[tight], may[tight])
    needed[starving] = MOST_EDGES + 1
    return needed


def _matching(
    out: Bool[np.ndarray, "m 6"], into: Bool[np.ndarray, "m 6"], may: Bool[np.ndarray, "m 21"]
) -> Int[np.ndarray, "m"]:
    """The size of a largest matching: by Hall's theorem what remains of ``out`` when the worst subset goes short."""
    bits = (into @ (1 << np.arange(OUTPUT))).astype(np.uint8)
    targets = (may.astype(np.float32) @ _TARGETS).astype(np.uint8) & bits[:, None]  # (m, 6)
    size, reached = np.zeros((2, len(out), 1), dtype=np.uint8)
    for vertex in range(OUTPUT):  # subsets with and without each vertex: in the end all 64
        size = np.concatenate([size, size + out[:, vertex, None]], axis=1)
        reached = np.concatenate([reached, reached | (targets * out)[:, vertex, None]], axis=1)
    short = size.astype(np.int8) - _ONES[reached]
    return out.sum(1) - short.max(1)


@cache
def patterns() -> Int[np.ndarray, "p 27"]:
    """Every legal number of vertices with every legal set of edges, in the order of the rows; operations undecided."""
    rows = np.full((1, OPS.stop), UNDECIDED)
    for slot in range(OPS.start):
        symbols = INNER + 1 if slot == 0 else 2
        rows = np.repeat(rows, symbols, axis=0)
        rows[:, slot] = np.tile(np.arange(symbols), len(rows) // symbols)
        rows = rows[completable(rows)]
    return rows
