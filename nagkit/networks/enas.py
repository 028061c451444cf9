"""The PyTorch network of an architecture of ENAS's macro space (Pham et al., ICML 2018), as its published code has it.

Notation: B channels before a layer and D after it, C within; h, w, g and v sides of images.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nagkit.networks.network import Convolution, Network
from nagkit.space import Architecture
from nagkit.spaces.enas import CHANNELS, KERNELS, NODES, PER_STAGE


class SeparableConvolution(nn.Sequential):
    """ReLU, convolution of each channel by itself and 1x1 convolution without bias, batch normalisation."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )


def operation(symbol: str, channels: int) -> nn.Module:
    """The module of one node, a 1x1 convolution before the one that it is named for."""
    if symbol == "avgpool3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    if symbol == "maxpool3x3":
        return nn.MaxPool2d(3, stride=1, padding=1)
    kernel, first = KERNELS[symbol], Convolution(channels, channels, kernel=1)
    if symbol.startswith("sep"):
        return nn.Sequential(first, SeparableConvolution(channels, kernel))
    return nn.Sequential(first, Convolution(channels, channels, kernel))


class Reduction(nn.Module):
    """Half the side: half of the channels from pixels at even places, half from those at odd ones, normalised."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.even, self.odd = (nn.Conv2d(before, after // 2, 1, bias=False) for _ in range(2))
        self.norm = nn.BatchNorm2d(after)

    def forward(self, x: Float[Tensor, "n B h w"]) -> Float[Tensor, "n D g v"]:
        """The smaller images; beyond their last row and column the larger ones are zero."""
        shifted = nn.functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        return self.norm(torch.cat([self.even(x[:, :, ::2, ::2]), self.odd(shifted[:, :, ::2, ::2])], 1))


class Chain(nn.Module):
    """The nodes: each works on the value before it, and a 1x1 convolution joins to that what it skips to."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.skips = [[i for i in range(node - 1) if (i, node) in architecture.edges] for node in range(NODES + 1)]
        for node, symbol in enumerate(architecture.ops[1:-1], 1):
            stage = (node - 1) // PER_STAGE
            channels = CHANNELS[stage]
            self.add_module(f"node_{node}", operation(symbol, channels))
            if node > 1:
                joint = Convolution((len(self.skips[node]) + 1) * channels, channels, kernel=1)
                self.add_module(f"joint_{node}", joint)
            for source in self._reduced(node):
                self.add_module(f"reduction_{node}_{source}", Reduction(channels, CHANNELS[stage + 1]))

    def _reduced(self, node: int) -> list[int]:
        """The vertices that are made smaller after a node: where a stage ends, those that are still read."""
        if node == NODES or node % PER_STAGE:
            return []
        return sorted({node}.union(*(self.skips[later] for later in range(node + 1, NODES + 1))) & set(range(node + 1)))

    def forward(self, x: Float[Tensor, "n B h w"]) -> Float[Tensor, "n D g v"]:
        """The value of the last node when that of the stem is ``x``."""
        values = [x]
        for node in range(1, NODES + 1):
            value = self.get_submodule(f"node_{node}")(values[-1])
            if node > 1:
                joined = torch.cat([*(values[source] for source in self.skips[node]), value], 1)
                value = self.get_submodule(f"joint_{node}")(joined)
            values.append(value)
            for source in self._reduced(node):
                values[source] = self.get_submodule(f"reduction_{node}_{source}")(values[source])
        return values[-1]


def enas(architecture: Architecture, classes: int) -> Network:
    """The network of an architecture of this space, its weights not yet set."""
    first, last = CHANNELS[0], CHANNELS[-1]
    stem = nn.Sequential(nn.Conv2d(3, first, 3, padding=1, bias=False), nn.BatchNorm2d(first))
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Network(stem, nn.Sequential(Chain(architecture)), head, nn.Linear(last, classes))
