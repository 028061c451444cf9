"""Learned numbers in a file: safetensors with a header of texts, of which a changed bit is noticed.

Reading runs no code. Files lie whole or not at all.
"""

import base64
import hashlib
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np

from nagkit.errors import DataDamagedError, DataMissingError
from nagkit.files import write_atomically

_CHECK = "sha256"


def shipped(name: str) -> Path:
    """Where the weights of this name lie that came with nagkit; ``nagkit train`` remakes them."""
    return Path(str(resources.files("nagkit_data"))) / "weights" / f"{name}.safetensors"


def write(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], header: Mapping[str, str]) -> None:
    """Write arrays by name with a header, such as their shape and a sentence of provenance."""
    from safetensors.numpy import save

    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_atomically(Path(path), save(whole, metadata={**header, _CHECK: _digest(whole, header)}))


def read(path: str | os.PathLike[str], what: str, remedy: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays by name and the header that ``write`` wrote.

    Args:
        what: such a file holds, such as "a denoiser", for errors
        remedy: the command that makes it
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise DataMissingError(f"There is no file of {what} at {path}; `{remedy}` makes it.")
    try:
        with safe_open(path, framework="np") as file:
            header = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        if header.pop(_CHECK) != _digest(arrays, header):
            raise ValueError("it is not as it was saved")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as fault:
        raise damaged(path, what, remedy, fault) from None
    return arrays, header


def packed(arrays: Mapping[str, np.ndarray]) -> str:
    """Arrays by name as one text, for JSON."""
    from safetensors.numpy import save

    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return base64.b64encode(save(whole)).decode()


def unpacked(text: str) -> dict[str, np.ndarray]:
    """The arrays of which ``packed`` gave this text."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return {name: array.copy() for name, array in load(base64.b64decode(text, validate=True)).items()}
    except SafetensorError as fault:
        raise ValueError(f"this text holds no arrays ({fault})") from None


def damaged(path: str | os.PathLike[str], what: str, remedy: str, fault: object) -> DataDamagedError:
    """The error for a file that does not hold what it should."""
    return DataDamagedError(f"{path} does not hold {what} ({fault}); `{remedy}` makes it anew.")


def _digest(arrays: Mapping[str, np.ndarray], header: Mapping[str, str]) -> str:
    """The SHA-256 of header and arrays, each by name."""
    digest = hashlib.sha256(repr(sorted(header.items())).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return digest.hexdigest()
