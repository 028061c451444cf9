"""The MobileNetV3 space of Once-For-All (Cai et al., ICLR 2020): five stages of two to four inverted residual blocks.

A block has a kernel of 3, 5 or 7 and widens its channels by 3, 4 or 6 in between. Slots are the side of the image,
then the depth of each stage, then the blocks; a block beyond the depth of its stage is ``none``. Stem, first block and
head, and the channels, stride, activation and squeeze-and-excitation of each stage, are the same for all.

Notation: n architectures, L slots, K symbols; C channels, r image side, k classes. FLOPs are multiply-accumulates of
convolutions, squeeze-and-excitation and classifier; normalisation, activations, pooling and biases are not counted.
"""

import math
import re
from collections.abc import Iterable
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.graphs import ABSENT, Graphs
from nagkit.sketch import Sketch
from nagkit.space import UNDECIDED, Architecture, SearchSpace, Slot
from nagkit.spaces.skeleton import MOST_CLASSES

RESOLUTIONS = tuple(range(128, 225, 4))  # sides of the image
DEPTHS = (2, 3, 4)
KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)
BLOCKS = tuple((kernel, expansion) for kernel in KERNELS for expansion in EXPANSIONS)
MOST = max(DEPTHS)  # blocks in a stage
_SPREAD = np.array([0.17, 0.12, 0.36])  # of the logarithms of side, parameters and FLOPs over the space
NONE = 0  # the symbol of a third or fourth block that is not there
WIDTHS = (1.0, 1.2)


class Stage(NamedTuple):
    """What the blocks of a stage share; the first of them has the stride."""

    channels: int
    stride: int
    activation: str
    squeeze: bool


class Macro(NamedTuple):
    """Everything around the choices: channels of stem and first block, the stages, and the two layers of the head."""

    stem: int
    stages: tuple[Stage, ...]
    expanded: int
    last: int


def macro(width: float) -> Macro:
    """The network around the blocks, all channels times ``width``."""
    stages = (
        Stage(24, 2, "relu", False),
        Stage(40, 2, "relu", True),
        Stage(80, 2, "hard swish", False),
        Stage(112, 1, "hard swish", True),
        Stage(160, 2, "hard swish", True),
    )
    widened = tuple(stage._replace(channels=divisible(stage.channels * width)) for stage in stages)
    return Macro(divisible(16 * width), widened, divisible(960 * width), divisible(1280 * width))


