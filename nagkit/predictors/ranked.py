"""What the predictors here share: labels on the scale of ranks, features of the space, checks."""

from abc import ABC, abstractmethod
from copy import copy

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError, NotFittedError
from nagkit.metrics import Metric, Objective
from nagkit.predictors.ranks import RankScale, rank_normal
from nagkit.space import SearchSpace


class RankedPredictor(ABC):
    """A predictor of normal scores; subclasses learn and give them, this turns them into the metric's unit."""

    def __init__(self, space: SearchSpace, metric: Metric) -> None:
        self.space = arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
        self.metric = arguments.instance("metric", metric, Metric, "benchmark.metrics['val_accuracy']")
        self.scale: RankScale | None = None

    def fit(self, tokens: Int[np.ndarray, "n L"], values: Float[np.ndarray, "n"]) -> "RankedPredictor":
        """A predictor that has learned from these labels (at least 2); ``self`` stays as it was."""
        tokens = self.space.check(tokens)
        values = arguments.finite("values", values, length=len(tokens))
        if len(values) < 2:
            raise ArgumentError(f"values must hold at least 2 labels to rank; got {len(values)}.")
        fitted = copy(self)
        fitted.scale = RankScale.of(self.metric, values)
        fitted._learn(tokens, rank_normal(self.metric.sign * values))
        return fitted

    def predict(self, tokens: Int[np.ndarray, "n L"]) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        """Mean and spread in the metric's unit, of a value measured anew, noise of the labels included.

        Both are taken on the scale of ranks and brought to the unit: the mean score, and half the distance between
        one standard deviation of the score up and down.
        """
        scale = self._fitted()
        mean, spread = self._scores(self.space.check(tokens))
        return scale.to_unit(mean), np.abs(scale.to_unit(mean + spread) - scale.to_unit(mean - spread)) / 2

    def mean(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The mean alone, which is cheaper."""
        return self._fitted().to_unit(self._means(self.space.check(tokens)))

    def objective(self) -> Objective:
        """The wish to improve the metric, by the mean predicted here."""
        self._fitted()
        return Objective(self.metric, self.mean)

    def _fitted(self) -> RankScale:
        if self.scale is None:
            raise NotFittedError(f"This {type(self).__name__} has seen no labels; call fit(tokens, values) first.")
        return self.scale

    @abstractmethod
    def _learn(self, tokens: np.ndarray, scores: np.ndarray) -> None:
        """Learn normal scores (n,) of architectures (n, L)."""

    @abstractmethod
    def _scores(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the scores, each (n,)."""

    def _means(self, tokens: np.ndarray) -> np.ndarray:
        return self._scores(tokens)[0]
