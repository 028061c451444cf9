"""Models that learn a metric from labelled architectures; ``predictor`` makes one by name."""

from typing import TYPE_CHECKING, Any

from nagkit import arguments
from nagkit.metrics import Metric
from nagkit.space import SearchSpace

if TYPE_CHECKING:
    from nagkit.predictors.predictor import Predictor

PREDICTORS = ("gaussian-process", "ensemble")


def predictor(name: str, space: SearchSpace, metric: Metric, **options: Any) -> "Predictor":
    """An unfitted predictor: ``"gaussian-process"``, or ``"ensemble"`` with the options ``members`` and ``seed``."""
    if arguments.one_of("predictor", name, PREDICTORS) == "ensemble":
        from nagkit.predictors.ensemble import Ensemble

        return Ensemble(space, metric, **options)
    from nagkit.predictors.gaussian_process import GaussianProcess

    return GaussianProcess(space, metric, **options)
