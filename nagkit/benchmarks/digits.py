"""nagkit's own tables, which come with it: NAS-Bench-201 cells in a small network, trained on handwritten digits."""

from importlib.resources import as_file, files
from importlib.resources.abc import Traversable

from nagkit.benchmarks.columns import Columns
from nagkit.errors import DataMissingError

TABLES = ("mid8", "hard8")
FAMILY = "worlds"


def worlds() -> tuple[str, ...]:
    """The names of the tables of the family of tasks, such as ``"worlds/even-photo"``, that came with nagkit."""
    folder = files("nagkit_data") / "digits" / FAMILY
    if not folder.is_dir():
        return ()
    names = (file.name.removesuffix(".safetensors") for file in folder.iterdir() if file.name.endswith(".safetensors"))
    return tuple(f"{FAMILY}/{name}" for name in sorted(names))


def present(name: str) -> bool:
    """Whether the table came with this installation."""
    return _file(name).is_file()


def columns(name: str) -> Columns:
    """The table of this name, mapped."""
    if not present(name):
        raise DataMissingError(
            f"The table digits/{name} did not come with this installation. Make it with `nagkit build "
            f"digits/{name.partition('/')[0]}`, or install nagkit again."
        )
    with as_file(_file(name)) as path:
        return Columns.open(path)


def _file(name: str) -> Traversable:
    return files("nagkit_data").joinpath("digits", *f"{name}.safetensors".split("/"))
