"""What the tests of the house look at: every Python file of the project, parsed once."""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PACKAGES = {
    "nagkit": "nagkit",
    "widgets": "nagkit_widgets",
    "data": "nagkit_data",
}  # folder, and its name when imported


@dataclass(frozen=True)
class Source:
    """One Python file: its place in the checkout, its name when imported, its text, and the text parsed."""

    path: str
    module: str
    text: str
    tree: ast.Module


def parsed(path: Path) -> Source:
    place = path.relative_to(CHECKOUT)
    folder, *rest = place.with_suffix("").parts
    module = ".".join([PACKAGES.get(folder, folder), *(part for part in rest if part != "__init__")])
    text = path.read_text("utf-8")
    return Source(place.as_posix(), module, text, ast.parse(text))


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder that holds pyproject.toml."""
    return CHECKOUT


@pytest.fixture(scope="session")
def package() -> list[Source]:
    """What is installed."""
    return [parsed(path) for folder in PACKAGES for path in sorted((CHECKOUT / folder).rglob("*.py"))]


@pytest.fixture(scope="session")
def everything(package: list[Source]) -> list[Source]:
    """What is installed, and the tests."""
    return package + [parsed(path) for path in sorted((CHECKOUT / "tests").rglob("*.py"))]
