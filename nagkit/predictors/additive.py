"""A predictor of costs that add up, such as latency: so much for each part, whatever stands beside it.

Notation: n labels, p parts; ``x (n, p)`` how much of each part an architecture has, ``w (p,)`` what one of it costs,
never below zero. The squared *relative* errors of ``x w`` are least (Lawson & Hanson, 1974, chapter 23), so that small
networks count as much as large ones. No part depends on another and nothing is tuned, hence few labels are enough.
"""

from collections.abc import Callable
from copy import copy

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize

from nagkit import arguments
from nagkit.errors import ArgumentError, NotFittedError
from nagkit.metrics import Metric, Objective
from nagkit.space import SearchSpace

Parts = Callable[[Int[np.ndarray, "n L"]], Float[np.ndarray, "n p"]]
FINEST = 1e-3  # the least relative spread: nothing that is measured repeats better


class Additive:
    """A sum over parts; after ``fit``, ``left_out (n,)`` is what the other labels say of each label.

    Args:
        parts: how much of each part architectures have, at least 0 and the first always 1 (what all share)
    """

    _weights: Float[np.ndarray, "p"]
    _spread: float  # relative
    _least: float  # label

    def __init__(self, space: SearchSpace, metric: Metric, parts: Parts) -> None:
        self.space = arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
        self.metric = arguments.instance("metric", metric, Metric, "benchmark.metrics['latency_cpu']")
        if not callable(parts):
            raise ArgumentError(f"parts must be a function of tokens that gives numbers (n, p); got {parts!r:.80}.")
        self.parts = parts
        self.left_out: Float[np.ndarray, "n"] | None = None

    def fit(self, tokens: Int[np.ndarray, "n L"], values: Float[np.ndarray, "n"]) -> "Additive":
        """A predictor that has learned from these labels, at least 2 and all above zero; ``self`` stays as it was."""
        tokens = self.space.check(tokens)
        values = arguments.finite("values", values, length=len(tokens))
        if len(values) < 2:
            raise ArgumentError(f"values must hold at least 2 labels to judge a fit by; got {len(values)}.")
        if values.min() <= 0:
            raise ArgumentError(f"values must be above 0, as costs are; the least is {values.min():g}.")
        fitted, x = copy(self), self.parts(tokens)
        fitted._weights = _weights(x, values)
        others = (np.arange(len(values)) != i for i in range(len(values)))
        fitted.left_out = np.array([x[~kept][0] @ _weights(x[kept], values[kept]) for kept in others])
        fitted._spread = max(FINEST, float(np.sqrt(np.mean((fitted.left_out / values - 1) ** 2))))
        fitted._least = float(values.min())
        return fitted

    def predict(self, tokens: Int[np.ndarray, "n L"]) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        """Mean and spread in the metric's unit; the spread is the relative error of labels that were left out."""
        mean = self.mean(tokens)
        return mean, self._spread * np.maximum(mean, self._least)

    def mean(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The sum over the parts of each architecture."""
        self._fitted()
        return self.parts(self.space.check(tokens)) @ self._weights

    def objective(self) -> Objective:
        """The wish to improve the metric, by the mean predicted here."""
        self._fitted()
        return Objective(self.metric, self.mean)

    def _fitted(self) -> None:
        if self.left_out is None:
            raise NotFittedError(f"This {type(self).__name__} has seen no labels; call fit(tokens, values) first.")


def _weights(x: Float[np.ndarray, "n p"], values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "p"]:
    """What one of each part costs."""
    relative = x / values[:, None]
    scale = relative.max(0)  # alike for all parts, as some are counted in ones and some in millions
    scale[scale == 0] = 1
    return optimize.nnls(relative / scale, np.ones(len(values)))[0] / scale
