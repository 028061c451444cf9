"""A Gaussian process over what an architecture computes and what is written in it.

Notation: n labels, m points, d parts of features; kernel k(a, b) = sum over parts of v exp(-|a - b|_1 / length), noise
added on the diagonal. On one-hot features the L1 distance is twice the Hamming distance, on counts of paths it compares
bags of paths. Lengths, variances v and noise maximise the marginal likelihood (Rasmussen & Williams, 2006, eqs. 2.30,
5.9) under a weak log-normal prior, which keeps them sane when there are few labels.

Accuracy follows from what is computed. A measured latency need not: operations that do not reach the output cost time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import linalg, optimize

from nagkit.predictors.ranked import RankedPredictor
from nagkit.space import SearchSpace

START = np.log([(12.0, 0.9), (8.0, 0.1)])  # length and variance: of what is computed, of what is written
NOISE = np.log(0.05)  # where it starts
PRIOR_SPREAD = 2.0  # of each logarithm about its start
LENGTHS, VARIANCES, NOISES = (-1.0, 8.0), (-6.0, 5.0), (-6.0, 1.0)  # bounds of the logarithms

Parts = Sequence[Bool[np.ndarray, "_ _"]]  # of each part (n, f), with an f of its own


def parts(space: SearchSpace, tokens: Int[np.ndarray, "n L"]) -> Parts:
    """What the process compares: what is computed and what is written; one part where a space knows no difference."""
    if type(space).features is SearchSpace.features:
        return (space.features(tokens),)
    return space.features(tokens), space.one_hot(tokens)


@dataclass(frozen=True)
class Kernel:
    """A length and a variance for each part of the features, and the noise."""

    lengths: tuple[float, ...]
    variances: tuple[float, ...]
    noise: float

    @classmethod
    def of(cls, logs: Float[np.ndarray, "h"]) -> "Kernel":
        """The kernel of the logarithms of each part's length and variance, and of the noise."""
        values = np.exp(logs).tolist()
        return cls(tuple(values[0:-1:2]), tuple(values[1:-1:2]), values[-1])

    @classmethod
    def likeliest(cls, features: Parts, scores: Float[np.ndarray, "n"]) -> "Kernel":
        """The kernel under which these scores are likeliest, with the prior."""
        distances = np.stack([l1(part, part) for part in features])
        best = optimize.minimize(
            loss,
            start(len(features)),
            (distances, scores),
            jac=True,
            method="L-BFGS-B",
            bounds=[*[LENGTHS, VARIANCES] * len(features), NOISES],
            options={"maxiter": 50},
        )
        return cls.of(best.x)

    def between(self, a: Parts, b: Parts) -> Float[np.ndarray, "n m"]:
        """The covariance of what is at ``a`` and at ``b``, without noise."""
        total = np.zeros((len(a[0]), len(b[0])))
        for length, variance, x, y in zip(self.lengths, self.variances, a, b, strict=True):
            total += variance * np.exp(l1(x, y) / -length)
        return total


class Posterior:
    """What scores of some points say of others."""

    def __init__(self, kernel: Kernel, features: Parts, scores: Float[np.ndarray, "n"]) -> None:
        self.kernel, self.features = kernel, features
        covariance = kernel.between(features, features) + kernel.noise * np.eye(len(scores))
        self._cholesky = linalg.cholesky(covariance, lower=True)
        self._weights = linalg.cho_solve((self._cholesky, True), scores)

    def mean(self, features: Parts) -> Float[np.ndarray, "m"]:
        """Expected scores."""
        return self.kernel.between(features, self.features) @ self._weights

    def mean_and_spread(self, features: Parts) -> tuple[np.ndarray, np.ndarray]:
        """Expected scores (m,) and their standard deviation (m,), without the noise of measuring anew."""
        mean, explained = self._explained(features)
        return mean, np.sqrt(np.maximum(sum(self.kernel.variances) - (explained**2).sum(0), 0))

    def mean_and_covariance(self, features: Parts) -> tuple[np.ndarray, np.ndarray]:
        """Expected scores (m,) and how they vary together (m, m), without noise."""
        mean, explained = self._explained(features)
        return mean, self.kernel.between(features, features) - explained.T @ explained

    def _explained(self, features: Parts) -> tuple[np.ndarray, np.ndarray]:
        """Expected scores (m,), and the square root (n, m) of the variance that the points take away."""
        between = self.kernel.between(features, self.features)
        return between @ self._weights, linalg.solve_triangular(self._cholesky, between.T, lower=True)


class GaussianProcess(RankedPredictor):
    """The default predictor: exact inference, so up to a few thousand labels."""

    def _learn(self, tokens: np.ndarray, scores: np.ndarray) -> None:
        features = parts(self.space, tokens)
        self.kernel = Kernel.likeliest(features, scores)
        self._posterior = Posterior(self.kernel, features, scores)

    def _scores(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, spread = self._posterior.mean_and_spread(parts(self.space, tokens))
        return mean, np.sqrt(spread**2 + self.kernel.noise)

    def _means(self, tokens: np.ndarray) -> np.ndarray:
        return self._posterior.mean(parts(self.space, tokens))


def start(count: int) -> Float[np.ndarray, "h"]:
    """The logarithms of the kernel that is likeliest before any label, for so many parts."""
    return np.append(START[:count].ravel(), NOISE)


def l1(a: Bool[np.ndarray, "n f"], b: Bool[np.ndarray, "m f"]) -> Float[np.ndarray, "n m"]:
    """Number of yes-or-no features in which the rows of ``a`` and ``b`` differ; exact, as counts fit a float32."""
    a, b = a.astype(np.float32), b.astype(np.float32)
    return (a.sum(1)[:, None] + b.sum(1) - 2 * (a @ b.T)).astype(np.float64)


def loss(
    logs: Float[np.ndarray, "h"], distances: Float[np.ndarray, "d n n"], scores: Float[np.ndarray, "n"]
) -> tuple[float, np.ndarray]:
    """Negative log posterior of a kernel by its logarithms, up to a constant, and its gradient (h,)."""
    kernel = Kernel.of(logs)
    each = list(zip(kernel.lengths, kernel.variances, distances, strict=True))
    signals = [variance * np.exp(distance / -length) for length, variance, distance in each]
    factor = linalg.cho_factor(sum(signals) + kernel.noise * np.eye(len(scores)), lower=True)
    weights = linalg.cho_solve(factor, scores)
    beyond = logs - start(len(distances))
    value = scores @ weights / 2 + np.log(np.diag(factor[0])).sum() + beyond @ beyond / (2 * PRIOR_SPREAD**2)
    slope = linalg.cho_solve(factor, np.eye(len(scores))) - np.outer(weights, weights)
    gradient = []
    for signal, (length, _, distance) in zip(signals, each, strict=True):
        part = slope * signal
        gradient += [(part * distance).sum() / length, part.sum()]
    return value, np.array([*gradient, kernel.noise * np.trace(slope)]) / 2 + beyond / PRIOR_SPREAD**2
