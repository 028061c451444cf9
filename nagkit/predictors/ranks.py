"""Labels on the scale of ranks: standard normal, more is better, so that outliers and units do not matter."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special, stats

from nagkit.metrics import Metric


def rank_normal(values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """The standard normal quantile of each value's rank; equal values share their mean rank."""
    return special.ndtri((stats.rankdata(values) - 0.5) / len(values))


@dataclass(frozen=True, eq=False)
class RankScale:
    """The way from a metric's unit to normal scores and back, learned from labels.

    Between labels the way back is linear; beyond them it goes on with the slope of the outer tenth.
    """

    scores: Float[np.ndarray, "u"]
    values: Float[np.ndarray, "u"]
    sign: int

    @classmethod
    def of(cls, metric: Metric, values: Float[np.ndarray, "n"]) -> "RankScale":
        """The scale on which these labels are standard normal."""
        wanted = np.unique(metric.sign * values, return_index=True)[1]
        return cls(rank_normal(metric.sign * values)[wanted], metric.sign * values[wanted], metric.sign)

    @classmethod
    def best_highest(cls, values: Float[np.ndarray, "n"]) -> "RankScale":
        """The scale on which these numbers, of which more is better, are standard normal."""
        wanted = np.unique(values, return_index=True)[1]
        return cls(rank_normal(values)[wanted], values[wanted], 1)

    def to_unit(self, scores: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """The values in the metric's unit that these scores stand for."""
        if len(self.scores) == 1:
            return np.full_like(scores, self.sign * self.values[0])
        return self.sign * _along(scores, self.scores, self.values, *self._slopes())

    def to_scores(self, values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """The scores that stand for these values in the metric's unit: the way back from ``to_unit``."""
        if len(self.scores) == 1:
            return np.sign(self.sign * values - self.values[0])
        low, high = self._slopes()
        return _along(self.sign * values, self.values, self.scores, 1 / low, 1 / high)

    def _slopes(self) -> tuple[float, float]:
        """Values by scores in the lowest and in the highest tenth of the labels."""
        tenth = min(max(1, len(self.scores) // 10), len(self.scores) - 1)
        low = (self.values[tenth] - self.values[0]) / (self.scores[tenth] - self.scores[0])
        high = (self.values[-1] - self.values[-1 - tenth]) / (self.scores[-1] - self.scores[-1 - tenth])
        return low, high


def _along(at: np.ndarray, x: np.ndarray, y: np.ndarray, low: float, high: float) -> np.ndarray:
    """The broken line through (x, y), which goes on with these slopes beyond its ends."""
    return np.interp(at, x, y) + np.minimum(at - x[0], 0) * low + np.maximum(at - x[-1], 0) * high
