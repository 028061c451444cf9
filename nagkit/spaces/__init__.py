"""Search spaces, one file each; ``space`` finds one by name."""

from collections.abc import Callable
from functools import partial

from nagkit import arguments
from nagkit.space import SearchSpace
from nagkit.spaces.darts import Darts
from nagkit.spaces.enas import Enas
from nagkit.spaces.mobilenet_v3 import MobileNetV3
from nagkit.spaces.nas_bench_101 import NasBench101
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.random_wired import FAMILY, SIZES, RandomWired

SPACES: dict[str, Callable[[], SearchSpace]] = {
    "nas-bench-101": NasBench101,
    "nas-bench-201": NasBench201,
    "darts": Darts,
    "enas": Enas,
    "mobilenet-v3": MobileNetV3,
    "mobilenet-v3-w1.2": partial(MobileNetV3, 1.2),
    **{f"{FAMILY}-{nodes}": partial(RandomWired, nodes) for nodes in SIZES},
}


def space(name: str) -> SearchSpace:
    """The search space of this name.

    ``"nas-bench-101"``, ``"nas-bench-201"``, ``"darts"``, ``"enas"``, ``"mobilenet-v3"``, ``"mobilenet-v3-w1.2"``,
    1.2 times as wide, or ``"random-wired-8"``, ``-12``, ``-16`` or ``-32``, wirings of so many nodes.
    """
    return SPACES[arguments.one_of("space", name, SPACES)]()
