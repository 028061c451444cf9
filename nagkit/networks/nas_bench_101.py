"""The PyTorch network of a cell of NAS-Bench-101 (Ying et al., ICML 2019, section 2), as the benchmark trains it.

Notation: B channels before a cell, C within, D after it; vertex 0 is its input, the last vertex its output.
"""

import functools
import operator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nagkit.networks.network import Network
from nagkit.space import Architecture
from nagkit.spaces.nas_bench_101_costs import CELLS, CHANNELS, vertex_channels


class Convolution(nn.Sequential):
    """Convolution without bias, batch normalisation, ReLU; the side of the image is kept."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU()
        )


def operation(symbol: str, channels: int) -> nn.Module:
    """The module of one inner vertex."""
    if symbol == "maxpool3x3":
        return nn.MaxPool2d(3, stride=1, padding=1)
    return Convolution(channels, channels, kernel=1 if symbol == "conv1x1-bn-relu" else 3)


class Cell(nn.Module):
    """One cell: inner vertices sum what leads to them, the output concatenates it.

    What comes from the input is projected to the channels of the vertex, and added at the output. What comes from a
    wider vertex loses its last channels.
    """

    def __init__(self, architecture: Architecture, before: int, after: int) -> None:
        super().__init__()
        self.last = len(architecture.ops) - 1
        self.sources = [[i for i, j in sorted(architecture.edges) if j == vertex] for vertex in range(self.last + 1)]
        inner = vertex_channels(np.array([architecture.tokens]), after)[0].tolist()
        self.channels = [before, *inner[: self.last - 1], after]
        for vertex, symbol in enumerate(architecture.ops[1:], 1):
            if 0 in self.sources[vertex]:
                self.add_module(f"projection_{vertex}", Convolution(before, self.channels[vertex], kernel=1))
            if vertex < self.last:
                self.add_module(f"vertex_{vertex}", operation(symbol, self.channels[vertex]))

    def forward(self, x: Float[Tensor, "n B h w"]) -> Float[Tensor, "n D h w"]:
        """The value of the output when the input is ``x``."""
        values = [x]
        for vertex in range(1, self.last):
            terms = [values[source][:, : self.channels[vertex]] for source in self.sources[vertex] if source]
            values.append(self.get_submodule(f"vertex_{vertex}")(self._with_input(terms, vertex, x)))
        leading = [values[source] for source in self.sources[self.last] if source]
        return self._with_input([torch.cat(leading, 1)] if leading else [], self.last, x)

    def _with_input(self, terms: list[Tensor], vertex: int, x: Tensor) -> Tensor:
        """The sum of the terms, and of the projected input where it leads to the vertex."""
        if 0 in self.sources[vertex]:
            terms = [*terms, self.get_submodule(f"projection_{vertex}")(x)]
        return functools.reduce(operator.add, terms)


def nas_bench_101(architecture: Architecture, classes: int) -> Network:
    """The network of an architecture of this space, its weights not yet set."""
    body: list[nn.Module] = []
    before = CHANNELS[0]
    for stack, channels in enumerate(CHANNELS):
        if stack:
            body.append(nn.MaxPool2d(2, ceil_mode=True))
        for _ in range(CELLS):
            body.append(Cell(architecture, before, channels))
            before = channels
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Network(Convolution(3, CHANNELS[0], kernel=3), nn.Sequential(*body), head, nn.Linear(before, classes))
