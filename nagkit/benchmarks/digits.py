"""nagkit's own table, which comes with it: NAS-Bench-201 cells in a small network, trained on handwritten digits."""

from importlib.resources import as_file, files

from nagkit.benchmarks.columns import Columns
from nagkit.errors import DataMissingError

TABLES = ("mid8",)


def present(name: str) -> bool:
    """Whether the table came with this installation."""
    return (files("nagkit_data") / "digits" / f"{name}.safetensors").is_file()


def columns(name: str) -> Columns:
    """The table of this name, mapped."""
    if not present(name):
        raise DataMissingError(
            f"The table digits/{name} did not come with this installation. Make it with `nagkit build digits`, or "
            "install nagkit again."
        )
    with as_file(files("nagkit_data") / "digits" / f"{name}.safetensors") as path:
        return Columns.open(path)
