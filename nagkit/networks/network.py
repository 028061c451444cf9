"""From an architecture to the PyTorch network that trains and runs it.

Notation: C channels; the nodes of a cell are 0 (input) to 3 (output); ``edge_1_3`` is the operation from node 1
to node 3, and a node is the sum of its edges.
"""

import functools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.space import Architecture
from nagkit.spaces.darts import CIFAR, Darts
from nagkit.spaces.enas import Enas
from nagkit.spaces.mobilenet_v3 import WIDTHS, MobileNetV3
from nagkit.spaces.nas_bench_101 import NasBench101
from nagkit.spaces.nas_bench_201 import CELL_EDGES, SYMBOLS, NasBench201
from nagkit.spaces.random_wired import FAMILY
from nagkit.spaces.skeleton import LARGEST_IMAGE, MOST_CLASSES, PUBLISHED, Skeleton

Model = TypeVar("Model", bound=nn.Module)

MOBILENETS = tuple(MobileNetV3(width).name for width in WIDTHS)


class Convolution(nn.Sequential):
    """ReLU, convolution without bias, batch normalisation; the image side is kept, or divided by the stride."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(after),
        )


def operation(symbol: str, channels: int) -> nn.Module:
    """The module of one edge; ``none`` has no module, its edge is left out."""
    if symbol == "skip_connect":
        return nn.Identity()
    if symbol == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return Convolution(channels, channels, kernel=1 if symbol == "nor_conv_1x1" else 3)


class Cell(nn.Module):
    """One cell: each node is the sum of its edges, and zero when it has none."""

    def __init__(self, channels: int, symbols: Mapping[tuple[int, int], str]) -> None:
        super().__init__()
        self.edges = tuple(symbols)
        for (source, target), symbol in symbols.items():
            self.add_module(f"edge_{source}_{target}", operation(symbol, channels))

    def forward(self, x: Float[Tensor, "n C h w"]) -> Float[Tensor, "n C h w"]:
        """The value of node 3 when node 0 is ``x``."""
        nodes, pooled = [x], {}
        for node in (1, 2, 3):
            terms = []
            for source in (s for s, t in self.edges if t == node):
                edge = self.get_submodule(f"edge_{source}_{node}")
                if not isinstance(edge, nn.AvgPool2d):
                    terms.append(edge(nodes[source]))
                    continue
                if source not in pooled:  # without weights, pooling gives every target the same
                    pooled[source] = edge(nodes[source])
                terms.append(pooled[source])
            nodes.append(functools.reduce(operator.add, terms) if terms else torch.zeros_like(x))
        return nodes[3]


class Reduction(nn.Module):
    """The residual block of NAS-Bench-201 that halves the image side."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv_a = Convolution(before, after, kernel=3, stride=2)
        self.conv_b = Convolution(after, after, kernel=3)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2, ceil_mode=True), nn.Conv2d(before, after, 1, bias=False)
        )

    def forward(self, x: Float[Tensor, "n C h w"]) -> Float[Tensor, "n D g v"]:
        """Two convolutions beside a pooled shortcut."""
        return self.shortcut(x) + self.conv_b(self.conv_a(x))


class Network(nn.Module):
    """Stem, body of cells or blocks, head that ends in one value a channel, classifier."""

    def __init__(self, stem: nn.Sequential, body: nn.Sequential, head: nn.Sequential, classifier: nn.Linear) -> None:
        super().__init__()
        self.stem, self.body, self.head, self.classifier = stem, body, head, classifier
        self.copies = 1  # how many networks this is, side by side; more after ``fuse``

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """The logits of k classes."""
        return self.classifier(self.head(self.body(self.stem(images))))


def build(
    architecture: Architecture,
    classes: int = 10,
    skeleton: Skeleton | None = None,
    prune: bool = True,
    seed: int = 0,
) -> Network:
    """The network of an architecture, with initial weights that depend on nothing but the seed.

    Args:
        skeleton: what is around a cell of NAS-Bench-201 or of DARTS, or a random wiring; with ``None`` the published
            one. The networks of other spaces have one of their own.
        prune: leave out the operations that lie on no path from input to output. They cost time and parameters but,
            for the same weights, do not change the output; the parameter counts of the benchmark keep them. One
            seed gives different initial weights with and without them, because they draw theirs as well.
        seed: of PyTorch's usual initial law (uniform within 1/sqrt(fan-in)); normalisation starts as the identity.
    """
    arguments.instance("architecture", architecture, Architecture, "space.decode(row)")
    arguments.whole("classes", classes, high=MOST_CLASSES)
    if skeleton is None:
        skeleton = CIFAR if architecture.space == Darts.name else PUBLISHED
    arguments.instance("skeleton", skeleton, Skeleton, "PUBLISHED or MICRO")
    with torch.device("meta"):  # the constructors would draw from the global random state
        if architecture.space == NasBench201.name:
            symbols = edges(architecture, prune)
            network = of_cells(lambda channels: Cell(channels, symbols), classes, skeleton)
        else:
            network = _of_another_space(architecture, classes, skeleton)
    return initialise(network.to_empty(device="cpu"), seed)


