"""How much of a measured difference between architectures is one: repeated measurements against each other.

Notation: n architectures, each measured k times, for example with k seeds.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nagkit import arguments
from nagkit.errors import ArgumentError


@dataclass(frozen=True)
class Reliability:
    """Which share of the variance is between architectures and not between repetitions.

    ``one`` is that of a single measurement, ``mean`` that of the mean over all k; ``between`` and ``within`` are the
    standard deviations of architectures and of repetitions, in the unit of the values.
    """

    one: float
    mean: float
    between: float
    within: float


def reliability(values: Float[np.ndarray, "n k"]) -> Reliability:
    """Intraclass correlation of a one-way layout: ICC(1,1) and ICC(1,k) of Shrout & Fleiss (1979).

    A negative estimate, where repetitions differ more than architectures, is given as it is; ``between`` is then 0.
    Raises ``ArgumentError`` unless all values are finite, n and k are at least 2, and not all values are equal.
    """
    values = arguments.array("values", values)
    if values.dtype.kind not in "fiu" or values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise ArgumentError(
            "values must be finite numbers of shape (n, k) with n and k at least 2, a row for each architecture; "
            f"got {values.dtype} of shape {values.shape}."
        )
    n, k = values.shape
    means = values.mean(1)
    among = k * means.var(ddof=1)  # mean squares
    inside = ((values - means[:, None]) ** 2).sum() / (n * (k - 1))
    if np.ptp(values) == 0:
        raise ArgumentError("values must differ; all are equal, so there is nothing to tell apart.")
    one = (among - inside) / (among + (k - 1) * inside)
    mean = (among - inside) / among if among else -math.inf
    return Reliability(float(one), float(mean), math.sqrt(max(0.0, among - inside) / k), math.sqrt(inside))
