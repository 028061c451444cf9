"""How much is to be expected of an evaluation: acquisitions over candidates.

Notation: m candidates with expected scores ``mean (m,)`` and standard deviations ``spread (m,)``, more is better;
``best`` is the highest score so far.
"""

import numpy as np
from jaxtyping import Float
from scipy import special

Scores = Float[np.ndarray, "m"]


def expected_improvement(mean: Scores, spread: Scores, best: float) -> Scores:
    """By how much the best is surpassed on average (Mockus, 1975; Jones et al., 1998, eq. 15)."""
    spread = np.maximum(spread, 1e-9)
    z = (mean - best) / spread
    return spread * (z * special.ndtr(z) + _density(z))


def probability_of_improvement(mean: Scores, spread: Scores, best: float) -> Scores:
    """How likely it is that the best is surpassed (Kushner, 1964)."""
    return special.ndtr((mean - best) / np.maximum(spread, 1e-9))


def improvement_within(
    mean: Float[np.ndarray, "m k"], spread: Float[np.ndarray, "m k"], best: float, limits: Float[np.ndarray, "c"]
) -> Scores:
    """The expected improvement of the first objective, times how likely the others reach their limits (c = k - 1).

    As for measured constraints (Schonlau, Welch & Jones, 1998); objectives without a spread reach them or do not.
    """
    sure = spread[:, 1:] == 0
    odds = np.where(
        sure, mean[:, 1:] >= limits, special.ndtr((mean[:, 1:] - limits) / np.where(sure, 1, spread[:, 1:]))
    )
    return expected_improvement(mean[:, 0], spread[:, 0], best) * odds.prod(1)


def expected_hypervolume_improvement(
    mean: Float[np.ndarray, "m 2"],
    spread: Float[np.ndarray, "m 2"],
    front: Float[np.ndarray, "p 2"],
    reference: Float[np.ndarray, "2"],
) -> Scores:
    """By how much the area between a front of two objectives and a reference point below it grows on average, exactly.

    The strips between two neighbours of the front are products of one-dimensional expectations (Yang et al., 2019,
    *Efficient computation of expected hypervolume improvement*, section 4); here more is better.

    Args:
        front: among any points; those that others dominate, or that do not surpass the reference, count for nothing
    """
    import moocore

    front = front[(front > reference).all(1)]
    front = front[moocore.is_nondominated(-front)] if len(front) else front
    front = front[np.argsort(front[:, 0])]  # ascending in the first, so descending in the second
    left = np.r_[reference[0], front[:, 0]]  # (p + 1,) where each strip begins
    right = np.r_[front[:, 0], np.inf]
    floor = np.r_[front[:, 1], reference[1]]  # the height that is covered already in each strip
    spread = np.maximum(spread, 1e-9)
    width = _above(left, mean[:, :1], spread[:, :1]) - _above(right, mean[:, :1], spread[:, :1])  # (m, p + 1)
    return (width * _above(floor, mean[:, 1:], spread[:, 1:])).sum(1)


def _above(level: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """E[max(y - level, 0)] for normal y."""
    with np.errstate(invalid="ignore"):
        z = (mean - level) / spread
        found = spread * (z * special.ndtr(z) + _density(z))
    return np.where(np.isposinf(level), 0.0, found)


def _density(z: np.ndarray) -> np.ndarray:
    return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
