"""A Gaussian process over the features of a space.

Notation: n labels, m points, f features; kernel k(a, b) = v exp(-|a - b|_1 / length), noise added on the diagonal. On
one-hot features the L1 distance is twice the Hamming distance, on counts of paths it compares bags of paths.
Length, variance v and noise maximise the marginal likelihood (Rasmussen & Williams, 2006, eqs. 2.30, 5.9) under a
weak log-normal prior, which keeps them sane when there are few labels.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import linalg, optimize

from nagkit.predictors.ranked import RankedPredictor

START = np.log([12.0, 1.0, 0.05])  # length, variance, noise
PRIOR_SPREAD = 2.0  # of each logarithm about its start
BOUNDS = [(-1.0, 8.0), (-4.0, 5.0), (-6.0, 1.0)]


@dataclass(frozen=True)
class Kernel:
    """Length, variance and noise."""

    length: float
    variance: float
    noise: float

    @classmethod
    def likeliest(cls, features: Bool[np.ndarray, "n f"], scores: Float[np.ndarray, "n"]) -> "Kernel":
        """The kernel under which these scores are likeliest, with the prior."""
        given, steps = (l1(features, features), scores), {"maxiter": 50}
        best = optimize.minimize(loss, START, given, jac=True, method="L-BFGS-B", bounds=BOUNDS, options=steps)
        return cls(*np.exp(best.x).tolist())

    def between(self, a: Bool[np.ndarray, "n f"], b: Bool[np.ndarray, "m f"]) -> Float[np.ndarray, "n m"]:
        """The covariance of what is at ``a`` and at ``b``, without noise."""
        return self.variance * np.exp(-l1(a, b) / self.length)


class Posterior:
    """What scores of some points say of others."""

    def __init__(self, kernel: Kernel, features: Bool[np.ndarray, "n f"], scores: Float[np.ndarray, "n"]) -> None:
        self.kernel, self.features = kernel, features
        covariance = kernel.between(features, features) + kernel.noise * np.eye(len(scores))
        self._cholesky = linalg.cholesky(covariance, lower=True)
        self._weights = linalg.cho_solve((self._cholesky, True), scores)

    def mean(self, features: Bool[np.ndarray, "m f"]) -> Float[np.ndarray, "m"]:
        """Expected scores."""
        return self.kernel.between(features, self.features) @ self._weights

    def mean_and_spread(self, features: Bool[np.ndarray, "m f"]) -> tuple[np.ndarray, np.ndarray]:
        """Expected scores (m,) and their standard deviation (m,), without the noise of measuring anew."""
        mean, explained = self._explained(features)
        return mean, np.sqrt(np.maximum(self.kernel.variance - (explained**2).sum(0), 0))

    def mean_and_covariance(self, features: Bool[np.ndarray, "m f"]) -> tuple[np.ndarray, np.ndarray]:
        """Expected scores (m,) and how they vary together (m, m), without noise."""
        mean, explained = self._explained(features)
        return mean, self.kernel.between(features, features) - explained.T @ explained

    def _explained(self, features: Bool[np.ndarray, "m f"]) -> tuple[np.ndarray, np.ndarray]:
        """Expected scores (m,), and the square root (n, m) of the variance that the points take away."""
        between = self.kernel.between(features, self.features)
        return between @ self._weights, linalg.solve_triangular(self._cholesky, between.T, lower=True)


class GaussianProcess(RankedPredictor):
    """The default predictor: exact inference, so up to a few thousand labels."""

    def _learn(self, features: np.ndarray, scores: np.ndarray) -> None:
        self.kernel = Kernel.likeliest(features, scores)
        self._posterior = Posterior(self.kernel, features, scores)

    def _scores(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, spread = self._posterior.mean_and_spread(features)
        return mean, np.sqrt(spread**2 + self.kernel.noise)

    def _means(self, features: np.ndarray) -> np.ndarray:
        return self._posterior.mean(features)


def l1(a: Bool[np.ndarray, "n f"], b: Bool[np.ndarray, "m f"]) -> Float[np.ndarray, "n m"]:
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
