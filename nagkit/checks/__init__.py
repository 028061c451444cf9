"""Contract suites: what every space, benchmark, predictor, generator and search has to keep.

Each suite is a class of tests. Anyone's own part is held to the same promises by pytest with one fixture overridden::

    from nagkit.checks.space import SpaceContract

    class TestMySpace(SpaceContract):
        @pytest.fixture
        def space(self):
            return MySpace()

In a notebook, ``run(SpaceContract, space=MySpace)`` does the same.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

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


def run(contract: type, **fixtures: Callable[[], Any]) -> str:
    """How many promises of a suite a part keeps, in words; each fixture is what the function of its name makes.

    Raises ``AssertionError`` with what pytest says of every promise that is broken.
    """
    import pytest

    made = {name: pytest.fixture(lambda _self, make=make: make(), name=name) for name, make in fixtures.items()}
    module, tally = ModuleType("nagkit_held_part"), _Tally()
    module.__dict__["TestPart"] = type("TestPart", (contract,), made)
    sys.modules[module.__name__] = module  # where the file below finds the suite
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"test_{Path(folder).name}.py")  # pytest remembers modules by their names
        file.write_text(f"from {module.__name__} import TestPart\n", encoding="utf-8")
        try:
            options = ["--import-mode=importlib", "-pno:terminal", "-pno:cacheprovider"]
            pytest.main([str(file), f"--rootdir={folder}", *options], [tally])
        finally:
            del sys.modules[module.__name__]
    if tally.broken or not tally.kept:
        raise AssertionError("\n\n".join(tally.broken) or f"{contract.__name__} has run no test.")
    return f"{contract.__name__}: all {tally.kept} promises are kept."


class _Tally:
    """A plugin of pytest that counts and keeps what the tests say."""

    def __init__(self) -> None:
        self.kept, self.broken = 0, list[str]()

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.kept += report.when == "call" and report.passed
        if report.failed:
            self.broken.append(f"{report.location[2]}\n{report.longreprtext}")

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.broken.append(report.longreprtext)
