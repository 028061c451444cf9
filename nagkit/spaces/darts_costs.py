"""What networks of DARTS cells cost exactly: a sum over the slots, besides what all of them share.

The network is that of the published code for CIFAR-10 without its auxiliary classifier: a stem of three times the
first channels, then the cells; the first cell of every stage but the first is a reduction cell. Each cell first brings
its two inputs to its channels by 1x1 convolutions, to its side too if a reduction cell stands between them, and has
four times its channels at its output. Then the mean over each channel, and the classifier.

Notation: C channels, r image side, k classes; L slots, K symbols. FLOPs are multiply-accumulates of convolutions and
classifier; pooling, normalisation and ReLU are not counted.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from nagkit.spaces.darts_cells import CELLS, NODES, REDUCES, SOURCE, SYMBOLS
from nagkit.spaces.skeleton import Skeleton
from nagkit.spaces.slot_costs import SlotCosts

STEM = 3  # channels of the stem for each of the first cell
KERNELS = {"sep_conv_3x3": 3, "sep_conv_5x5": 5, "dil_conv_3x3": 3, "dil_conv_5x5": 5}  # of operations that convolve


class Place(NamedTuple):
    """Where a cell stands: its stage, channels, whether it halves the side, and what it works on.

    ``before`` are the channels of the outputs of the cell before the last and of the last; ``larger`` says whether the
    former has twice the side of the latter.
    """

    stage: int
    channels: int
    reduces: bool
    before: tuple[int, int]
    larger: bool


def cells(skeleton: Skeleton) -> Iterator[Place]:
    """The places of all cells of a network, in order."""
    before, larger = (STEM * skeleton.channels[0],) * 2, False
    for stage, (channels, count) in enumerate(skeleton.stages):
        for number in range(count):
            reduces = stage > 0 and number == 0
            yield Place(stage, channels, reduces, before, larger)
            before, larger = (before[1], len(NODES) * channels), reduces


def params(classes: int, skeleton: Skeleton) -> SlotCosts:
    """Trainable parameters."""
    first, last = skeleton.channels[0], skeleton.channels[-1]
    fixed = STEM * first * (9 * skeleton.image_channels + 2) + (len(NODES) * last + 1) * classes
    each = np.zeros((len(REDUCES), len(SYMBOLS)), dtype=np.int64)
    for place in cells(skeleton):
        fixed += (sum(place.before) + 4) * place.channels
        each += _in_cell(place, lambda *operation: _weights(*operation) + _normalisations(*operation))
    return SlotCosts(fixed, each)


def flops(classes: int, image_size: int, skeleton: Skeleton) -> SlotCosts:
    """Multiply-accumulates for one square image."""
    sides = [image_size]  # in each stage
    for _ in skeleton.channels[1:]:
        sides.append((sides[-1] + 1) // 2)
    fixed = STEM * skeleton.channels[0] * 9 * skeleton.image_channels * image_size**2
    fixed += len(NODES) * skeleton.channels[-1] * classes
    each = np.zeros((len(REDUCES), len(SYMBOLS)), dtype=np.int64)
    for place in cells(skeleton):
        fixed += sum(place.before) * place.channels * sides[place.stage - place.reduces] ** 2
        each += _in_cell(place, _weights) * sides[place.stage] ** 2
    return SlotCosts(fixed, each)


def _in_cell(place: Place, cost: Callable[[str, int, bool], int]) -> Int[np.ndarray, "L K"]:
    """The cost of each symbol of each slot in one cell; none in the slots of the other kind of cell."""
    whole, strided = (np.array([cost(symbol, place.channels, each) for symbol in SYMBOLS]) for each in (False, True))
    halves = place.reduces & (np.tile(SOURCE, len(CELLS)) < NODES.start)
    here = np.equal(REDUCES, place.reduces)
    return np.where(halves[:, None], strided, whole) * here[:, None]


def _weights(symbol: str, channels: int, strided: bool) -> int:
    """Weights of the convolutions of one operation."""
    if symbol in KERNELS:
        return (1 + symbol.startswith("sep")) * (KERNELS[symbol] ** 2 * channels + channels**2)
    return channels**2 if symbol == "skip_connect" and strided else 0


def _normalisations(symbol: str, channels: int, strided: bool) -> int:
    """Parameters of the normalisations of one operation."""
    if symbol in KERNELS:
        return (1 + symbol.startswith("sep")) * 2 * channels
    return 2 * channels if symbol == "skip_connect" and strided else 0
