"""The PyTorch network of a random wiring (Xie et al., ICCV 2019, section 3.1): node by node in the order of the edges.

Notation: B channels before a wiring, C within and after it; h, w, g and v sides of images.
"""

import functools
import operator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nagkit.networks.network import Network
from nagkit.space import Architecture
from nagkit.spaces.random_wired import cells
from nagkit.spaces.skeleton import Skeleton


class WeightedSum(nn.Module):
    """The sum of what leads to a node, each times a weight from 0 to 1, the sigmoid of what is learned."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs))

    def reset_parameters(self) -> None:
        """All weights a half."""
        nn.init.zeros_(self.weight)

    def forward(self, values: list[Float[Tensor, "n C h w"]]) -> Float[Tensor, "n C h w"]:
        """The sum of these values."""
        weights = self.weight.sigmoid()
        total = values[0] * weights[0]
        for value, weight in zip(values[1:], weights[1:], strict=True):
            total = torch.addcmul(total, value, weight)
        return total


class SeparableConvolution(nn.Sequential):
    """ReLU, 3x3 convolution channel by channel, 1x1 convolution, batch normalisation."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(before, before, 3, stride, padding=1, groups=before, bias=False),
            nn.Conv2d(before, after, 1, bias=False),
            nn.BatchNorm2d(after),
        )


class Wiring(nn.Module):
    """All nodes of a wiring once; those that the input feeds take its channels and have the stride."""

    def __init__(self, architecture: Architecture, before: int, after: int, stride: int) -> None:
        super().__init__()
        nodes = range(1, len(architecture.ops) - 1)  # node 0 is the input, the last the output
        self.sources = [[i for i, j in sorted(architecture.edges) if j == node] for node in nodes]
        self.ends = [i for i, j in sorted(architecture.edges) if j == nodes.stop]
        for node, sources in zip(nodes, self.sources, strict=True):
            fed = sources == [0]
            if not fed:
                self.add_module(f"sum_{node}", WeightedSum(len(sources)))
            self.add_module(f"node_{node}", SeparableConvolution(before if fed else after, after, stride if fed else 1))

    def forward(self, x: Float[Tensor, "n B h w"]) -> Float[Tensor, "n C g v"]:
        """The mean of the nodes without an edge out when the input is ``x``."""
        values = [x]
        for node, sources in enumerate(self.sources, 1):
            led = [values[source] for source in sources]
            value = x if sources == [0] else self.get_submodule(f"sum_{node}")(led)
            values.append(self.get_submodule(f"node_{node}")(value))
        return functools.reduce(operator.add, [values[end] for end in self.ends]) / len(self.ends)


def random_wired(architecture: Architecture, classes: int, skeleton: Skeleton) -> Network:
    """The network of a random wiring, its weights not yet set: the same wiring in every cell of the skeleton."""
    first, last = skeleton.channels[0], skeleton.channels[-1]
    stem = nn.Sequential(nn.Conv2d(skeleton.image_channels, first, 3, padding=1, bias=False), nn.BatchNorm2d(first))
    head = nn.Sequential(nn.BatchNorm2d(last), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    body: list[nn.Module] = []
    last_stage = 0
    for stage, before, after in cells(skeleton):
        body.append(Wiring(architecture, before, after, stride=1 + (stage > last_stage)))
        last_stage = stage
    network = Network(stem, nn.Sequential(*body), head, nn.Linear(last, classes))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a fifth faster on a CPU
