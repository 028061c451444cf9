"""Models that learn a metric from labelled architectures; ``predictor`` makes one by name."""

from typing import Any

from nagkit import arguments
from nagkit.metrics import Metric
from nagkit.predictors.predictor import Predictor  # before the function below, whose name its module would take
from nagkit.space import SearchSpace

__all__ = ["PREDICTORS", "Predictor", "predictor"]

PREDICTORS = ("gaussian-process", "ensemble")


def predictor(name: str, space: SearchSpace, metric: Metric, **options: Any) -> Predictor:
    """An unfitted predictor: ``"gaussian-process"``, or ``"ensemble"`` with the options ``members`` and ``seed``."""
    if arguments.one_of("predictor", name, PREDICTORS) == "ensemble":
        from nagkit.predictors.ensemble import Ensemble

        return Ensemble(space, metric, **options)
    from nagkit.predictors.gaussian_process import GaussianProcess

    return GaussianProcess(space, metric, **options)
