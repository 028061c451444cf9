"""Linear models of features, which choose by themselves how much to trust them.

Notation: n measurements, f features, m targets. X (n, f) and y (n, m) are centred, X = U diag(s) V'. The weights are
V diag(s / (s² + p)) U' y with a penalty p (ridge regression: Hastie, Tibshirani & Friedman, 2009, eqs. 3.44 to 3.47),
of each target the one with the least mean absolute error of leaving one out, (y - ŷ) / (1 - h), where h is the leverage
(ibid., eq. 7.64).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nagkit.threads import one_thread

PENALTIES = 10.0 ** np.arange(-3, 4)


@dataclass(frozen=True, eq=False)
class Linear:
    """What features say of targets."""

    weights: Float[np.ndarray, "f m"]
    offset: Float[np.ndarray, "m"]

    @classmethod
    def fitted(cls, features: Float[np.ndarray, "n f"], targets: Float[np.ndarray, "n m"]) -> "Linear":
        """The model of these measurements."""
        centre, middle = features.mean(0), targets.mean(0)
        with one_thread():
            u, s, v = np.linalg.svd(features - centre, full_matrices=False)
            seen = u.T @ (targets - middle)  # (f, m)
            kept = s**2 / (s**2 + PENALTIES[:, None])  # (penalties, f)
            errors = np.empty((len(PENALTIES), targets.shape[1]))
            for row, share in enumerate(kept):
                leverage = 1 / len(u) + (u**2) @ share
                residual = targets - middle - u @ (share[:, None] * seen)
                errors[row] = np.abs(residual / (1 - leverage)[:, None]).mean(0)
            penalty = PENALTIES[errors.argmin(0)]  # (m,)
            weights = v.T @ (s[:, None] / (s[:, None] ** 2 + penalty) * seen)
            return cls(weights, middle - centre @ weights)

    def values(self, features: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n m"]:
        """The targets that these features let expect."""
        return features @ self.weights + self.offset
