"""Which operations leave a slot, by what was seen of them.

Notation: n architectures, L slots, K symbols, k objectives, B anchors.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import special

from nagkit import arguments
from nagkit.scalarised import scalarised
from nagkit.supernet.preference_law import PreferenceLaw

CONFIDENCE = 0.99  # that an operation that leaves a slot is worse than another one for a preference
_FEWEST = 4  # architectures, by their weights, below which nothing is said of an operation


class Seen(NamedTuple):
    """Architectures, the preference that each was drawn for, and its objectives: between 0 and 1, less is better."""

    tokens: Int[np.ndarray, "n L"]
    preferences: Float[np.ndarray, "n k"]
    values: Float[np.ndarray, "n k"]


def worse(law: PreferenceLaw, seen: Seen, keep: int = 2, confidence: float = CONFIDENCE) -> Bool[np.ndarray, "L K"]:
    """The symbols that with confidence are worse than another one of their slot for every preference.

    For each anchor an architecture counts as much as the preference that it was drawn for is near. There the augmented
    Chebyshev distance is fitted by a sum over slots, so that what stands in one slot does not blur what is said of
    another, with the covariance of White (1980, *Econometrica* 48), which holds although the distance is no such sum. A
    symbol leaves if at each anchor another one of its slot has a smaller term with confidence. Few looks make wide
    intervals: nothing leaves.

    Args:
        keep: how many symbols of a slot stay at least, the best ones by the mean over anchors
    """
    arguments.whole("keep", keep)
    z = special.ndtri(arguments.real("confidence", confidence, 0.5, 1 - 1e-12))
    near = np.stack([law.nearness(each) for each in seen.preferences], axis=1)  # (B, n)
    hot = (seen.tokens[:, :, None] == np.arange(law.allowed.shape[1])).astype(np.float64)
    terms, beaten = [], []
    for anchor, weights in zip(law.anchors, near, strict=True):
        term, error = _terms(hot, weights, -scalarised(-seen.values, anchor))
        above = term[:, :, None] - term[:, None, :]  # (L, K, K): of a symbol over another one
        terms.append(term)
        beaten.append((above > z * error).any(2, where=law.allowed[:, None, :]))
    dropped = np.all(beaten, axis=0) & law.allowed
    return dropped & ~_best(np.mean(terms, axis=0), law.allowed, keep)


def fewest(law: PreferenceLaw, count: int, keep: int = 1) -> Bool[np.ndarray, "L K"]:
    """The ``count`` symbols of each slot with the least share at the mean anchor, as the published code drops them."""
    arguments.whole("count", count)
    share = np.where(law.allowed, law.shares.mean(0), np.inf)
    last = share.argsort(1, kind="stable").argsort(1) < count
    return last & law.allowed & ~_best(-law.shares.mean(0), law.allowed, arguments.whole("keep", keep))


def _terms(
    hot: Float[np.ndarray, "n L K"], weights: Float[np.ndarray, "n"], distances: Float[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "L K"], Float[np.ndarray, "L K K"]]:
    """The term of each symbol, and the standard error of each difference; infinite where too few have one of them."""
    slots, symbols = hot.shape[1:]
    design = np.hstack([np.ones((len(hot), 1)), hot.reshape(len(hot), -1)])
    weighted = design * weights[:, None]
    inverse = np.linalg.pinv(design.T @ weighted, rcond=1e-8, hermitian=True)
    fitted = inverse @ (weighted.T @ distances)
    scores = weighted * (distances - design @ fitted)[:, None]
    covariance = (inverse @ (scores.T @ scores) @ inverse)[1:, 1:].reshape(slots, symbols, slots, symbols)
    own = covariance[np.arange(slots), :, np.arange(slots)]  # (L, K, K)
    variance = own.diagonal(axis1=1, axis2=2)
    error = np.sqrt(np.maximum(variance[:, :, None] + variance[:, None, :] - 2 * own, 0.0))
    share = hot * weights[:, None, None]
    enough = share.sum(0) ** 2 >= _FEWEST * np.maximum((share**2).sum(0), 1e-300)
    return fitted[1:].reshape(slots, symbols), np.where(enough[:, :, None] & enough[:, None, :], error, np.inf)


def _best(distance: Float[np.ndarray, "L K"], allowed: Bool[np.ndarray, "L K"], keep: int) -> Bool[np.ndarray, "L K"]:
    """The so many allowed symbols of each slot that are nearest."""
    return np.where(allowed, distance, np.inf).argsort(1, kind="stable").argsort(1) < keep
