"""A predictor for one data set that was never seen: what other tasks tell, and then what trainings on its own add.

Notation: n trainings told of, m cells; p(x) the score that other tasks lead to expect of a cell x. What a score turns
out to be is p(x) + a + b p(x) + r(x) + noise: the level a and the slope b of this task, and what is particular to it, a
Gaussian process r. All are normal with variances that were learned by leaving out each task in turn, so trainings are
learned from by Bayes' rule: Rasmussen & Williams, 2006, section 2.7.
"""

from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from scipy import linalg, special

from nagkit import arguments
from nagkit.metrics import Metric, Objective
from nagkit.predictors.ranks import RankScale
from nagkit.space import SearchSpace

if TYPE_CHECKING:
    from nagkit.predictors.transfer import TransferPredictor

MOST, LEAST = 99.9, 0.1  # percent: an accuracy beyond has a logit that one image decides
METRIC = Metric("val_accuracy", "%", "max", split="val", epochs=10, source="Expected by nagkit's transfer predictor.")


class ConditionedPredictor:
    """The validation accuracy of cells on one task, in the small network and the training of the embedded tables.

    ``transfer`` is what was learned from other tasks, ``facts (d,)`` the standardised facts of this one. Ready without
    labels; one is enough to ``fit``.
    """

    def __init__(self, transfer: "TransferPredictor", facts: Float[np.ndarray, "d"]) -> None:
        self.transfer, self.facts = transfer, facts
        self.space: SearchSpace = transfer.space
        self.metric = METRIC
        logits = transfer.logit(facts) + transfer.shape
        self._scale = RankScale(transfer.grid, logits, METRIC.sign)
        self._tokens, self._told = np.empty((0, len(self.space.slots)), np.int64), np.empty(0)

    def fit(self, tokens: Int[np.ndarray, "n L"], values: Float[np.ndarray, "n"]) -> "ConditionedPredictor":
        """A predictor that knows of these trainings (at least 1) besides other tasks; ``self`` stays as it was.

        An earlier ``fit`` is forgotten, what was learned from other tasks is not.
        """
        tokens = self.space.check(tokens)
        values = arguments.finite("values", values, length=len(tokens))
        fitted = copy(self)
        fitted.__dict__.pop("_learned", None)
        fitted._tokens = tokens.copy()
        fitted._told = self._scale.to_scores(special.logit(np.clip(values, LEAST, MOST) / 100))
        return fitted

    def predict(self, tokens: Int[np.ndarray, "n L"]) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        """Mean and spread in percent, of a value measured anew, noise of the training included.

        Both are taken on the scale of scores and brought to the unit: the mean score, and half the distance between
        one standard deviation of the score up and down.
        """
        tokens = self.space.check(tokens)
        prior = self._prior(tokens)
        mean, between = self._mean(tokens, prior)
        level, slope, variance, _, noise = self.transfer.doubt
        total = level + slope * prior**2 + variance + noise
        if len(self._told):
            explained = linalg.solve_triangular(self._learned[0], between.T, lower=True)
            total = np.maximum(total - (explained**2).sum(0), noise)
        spread = np.sqrt(total)
        return self._to_unit(mean), (self._to_unit(mean + spread) - self._to_unit(mean - spread)) / 2

    def mean(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The mean alone."""
        tokens = self.space.check(tokens)
        return self._to_unit(self._mean(tokens, self._prior(tokens))[0])

    def objective(self) -> Objective:
        """The wish to improve the accuracy, by the mean predicted here."""
        return Objective(self.metric, self.mean)

    def _to_unit(self, scores: np.ndarray) -> np.ndarray:
        return 100 * special.expit(self._scale.to_unit(scores))

    def _prior(self, tokens: np.ndarray) -> Float[np.ndarray, "m"]:
        """p(x), worked out once for the whole space where it can be listed."""
        return self._everywhere[self.space.index(tokens)]

    @cached_property
    def _everywhere(self) -> Float[np.ndarray, "N"]:
        first = self.space.index(self.space.canonical(self.space.all(), "function"))
        different, place = np.unique(first, return_inverse=True)  # a third of all rows
        return self.transfer.scores(self.facts, self.space.at(different))[place]

    def _mean(self, tokens: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected scores (m,), and the covariances (m, n) with the trainings told of."""
        if not len(self._told):
            return prior, np.empty((len(tokens), 0))
        between = self._particular(tokens, prior, self._tokens, self._prior(self._tokens))
        return prior + between @ self._learned[1], between

    @cached_property
    def _learned(self) -> tuple[np.ndarray, np.ndarray]:
        """The Cholesky factor (n, n) of the trainings told of, and their weights (n,)."""
        prior = self._prior(self._tokens)
        covariance = self._particular(self._tokens, prior, self._tokens, prior)
        factor = linalg.cholesky(covariance + self.transfer.doubt[4] * np.eye(len(prior)), lower=True)
        return factor, linalg.cho_solve((factor, True), self._told - prior)

    def _particular(self, a: np.ndarray, prior_a: np.ndarray, b: np.ndarray, prior_b: np.ndarray) -> np.ndarray:
        """The covariance (n, m) of what is particular to this task."""
        return particular(self.space, self.transfer.doubt, (a, prior_a), (b, prior_b))


def particular(
    space: SearchSpace,
    doubt: Float[np.ndarray, "5"],
    a: tuple[Int[np.ndarray, "n L"], Float[np.ndarray, "n"]],
    b: tuple[Int[np.ndarray, "m L"], Float[np.ndarray, "m"]],
) -> Float[np.ndarray, "n m"]:
    """The covariance of a + b p(x) + r(x) between cells, each given with its expected score p."""
    from nagkit.predictors.gaussian_process import l1

    level, slope, variance, length, _ = doubt
    apart = l1(*(space.features(space.canonical(tokens, "function")).astype(np.float64) for tokens, _ in (a, b)))
    return level + slope * np.outer(a[1], b[1]) + variance * np.exp(-apart / length)
