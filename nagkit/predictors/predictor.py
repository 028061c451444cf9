"""What every predictor offers: learn from labelled architectures, then say value and doubt for any."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from nagkit.metrics import Metric, Objective
from nagkit.space import SearchSpace


@runtime_checkable
class Predictor(Protocol):
    """A model of one metric over one space."""

    space: SearchSpace
    metric: Metric

    def fit(self, tokens: Int[np.ndarray, "n L"], values: Float[np.ndarray, "n"]) -> "Predictor":
        """A predictor that has learned from these labels; ``self`` stays as it was."""
        ...

    def predict(self, tokens: Int[np.ndarray, "n L"]) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        """Expected value and spread (about one standard deviation) of a new measurement, in the metric's unit."""
        ...

    def mean(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The mean alone."""
        ...

    def objective(self) -> Objective:
        """The wish to improve the metric, by the values predicted here."""
        ...
