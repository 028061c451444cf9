"""The macro space of ENAS (Pham et al., ICML 2018, section 2.3) with six nodes, as D-VAE has it (Zhang et al., 2019).

The nodes are a chain: each works on the output of the one before it, and joins to its result what it skips to from
earlier ones. Vertex 0 is the input, the stem's output; 1 to 6 are the nodes. Slots go node by node: the operation, then
one for each vertex that it may skip to. The vertex right before a node is none of these, as it always leads there; so
no slot is idle. The chain orders the vertices in one way only, so different rows are different labelled graphs.

The network around is that of the published code when it trains one architecture on CIFAR-10: a stem of 96 channels, and
after the second and fourth node each output that is still read gets half the side and twice the channels, half of them
from the pixels at even places and half from those at odd ones. Three things differ here: a separable convolution is
one, as in the paper, while that code makes it an ordinary one; the classifier has a bias; there is no dropout.

Notation: n architectures, L slots, C channels. FLOPs are multiply-accumulates of convolutions and the classifier;
pooling, normalisation and ReLU are not counted.
"""

import re
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.graphs import Graphs
from nagkit.growth import Growth
from nagkit.sketch import Sketch
from nagkit.space import UNDECIDED, Architecture, SearchSpace, Slot
from nagkit.spaces.skeleton import LARGEST_IMAGE, MOST_CLASSES

NODES = 6
OPERATIONS = ("conv3x3", "sepconv3x3", "conv5x5", "sepconv5x5", "avgpool3x3", "maxpool3x3")
KERNELS = {"conv3x3": 3, "sepconv3x3": 3, "conv5x5": 5, "sepconv5x5": 5}  # of the operations that convolve
CHANNELS = (96, 192, 384)  # of the nodes of each stage
PER_STAGE = NODES // len(CHANNELS)  # nodes
PAIRS = tuple((source, node) for node in range(1, NODES + 1) for source in range(node - 1))  # that a skip may join

_OF_NODE = np.cumsum([0, *range(1, NODES)])  # the slot of each node's operation
_OF_PAIR = np.setdiff1d(np.arange(NODES + len(PAIRS)), _OF_NODE)  # the slot of each pair
_SOURCE, _TARGET = np.array(PAIRS).T
_CHAIN = tuple((vertex, vertex + 1) for vertex in range(NODES + 1))
_SPREAD = np.array([0.50, 0.44])  # of the logarithms of parameters and FLOPs over the space
_NODE = re.compile(r"(\w+)(?:\((\d(?:,\d)*)\))?")


def _slots() -> tuple[Slot, ...]:
    nodes = range(1, NODES + 1)
    of_node = [
        (Slot(f"node {j}", OPERATIONS), *(Slot(f"skip {i}-{j}", ("-", "skip")) for i in range(j - 1))) for j in nodes
    ]
    return tuple(slot for slots in of_node for slot in slots)


