"""What a search believes of candidates after what it was told, a Gaussian process for each metric that it measures.

Notation: n architectures told with finite values, p asked for and not told yet, m candidates, k objectives, f features.
Scores are standard normal, more is better. Values of exact metrics are asked for, not learned.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import numpy as np
from jaxtyping import Float, Int
from scipy import linalg, special

from nagkit.metrics import Constraint
from nagkit.predictors.gaussian_process import Features, Kernel, Posterior
from nagkit.predictors.ranks import RankScale, rank_normal
from nagkit.search.archive import Archive

Scored = Callable[[Float[np.ndarray, "n"]], Float[np.ndarray, "n"]]
_JITTERS = 10.0 ** np.arange(-8, 0)  # added to variances, the first that leaves them positive in spite of rounding
GROWTH = 1.3  # kernels are learned anew when there are so many times as many labels


class Kernels(dict[tuple[int, int], Kernel]):
    """Kernels by column and number of labels, as far as they are learned."""

    def learned(self, column: int, features: Features, values: Float[np.ndarray, "n"], scored: Scored) -> Kernel:
        """The kernel for these values, learned from the first of them, so many that it stays for a while.

        Those are scored without the others, so that it does not matter when the kernel is first asked for.
        """
        count = settled(len(values))
        if (column, count) not in self:
            self[column, count] = Kernel.likeliest(features.first(count), scored(values[:count]))
        return self[column, count]


def settled(count: int, growth: float = GROWTH) -> int:
    """The first so many of ``count`` labels, from which something is learned that then stays for a while."""
    return min(count, math.ceil(growth ** math.floor(math.log(count, growth))))


class Belief:
    """What is known and expected now: ``tokens (n, L)``, ``scores (n, k)`` and ``feasible (n,)`` of those told.

    What is asked for and not told yet is believed to be as expected (Ginsbourger et al., 2010). Constraints are learned
    in standardised units, as ranks would not say how far a bound is.
    """

    def __init__(self, archive: Archive, kernels: Kernels) -> None:
        known = np.isfinite(archive.values).all(1)
        self._archive, self._kernels = archive, kernels
        self.tokens, self.feasible, values = archive.tokens[known], archive.feasible()[known], archive.values[known].T
        self._scales = [RankScale.of(o.metric, v) for o, v in zip(archive.objectives, values, strict=False)]
        self.scores = np.stack([s.to_scores(v) for s, v in zip(self._scales, values, strict=False)], axis=1)
        self._values = values
        self._features = Features.of(archive.space, self.tokens)
        self._posteriors: dict[int, Posterior] = {}

    def expected(self, tokens: Int[np.ndarray, "m L"]) -> tuple[np.ndarray, np.ndarray]:
        """Expected scores (m, k) of the objectives, and their spread (m, k)."""
        features, columns = Features.of(self._archive.space, tokens), []
        for j, objective in enumerate(self._archive.objectives):
            if objective.exact:
                columns.append((self._scales[j].to_scores(objective.values(tokens)), np.zeros(len(tokens))))
            else:
                columns.append(self._posterior(j).mean_and_spread(features))
        mean, spread = (np.stack(part, axis=1) for part in zip(*columns, strict=True))
        return mean, spread

    def mean(self, objective: int, tokens: Int[np.ndarray, "m L"]) -> Float[np.ndarray, "m"]:
        """Expected scores of one objective, by its place; without their spread, which takes longer."""
        wish = self._archive.objectives[objective]
        if wish.exact:
            return self._scales[objective].to_scores(wish.values(tokens))
        return self._posterior(objective).mean(Features.of(self._archive.space, tokens))

    def sampled(self, tokens: Int[np.ndarray, "m L"], rng: np.random.Generator) -> Float[np.ndarray, "m k"]:
        """Scores of the objectives as they may be, drawn for all candidates together."""
        return np.stack([_drawn(mean, covariance, rng) for mean, covariance in self.together(tokens)], axis=1)

    def together(self, tokens: Int[np.ndarray, "m L"]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each objective the expected scores (m,) and how they vary together (m, m); an exact one does not."""
        features = Features.of(self._archive.space, tokens)
        for j, objective in enumerate(self._archive.objectives):
            if objective.exact:
                yield self._scales[j].to_scores(objective.values(tokens)), np.zeros((len(tokens), len(tokens)))
            else:
                yield self._posterior(j).mean_and_covariance(features)

    def odds(self, tokens: Int[np.ndarray, "m L"]) -> Float[np.ndarray, "m"]:
        """How likely each candidate meets all measured constraints."""
        odds = np.ones(len(tokens))
        measured = [(j, each) for j, each in enumerate(self._archive.constraints, len(self._scales)) if not each.exact]
        if measured:
            features = Features.of(self._archive.space, tokens)
            for column, constraint in measured:
                odds *= self._odds(column, constraint, features)
        return odds

    def _odds(self, column: int, constraint: Constraint, features: Features) -> Float[np.ndarray, "m"]:
        centre, unit = centre_and_unit(self._values[column])
        mean, spread = self._posterior(column).mean_and_spread(features)
        spread = np.maximum(spread, 1e-9)
        low, high = ((bound - centre) / unit for bound in (constraint.low, constraint.high))
        return special.ndtr((high - mean) / spread) - special.ndtr((low - mean) / spread)

    def _scored(self, column: int, values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """What a Gaussian process learns of these values."""
        if column < len(self._scales):
            return rank_normal(self._archive.objectives[column].metric.sign * values)
        centre, unit = centre_and_unit(values)
        return (values - centre) / unit

    def _posterior(self, column: int) -> Posterior:
        if column not in self._posteriors:
            objective = column < len(self._scales)
            targets = self.scores[:, column] if objective else self._scored(column, self._values[column])
            scored = partial(self._scored, column)
            kernel = self._kernels.learned(column, self._features, self._values[column], scored)
            posterior = Posterior(kernel, self._features, targets)
            if len(pending := self._archive.pending):
                waiting = Features.of(self._archive.space, pending)
                believed = np.concatenate([targets, posterior.mean(waiting)])
                posterior = Posterior(kernel, self._features.and_those_of(waiting), believed)
            self._posteriors[column] = posterior
        return self._posteriors[column]


def _drawn(
    mean: Float[np.ndarray, "m"], covariance: Float[np.ndarray, "m m"], rng: np.random.Generator
) -> Float[np.ndarray, "m"]:
    """One draw of a normal law."""
    if not covariance.any():  # of what is exact
        return mean
    for jitter in _JITTERS:
        with suppress(linalg.LinAlgError):
            varying = covariance + jitter * np.eye(len(mean))
            return mean + linalg.cholesky(varying, lower=True, check_finite=False) @ rng.standard_normal(len(mean))
    raise linalg.LinAlgError(
        f"A covariance of {len(mean)} candidates is not positive, even with {_JITTERS[-1]:g} added."
    )


def centre_and_unit(values: Float[np.ndarray, "n"]) -> tuple[float, float]:
    """Mean and standard deviation of values; 1 where all are equal."""
    return float(values.mean()), float(values.std()) or 1.0