def _of_another_space(architecture: Architecture, classes: int, skeleton: Skeleton) -> Network:
    if architecture.space == NasBench101.name:
        from nagkit.networks.nas_bench_101 import nas_bench_101

        return nas_bench_101(architecture, classes)
    if architecture.space == Darts.name:
        from nagkit.networks.darts import darts

        return darts(architecture, classes, skeleton)
    if architecture.space == Enas.name:
        from nagkit.networks.enas import enas

        return enas(architecture, classes)
    if architecture.space in MOBILENETS:
        from nagkit.networks.mobilenet import mobilenet

        return mobilenet(architecture, classes)
    if architecture.space.startswith(f"{FAMILY}-"):
        from nagkit.networks.random_wired import random_wired

        return random_wired(architecture, classes, skeleton)
    raise ArgumentError(
        f"architecture must belong to one of the spaces {NasBench201.name!r}, {NasBench101.name!r}, "
        f"{Darts.name!r}, {Enas.name!r}, {', '.join(map(repr, MOBILENETS))}, '{FAMILY}-…'; got one of "
        f"{architecture.space!r}."
    )


def of_cells(cell: Callable[[int], nn.Module], classes: int, skeleton: Skeleton) -> Network:
    """The network of the cells that ``cell`` makes, each of so many channels, its weights not yet set."""
    first, last = skeleton.channels[0], skeleton.channels[-1]
    stem = nn.Sequential(nn.Conv2d(skeleton.image_channels, first, 3, padding=1, bias=False), nn.BatchNorm2d(first))
    body: list[nn.Module] = []
    for stage, (channels, cells) in enumerate(skeleton.stages):
        if stage:
            body.append(reduction(skeleton, skeleton.channels[stage - 1], channels))
        body.extend(cell(channels) for _ in range(cells))
    head = nn.Sequential(nn.BatchNorm2d(last), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Network(stem, nn.Sequential(*body), head, nn.Linear(last, classes))


def edges(architecture: Architecture, prune: bool = True) -> dict[tuple[int, int], str]:
    """The operation of each edge of the cell that is not ``none``; with ``prune``, of each edge that is alive."""
    if not isinstance(architecture, Architecture):
        raise ArgumentError(
            f"architecture must be an Architecture, for example space.decode(row); got {type(architecture).__name__}."
        )
    if architecture.space != NasBench201.name:
        raise ArgumentError(
            f"architecture must belong to the space {NasBench201.name!r}, whose cells have operations on edges; got "
            f"one of {architecture.space!r}."
        )
    if not isinstance(prune, bool):
        raise ArgumentError(f"prune must be True or False; got {prune!r:.80}.")
    space, row = NasBench201(), architecture.tokens
    kept = space.alive(np.array([row]))[0] if prune else [SYMBOLS[k] != "none" for k in row]
    return {edge: SYMBOLS[k] for edge, k, keep in zip(CELL_EDGES, row, kept, strict=True) if keep}


def reduction(skeleton: Skeleton, before: int, after: int) -> nn.Module:
    """What stands between two stages."""
    if skeleton.reduction == "residual":
        return Reduction(before, after)
    return Convolution(before, after, kernel=3, stride=2)


def initialise(network: Model, seed: int) -> Model:
    """The same network with fresh weights in place: PyTorch's usual law, drawn from this seed alone."""
    generator = torch.Generator().manual_seed(arguments.seed("seed", seed))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for parameter in module.parameters(recurse=False):
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
        elif callable(reset := getattr(module, "reset_parameters", None)):
            reset()  # ones and zeros, nothing random
    return network


def image_shape(value: object, network: nn.Module) -> tuple[int, int, int]:
    """``value`` as (channels, height, width) of an image for ``network``; any channels where it is not nagkit's own."""
    if not isinstance(network, nn.Module):
        raise ArgumentError(f"network must be a torch.nn.Module; got {type(network).__name__}. build makes one.")
    if not isinstance(value, Sequence) or len(value) != 3:
        raise ArgumentError(
            f"image_shape must be (channels, height, width), for example (3, 32, 32); got {value!r:.80}."
        )
    channels, height, width = (arguments.whole("image_shape", size, high=LARGEST_IMAGE) for size in value)
    if isinstance(network, Network) and channels != (wanted := network.stem[0].in_channels):
        raise ArgumentError(
            f"image_shape must begin with {wanted}, the channels that the network takes; got {tuple(value)}."
        )
    return channels, height, width
