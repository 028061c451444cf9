"""Which operations leave a slot, by what was seen of them.

Notation: n architectures, L slots, K symbols, k objectives, B anchors.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.scalarised import scalarised
from nagkit.spaces.darts import Darts
from nagkit.supernet.preference_law import PreferenceLaw

CONFIDENCE = 0.99  # of each comparison, that an operation that leaves a slot is worse than another one
_FEWEST = 4  # architectures, by their weights, below which nothing is said of an operation


class Seen(NamedTuple):
    """Architectures, the preference that each was drawn for, and its objectives: of about 0 to 1, less is better."""

    tokens: Int[np.ndarray, "n L"]
    preferences: Float[np.ndarray, "n k"]
    values: Float[np.ndarray, "n k"]


def worse(law: PreferenceLaw, seen: Seen, keep: int = 2, confidence: float = CONFIDENCE) -> Bool[np.ndarray, "L K"]:
    """The symbols that with confidence are worse than another one of their slot at every anchor of the law.

    For each anchor an architecture counts as much as the preference that it was drawn for is near, and once however
    often it was drawn. There the augmented Chebyshev distance is fitted by a sum over slots, so that what stands in one
    slot does not blur what is said of another, with a covariance that holds although the distance is no such sum (HC3;
    MacKinnon & White, 1985, *Journal of Econometrics* 29). A symbol leaves if at each anchor another one of its slot
    has a smaller term, each with this confidence. Nothing leaves while there are fewer architectures than terms, nor
    what the grammar needs: ``none`` of ``darts``, which cannot be compared, as each node has two edges in any case.

    Args:
        keep: how many symbols of a slot stay at least, the best ones by the mean over anchors
    """
    arguments.whole("keep", keep)
    confidence = arguments.real("confidence", confidence, 0.5, 1 - 1e-12)
    if not len(seen.tokens) or not np.isfinite(seen.values).all():
        raise ArgumentError("seen must hold architectures with finite values; leave out those without.")
    rows, place = np.unique(seen.tokens, axis=0, return_inverse=True)
    near = np.stack([law.nearness(each) for each in seen.preferences], axis=1)  # (B, n)
    hot = (rows[:, :, None] == np.arange(law.allowed.shape[1])).astype(np.float64)
    terms, beaten = [], []
    for anchor, each in zip(law.anchors, near, strict=True):
        weights = np.bincount(place.ravel(), each)
        distances = np.bincount(place.ravel(), each * -scalarised(-seen.values, anchor)) / weights
        term, error, freedom = _terms(hot, weights, distances)
        above = term[:, :, None] - term[:, None, :]  # (L, K, K): of a symbol over another one
        terms.append(term)
        beaten.append((above > stats.t.ppf(confidence, freedom) * error).any(2, where=law.allowed[:, None, :]))
    dropped = np.all(beaten, axis=0) & law.allowed & _may_leave(law)
    return dropped & ~_best(np.mean(terms, axis=0), law.allowed, keep)


def fewest(law: PreferenceLaw, count: int, keep: int = 1) -> Bool[np.ndarray, "L K"]:
    """The ``count`` symbols of each slot with the least share at the mean anchor, as the published code drops them."""
    arguments.whole("count", count)
    share = np.where(law.allowed, law.shares.mean(0), np.inf)
    last = share.argsort(1, kind="stable").argsort(1) < count
    return (
        last & law.allowed & _may_leave(law) & ~_best(-law.shares.mean(0), law.allowed, arguments.whole("keep", keep))
    )


def _terms(
    hot: Float[np.ndarray, "n L K"], weights: Float[np.ndarray, "n"], distances: Float[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "L K"], Float[np.ndarray, "L K K"], float]:
    """The term of each symbol, the standard error of each difference of two in a slot, and the degrees of freedom.

    An error is infinite where a difference does not follow from what was seen, or from too few architectures.
    """
    slots, symbols = hot.shape[1:]
    design = np.hstack([np.ones((len(hot), 1)), hot.reshape(len(hot), -1)])
    weighted = design * weights[:, None]
    inverse = np.linalg.pinv(design.T @ weighted, rcond=1e-8, hermitian=True)
    fitted = inverse @ (weighted.T @ distances)
    leverage = np.minimum(((design @ inverse) * weighted).sum(1), 1 - 1e-9)
    scores = weighted * ((distances - design @ fitted) / (1 - leverage))[:, None]
    error = np.sqrt(_of_differences(inverse @ (scores.T @ scores) @ inverse, slots, symbols))
    rest = np.eye(len(inverse)) - inverse @ (design.T @ weighted)  # what the design does not say
    known = _of_differences(rest @ rest.T, slots, symbols) < 1e-9
    freedom = weights.sum() ** 2 / (weights**2).sum() - leverage.sum()
    share = hot * weights[:, None, None]
    known &= _pairs(share.sum(0) ** 2 >= _FEWEST * np.maximum((share**2).sum(0), 1e-300)) & (freedom >= _FEWEST)
    return fitted[1:].reshape(slots, symbols), np.where(known, error, np.inf), max(freedom, 1.0)


def _of_differences(covariance: Float[np.ndarray, "p p"], slots: int, symbols: int) -> Float[np.ndarray, "L K K"]:
    """The variance of the difference of each two terms of a slot."""
    each = covariance[1:, 1:].reshape(slots, symbols, slots, symbols)
    own = each[np.arange(slots), :, np.arange(slots)]  # (L, K, K)
    variance = own.diagonal(axis1=1, axis2=2)
    return np.maximum(variance[:, :, None] + variance[:, None, :] - 2 * own, 0.0)


def _pairs(each: Bool[np.ndarray, "L K"]) -> Bool[np.ndarray, "L K K"]:
    """Whether it holds of both of two symbols."""
    return each[:, :, None] & each[:, None, :]


def _may_leave(law: PreferenceLaw) -> Bool[np.ndarray, "L K"]:
    """What the grammar never needs: without it, other symbols are legal wherever it is."""
    needed = np.zeros_like(law.allowed)
    if law.space.name == Darts.name:
        needed[:, 0] = True
    return ~needed


def _best(distance: Float[np.ndarray, "L K"], allowed: Bool[np.ndarray, "L K"], keep: int) -> Bool[np.ndarray, "L K"]:
    """The so many allowed symbols of each slot that are nearest."""
    return np.where(allowed, distance, np.inf).argsort(1, kind="stable").argsort(1) < keep
