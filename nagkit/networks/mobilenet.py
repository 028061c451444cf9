"""The PyTorch network of an architecture of MobileNetV3 (Howard et al., 2019) as Once-For-All has it.

Notation: C and D channels, h, w, g and v sides of images.
"""

from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from nagkit.networks.network import Network
from nagkit.space import Architecture
from nagkit.spaces.mobilenet_v3 import BLOCKS, MOST, NONE, WIDTHS, MobileNetV3, macro, squeezed

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "hard swish": nn.Hardswish}


def convolution(before: int, after: int, kernel: int = 1, act: str = "", **more: Any) -> nn.Sequential:
    """Convolution without bias, batch normalisation and, where it is named, an activation; ``more`` as in PyTorch."""
    layer = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False, **more)
    return nn.Sequential(layer, nn.BatchNorm2d(after), *([ACTIVATIONS[act]()] if act else []))


class SqueezeAndExcitation(nn.Module):
    """Channels weighted by what all of them have in the mean (Hu et al., 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed(channels), 1)
        self.expand = nn.Conv2d(squeezed(channels), channels, 1)

    def forward(self, x: Float[Tensor, "n C h w"]) -> Float[Tensor, "n C h w"]:
        """The channels, each times its weight."""
        weights = self.expand(nn.functional.relu(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * nn.functional.hardsigmoid(weights)


class InvertedResidual(nn.Module):
    """Widened, convolved channel by channel, narrowed; added to what came in where both are alike."""

    def __init__(self, layers: nn.Sequential, added: bool) -> None:
        super().__init__()
        self.layers, self.added = layers, added

    def forward(self, x: Float[Tensor, "n C h w"]) -> Float[Tensor, "n D g v"]:
        """The value of the block."""
        return x + self.layers(x) if self.added else self.layers(x)


def mobilenet(architecture: Architecture, classes: int) -> Network:
    """The network of an architecture of one of these spaces, its weights not yet set."""
    (width,) = [width for width in WIDTHS if MobileNetV3(width).name == architecture.space]
    stem, stages, expanded, last = macro(width)
    narrow = nn.Sequential(convolution(stem, stem, 3, "relu", groups=stem), convolution(stem, stem))
    body: list[nn.Module] = [InvertedResidual(narrow, added=True)]
    blocks, before = np.reshape(architecture.tokens[6:], (len(stages), MOST)), stem
    for stage, symbols in zip(stages, blocks.tolist(), strict=True):
        for place, symbol in enumerate(symbols):
            if place > 1 and symbol == NONE:
                continue
            kernel, expansion = BLOCKS[symbol - (place > 1)]
            stride, middle = (stage.stride if place == 0 else 1), before * expansion
            layers = nn.Sequential(
                convolution(before, middle, 1, stage.activation),
                convolution(middle, middle, kernel, stage.activation, stride=stride, groups=middle),
                *([SqueezeAndExcitation(middle)] if stage.squeeze else []),
                convolution(middle, stage.channels),
            )
            body.append(InvertedResidual(layers, added=stride == 1 and before == stage.channels))
            before = stage.channels
    head = nn.Sequential(
        convolution(before, expanded, 1, "hard swish"),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(expanded, last, 1, bias=False),
        nn.Hardswish(),
        nn.Flatten(),
    )
    return Network(
        convolution(3, stem, 3, "hard swish", stride=2), nn.Sequential(*body), head, nn.Linear(last, classes)
    )
