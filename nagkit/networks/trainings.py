"""Trainings that are kept in a file as they finish, so that none is ever done twice."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.executors import InProcess, results
from nagkit.networks.ledger import Ledger, Training, number
from nagkit.networks.trainer import Trainer

Job = tuple[tuple[int, ...], int]  # an architecture and a seed


@dataclass(frozen=True, eq=False)
class Trainings:
    """Trainings by a trainer, kept in a ledger, which is a file; others of the same task may lie beside them."""

    trainer: Trainer
    ledger: Path
    _read: dict[tuple[int, int], Training] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        arguments.instance("trainer", self.trainer, Trainer, "Trainer(nagkit.space('random-wired-16'))")
        arguments.instance("ledger", self.ledger, Path, "Path('runs/trainings.sqlite')")

    def train(self, jobs: Iterable[Job], executor: Executor | None = None) -> Iterator[Training]:
        """Train what is missing of these, in this order: each training when it has finished and is kept.

        Leave this and call it again to go on with what is left.
        """
        known = self.finished()
        missing = [(row, seed) for row, seed in dict.fromkeys(jobs) if (number(row), seed) not in known]
        with closing(self._open()) as ledger:
            for finished in results(executor or InProcess(), partial(_trained, self.trainer), missing):
                ledger.add(finished)
                yield from finished

    def finished(self) -> Mapping[tuple[int, int], Training]:
        """Every finished training, by ``number`` of its architecture and by seed; read anew when there are others."""
        name, images = self.trainer.task_name, self.trainer.digest
        with closing(self._open()) as ledger:
            if ledger.count(name) == len(self._read):
                return self._read
            trained = ledger.trained(name)
        if others := sum(training.versions.get("images", images) != images for training in trained):
            raise ArgumentError(
                f"ledger must hold trainings on the images of the trainer; {others} of {len(trained)} in {self.ledger} "
                "were on others. Move that file away, or give another ledger."
            )
        self._read.clear()
        self._read.update({(each.cell, each.seed): each for each in trained})
        return self._read

    def _open(self) -> Ledger:
        ledger = Ledger(self.ledger)
        try:
            ledger.agree(self.trainer.task_name, self.trainer.about())
        except BaseException:
            ledger.close()
            raise
        return ledger


def _trained(trainer: Trainer, job: Job) -> Training:
    row, seed = job
    return trainer.train(np.array(row), seed)
