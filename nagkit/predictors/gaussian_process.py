"""A Gaussian process over the features of a space.

Notation: n labels, f features; kernel k(a, b) = v exp(-|a - b|_1 / length), noise added on the diagonal. On one-hot
features the L1 distance is twice the Hamming distance, on counts of paths it compares bags of paths.
Length, variance v and noise maximise the marginal likelihood (Rasmussen & Williams, 2006, eqs. 2.30, 5.9) under a
weak log-normal prior, which keeps them sane when there are few labels.
"""

import numpy as np
from jaxtyping import Float
from scipy import linalg, optimize

from nagkit.predictors.ranked import RankedPredictor

START = np.log([12.0, 1.0, 0.05])  # length, variance, noise
PRIOR_SPREAD = 2.0  # of each logarithm about its start
BOUNDS = [(-1.0, 8.0), (-4.0, 5.0), (-6.0, 1.0)]


class GaussianProcess(RankedPredictor):
    """The default predictor: exact inference, so up to a few thousand labels."""

    def _learn(self, features: np.ndarray, scores: np.ndarray) -> None:
        distance = l1(features, features)
        best = optimize.minimize(
            loss, START, args=(distance, scores), jac=True, method="L-BFGS-B", bounds=BOUNDS, options={"maxiter": 50}
        )
        self.length, self.variance, self.noise = np.exp(best.x)
        kernel = self.variance * np.exp(-distance / self.length) + self.noise * np.eye(len(scores))
        self._cholesky = linalg.cholesky(kernel, lower=True)
        self._weights = linalg.cho_solve((self._cholesky, True), scores)
        self._features = features

    def _scores(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        kernel = self._kernel(features)
        explained = linalg.solve_triangular(self._cholesky, kernel.T, lower=True)  # (n, m)
        variance = self.variance - (explained**2).sum(0)
        return kernel @ self._weights, np.sqrt(np.maximum(variance, 0) + self.noise)

    def _means(self, features: np.ndarray) -> np.ndarray:
        return self._kernel(features) @ self._weights

    def _kernel(self, features: np.ndarray) -> np.ndarray:
        return self.variance * np.exp(-l1(features, self._features) / self.length)


def l1(a: np.ndarray, b: np.ndarray) -> Float[np.ndarray, "n m"]:
    """Number of yes-or-no features in which the rows of ``a`` and ``b`` differ; exact, as counts fit a float32."""
    a, b = a.astype(np.float32), b.astype(np.float32)
    return (a.sum(1)[:, None] + b.sum(1) - 2 * (a @ b.T)).astype(np.float64)


def loss(logs: np.ndarray, distance: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray]:
    """Negative log posterior of the logarithms of (length, variance, noise), up to a constant, and its gradient."""
    length, variance, noise = np.exp(logs)
    signal = variance * np.exp(-distance / length)
    factor = linalg.cho_factor(signal + noise * np.eye(len(scores)), lower=True)
    weights = linalg.cho_solve(factor, scores)
    prior = (logs - START) / PRIOR_SPREAD**2
    value = scores @ weights / 2 + np.log(np.diag(factor[0])).sum() + (logs - START) @ prior / 2
    slope = linalg.cho_solve(factor, np.eye(len(scores))) - np.outer(weights, weights)
    part = slope * signal
    gradient = np.array([(part * distance).sum() / length, part.sum(), noise * np.trace(slope)]) / 2
    return value, gradient + prior
