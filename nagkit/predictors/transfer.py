"""What trainings on other tasks tell of a task that was never seen: a Gaussian process over pairs of cell and data set.

Notation: n trainings on w tasks, x a cell, D a data set, d facts of it. Scores are standard normal within a task. The
kernel is k(x, x') + TASK k'(x, x') e(D, D') (a product kernel: Bonilla et al., 2008): what cells are worth everywhere,
and how that differs from task to task, alike on tasks that look alike. k and k' compare what cells compute, as in
``gaussian_process``; e is a squared exponential of the facts. All constants were chosen on the tasks learned from, by
leaving out each kind of task in turn. Where no task looks alike, e is 0 and what is true everywhere remains.

How well anything does on a task, and how much cells differ there, is a matter of D alone: a ridge regression of the
median of the accuracies on the facts, in logits.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError, DataMissingError
from nagkit.predictors.conditioned import ConditionedPredictor
from nagkit.predictors.data_set import DataSet
from nagkit.predictors.gaussian_process import l1
from nagkit.space import SearchSpace
from nagkit.weights import damaged, read, shipped, write

EVERYWHERE = {"variance": 0.6, "length": 50.0, "slope": 0.45}  # of k
DIFFERING = {"variance": 1.0, "length": 8.0, "slope": 0.2}  # of k', in units of TASK
TASK = 0.08
LIKENESS = 0.7  # the length of e, in standard deviations of a fact
NOISE = 0.145
IDENTITY = "function"  # cells that are the same under it share a training, and a prediction
ROWS = 1000  # cells that are compared at once with all trainings, to bound memory
_ARRAYS = ("tokens", "task", "weights", "facts", "centre", "unit", "level", "grid", "shape", "doubt")


@dataclass(frozen=True, eq=False)
class TransferPredictor:
    """What was learned from tasks; ``for_data`` and ``for_folder`` bring it to a new one.

    Args:
        tokens: the cells trained, ``task`` the place of the task of each, ``weights`` what each adds to a prediction
        facts: of each task, in standard deviations ``unit`` from ``centre``
        level: of logits of the median accuracy: the mean, then the slope of each fact
        grid: scores at which ``shape`` gives the logit of an accuracy less that of the median
        doubt: variances of level and of slope, variance and length of what is particular to a task, noise
    """

    space: SearchSpace
    tasks: tuple[str, ...]
    tokens: Int[np.ndarray, "n L"]
    task: Int[np.ndarray, "n"]
    weights: Float[np.ndarray, "n"]
    facts: Float[np.ndarray, "w d"]
    centre: Float[np.ndarray, "d"]
    unit: Float[np.ndarray, "d"]
    level: Float[np.ndarray, "e"]
    grid: Float[np.ndarray, "g"]
    shape: Float[np.ndarray, "g"]
    doubt: Float[np.ndarray, "5"]

    @classmethod
    def load(cls, space: SearchSpace, path: str | os.PathLike[str] | None = None) -> "TransferPredictor":
        """The one that came with nagkit for a space, or that in a file of ``save``; a changed bit is noticed."""
        arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
        file = weights(space) if path is None else Path(path)
        if not file.is_file():
            raise DataMissingError(
                f"There is no transfer predictor for {space.name} at {file}; `nagkit train transfer` makes that of "
                "nas-bench-201, the space of the tasks to learn from."
            )
        what = "a transfer predictor", "nagkit train transfer"
        arrays, header = read(file, *what)
        try:
            if set(arrays) != set(_ARRAYS):
                raise ValueError("it holds other numbers")
            of, tasks = header["space"], tuple(json.loads(header["tasks"]))
        except (KeyError, TypeError, ValueError) as fault:
            raise damaged(file, *what, fault) from None
        if of != space.name:
            raise ArgumentError(f"path must hold a transfer predictor of {space.name}; {file} has one of {of}.")
        return cls(space, tasks, **arrays)

    def save(self, path: str | os.PathLike[str], about: str) -> None:
        """Write numbers, names of tasks and a sentence of provenance as one safetensors file."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self) if field.name in _ARRAYS}
        write(path, arrays, {"about": about, "space": self.space.name, "tasks": json.dumps(self.tasks)})

    def for_data(self, images: Any, labels: Any) -> ConditionedPredictor:
        """A predictor of validation accuracy on the task of these images: (n, h, w), (n, c, h, w) or (n, h, w, c).

        It has seen no training on them; ``fit`` tells it of some. ``DataSet.of`` says what images and labels may be.
        """
        return self.for_data_set(DataSet.of(images, labels))

    def for_folder(self, path: str | os.PathLike[str]) -> ConditionedPredictor:
        """The same for a folder with one folder of image files for each class."""
        return self.for_data_set(DataSet.from_folder(path))

    def for_data_set(self, data_set: DataSet) -> ConditionedPredictor:
        """The same for a data set that is already one."""
        arguments.instance("data_set", data_set, DataSet, "DataSet.of(images, labels)")
        facts = (data_set.facts - self.centre) / self.unit
        return ConditionedPredictor(self, facts)

    def scores(self, facts: Float[np.ndarray, "d"], tokens: Int[np.ndarray, "m L"]) -> Float[np.ndarray, "m"]:
        """Expected scores of cells on a task with these standardised facts."""
        near = likeness(facts[None], self.facts)[0][self.task] * TASK  # (n,)
        cells = Cells.of(self.space, self.tokens)
        both = np.stack([self.weights, self.weights * near], axis=1).astype(np.float32)  # (n, 2)
        found = []
        for first in range(0, len(tokens), ROWS):
            asked = Cells.of(self.space, tokens[first : first + ROWS])
            apart, trend = l1(asked.computed, cells.computed), asked.counts @ cells.counts.T  # float32
            everywhere, here = (_kernel(apart, trend, **part) @ both[:, j] for j, part in enumerate(PARTS))
            found.append(everywhere + here)
        return np.concatenate(found).astype(np.float64)

    def logit(self, facts: Float[np.ndarray, "d"]) -> float:
        """The logit of the median accuracy that is expected on a task with these standardised facts."""
        return float(self.level[0] + facts @ self.level[1:])


