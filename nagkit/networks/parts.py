"""What the networks of a space consist of, as far as it takes time: counts and amounts of work for every architecture.

Notation: n architectures, p parts. The first part is 1, what all networks share; the others are at least 0.
"""

from functools import cache, partial

import numpy as np
from jaxtyping import Float, Int

from nagkit.errors import ArgumentError
from nagkit.predictors.additive import Parts
from nagkit.space import SearchSpace
from nagkit.spaces.mobilenet_v3 import (
    BLOCKS,
    KERNELS,
    RESOLUTIONS,
    MobileNetV3,
    block_kinds,
    over_blocks,
    sides_of,
)
from nagkit.spaces.nas_bench_201 import CELL_EDGES, CONV1, CONV3, NONE, POOL, SKIP, NasBench201

_SOURCE, _TARGET = np.array(CELL_EDGES).T


def parts(space: SearchSpace) -> Parts:
    """The function that counts the parts of a space's networks as ``build`` makes them."""
    if isinstance(space, NasBench201):
        return _of_cells
    if isinstance(space, MobileNetV3):
        return partial(_of_blocks, space.width)
    raise ArgumentError(
        f"space must be one whose networks can be timed, nas-bench-201 or a mobilenet-v3; got {space.name!r}."
    )


def _of_cells(tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n 7"]:
    """1, both convolutions, skips, poolings (one for each node that is pooled), additions, nodes without an edge."""
    space = NasBench201()
    live = np.where(space.alive(tokens), tokens, NONE)
    pooled = sum(((live == POOL) & (node == _SOURCE)).any(1) for node in range(3))
    terms = np.stack([((live != NONE) & (node == _TARGET)).sum(1) for node in (1, 2, 3)])  # (3, n)
    counts = [(live == symbol).sum(1) for symbol in (CONV1, CONV3, SKIP)]
    shared = [pooled, np.maximum(terms - 1, 0).sum(0), (terms == 0).sum(0)]
    return np.stack([np.ones(len(live)), *counts, *shared], axis=1).astype(np.float64)


def _of_blocks(width: float, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n 9"]:
    """1, area after the stem and at the end, blocks, and in them: multiply-accumulates by 1x1, by 3x3, 5x5 and 7x7
    convolutions of single channels, values between these.
    """
    inside = over_blocks(tokens, _work(width), tokens[:, 0])  # (n, 6)
    area = np.array([sides_of(resolution) for resolution in RESOLUTIONS])[tokens[:, 0]] ** 2
    return np.concatenate([np.ones((len(tokens), 1)), area[:, [0, -1]], inside], axis=1)


@cache
def _work(width: float) -> Float[np.ndarray, "25 5 2 9 6"]:
    """What is in a block, by side of the image, stage, first or later block, and kind."""
    table = np.zeros((len(RESOLUTIONS), 5, 2, len(BLOCKS), 6))
    for row, resolution in enumerate(RESOLUTIONS):
        side = sides_of(resolution)
        for (number, later, kind), before, stage, kernel, middle in block_kinds(width):
            entering, leaving = side[number + 1 if later else number] ** 2, side[number + 1] ** 2
            work = table[row, number, later, kind]
            work[0] = 1
            work[1] = middle * (before * entering + stage.channels * leaving)
            work[2 + KERNELS.index(kernel)] = middle * kernel**2 * leaving
            work[5] = middle * (entering + leaving)
    return table
