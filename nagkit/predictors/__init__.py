"""Models that learn a metric from labelled architectures; ``predictor`` makes one by name."""

from typing import Any

from nagkit import arguments
from nagkit.metrics import Metric
from nagkit.predictors.predictor import Predictor  # before the function below, whose name its module would take
from nagkit.space import SearchSpace

__all__ = ["PREDICTORS", "Predictor", "predictor"]

OPTIONS = {"gaussian-process": (), "ensemble": ("members", "seed")}
PREDICTORS = tuple(OPTIONS)


def predictor(name: str, space: SearchSpace, metric: Metric, **options: Any) -> Predictor:
    """An unfitted predictor: ``"gaussian-process"``, or ``"ensemble"`` with the options ``members`` and ``seed``."""
    arguments.one_of("predictor", name, PREDICTORS)
    for option in options:
        arguments.one_of(f"option of the {name}", option, OPTIONS[name])
    if name == "ensemble":
        from nagkit.predictors.ensemble import Ensemble

        return Ensemble(space, metric, **options)
    from nagkit.predictors.gaussian_process import GaussianProcess

    return GaussianProcess(space, metric, **options)
