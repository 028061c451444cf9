"""Checks that every public function shares: each returns the clean value or raises an ``ArgumentError`` that helps."""

import difflib
import math
import numbers
from collections.abc import Collection
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
            f"{argument} must be one of {', '.join(map(repr, allowed))}; got {value!r}.{nearest(value, allowed)}"
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


def real(argument: str, value: object, low: float = -math.inf, high: float = math.inf) -> float:
    """``value`` as a ``float`` within [low, high]; NaN, booleans and text are refused."""
    allowed = "a number" if low == -math.inf and high == math.inf else f"a number from {low:g} to {high:g}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ArgumentError(f"{argument} must be {allowed}; got {value!r} of type {type(value).__name__}.")
    number = float(value)
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


def finite(argument: str, value: Any, length: int | None = None) -> np.ndarray:
    """``value`` as a one-dimensional float64 array without NaN or infinity, of the given length."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{argument} must be an array of numbers; got {value!r:.80}.") from None
    if array.ndim != 1 or (length is not None and len(array) != length) or not len(array):
        wanted = "(n,) with n at least 1" if length is None else f"({length},)"
        raise ArgumentError(f"{argument} must have shape {wanted}; got {array.shape}.")
    wrong = np.flatnonzero(~np.isfinite(array))
    if len(wrong):
        raise ArgumentError(
            f"{argument} must be finite; {len(wrong)} of {len(array)} values are not, the first at position "
            f"{wrong[0]} ({array[wrong[0]]}). Drop these rows first."
        )
    return array
