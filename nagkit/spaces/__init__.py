"""Search spaces, one file each; ``space`` finds one by name."""

from nagkit import arguments
from nagkit.space import SearchSpace
from nagkit.spaces.nas_bench_201 import NasBench201

SPACES: dict[str, type[SearchSpace]] = {NasBench201.name: NasBench201}


def space(name: str) -> SearchSpace:
    """The search space of this name: ``"nas-bench-201"``."""
    return SPACES[arguments.one_of("space", name, SPACES)]()
