"""What is timed: the networks of a space, built in one way, and the images that they are given."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.benchmarks import NAMES
from nagkit.benchmarks.nas_bench_201 import DATASETS
from nagkit.errors import ArgumentError
from nagkit.networks.embedded import CLASSES
from nagkit.networks.latency import measure
from nagkit.networks.network import Network, build
from nagkit.networks.parts import parts
from nagkit.space import SearchSpace
from nagkit.spaces import SPACES, space
from nagkit.spaces.mobilenet_v3 import RESOLUTIONS, MobileNetV3
from nagkit.spaces.skeleton import LARGEST_IMAGE, MICRO, MOST_CLASSES, PUBLISHED, Skeleton

SIDE = 8  # pixels, of the images of the embedded tables
RUNS, WARM_UP = 5, 1  # passes in a visit: few, as a visit from time to time tells more than a long one


@dataclass(frozen=True)
class Workload:
    """Networks of a space on batches of images.

    ``skeleton`` and ``image_size`` (pixels a side) are for the cells of NAS-Bench-201. The networks of MobileNetV3 have
    a skeleton of their own, and each names the side of its images: theirs are ``None``.
    """

    space: str
    classes: int = 10
    skeleton: Skeleton | None = None
    image_size: int | None = None
    batch: int = 1

    def __post_init__(self) -> None:
        arguments.one_of("space", self.space, SPACES)
        parts(self.searched)  # refuses other spaces
        arguments.whole("classes", self.classes, high=MOST_CLASSES)
        arguments.whole("batch", self.batch, high=65_536)
        if isinstance(self.searched, MobileNetV3):
            for argument in ("skeleton", "image_size"):
                if getattr(self, argument) is not None:
                    raise ArgumentError(f"{argument} must be None for {self.space}, whose networks know it.")
        else:
            arguments.instance("skeleton", self.skeleton, Skeleton, "PUBLISHED or MICRO")
            arguments.whole("image_size", self.image_size, high=LARGEST_IMAGE)

    @classmethod
    def of(cls, name: str, batch: int = 1) -> "Workload":
        """That of a benchmark's networks, by its name or by that of a space (then as published)."""
        arguments.one_of("name", name, (*NAMES, *SPACES))
        family, _, table = name.partition("/")
        if family == "digits":
            return cls("nas-bench-201", CLASSES, MICRO, SIDE, batch)
        if family == "nas-bench-201":
            about = DATASETS[table or "cifar10"]
            return cls(family, about.classes, PUBLISHED, about.image_size, batch)
        return cls(family, 1000, batch=batch)

    @cached_property
    def searched(self) -> SearchSpace:
        """The space."""
        return space(self.space)

    def parts(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n p"]:
        """How much there is in the networks of what takes time; see ``nagkit.networks.parts``."""
        return parts(self.searched)(tokens)

    def network(self, row: Any) -> Network:
        """The network of one row, without what does not reach its output."""
        return build(self.searched.decode(row), self.classes, self.skeleton or PUBLISHED)

    def image_shape(self, row: Any) -> tuple[int, int, int]:
        """Channels, height and width of its images."""
        side = self.image_size or RESOLUTIONS[int(row[0])]
        return (self.skeleton.image_channels if self.skeleton else 3), side, side

    def milliseconds(self, row: Any, network: Network | None = None) -> float:
        """The time of a pass of one network here and now, on one thread: the fastest of a few.

        Args:
            network: that of the row, where it is built already
        """
        built = self.network(row) if network is None else network
        return measure(built, self.image_shape(row), self.batch, RUNS, WARM_UP).fastest

    def about(self) -> dict[str, Any]:
        """The same in JSON's words."""
        return asdict(self)
