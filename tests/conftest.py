"""What every test shares: a cache of its own, the public files where a machine has them, and code as users meet it."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from nagkit import checks
from nagkit.benchmarks.registry import CACHE, UPSTREAM

hypothesis.settings.register_profile("nagkit", deadline=None)  # the first call of many functions fills a cache
hypothesis.settings.load_profile("nagkit")

BESIDE = Path(__file__).parents[2] / "shared" / "upstream"


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first, as most faults show in the first minute; slow ones of a file in one process, by its fixtures.

    Those in a browser come last, or first where there are several processes: one of them is at it while others work.
    """
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(item.config.rootpath))))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("browser"):
        return 0 if "PYTEST_XDIST_WORKER" in os.environ else 3
    return 2 if item.get_closest_marker("slow") else 1


@pytest.fixture(scope="session", autouse=True)
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's cache is neither read nor written; public files come from beside the checkout, if there are any."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # what one worker converts or fits the others need not
        base = base.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE, str(base / "cache"))
        if not os.environ.get(UPSTREAM) and BESIDE.is_dir():
            patch.setenv(UPSTREAM, str(BESIDE))
        yield


@pytest.fixture(scope="session")
def upstream(folders: None) -> Path:
    """The folder of public files; tests that need it are skipped where there is none."""
    folder = Path(os.environ.get(UPSTREAM) or BESIDE)
    if not folder.is_dir():
        pytest.skip(f"needs the public tables: set {UPSTREAM} to a folder laid out <source>/<path> as in registry.toml")
    return folder


@pytest.fixture
def as_a_user() -> Iterator[None]:
    """Shape annotations are not executed, as in a user's process: wrong arguments reach nagkit's own checks."""
    with checks.as_a_user():
        yield