PARTS: tuple[Mapping[str, float], ...] = (EVERYWHERE, DIFFERING)


@dataclass(frozen=True, eq=False)
class Cells:
    """What cells compute, as zeros and ones, and the counts of their operations about 1 wide, both in 32 bits."""

    computed: Float[np.ndarray, "n f"]
    counts: Float[np.ndarray, "n c"]

    @classmethod
    def of(cls, space: SearchSpace, tokens: Int[np.ndarray, "n L"]) -> "Cells":
        """Those of cells of a space, the first of each class; counts are taken from an even share of each symbol."""
        tokens = space.canonical(tokens, IDENTITY)
        symbols = space.counts(tokens).shape[1]
        counts = (space.counts(tokens) - len(space.slots) / symbols) / len(space.slots) ** 0.5
        return cls(space.features(tokens).astype(np.float32), counts.astype(np.float32))


def covariance(cells: Cells, near: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """That of the scores of trainings, without noise, where ``near`` holds the likeness of their tasks."""
    apart, trend = l1(cells.computed, cells.computed), cells.counts @ cells.counts.T
    everywhere, here = (_kernel(apart, trend, **part) for part in PARTS)
    return (everywhere + TASK * near * here).astype(np.float64)


def likeness(a: Float[np.ndarray, "v d"], b: Float[np.ndarray, "w d"]) -> Float[np.ndarray, "v w"]:
    """How alike tasks are by their standardised facts: 1 for equal ones, 0 for those with nothing in common."""
    apart = ((a[:, None] - b) ** 2).mean(2)
    return np.exp(-apart / (2 * LIKENESS**2))


def weights(space: SearchSpace) -> Path:
    """Where the transfer predictor of a space lies; ``nagkit train transfer`` remakes it."""
    return shipped(f"transfer-{space.name}")


def _kernel(apart: np.ndarray, trend: np.ndarray, variance: float, length: float, slope: float) -> np.ndarray:
    return np.float32(variance) * np.exp(apart / np.float32(-length)) + np.float32(slope) * trend
