"""Images of one's own as the ground of the studio: exact costs, what trainings here gave, and what transfer expects.

It is named ``own:SPACE:PATH``, as in ``own:nas-bench-201:images.npz``; a search evaluates by training.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from nagkit_widgets.sources import parts

import nagkit
from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metrics, Objective
from nagkit.networks.images import ImageFile
from nagkit.networks.trainer import COSTS, Trainer
from nagkit.networks.workload import Workload
from nagkit.predictors.predictor import Predictor
from nagkit.predictors.transfer import TransferPredictor, weights

ACCURACY = "val_accuracy"


class OwnImages:
    """A benchmark of which no accuracy is known: ``trainer`` gives it, a training for each architecture."""

    computed = frozenset(COSTS)
    seen = ACCURACY

    def __init__(self, name: str) -> None:
        space, path = parts(name)
        self.name, self.space = name, nagkit.space(space)
        self.trainer = Trainer(self.space, ImageFile(path))
        _, _, *sides = self.trainer.task.train.images.shape
        self._costs = {cost: self.trainer.cost(cost) for cost in COSTS if cost == "params" or len(set(sides)) == 1}
        self.metrics = Metrics({ACCURACY: self.trainer.metric} | {n: cost.metric for n, cost in self._costs.items()})

    def look_up(
        self, tokens: Int[np.ndarray, "n L"], metrics: str | Sequence[str]
    ) -> Float[np.ndarray, "n"] | Float[np.ndarray, "n m"]:
        """The values of these architectures: costs exactly, accuracy NaN, as each has to be trained for it."""
        if not isinstance(metrics, str):
            return np.stack([self.look_up(tokens, metric) for metric in metrics], axis=1)
        arguments.one_of("metric", metrics, self.metrics)
        return self._costs[metrics].values(tokens) if metrics in self._costs else np.full(len(tokens), np.nan)

    def known(self, metric: str) -> Int[np.ndarray, "n L"]:
        """No architecture was measured before."""
        arguments.one_of("metric", metric, self.metrics)
        return np.empty((0, len(self.space.slots)), dtype=np.int64)

    def classes(self, tokens: Int[np.ndarray, "n L"], metric: str) -> Int[np.ndarray, "n"]:
        """Each architecture is trained by itself."""
        arguments.one_of("metric", metric, self.metrics)
        return np.unique(tokens, axis=0, return_inverse=True)[1]

    def objective(self, metric: str, exact: bool = False) -> Objective:  # noqa: ARG002 (costs are exact by themselves)
        """The wish to improve a metric; to ask for accuracies is to train."""
        arguments.one_of("metric", metric, self.metrics)
        return self._costs[metric] if metric in self._costs else self.trainer.objective()

    def constraint(self, metric: str, low: float = -np.inf, high: float = np.inf, exact: bool = False) -> Constraint:
        """The demand that a metric stays within [low, high]."""
        wish = self.objective(metric)
        return Constraint(wish.metric, wish.values, low, high, exact=exact or wish.exact)

    @cached_property
    def workload(self) -> Workload:
        """What is timed of it on this machine: the networks that are trained, on one image."""
        *_, side, wide = self.trainer.task.train.images.shape
        if side != wide:
            raise ArgumentError(f"images must be square to time networks on them; they have {side} by {wide} pixels.")
        return Workload(self.space.name, self.trainer.task.classes, self.trainer.skeleton, side)

    @cached_property
    def expected(self) -> Predictor:
        """The accuracy that trainings on other tasks let expect of these images, where nagkit learned from such."""
        if not weights(self.space).is_file():
            raise ArgumentError(
                f"system must be a search for images of your own in {self.space.name}: what other tasks tell of a new "
                "one was learned for nas-bench-201 alone. Choose a search, or that space."
            )
        train = self.trainer.task.train
        return TransferPredictor.load(self.space).for_data(train.images, train.labels)
