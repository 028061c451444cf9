"""What the two cells of DARTS consist of (Liu, Simonyan & Yang, ICLR 2019), and the notation of its published code.

Vertices 0 and 1 of a cell are its inputs, 2 to 5 its nodes; an edge leads from a vertex to a later node.
"""

import re
from collections.abc import Sequence

import numpy as np

from nagkit import arguments
from nagkit.errors import ArgumentError

NONE = 0
OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
SYMBOLS = ("none", *OPERATIONS)
CELLS = ("normal", "reduction")
NODES = range(2, 6)
INTO = 2  # edges into each node
CELL_EDGES = tuple((source, node) for node in NODES for source in range(node))
SOURCE, TARGET = np.array(CELL_EDGES).T
EDGES = len(CELL_EDGES)
REDUCES = np.arange(len(CELLS) * EDGES) >= EDGES  # whether each slot is one of the reduction cell

_PAIR = r"\(\s*'(\w+)'\s*,\s*(\d)\s*\)"
_JOINED = r"(?:range\(2,\s*6\)|\[2,\s*3,\s*4,\s*5\])"
_TEXT = re.compile(
    rf"\s*Genotype\(\s*normal\s*=\s*\[(?P<normal>[^][]*)\],\s*normal_concat\s*=\s*{_JOINED},"
    rf"\s*reduce\s*=\s*\[(?P<reduction>[^][]*)\],\s*reduce_concat\s*=\s*{_JOINED}\s*,?\s*\)\s*"
)


def written(tokens: Sequence[int]) -> str:
    """A complete row as a ``Genotype``: of each cell operations and sources, node by node."""
    held = {cell: tokens[place * EDGES : (place + 1) * EDGES] for place, cell in enumerate(CELLS)}
    normal, reduction = (
        [(SYMBOLS[symbol], source) for (source, _), symbol in zip(CELL_EDGES, held[cell], strict=True) if symbol]
        for cell in CELLS
    )
    joined = f"range({NODES.start}, {NODES.stop})"
    return f"Genotype(normal={normal}, normal_concat={joined}, reduce={reduction}, reduce_concat={joined})"


def read(text: object) -> list[int]:
    """The row of a ``Genotype``; a node may name its sources in any order."""
    match = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if match is None or any(re.sub(_PAIR, "", match[cell]).strip(" ,\n\t") for cell in CELLS):
        raise ArgumentError(
            "architectures must be of darts, decoded or as texts of the form Genotype(normal=[('sep_conv_3x3', 0), …], "
            f"normal_concat=range(2, 6), reduce=[…], reduce_concat=range(2, 6)); got {text!r:.120}."
        )
    return [symbol for cell in CELLS for symbol in _cell(cell, match[cell])]


def _cell(cell: str, text: str) -> list[int]:
    """The symbols of one cell, given the pairs of operation and source of its nodes in turn."""
    pairs = [(symbol, int(source)) for symbol, source in re.findall(_PAIR, text)]
    if len(pairs) != INTO * len(NODES):
        raise ArgumentError(
            f"architectures must have {INTO} operations for each of {len(NODES)} nodes of the {cell} cell; got "
            f"{len(pairs)} operations."
        )
    row = [NONE] * EDGES
    for place, (symbol, source) in enumerate(pairs):
        node = NODES[place // INTO]
        if source >= node or row[slot := CELL_EDGES.index((source, node))]:
            raise ArgumentError(
                f"architectures must lead to each node from {INTO} different vertices before it; node {node} of the "
                f"{cell} cell has {pairs[node * INTO - 4 : node * INTO - 2]}."
            )
        row[slot] = SYMBOLS.index(arguments.one_of("operation", symbol, OPERATIONS))
    return row
