"""The PyTorch network of a pair of DARTS cells (Liu, Simonyan & Yang, ICLR 2019), as its published code trains it.

Poolings are not normalised, as they are in that code's search alone; there is no auxiliary classifier and no drop-path.

Notation: A and B channels of what a cell works on, C those within it, D = 4 C those after it; h, w, g, v, p and q sides
of images.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nagkit.networks.network import Convolution, Network
from nagkit.space import Architecture
from nagkit.spaces.darts_cells import CELL_EDGES, EDGES, NODES, NONE, SYMBOLS
from nagkit.spaces.darts_costs import KERNELS, STEM, Place, cells
from nagkit.spaces.skeleton import Skeleton


class FactorizedReduction(nn.Module):
    """ReLU and half the side: half of the channels from pixels at even places, half from those at odd ones, normalised.

    Of images with an odd side the last row and column have no odd neighbours: zeros stand for them.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(before, after - after // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(before, after // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(after)

    def forward(self, x: Float[Tensor, "n B h w"]) -> Float[Tensor, "n C g v"]:
        """The smaller images."""
        x = nn.functional.relu(x)
        shifted = nn.functional.pad(x[:, :, 1:, 1:], (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        return self.norm(torch.cat([self.even(x), self.odd(shifted)], 1))


def separable(channels: int, kernel: int, stride: int, dilation: int = 1) -> list[nn.Module]:
    """ReLU, convolution of each channel by itself and 1x1 convolution without bias, batch normalisation."""
    padding = dilation * (kernel // 2)
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    ]


def operation(symbol: str, channels: int, stride: int = 1) -> nn.Module:
    """The module of one edge; ``none`` has no module, its edge is left out.

    Args:
        stride: 2 on edges from the inputs of a reduction cell, where a skip becomes a ``FactorizedReduction``
    """
    if symbol == "max_pool_3x3":
        return nn.MaxPool2d(3, stride, padding=1)
    if symbol == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
    if symbol == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduction(channels, channels)
    kernel = KERNELS[symbol]
    if symbol.startswith("dil"):
        return nn.Sequential(*separable(channels, kernel, stride, dilation=2))
    return nn.Sequential(*separable(channels, kernel, stride), *separable(channels, kernel, 1))


class Cell(nn.Module):
    """One cell: both inputs brought to its channels and one side; each node the sum of its edges; all four nodes.

    ``edge_2_4`` is the operation from vertex 2 to vertex 4.
    """

    def __init__(self, symbols: dict[tuple[int, int], str], place: Place) -> None:
        super().__init__()
        former, last = place.before
        channels = place.channels
        self.input_0 = FactorizedReduction(former, channels) if place.larger else Convolution(former, channels, 1)
        self.input_1 = Convolution(last, channels, 1)
        self.edges = tuple(symbols)
        for (source, node), symbol in symbols.items():
            stride = 2 if place.reduces and source < NODES.start else 1
            self.add_module(f"edge_{source}_{node}", operation(symbol, channels, stride))

    def forward(self, former: Float[Tensor, "n A h w"], last: Float[Tensor, "n B g v"]) -> Float[Tensor, "n D p q"]:
        """The output, given those of the cell before the last and of the last."""
        values = [self.input_0(former), self.input_1(last)]
        for node in NODES:
            one, other = (
                self.get_submodule(f"edge_{source}_{node}")(values[source])
                for source, target in self.edges
                if target == node
            )
            values.append(one + other)
        return torch.cat(values[NODES.start :], 1)


class Stack(nn.Sequential):
    """Cells one after another; each works on the outputs of the two before it, the first on the stem's twice."""

    def forward(self, x: Float[Tensor, "n B h w"]) -> Float[Tensor, "n D p q"]:
        """The output of the last cell."""
        former = last = x
        for cell in self:
            former, last = last, cell(former, last)
        return last


def darts(architecture: Architecture, classes: int, skeleton: Skeleton) -> Network:
    """The network of an architecture of this space, its weights not yet set."""
    normal, reduction = (
        {edge: SYMBOLS[k] for edge, k in zip(CELL_EDGES, tokens, strict=True) if k != NONE}
        for tokens in (architecture.tokens[:EDGES], architecture.tokens[EDGES:])
    )
    return of_cells(lambda place: Cell(reduction if place.reduces else normal, place), classes, skeleton)


def of_cells(cell: Callable[[Place], nn.Module], classes: int, skeleton: Skeleton) -> Network:
    """The network of the cells that ``cell`` makes, each for its place, its weights not yet set."""
    first, last = STEM * skeleton.channels[0], len(NODES) * skeleton.channels[-1]
    stem = nn.Sequential(nn.Conv2d(skeleton.image_channels, first, 3, padding=1, bias=False), nn.BatchNorm2d(first))
    body = Stack(*(cell(place) for place in cells(skeleton)))
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Network(stem, body, head, nn.Linear(last, classes))
