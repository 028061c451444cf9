"""Contract suites: what every space, benchmark, predictor, generator and search has to keep.

Each suite is a class of tests. Anyone's own part is held to the same promises by pytest with one fixture overridden::

    from nagkit.checks.space import SpaceContract

    class TestMySpace(SpaceContract):
        @pytest.fixture
        def space(self):
            return MySpace()
"""

from collections.abc import Iterator
from contextlib import contextmanager

import jaxtyping


@contextmanager
def as_a_user() -> Iterator[None]:
    """Shape annotations are not executed, as in a user's process, so that wrong arguments reach the code itself."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


@contextmanager
def untouched_global_randomness() -> Iterator[None]:
    """Fails where Python's, NumPy's or torch's global random state moves within."""
    import random

    import numpy as np
    import torch

    def states() -> tuple[str, str, bytes]:
        return repr(random.getstate()), repr(np.random.get_state()), torch.get_rng_state().numpy().tobytes()  # noqa: NPY002

    before = states()
    yield
    assert states() == before, "A global random state has moved; draw from the `rng` argument alone."