class Enas(SearchSpace):
    """1,528,823,808 networks: 46,656 choices of operations, each with 32,768 of skips."""

    name = "enas"
    slots = _slots()
    operations = ("input", "output", *OPERATIONS)
    identities = ("string",)
    growth = Growth(
        NODES + 1,
        {pair: int(slot) for pair, slot in zip(PAIRS, _OF_PAIR, strict=True)},
        {node: int(slot) for node, slot in enumerate(_OF_NODE, start=1)},
        always=_CHAIN[:-1],
    )

    def decode(self, row: Any) -> Architecture:
        """The architecture of one row; its text names each node and, in brackets, what it skips to."""
        tokens = self.check_row(row)
        kinds = tuple(OPERATIONS[tokens[l]] for l in _OF_NODE)
        skips = [pair for pair, l in zip(PAIRS, _OF_PAIR, strict=True) if tokens[l]]
        edges = frozenset([*_CHAIN, *skips])
        return Architecture(self.name, ("input", *kinds, "output"), edges, tokens, _text(kinds, skips))

    def graphs(self, tokens: Int[np.ndarray, "n L"]) -> Graphs:
        """Eight vertices: the input, the nodes, the output."""
        tokens = self.check(tokens)
        ops = np.pad(2 + tokens[:, _OF_NODE], ((0, 0), (1, 1)))
        ops[:, -1] = self.operations.index("output")
        edges = np.zeros((len(ops), NODES + 2, NODES + 2), dtype=bool)
        edges[:, *np.array(_CHAIN).T] = True
        edges[:, _SOURCE, _TARGET] = self.skips(tokens)
        return Graphs(ops, edges)

    def sketch(self, row: Int[np.ndarray, "L"], probability: Float[np.ndarray, "L K"]) -> Sketch:
        """All vertices in one column, and every skip that may be."""
        ops, belief = self._believed(row, probability, {1 + node: l for node, l in enumerate(_OF_NODE.tolist())})
        share = np.where(row == UNDECIDED, probability[:, 1], row)[_OF_PAIR].tolist()
        edges = dict.fromkeys(_CHAIN, 1.0) | dict(zip(PAIRS, map(float, share), strict=True))
        places = tuple((0, layer) for layer in range(NODES + 2))
        return Sketch(("input", *ops.values(), "output"), edges, belief, places, int((row == UNDECIDED).sum()))

    def _row(self, architecture: str | Architecture) -> list[int]:
        """A text is such as ``conv3x3|maxpool3x3(0)|conv5x5|sepconv3x3(0,2)|avgpool3x3|conv3x3(4)``."""
        if isinstance(architecture, Architecture) and architecture.space == self.name:
            return list(architecture.tokens)
        parts = architecture.split("|") if isinstance(architecture, str) else []
        found = [match for part in parts if (match := _NODE.fullmatch(part))]
        if not len(parts) == len(found) == NODES:
            raise ArgumentError(
                f"architectures must be of {self.name}, decoded or as texts of the form conv3x3|maxpool3x3(0)|… with "
                f"{NODES} operations, each with the vertices that it skips to, 0 for the input; got "
                f"{architecture!r:.120}."
            )
        row = []
        for node, match in enumerate(found, 1):
            row.append(OPERATIONS.index(arguments.one_of("operation", match[1], OPERATIONS)))
            skips = [int(source) for source in match[2].split(",")] if match[2] else []
            if skips != sorted(set(skips)) or max(skips, default=-1) > node - 2:
                raise ArgumentError(
                    f"architectures must name what a node skips to once, in ascending order and before the vertex that "
                    f"leads to it anyway: node {node} may skip to vertices below {node - 1}; got {match[0]!r}."
                )
            row += [int(source in skips) for source in range(node - 1)]
        return row

    def canonical(self, tokens: Int[np.ndarray, "n L"], identity: str = "string") -> Int[np.ndarray, "n L"]:
        """The rows themselves: no two are the same network."""
        arguments.one_of("identity", identity, self.identities)
        return self.check(tokens)

    def skips(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n p"]:
        """Whether there is a skip, for each pair of ``PAIRS``."""
        return self.check(tokens)[:, _OF_PAIR] == 1

    def trends(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n 17"]:
        """Logarithms of parameters and FLOPs, and each skip: the former have half of the spread of 1, as the latter."""
        logs = np.log(np.stack([self.params(tokens), self.flops(tokens)], axis=1)) / (2 * _SPREAD)
        return np.concatenate([logs, self.skips(tokens) * (2 / len(PAIRS)) ** 0.5], axis=1)

    def params(self, tokens: Int[np.ndarray, "n L"], classes: int = 10) -> Int[np.ndarray, "n"]:
        """Exact number of trainable parameters."""
        classes = arguments.whole("classes", classes, high=MOST_CLASSES)
        fixed = 27 * CHANNELS[0] + 2 * CHANNELS[0] + (CHANNELS[-1] + 1) * classes
        return fixed + self._over_stages(tokens, _node_params(), 2, (1,) * len(CHANNELS))

    def flops(self, tokens: Int[np.ndarray, "n L"], classes: int = 10, image_size: int = 32) -> Int[np.ndarray, "n"]:
        """Exact multiply-accumulates for one square image."""
        classes = arguments.whole("classes", classes, high=MOST_CLASSES)
        side = arguments.whole("image_size", image_size, high=LARGEST_IMAGE)
        areas = []
        for _ in CHANNELS:
            areas.append(side**2)
            side = (side + 1) // 2
        fixed = 27 * CHANNELS[0] * areas[0] + CHANNELS[-1] * classes
        return fixed + self._over_stages(tokens, _node_flops(), 0, tuple(areas))

    def _over_stages(
        self, tokens: np.ndarray, of_kind: np.ndarray, normalised: int, areas: tuple[int, ...]
    ) -> Int[np.ndarray, "n"]:
        """What nodes, joints and reductions cost.

        ``of_kind (stage, K)`` is that of an operation on one pixel, ``normalised`` that of a normalised channel.
        """
        kinds, skips = self.check(tokens)[:, _OF_NODE], self.skips(tokens)
        total = np.zeros(len(kinds), dtype=np.int64)
        for node in range(1, NODES + 1):
            stage = (node - 1) // PER_STAGE
            channels, joined = CHANNELS[stage], skips[:, node == _TARGET].sum(1) + 1
            total += of_kind[stage, kinds[:, node - 1]] * areas[stage]
            if node > 1:
                total += (joined * channels**2 + normalised * channels) * areas[stage]
            if node < NODES and node % PER_STAGE == 0:
                each = CHANNELS[stage + 1] * (channels + normalised) * areas[stage + 1]
                total += each * read_after(node, skips).sum(1)
        return total


def read_after(node: int, skips: Bool[np.ndarray, "n p"]) -> Bool[np.ndarray, "n v"]:
    """Which of the vertices 0 to ``node`` later ones read, given whether there is a skip for each of ``PAIRS``."""
    read = [(skips & (source == _SOURCE) & (node < _TARGET)).any(1) for source in range(node)]
    return np.stack([*read, np.ones(len(skips), dtype=bool)], axis=1)


def _node_params() -> Int[np.ndarray, "stage K"]:
    """Parameters of each operation in each stage: a 1x1 convolution, then the one of the kernel, both normalised."""
    return np.array([[_weights(kind, c) + 4 * c * (kind in KERNELS) for kind in OPERATIONS] for c in CHANNELS])


def _node_flops() -> Int[np.ndarray, "stage K"]:
    """Multiply-accumulates of each operation in each stage on one pixel."""
    return np.array([[_weights(kind, c) for kind in OPERATIONS] for c in CHANNELS])


def _weights(kind: str, channels: int) -> int:
    """Weights of the convolutions of one operation."""
    if kind not in KERNELS:
        return 0
    area = KERNELS[kind] ** 2
    return channels**2 + (area * channels + channels**2 if kind.startswith("sep") else area * channels**2)


def _text(kinds: tuple[str, ...], skips: list[tuple[int, int]]) -> str:
    parts = []
    for node, kind in enumerate(kinds, 1):
        sources = ",".join(str(i) for i, j in skips if j == node)
        parts.append(f"{kind}({sources})" if sources else kind)
    return "|".join(parts)
