"""A predictor for tasks that are known only as sets of classes, learned from triples of task, cell and accuracy.

Notation: n triples, c classes in all, f features of a cell. Score = features of the cell + one weight for each class of
the task + noise, with normal weights (Rasmussen & Williams, 2006, section 2.1): the ridge regression that does as well
as anything on the published triples (4,630 cells of NAS-Bench-201, each on 20 classes of ImageNet at 32x32), as they
come without images. They are no part of nagkit; give the file.
"""

import os
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import linalg

from nagkit import arguments
from nagkit.errors import ArgumentError, DataDamagedError, DataMissingError
from nagkit.metrics import Metric, Objective
from nagkit.space import SearchSpace
from nagkit.spaces.nas_bench_201 import NasBench201

TASKS = "meta_train_task_lst.pt"  # beside the published triples: the classes of each task
RIDGE = 5.0  # variance of the noise over that of a weight
METRIC = Metric("val_accuracy", "%", "max", source="Expected from the classes of a task.")
_FORM = (
    "Make an .npz file of it with numpy.savez(path, tokens=tokens, classes=classes, accuracy=accuracy): tokens (n, 6) "
    "of the space nas-bench-201, classes (n, m) whole numbers from 0, accuracy (n,) in percent."
)


@dataclass(frozen=True, eq=False)
class Triples:
    """Cells (n, 6), the m classes of the task of each, and what each cell reaches there in percent."""

    tokens: Int[np.ndarray, "n 6"]
    classes: Int[np.ndarray, "n m"]
    accuracy: Float[np.ndarray, "n"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", NasBench201().check(self.tokens))
        object.__setattr__(self, "accuracy", arguments.finite("accuracy", self.accuracy, length=len(self.tokens)))
        classes = arguments.array("classes", self.classes)
        shaped = classes.ndim == 2 and len(classes) == len(self.tokens) and classes.size
        if not shaped or classes.dtype.kind not in "iu" or classes.min() < 0:
            raise ArgumentError(
                f"classes must be whole numbers from 0 of shape ({len(self.tokens)}, m) with m at least 1, those of "
                f"the task of each cell; got {classes.dtype} of shape {classes.shape}."
            )
        object.__setattr__(self, "classes", classes.astype(np.int64))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Triples":
        """Those in a file: ``.npz`` with tokens, classes and accuracy, or the published ``.pt``.

        The published one, ``meta_train_tasks_predictor.pt`` of DiffusionNAG and MetaD2A, needs
        ``meta_train_task_lst.pt`` beside it. Neither may hold anything but numbers; nothing in them is run.
        """
        if not isinstance(path, str | os.PathLike):
            raise ArgumentError(f"path must be a file of triples; got {path!r:.80}.")
        file = Path(path)
        for needed in (file, file.with_name(TASKS)) if file.suffix == ".pt" else (file,):
            if not needed.is_file():
                raise DataMissingError(f"There is no file {needed}. {_FORM}")
        try:
            return cls(*(_published(file) if file.suffix == ".pt" else _plain(file)))
        except Exception as fault:  # a broken file may raise anything; nothing of it has run
            raise DataDamagedError(f"{file} does not hold triples ({fault!s:.200}). {_FORM}") from None


def _plain(file: Path) -> tuple[Any, Any, Any]:
    with np.load(file, allow_pickle=False) as held:
        return held["tokens"], held["classes"], held["accuracy"]


def _published(file: Path) -> tuple[Any, Any, Any]:
    """``x`` is one-hot (n, 8, 7): input, six operations in slot order, output; the first two symbols are no operation.

    Classes are numbered from 1.
    """
    import torch

    told = torch.load(file, weights_only=True)
    tasks = torch.load(file.with_name(TASKS), weights_only=True)
    x = np.stack([np.asarray(each) for each in told["x"]])
    task = np.asarray(told["task"]).astype(int)
    classes = np.stack([np.asarray(tasks[number]).astype(int) for number in task]) - 1
    return x[:, 1:7].argmax(2) - 2, classes, np.asarray(told["acc"], dtype=float)


class ClassPredictor:
    """The accuracy of cells on a task of these classes; ``fit`` adds trainings there, ``for_classes`` goes to another.

    ``triples`` is what it learns from; a class that no task of them has counts nothing.
    """

    def __init__(self, triples: Triples, classes: Any) -> None:
        self.space: SearchSpace = NasBench201()
        self.metric = METRIC
        self.triples = arguments.instance("triples", triples, Triples, "Triples.read(path)")
        if len(triples.accuracy) < 2 or not triples.accuracy.std() > 0:
            raise ArgumentError("triples must hold at least two accuracies that differ; add more.")
        found = arguments.array("classes", classes)
        if found.ndim != 1 or found.dtype.kind not in "iu" or not len(found) or found.min() < 0:
            raise ArgumentError(f"classes must be a list of whole numbers from 0; got {classes!r:.80}.")
        self.classes = found.astype(np.int64)
        self._count = int(triples.classes.max()) + 1
        self._centre, self._unit = float(triples.accuracy.mean()), float(triples.accuracy.std())
        x = np.hstack([self._cells(triples.tokens), _shares(triples.classes, self._count)])
        y = (triples.accuracy - self._centre) / self._unit
        self._precision, self._sum = x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y  # over the variance of the noise
        self._solve()
        self._noise = float(np.sqrt(np.maximum(((y - x @ self._weights) ** 2).mean(), 1e-6)))

    def for_classes(self, classes: Any) -> "ClassPredictor":
        """The predictor for a task of other classes."""
        return ClassPredictor(self.triples, classes)

    def fit(self, tokens: Int[np.ndarray, "n L"], values: Float[np.ndarray, "n"]) -> "ClassPredictor":
        """A predictor that knows of these trainings on its task, too; ``self`` stays as it was."""
        x = self._inputs(self.space.check(tokens))
        y = (arguments.finite("values", values, length=len(x)) - self._centre) / self._unit
        fitted = copy(self)
        fitted._precision, fitted._sum = self._precision + x.T @ x, self._sum + x.T @ y
        fitted._solve()
        return fitted

    def predict(self, tokens: Int[np.ndarray, "n L"]) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        """Mean and standard deviation in percent, of a value measured anew."""
        x = self._inputs(self.space.check(tokens))
        explained = linalg.solve_triangular(self._factor, x.T, lower=True)
        return self._mean(x), self._unit * self._noise * np.sqrt(1 + (explained**2).sum(0))

    def mean(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The mean alone."""
        return self._mean(self._inputs(self.space.check(tokens)))

    def objective(self) -> Objective:
        """The wish to improve the accuracy, by the mean predicted here."""
        return Objective(self.metric, self.mean)

    def _mean(self, x: np.ndarray) -> np.ndarray:
        return self._centre + self._unit * (x @ self._weights)

    def _solve(self) -> None:
        self._factor = linalg.cholesky(self._precision, lower=True)
        self._weights = linalg.cho_solve((self._factor, True), self._sum)

    def _inputs(self, tokens: np.ndarray) -> Float[np.ndarray, "n g"]:
        known = self.classes[self.classes < self._count]
        shares = np.bincount(known, minlength=self._count).astype(float)
        return np.hstack([self._cells(tokens), np.broadcast_to(shares, (len(tokens), self._count))])

    def _cells(self, tokens: np.ndarray) -> Float[np.ndarray, "n f"]:
        cells = self.space.features(self.space.canonical(tokens, "function"))
        return np.hstack([np.ones((len(tokens), 1)), cells.astype(float)])


def _shares(classes: Int[np.ndarray, "n m"], count: int) -> Float[np.ndarray, "n c"]:
    """How often each class is in each task."""
    held = np.zeros((len(classes), count))
    np.add.at(held, (np.arange(len(classes))[:, None], classes), 1.0)
    return held
