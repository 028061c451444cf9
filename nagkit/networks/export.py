"""A network leaves nagkit: as an ONNX file, or as the source of a Python module that needs nothing but PyTorch."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import torch
from torch import nn

from nagkit import arguments
from nagkit.errors import PackageMissingError
from nagkit.files import write_atomically
from nagkit.networks.network import edges
from nagkit.networks.network import image_shape as check_image_shape
from nagkit.space import Architecture
from nagkit.spaces.skeleton import MOST_CLASSES, PUBLISHED, Skeleton


def to_onnx(network: nn.Module, path: str | os.PathLike[str], image_shape: Sequence[int] = (3, 32, 32)) -> Path:
    """The ONNX file at ``path``: input ``images`` (n, *image_shape) for any n, output ``logits`` (n, classes).

    The network is written as it evaluates, whatever mode it is in.
    """
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise PackageMissingError(f"Export to ONNX needs {' and '.join(missing)}: pip install 'nagkit[onnx]'.")
    example = torch.zeros(2, *check_image_shape(image_shape, network))
    training = network.training
    try:
        with _third_parties_quiet():
            program = cast(  # never None with dynamo
                torch.onnx.ONNXProgram,
                torch.onnx.export(
                    network.eval(),
                    (example,),
                    dynamo=True,
                    verbose=False,
                    input_names=["images"],
                    output_names=["logits"],
                    dynamic_shapes=({0: torch.export.Dim("n")},),
                ),
            )
    finally:
        network.train(training)
    write_atomically(path, program.model_proto.SerializeToString())
    return Path(path)


@contextmanager
def _third_parties_quiet() -> Iterator[None]:
    """PyTorch's exporter neither warns of its own deprecations nor logs that torchvision is absent."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        logger.setLevel(level)


def to_python(architecture: Architecture, classes: int = 10, skeleton: Skeleton = PUBLISHED) -> str:
    """The source of a Python module with the class ``Network``, without the operations on dead edges.

    Its parameters have the names that ``build`` gives them, so that the ``state_dict`` of one loads into the other.
    """
    symbols = edges(architecture)
    arguments.whole("classes", classes, high=MOST_CLASSES)
    arguments.instance("skeleton", skeleton, Skeleton, "PUBLISHED or MICRO")
    cell = _cell(symbols)
    residual = skeleton.reduction == "residual"
    network = _network(skeleton, classes, "{}" if "channels" in cell else "")
    convolves = residual or "convolution(" in cell + network
    heading = _HEADING.format(
        text=architecture.text,
        space=architecture.space,
        torch="import torch\n" if "torch." in cell else "",
    )
    parts = [heading, _CONVOLUTION if convolves else "", cell, _REDUCTION if residual else "", network]
    return "\n\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _cell(symbols: Mapping[tuple[int, int], str]) -> str:
    """The class ``Cell``; a node whose only edge is a skip goes by the name of its source."""
    made = [f"        self.edge_{s}_{t} = {_MODULES[op]}" for (s, t), op in symbols.items() if op in _MODULES]
    names, lines = {0: "x0"}, []
    for node in (1, 2, 3):
        terms = [
            f"self.edge_{s}_{t}({names[s]})" if op in _MODULES else names[s]
            for (s, t), op in symbols.items()
            if t == node
        ]
        value = " + ".join(terms)
        names[node] = value if value in names.values() else f"x{node}"
        if node == 3:
            lines.append(f"        return {value or 'torch.zeros_like(x0)'}")
        elif value and names[node] != value:
            lines.append(f"        x{node} = {value}")
    channels = ", channels: int" if any("channels" in line for line in made) else ""
    constructor = (
        [f"    def __init__(self{channels}) -> None:", "        super().__init__()", *made, ""] if made else []
    )
    return "\n".join([*_CELL, *constructor, "    def forward(self, x0: Tensor) -> Tensor:", *lines])


def _network(skeleton: Skeleton, classes: int, cell_argument: str) -> str:
    """The class ``Network``.

    Args:
        cell_argument: what a cell is made with, ``{}`` standing for its channels.
    """
    body, before = [], skeleton.channels[0]
    for stage, (channels, cells) in enumerate(skeleton.stages):
        if stage and skeleton.reduction == "residual":
            body.append(f"Reduction({before}, {channels}),")
        elif stage:
            body.append(f"convolution({before}, {channels}, kernel=3, stride=2),")
        cell = f"Cell({cell_argument.format(channels)})"
        body.append(f"{cell}," if cells == 1 else f"*({cell} for _ in range({cells})),")
        before = channels
    return _NETWORK.format(
        images=skeleton.image_channels,
        first=skeleton.channels[0],
        last=skeleton.channels[-1],
        classes=classes,
        body="\n            ".join(body),
    )


_MODULES = {
    "nor_conv_1x1": "convolution(channels, channels, kernel=1)",
    "nor_conv_3x3": "convolution(channels, channels, kernel=3)",
    "avg_pool_3x3": "nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)",
}
_HEADING = '''
"""An image classifier found with nagkit.

Its cell, in the notation of {space}:
{text}
"""

{torch}from torch import Tensor, nn
'''
_CONVOLUTION = '''
def convolution(before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """ReLU, convolution, batch normalisation."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(after),
    )
'''
_CELL = [
    "class Cell(nn.Module):",
    '    """Each node is the sum of its edges; edge_1_3 leads from node 1 to node 3."""',
    "",
]
_REDUCTION = '''
class Reduction(nn.Module):
    """Halve the image side, with a shortcut beside two convolutions."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv_a = convolution(before, after, kernel=3, stride=2)
        self.conv_b = convolution(after, after, kernel=3)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2, ceil_mode=True),
            nn.Conv2d(before, after, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.conv_b(self.conv_a(x))
'''
_NETWORK = '''
class Network(nn.Module):
    """Stem, cells, global average pooling, linear classifier."""

    def __init__(self, classes: int = {classes}) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d({images}, {first}, 3, padding=1, bias=False),
            nn.BatchNorm2d({first}),
        )
        self.body = nn.Sequential(
            {body}
        )
        self.head = nn.Sequential(
            nn.BatchNorm2d({last}),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.classifier = nn.Linear({last}, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.head(self.body(self.stem(images))))
'''
