"""What the networks of NAS-Bench-101 cost exactly (Ying et al., 2019, section 2 and the published code).

A stem, three stacks of three cells with 128, 256 and 512 channels, pooling that halves the image before the second
and third stack, and a classifier. Edges from the input of a cell are projections; what leads to its output is
concatenated and shares the channels, except the projection of the input, which is added.

Notation: n architectures; a convolution has kernel² · before · after weights and is normalised, which adds two
parameters a channel.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from nagkit.spaces.nas_bench_101_grammar import CELL_EDGES, EDGES, INNER, OPS, OUTPUT

CHANNELS = (128, 256, 512)  # of each stack
CELLS = 3  # in each stack
AREAS = np.array([0, 1, 9, 0])  # of the kernel of each operation: none, 1x1, 3x3, pooling


def vertex_channels(tokens: Int[np.ndarray, "n 27"], channels: int) -> Int[np.ndarray, "n 5"]:
    """Channels of the inner vertices of cells with so many at the output; 0 for those that are not there.

    Vertices that lead to the output share its channels evenly, the first of them one more where that leaves a rest.
    Any other has as many as the widest that it leads to.
    """
    on = _adjacency(tokens)
    leads = on[:, 1:OUTPUT, OUTPUT]  # (n, 5)
    ways = np.maximum(leads.sum(1, keepdims=True), 1)
    shares = leads * (channels // ways + (leads.cumsum(1) <= channels % ways))
    for vertex in reversed(range(INNER)):
        widest = (on[:, vertex + 1, 1:OUTPUT] * shares).max(1)
        shares[:, vertex] = np.where(leads[:, vertex], shares[:, vertex], widest)
    return shares


def params(tokens: Int[np.ndarray, "n 27"], classes: int) -> Int[np.ndarray, "n"]:
    """Trainable parameters."""
    total = np.full(len(tokens), (27 + 2) * CHANNELS[0] + (CHANNELS[-1] + 1) * classes)
    for _, weights, normalised in _cells(tokens):
        total += weights + 2 * normalised
    return total


def flops(tokens: Int[np.ndarray, "n 27"], classes: int, image_size: int) -> Int[np.ndarray, "n"]:
    """Multiply-accumulates of convolutions, projections and classifier for one image."""
    sides = [image_size]
    for _ in CHANNELS[1:]:
        sides.append((sides[-1] + 1) // 2)
    total = np.full(len(tokens), 27 * CHANNELS[0] * image_size**2 + CHANNELS[-1] * classes)
    for stack, weights, _ in _cells(tokens):
        total += weights * sides[stack] ** 2
    return total


def _cells(tokens: Int[np.ndarray, "n 27"]) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Of each cell its stack, the weights (n,) of all its convolutions, and their channels (n,)."""
    on, areas = _adjacency(tokens), AREAS[tokens[:, OPS]]
    projected, direct = on[:, 0, 1:OUTPUT], on[:, 0, OUTPUT]
    for stack, after in enumerate(CHANNELS):
        inner = vertex_channels(tokens, after)  # (n, 5)
        normalised = ((projected + (areas > 0)) * inner).sum(1) + direct * after
        for cell in range(CELLS):
            before = CHANNELS[max(stack - 1, 0)] if cell == 0 else after
            weights = (projected * before * inner + areas * inner**2).sum(1) + direct * before * after
            yield stack, weights, normalised


def _adjacency(tokens: Int[np.ndarray, "n 27"]) -> Int[np.ndarray, "n 7 7"]:
    on = np.zeros((len(tokens), OUTPUT + 1, OUTPUT + 1), dtype=np.int64)
    on[:, *np.array(CELL_EDGES).T] = tokens[:, EDGES]
    return on
