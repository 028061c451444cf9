"""Checks that every public function shares: each returns the clean value or raises an ``ArgumentError`` that helps."""

import difflib
import math
import numbers
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from nagkit.errors import ArgumentError


def nearest(value: object, allowed: Collection[str]) -> str:
    """The question " Did you mean 'x'?", or nothing when no allowed name is close."""
    close = difflib.get_close_matches(str(value), list(allowed), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def one_of(argument: str, value: object, allowed: Collection[str]) -> str:
    """``value``, which is one of the ``allowed`` names."""
    if not isinstance(value, str) or value not in allowed:
        raise ArgumentError(
            f"{argument} must be one of {', '.join(map(repr, allowed)) or 'none, as there are none'}; "
            f"got {value!r}.{nearest(value, allowed)}"
        )
    return value


def whole(argument: str, value: object, low: int = 1, high: int | None = None) -> int:
    """``value`` as an ``int`` within [low, high]; booleans and fractions are refused."""
    allowed = f"a whole number from {low}" + ("" if high is None else f" to {high}")
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ArgumentError(f"{argument} must be {allowed}; got {value!r} of type {type(value).__name__}.")
    number = int(value)
    if number < low or (high is not None and number > high):
        raise ArgumentError(f"{argument} must be {allowed}; got {value!r}.")
    return number


def seed(argument: str, value: object) -> int:
    """``value`` as an ``int`` that every random generator here takes."""
    return whole(argument, value, low=0, high=2**63 - 1)


def real(argument: str, value: object, low: float = -math.inf, high: float = math.inf) -> float:
    """``value`` as a ``float`` within [low, high]; NaN, booleans and text are refused."""
    allowed = "a number" if low == -math.inf and high == math.inf else f"a number from {low:g} to {high:g}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ArgumentError(f"{argument} must be {allowed}; got {value!r} of type {type(value).__name__}.")
    try:
        number = float(value)
    except OverflowError:
        raise ArgumentError(f"{argument} must be {allowed}; got a whole number beyond 1e308.") from None
    if not low <= number <= high:  # false for NaN too
        raise ArgumentError(f"{argument} must be {allowed}; got {value!r}.")
    return number


def generator(argument: str, value: object) -> np.random.Generator:
    """``value``, which is a NumPy random generator."""
    if not isinstance(value, np.random.Generator):
        raise ArgumentError(
            f"{argument} must be a numpy.random.Generator, for example numpy.random.default_rng(0); "
            f"got {value!r} of type {type(value).__name__}."
        )
    return value


def instance(argument: str, value: object, kind: type, example: str) -> Any:
    """``value``, which is of this kind."""
    if not isinstance(value, kind):
        raise ArgumentError(
            f"{argument} must be a {kind.__name__} such as {example}; got {value!r:.80} of type {type(value).__name__}."
        )
    return value


def several(argument: str, value: object, kind: type) -> tuple[Any, ...]:
    """``value`` as a tuple of values of this kind."""
    if isinstance(value, kind):
        raise ArgumentError(f"{argument} must be a list; put the one {kind.__name__} into [ ].")
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ArgumentError(f"{argument} must be a list of {kind.__name__} values; got {value!r:.80}.")
    items = tuple(value)
    for item in items:
        if not isinstance(item, kind):
            raise ArgumentError(f"{argument} must hold {kind.__name__} values; got {item!r:.80}.")
    return items


def array(argument: str, value: object) -> np.ndarray:
    """``value`` as an array; lists of uneven lengths and other things without one shape are refused."""
    try:
        found = np.asarray(value)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"{argument} must be an array with rows of equal length; got {value!r:.80}.") from None
    if found.dtype == object:
        raise ArgumentError(f"{argument} must be an array of numbers; got {value!r:.80}.")
    return found


def finite(argument: str, value: Any, length: int | None = None) -> np.ndarray:
    """``value`` as a one-dimensional float64 array without NaN or infinity, of the given length."""
    found = array(argument, value)
    if found.dtype.kind not in "fiu":
        raise ArgumentError(f"{argument} must be an array of numbers; got {value!r:.80}.")
    column = found.astype(np.float64)
    if column.ndim != 1 or (length is not None and len(column) != length) or not len(column):
        wanted = "(n,) with n at least 1" if length is None else f"({length},)"
        raise ArgumentError(f"{argument} must have shape {wanted}; got {column.shape}.")
    wrong = np.flatnonzero(~np.isfinite(column))
    if len(wrong):
        raise ArgumentError(
            f"{argument} must be finite; {len(wrong)} of {len(column)} values are not, the first at position "
            f"{wrong[0]} ({column[wrong[0]]}). Drop these rows first."
        )
    return column
