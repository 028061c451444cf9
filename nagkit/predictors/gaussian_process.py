"""A Gaussian process over what an architecture computes, what is written in it, and what it has in all.

Notation: n labels, m points, c symbols; kernel k(a, b) = v exp(-|a - b|_1 / length) of the features of what is computed
+ the same, with a length and a variance of its own, of what is written + w <a, b> of the centred trends; noise is added
on the diagonal. On one-hot features the L1 distance is twice the Hamming distance, on counts of paths it compares bags
of paths. The hyperparameters maximise the marginal likelihood (Rasmussen & Williams, 2006, eqs. 2.30, 5.9) under a
log-normal prior about what is usual, which decides when there are few labels.

Accuracy follows from what is computed. A measured latency need not: operations that do not reach the output cost time.
The trends, such as how many of each operation there are, give a linear model (ibid. section 2.7), which with few labels
tells most.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import linalg, optimize

from nagkit.predictors.ranked import RankedPredictor
from nagkit.space import SearchSpace
from nagkit.threads import one_thread

# Of the computed: length, variance; of the written: length, variance; of the trend: variance; noise. About what the
# labels of the embedded tables make of them, with less trend and more noise, which makes shorter searches.
START = np.log([20.0, 0.35, 10.0, 0.07, 0.35, 0.1])
BOUNDS = [(-1.0, 8.0), (-6.0, 5.0), (-1.0, 8.0), (-6.0, 5.0), (-6.0, 5.0), (-6.0, 1.0)]
PRIOR_SPREAD = 1.0  # of each logarithm about its start
STOP = {"maxiter": 50, "ftol": 1e-4}  # when a step gains less than this share of the loss
_UNCHECKED: dict[str, Any] = {"check_finite": False}  # for SciPy: all numbers here are finite


class Features(NamedTuple):
    """What the process knows of architectures."""

    computed: Float[np.ndarray, "n f"]  # zeros and ones in 32 bits, which are multiplied fastest
    written: Float[np.ndarray, "n g"]
    trends: Float[np.ndarray, "n c"]

    @classmethod
    def of(cls, space: SearchSpace, tokens: Int[np.ndarray, "n L"]) -> "Features":
        """Those of architectures of a space."""
        computed, written = space.features(tokens), space.one_hot(tokens)
        alike = np.array_equal(computed, written)  # then the process measures distances once
        computed = computed.astype(np.float32)
        written = computed if alike else written.astype(np.float32)
        return cls(computed, written, space.trends(tokens))

    def first(self, count: int) -> "Features":
        """Those of the first so many."""
        return Features(*(part[:count] for part in self))

    def and_those_of(self, others: "Features") -> "Features":
        """Those of these and then the others."""
        return Features(*(np.concatenate(pair) for pair in zip(self, others, strict=True)))


@dataclass(frozen=True, eq=False)
class Kernel:
    """The hyperparameters, in the order of ``START``, and the mean of the trends of the labels."""

    length_computed: float
    variance_computed: float
    length_written: float
    variance_written: float
    trend: float
    noise: float
    centre: Float[np.ndarray, "c"]

    @classmethod
    def likeliest(cls, features: Features, scores: Float[np.ndarray, "n"]) -> "Kernel":
        """The kernel under which these scores are likeliest, with the prior."""
        centre = features.trends.mean(0)
        given = similarities(features, features, centre), scores
        best = optimize.minimize(loss, START, given, jac=True, method="L-BFGS-B", bounds=BOUNDS, options=STOP)
        return cls.of(best.x, centre)

    @classmethod
    def of(cls, logs: Float[np.ndarray, "6"], centre: Float[np.ndarray, "c"]) -> "Kernel":
        """The kernel of these logarithms."""
        length, variance, length_written, variance_written, trend, noise = np.exp(logs).tolist()
        return cls(length, variance, length_written, variance_written, trend, noise, centre)

    def between(self, a: Features, b: Features) -> Float[np.ndarray, "n m"]:
        """The covariance of what is at ``a`` and at ``b``, without noise."""
        computed = l1(a.computed, b.computed)  # float32, whose exp is much faster
        written = computed if a.computed is a.written and b.computed is b.written else l1(a.written, b.written)
        computed = self.variance_computed * np.exp(computed / np.float32(-self.length_computed))
        written = self.variance_written * np.exp(written / np.float32(-self.length_written))
        return computed + written + self.trend * products(a, b, self.centre)

    def variance(self, features: Features) -> Float[np.ndarray, "n"]:
        """The variance of each before any label."""
        trends = features.trends - self.centre
        return self.variance_computed + self.variance_written + self.trend * (trends**2).sum(1)


class Posterior:
    """What scores of some points say of others."""

    def __init__(self, kernel: Kernel, features: Features, scores: Float[np.ndarray, "n"]) -> None:
        self.kernel, self.features, self._scores = kernel, features, scores
        covariance = kernel.between(features, features) + kernel.noise * np.eye(len(scores))
        self._cholesky = linalg.cholesky(covariance, lower=True, **_UNCHECKED)
        self._weights = linalg.cho_solve((self._cholesky, True), scores, **_UNCHECKED)

    def mean(self, features: Features) -> Float[np.ndarray, "m"]:
        """Expected scores."""
        return self.kernel.between(features, self.features) @ self._weights

    def mean_and_spread(self, features: Features) -> tuple[np.ndarray, np.ndarray]:
        """Expected scores (m,) and their standard deviation (m,), without the noise of measuring anew."""
        mean, explained = self._explained(features)
        return mean, np.sqrt(np.maximum(self.kernel.variance(features) - (explained**2).sum(0), 0))

    def mean_and_covariance(self, features: Features) -> tuple[np.ndarray, np.ndarray]:
        """Expected scores (m,) and how they vary together (m, m), without noise."""
        mean, explained = self._explained(features)
        return mean, self.kernel.between(features, features) - explained.T @ explained

    def left_out(self) -> tuple[np.ndarray, np.ndarray]:
        """What the other scores say of each: mean (n,) and standard deviation (n,), noise included.

        The kernel stays that of all (Rasmussen & Williams, 2006, eq. 5.12).
        """
        precision = np.diag(_inverse(self._cholesky))
        return self._scores - self._weights / precision, 1 / np.sqrt(precision)

    def _explained(self, features: Features) -> tuple[np.ndarray, np.ndarray]:
        """Expected scores (m,), and the square root (n, m) of the variance that the points take away."""
        between = self.kernel.between(features, self.features)
        return between @ self._weights, linalg.solve_triangular(self._cholesky, between.T, lower=True, **_UNCHECKED)


class GaussianProcess(RankedPredictor):
    """The default predictor: exact inference, so up to a few thousand labels."""

    def _learn(self, tokens: np.ndarray, scores: np.ndarray) -> None:
        features = Features.of(self.space, tokens)
        with one_thread():
            self.kernel = Kernel.likeliest(features, scores)
            self._posterior = Posterior(self.kernel, features, scores)

    def _scores(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, spread = self._posterior.mean_and_spread(Features.of(self.space, tokens))
        return mean, np.sqrt(spread**2 + self.kernel.noise)

    def _means(self, tokens: np.ndarray) -> np.ndarray:
        return self._posterior.mean(Features.of(self.space, tokens))


def similarities(a: Features, b: Features, centre: Float[np.ndarray, "c"]) -> Float[np.ndarray, "3 n m"]:
    """How far ``a`` and ``b`` are in what is computed and what is written, and the products of their centred trends."""
    return np.stack([l1(a.computed, b.computed), l1(a.written, b.written), products(a, b, centre)])


def products(a: Features, b: Features, centre: Float[np.ndarray, "c"]) -> Float[np.ndarray, "n m"]:
    """Those of the centred trends of ``a`` and ``b``."""
    return (a.trends - centre) @ (b.trends - centre).T


def l1(a: Float[np.ndarray, "n f"], b: Float[np.ndarray, "m f"]) -> Float[np.ndarray, "n m"]:
    """Number of features, zeros and ones, in which the rows of ``a`` and ``b`` differ."""
    return a.sum(1)[:, None] + b.sum(1) - 2 * (a @ b.T)


def loss(
    logs: Float[np.ndarray, "6"], given: Float[np.ndarray, "3 n n"], scores: Float[np.ndarray, "n"]
) -> tuple[float, np.ndarray]:
    """Negative log posterior of the logarithms of hyperparameters, up to a constant, and its gradient (6,)."""
    length, variance, length_written, variance_written, slope, noise = np.exp(logs)
    computed, written, trend = given
    parts = np.stack(
        [variance * np.exp(computed / -length), variance_written * np.exp(written / -length_written), slope * trend]
    )
    factor = linalg.cholesky(parts.sum(0) + noise * np.eye(len(scores)), lower=True, **_UNCHECKED)
    weights = linalg.cho_solve((factor, True), scores, **_UNCHECKED)
    beyond = (logs - START) / PRIOR_SPREAD
    value = scores @ weights / 2 + np.log(np.diag(factor)).sum() + beyond @ beyond / 2
    outer = _inverse(factor) - np.outer(weights, weights)
    by_part = outer * parts  # what each entry adds per unit of the logarithm of the part's variance
    by_length, by_length_written = (by_part[0] * computed).sum() / length, (by_part[1] * written).sum() / length_written
    by_variance = by_part.sum((1, 2))
    gradient = [by_length, by_variance[0], by_length_written, by_variance[1], by_variance[2], noise * np.trace(outer)]
    return value, np.array(gradient) / 2 + beyond / PRIOR_SPREAD


def _inverse(factor: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """The inverse of the matrix that has this lower Cholesky factor, zero above; takes half as long as solving."""
    lower, _ = linalg.lapack.dpotri(factor, lower=1)
    return lower + np.tril(lower, -1).T
