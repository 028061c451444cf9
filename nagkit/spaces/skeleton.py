"""The network around a repeated cell, and what it costs exactly.

Notation: C channels, r image side, k classes; n1, n3 the numbers of 1x1 and 3x3 convolutions in a cell.
FLOPs are multiply-accumulates of convolutions and the classifier; pooling, normalisation and ReLU are not counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nagkit import arguments
from nagkit.errors import ArgumentError

# With these no cost exceeds what 64 bits hold.
WIDEST = 4096  # channels
MOST_STAGES = 8
MOST_CELLS = 100
LARGEST_IMAGE = 4096  # pixels a side
MOST_CLASSES = 1_000_000


@dataclass(frozen=True)
class Skeleton:
    """Stem, then stages of so many ``cells`` with a reduction between stages, then pooling and a classifier.

    ``channels`` gives the width of each stage, ``cells`` is one number for all stages or one for each; each reduction
    halves the image side. A reduction is the strided
    ``"residual"`` block of NAS-Bench-201 (Dong & Yang, 2020, section 2) or a single strided ``"convolution"``.
    At most 8 stages of at most 100 cells, each at most 4,096 wide.
    """

    channels: tuple[int, ...] = (16, 32, 64)
    cells: int | tuple[int, ...] = 5
    image_channels: int = 3
    reduction: str = "residual"

    def __post_init__(self) -> None:
        arguments.one_of("reduction", self.reduction, ("residual", "convolution"))
        sizes = {
            "channels": _channels(self.channels),
            "cells": _cells(self.cells, self.channels),
            "image_channels": arguments.whole("image_channels", self.image_channels, high=WIDEST),
        }
        for name, value in sizes.items():
            object.__setattr__(self, name, value)

    @staticmethod
    def again(told: Mapping[str, Any]) -> "Skeleton":
        """The skeleton of which ``asdict`` gave this, also by way of JSON."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in told.items()
        }
        return Skeleton(**fields)

    @property
    def stages(self) -> tuple[tuple[int, int], ...]:
        """Of each stage its width and its number of cells."""
        cells = (self.cells,) * len(self.channels) if isinstance(self.cells, int) else self.cells
        return tuple(zip(self.channels, cells, strict=True))

    def params(self, n1, n3, classes: int):
        """Trainable parameters for the given numbers (or arrays) of convolutions in each cell."""
        classes = arguments.whole("classes", classes, high=MOST_CLASSES)
        first, last = self.channels[0], self.channels[-1]
        total = 9 * self.image_channels * first + 2 * first + 2 * last + (last + 1) * classes
        for before, after in self._pairs():
            total += 9 * before * after + 2 * after
            if self.reduction == "residual":
                total += 9 * after * after + 2 * after + before * after
        for width, cells in self.stages:
            total += cells * (n1 * (width**2 + 2 * width) + n3 * (9 * width**2 + 2 * width))
        return total

    def flops(self, n1, n3, classes: int, image_size: int):
        """Multiply-accumulates of one forward pass over one square image."""
        classes = arguments.whole("classes", classes, high=MOST_CLASSES)
        smallest = 2 ** (len(self.channels) - 1)
        image_size = arguments.whole("image_size", image_size, low=smallest, high=LARGEST_IMAGE)
        sides = [image_size]
        for _ in self.channels[1:]:
            sides.append((sides[-1] + 1) // 2)
        total = 9 * self.image_channels * self.channels[0] * image_size**2 + (self.channels[-1] + 1) * classes
        for (before, after), side in zip(self._pairs(), sides[1:], strict=True):
            total += 9 * before * after * side**2
            if self.reduction == "residual":
                total += (9 * after * after + before * after) * side**2
        for (width, cells), side in zip(self.stages, sides, strict=True):
            total += cells * side**2 * width**2 * (n1 + 9 * n3)
        return total

    def _pairs(self):
        return list(zip(self.channels[:-1], self.channels[1:], strict=True))


def _channels(value: object) -> tuple[int, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not 1 <= len(value) <= MOST_STAGES:
        raise ArgumentError(
            f"channels must be the widths of 1 to {MOST_STAGES} stages, for example (16, 32, 64); got {value!r:.80}."
        )
    return tuple(arguments.whole("channels", width, high=WIDEST) for width in value)


def _cells(value: Any, channels: Sequence[int]) -> int | tuple[int, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return arguments.whole("cells", value, high=MOST_CELLS)
    if len(value) != len(channels):
        raise ArgumentError(f"cells must be one number, or one for each of {len(channels)} stages; got {value!r:.80}.")
    return tuple(arguments.whole("cells", cells, high=MOST_CELLS) for cells in value)


PUBLISHED = Skeleton()
MICRO = Skeleton(channels=(8, 16), cells=1, image_channels=1, reduction="convolution")