def divisible(channels: float) -> int:
    """The multiple of 8 nearest to a number of channels, but at least nine tenths of it (Sandler et al., 2018)."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def squeezed(channels: int) -> int:
    """Channels within squeeze-and-excitation of so many."""
    return divisible(channels // 4)


_TEXT = re.compile(r"r(\d+)((?:\|k\de\d(?: k\de\d){1,3}){5})")


class MobileNetV3(SearchSpace):
    """About 5·10²⁰ networks: 2·10¹⁹ for each side of the image.

    Args:
        width: factor of all channels; the published super-networks have 1.0 and 1.2
    """

    slots = (
        Slot("resolution", tuple(map(str, RESOLUTIONS))),
        *(Slot(f"depth {stage}", tuple(map(str, DEPTHS))) for stage in range(1, 6)),
        *(
            Slot(f"block {stage}.{place}", ("none",) * (place > DEPTHS[0]) + tuple(f"k{k}e{e}" for k, e in BLOCKS), 1)
            for stage in range(1, 6)
            for place in range(1, MOST + 1)
        ),
    )
    operations = (
        "input",
        "output",
        *(f"resize {side}" for side in RESOLUTIONS),
        *(f"k{k}e{e} stage {stage}" for stage in range(1, 6) for k, e in BLOCKS),
    )
    identities = ("string",)

    def __init__(self, width: float = 1.0) -> None:
        if isinstance(width, bool) or width not in WIDTHS:
            raise ArgumentError(f"width must be one of {WIDTHS}; got {width!r:.80}.")
        self.width = float(width)
        self.name = "mobilenet-v3" if width == 1 else f"mobilenet-v3-w{width:g}"

    @property
    def size(self) -> int:
        """Number of networks."""
        return len(RESOLUTIONS) * sum(len(BLOCKS) ** depth for depth in DEPTHS) ** 5

    def legal(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n L K"]:
        """Which symbols the depths allow to the blocks, and the blocks to the depths."""
        allowed = np.array(super().legal(tokens))
        for slots, symbols in zip(_tied(), _beside(*(tokens[:, slots] for slots in _tied())), strict=True):
            allowed[:, slots, : symbols.shape[2]] &= symbols
        return allowed

    def legal_in(self, tokens: Int[np.ndarray, "n L"], slot: Int[np.ndarray, "n"] | int) -> Bool[np.ndarray, "n K"]:
        """The same of one slot of each row."""
        slot = np.broadcast_to(slot, len(tokens))
        allowed = self._symbols[slot]
        for which, slots in enumerate(_tied()):
            row, stage = np.nonzero(slot[:, None] == slots)
            if len(row):
                symbols = _beside(*(tokens[row, each[stage]] for each in _tied()))[which]
                allowed[row, : symbols.shape[1]] &= symbols
        return allowed

    def log_law(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """All sides, depths, and kinds of each block are equally likely, so that fewer blocks are likelier."""
        _, *ends = _tied()
        blocks = sum((self.check(tokens)[:, slots] != NONE).sum(1) for slots in ends)
        return -np.log(len(BLOCKS)) * blocks

    def log_probability(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The log probability of each row under ``sample`` (nats, exact)."""
        stages, surely = len(_tied()[0]), min(DEPTHS)  # blocks that are there in every stage
        each = math.log(len(DEPTHS)) + surely * math.log(len(BLOCKS))
        return self.log_law(tokens) - math.log(len(RESOLUTIONS)) - stages * each

    @cached_property
    def tied(self) -> Int[np.ndarray, "L 3"]:
        """The depth of a stage goes with its third and fourth block."""
        tied = np.full((len(self.slots), 3), -1)
        tied[:, 0] = np.arange(len(self.slots))
        depths, *blocks = _tied()
        tied[depths, 1:] = np.stack(blocks, axis=1)
        return tied

    def decode(self, row: Any) -> Architecture:
        """The architecture of one row: a chain of blocks; its text names the side of the image, then stage by stage."""
        tokens = self.check_row(row)
        symbols = [slot.symbols[token] for slot, token in zip(self.slots, tokens, strict=True)]
        stages = [[s for s in symbols[start : start + MOST] if s != "none"] for start in range(6, len(symbols), MOST)]
        blocks = [f"{block} stage {number}" for number, stage in enumerate(stages, 1) for block in stage]
        ops = ("input", f"resize {symbols[0]}", *blocks, "output")
        edges = frozenset((i, i + 1) for i in range(len(ops) - 1))
        return Architecture(self.name, ops, edges, tokens, f"r{symbols[0]}|" + "|".join(map(" ".join, stages)))

    def graphs(self, tokens: Int[np.ndarray, "n L"]) -> Graphs:
        """Chains; the places of blocks that are not there are empty."""
        tokens = self.check(tokens)
        kind = (tokens[:, 6:] - np.tile(np.arange(MOST) >= DEPTHS[0], 5)).reshape(-1, 5, MOST)  # -1 for none
        first = 2 + len(RESOLUTIONS) + len(BLOCKS) * np.arange(5)[:, None]  # place of the first kind in each stage
        ops = np.zeros((len(tokens), 3 + 5 * MOST), dtype=np.int64)
        ops[:, 1], ops[:, -1] = 2 + tokens[:, 0], self.operations.index("output")
        ops[:, 2:-1] = np.where(kind < 0, ABSENT, first + kind).reshape(len(tokens), -1)
        edges, rows = np.zeros((*ops.shape, ops.shape[1]), dtype=bool), np.arange(len(tokens))
        last = np.zeros(len(tokens), dtype=np.int64)
        for node in range(1, ops.shape[1]):
            edges[rows, last, node] = ops[:, node] != ABSENT
            last = np.where(ops[:, node] != ABSENT, node, last)
        return Graphs(ops, edges)

    def sketch(self, row: Int[np.ndarray, "L"], probability: Float[np.ndarray, "L K"]) -> Sketch:
        """A stage is a line of four blocks, those that are not there as ``none``; each may lead to the next stage."""
        firsts = range(2, 2 + 5 * MOST, MOST)  # nodes
        edges, absent = {(0, 1): 1.0, (1, 2): 1.0}, set()
        for l, first in enumerate(firsts, 1):
            depth = probability[l] if row[l] == UNDECIDED else np.eye(len(DEPTHS))[row[l]]
            for place, depths in enumerate(([0, 1, 2], [1, 2], [2]), first):  # with a next block
                edges[place, place + 1] = 1.0 if place == first else float(depth[depths].sum())
                edges[place + 1, first + MOST] = float(depth[depths[0]])
                absent |= set() if edges[place, place + 1] else {place + 1}
        nodes = {1: 0} | {node: node + 4 for node in range(2, firsts.stop) if node not in absent}
        ops, belief = self._believed(row, probability, nodes)
        ops |= {1: f"resize {ops[1]}"} | dict.fromkeys(absent, "none")
        if 1 in belief:
            belief[1] = {f"resize {side}": p for side, p in belief[1].items()}
        symbols = ("input", *(ops[node] for node in range(1, firsts.stop)), "output")
        places = [(0, 0), (1, 0), *((place, stage) for stage in range(1, 6) for place in range(MOST)), (0, 6)]
        return Sketch(symbols, edges, belief, tuple(places), int((row == UNDECIDED).sum()))

    def _row(self, architecture: str | Architecture) -> list[int]:
        """A text is such as ``r224|k3e3 k5e6|k7e4 k3e3 k3e3|…``."""
        if isinstance(architecture, Architecture) and architecture.space == self.name:
            return list(architecture.tokens)
        match = _TEXT.fullmatch(architecture) if isinstance(architecture, str) else None
        if match is None:
            raise ArgumentError(
                f"architectures must be of {self.name}, decoded or as texts of the form r224|k3e3 k5e6|… with five "
                f"stages of two to four blocks; got {architecture!r:.120}."
            )
        stages = [stage.split() for stage in match[2][1:].split("|")]
        symbols = [match[1], *(str(len(stage)) for stage in stages)]
        symbols += [block for stage in stages for block in stage + ["none"] * (MOST - len(stage))]
        return [
            slot.symbols.index(arguments.one_of(slot.name, symbol, slot.symbols))
            for slot, symbol in zip(self.slots, symbols, strict=True)
        ]

    def canonical(self, tokens: Int[np.ndarray, "n L"], identity: str = "string") -> Int[np.ndarray, "n L"]:
        """The rows themselves: no two are the same network."""
        arguments.one_of("identity", identity, self.identities)
        return self.check(tokens)

    def features(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n f"]:
        """Which steps of each choice are taken (a kernel above 3, above 5), so that near choices are alike.

        Choices are the side of the image, and of each block whether it is there, its kernel and its expansion.
        """
        tokens = self.check(tokens)
        blocks = tokens[:, 6:] - np.tile(np.arange(MOST) >= DEPTHS[0], 5)  # (n, 20), -1 for none
        kernel, expansion = blocks // 3, blocks % 3
        steps = [blocks >= 0, kernel > 0, kernel > 1, (blocks >= 0) & (expansion > 0), (blocks >= 0) & (expansion > 1)]
        return np.concatenate([tokens[:, :1] > np.arange(len(RESOLUTIONS) - 1), *steps], axis=1)

    def trends(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n 3"]:
        """Logarithms of side, parameters and FLOPs, each with a spread of about 1/√3 over the space."""
        side = np.log(np.array(RESOLUTIONS))[self.check(tokens)[:, 0]]
        logs = np.stack([side, np.log(self.params(tokens)), np.log(self.flops(tokens))], axis=1)
        return logs / (_SPREAD * 3**0.5)

    def params(self, tokens: Int[np.ndarray, "n L"], classes: int = 1000) -> Int[np.ndarray, "n"]:
        """Exact number of trainable parameters."""
        tokens, classes = self.check(tokens), arguments.whole("classes", classes, high=MOST_CLASSES)
        stem, stages, expanded, last = macro(self.width)
        fixed = 27 * stem + 2 * stem + (9 + stem + 4) * stem  # stem, first block
        fixed += stages[-1].channels * expanded + 2 * expanded + expanded * last + (last + 1) * classes
        return fixed + over_blocks(tokens, _block_params(self.width)[None], np.zeros(len(tokens), np.int64))

    def flops(self, tokens: Int[np.ndarray, "n L"], classes: int = 1000) -> Int[np.ndarray, "n"]:
        """Exact multiply-accumulates for one image of the side that the row names."""
        tokens, classes = self.check(tokens), arguments.whole("classes", classes, high=MOST_CLASSES)
        stem, stages, expanded, last = macro(self.width)
        sides = np.array([sides_of(resolution) for resolution in RESOLUTIONS])[tokens[:, 0]]  # (n, 6)
        fixed = (27 * stem + 9 * stem + stem**2) * sides[:, 0] ** 2
        fixed += stages[-1].channels * expanded * sides[:, -1] ** 2 + expanded * last + last * classes
        return fixed + over_blocks(tokens, _block_flops(self.width), tokens[:, 0])


@cache
def _tied() -> tuple[Int[np.ndarray, "5"], Int[np.ndarray, "5"], Int[np.ndarray, "5"]]:
    """The slots of depth, third and fourth block of each stage, which depend on one another."""
    stage = np.arange(5)
    return 1 + stage, 6 + MOST * stage + 2, 6 + MOST * stage + 3


def _beside(depth: np.ndarray, third: np.ndarray, fourth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The symbols, along a new last axis, that depth, third and fourth block may have beside the two others."""
    depth, third, fourth = depth[..., None], third[..., None], fourth[..., None]
    by_depth = (depth == UNDECIDED) | (depth == np.arange(len(DEPTHS)))  # whether the depth may be each of them
    by_third = np.where(third == NONE, [True, False, False], (third == UNDECIDED) | [False, True, True])
    by_fourth = np.where(fourth == NONE, [True, True, False], (fourth == UNDECIDED) | [False, False, True])
    without = (by_depth & by_fourth)[..., :1].any(-1), (by_depth & by_third)[..., :2].any(-1)
    with_one = (by_depth & by_fourth)[..., 1:].any(-1), (by_depth & by_third)[..., 2:].any(-1)
    thirds, fourths = (np.stack([no, *[yes] * len(BLOCKS)], -1) for no, yes in zip(without, with_one, strict=True))
    return by_third & by_fourth, thirds, fourths


def over_blocks(tokens: np.ndarray, costs: np.ndarray, which: Int[np.ndarray, "n"]) -> np.ndarray:
    """The sum (n, …) of the costs of the blocks that are there.

    ``costs (s, 5, 2, 9, …)[which]`` are by stage, first or later block, and kind.
    """
    blocks = tokens[:, 6:].reshape(len(tokens), 5, MOST)
    kind = blocks - np.array([0, 0, 1, 1])  # third and fourth count from none
    later = np.array([0, 1, 1, 1])
    each = costs[which[:, None, None], np.arange(5)[:, None], later, np.maximum(kind, 0)]
    each[kind < 0] = 0
    return each.sum((1, 2))


def sides_of(resolution: int) -> list[int]:
    """Sides of the image after the stem and after each stage."""
    sides = [(resolution + 1) // 2]
    for stage in macro(1.0).stages:
        sides.append((sides[-1] + stage.stride - 1) // stage.stride)
    return sides


def block_kinds(width: float) -> Iterable[tuple[tuple[int, int, int], int, Stage, int, int]]:
    """Of every kind of block its place in a table, channels before, stage, kernel, and channels in between."""
    stem, stages, *_ = macro(width)
    for number, stage in enumerate(stages):
        for later, before in enumerate((stages[number - 1].channels if number else stem, stage.channels)):
            for kind, (kernel, expansion) in enumerate(BLOCKS):
                yield (number, later, kind), before, stage, kernel, divisible(before * expansion)


@cache
def _block_params(width: float) -> np.ndarray:
    """Parameters by stage, first or later block, and kind (5, 2, 9)."""
    table = np.zeros((5, 2, len(BLOCKS)), dtype=np.int64)
    for place, before, stage, kernel, middle in block_kinds(width):
        inner = squeezed(middle)
        table[place] = (before + 2 + kernel**2 + 2 + stage.channels) * middle + 2 * stage.channels
        table[place] += stage.squeeze * (2 * middle * inner + middle + inner)
    return table


@cache
def _block_flops(width: float) -> np.ndarray:
    """Multiply-accumulates by side of the image, stage, first or later block, and kind (25, 5, 2, 9)."""
    table = np.zeros((len(RESOLUTIONS), 5, 2, len(BLOCKS)), dtype=np.int64)
    for row, resolution in enumerate(RESOLUTIONS):
        sides = sides_of(resolution)
        for place, before, stage, kernel, middle in block_kinds(width):
            number, later, _ = place
            side, out = sides[number + 1 if later else number], sides[number + 1]
            table[row][place] = before * middle * side**2 + (kernel**2 + stage.channels) * middle * out**2
            table[row][place] += stage.squeeze * 2 * middle * squeezed(middle)
    return table
