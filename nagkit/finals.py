"""The end of a search: its candidates are trained with more seeds, fewer each time, and a front is told with its doubt.

Notation: n candidates, m of them left, s seeds, k objectives.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.dominance import layered
from nagkit.errors import ArgumentError
from nagkit.figures import GREY, LEGEND, Picture, metric_axes
from nagkit.metrics import Front, Metric, Objective, headings
from nagkit.networks.ledger import Training, number
from nagkit.networks.trainer import GIVES, Trainer
from nagkit.networks.trainings import Trainings
from nagkit.report import Estimate

if TYPE_CHECKING:
    import pandas

TEST = "test_accuracy"
BLUE = "#0072B2"


@dataclass(frozen=True, eq=False)
class Finals:
    """Successive halving: all candidates are trained with the first seed, and the better half with each one after it.

    The better half are the first by fronts of what the trainer gives, the mean over the seeds so far, and of the costs;
    what no other dominates stays in any case (after Jamieson & Talwalkar, AISTATS 2016, with seeds for budgets). Seeds
    should be others than those of the search, which chose by them. Every training is kept in the ledger, a file.
    """

    trainer: Trainer
    costs: Sequence[Objective]
    candidates: Int[np.ndarray, "n L"]
    seeds: Sequence[int]
    ledger: Path
    _trainings: Trainings = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_trainings", Trainings(self.trainer, self.ledger))
        object.__setattr__(self, "costs", arguments.several("costs", self.costs, Objective))
        if not self.costs:
            raise ArgumentError("costs must hold one Objective or more; got none. Take [trainer.cost()].")
        rows = self.trainer.space.check(self.candidates, "candidates")
        _, first = np.unique(rows, axis=0, return_index=True)
        seeds = tuple(arguments.seed("seeds", seed) for seed in arguments.several("seeds", self.seeds, int))
        if not seeds or len(set(seeds)) < len(seeds):
            raise ArgumentError(f"seeds must hold one or more, each once; got {seeds}. Write (1, 2, 3).")
        object.__setattr__(self, "candidates", rows[np.sort(first)])
        object.__setattr__(self, "seeds", seeds)

    def train(self, executor: Executor | None = None) -> Iterator[Training]:
        """Train what is missing, round by round: each training when it has finished and is kept.

        Leave this and call it again to go on with what is left.
        """
        for place, seed in enumerate(self.seeds):
            jobs = [(tuple(row.tolist()), seed) for row in self.left(place)]
            yield from self._trainings.train(jobs, executor)

    def left(self, rounds: int | None = None) -> Int[np.ndarray, "m L"]:
        """The candidates that are left after so many rounds, which must be finished; after all but the last if None."""
        import moocore

        rounds = len(self.seeds) - 1 if rounds is None else arguments.whole("rounds", rounds, 0, len(self.seeds) - 1)
        rows, signs = self.candidates, np.array([metric.sign for metric in self._metrics()])
        for done in range(1, rounds + 1):
            values = -signs * self._values(rows, self.seeds[:done])
            alone = int(moocore.is_nondominated(values, keep_weakly=True).sum())
            rows = rows[np.sort(layered(values, max(-(-len(rows) // 2), alone)))]
        return rows

    def front(self) -> Front:
        """What no other dominates of those that are left: means over all seeds of what the trainer gives, and costs."""
        rows = self.left()
        return Front.of(self.trainer.space, self._metrics(), rows, self._values(rows, self.seeds))

    def estimate(self, row: Int[np.ndarray, "L"], curve: str = TEST) -> Estimate | None:
        """The mean over the seeds that a candidate is trained with, and its interval; None where there is none.

        Args:
            curve: of the trainings, ``"test_accuracy"`` or ``"validation_accuracy"`` (%), or a loss (nats)
        """
        known = self._trainings.finished()
        keys = [(number(row), seed) for seed in self.seeds]
        each = [known[key].curves[curve][-1] for key in keys if key in known]
        return Estimate.of(each, "nats" if "loss" in curve else "%") if each else None

    def sentence(self) -> str:
        """The front in words."""
        front, last = self.front(), len(self.left())
        return (
            f"{len(self.candidates)} candidates, {last} of them trained with all of {len(self.seeds)} seeds. "
            f"{front.sentence()}"
        )

    def table(self) -> "pandas.DataFrame":
        """A row for each candidate: on the front or not, accuracies with their intervals, costs, and how many seeds."""
        import pandas as pd

        best, rows = {tuple(row) for row in self.front().tokens.tolist()}, []
        costs = np.stack([cost.values(self.candidates) for cost in self.costs], axis=1)
        for row, cost in zip(self.candidates, costs, strict=True):
            validation, test = (self.estimate(row, curve) for curve in ("validation_accuracy", TEST))
            seeds = 0 if test is None else test.n
            text = self.trainer.space.decode(row).text
            rows.append((tuple(row.tolist()) in best, text, str(validation), str(test), *cost, seeds))
        columns = ["on the front", "architecture", "validation accuracy", "test accuracy"]
        table = pd.DataFrame(rows, columns=[*columns, *headings([cost.metric for cost in self.costs]), "seeds"])
        return table.sort_values(["on the front", table.columns[4]], ascending=[False, True], ignore_index=True)

    def figure(self) -> Picture:
        """What is left over its first cost, with the interval over its seeds; and what fell out on the way."""
        up, right, *_ = self._metrics()
        last = self.left()
        fallen = self.candidates[~(self.candidates[:, None] == last[None]).all(2).any(1)]
        data = [self._marks("finalists", last, "diamond", BLUE), self._marks("fell out", fallen, "circle-open", GREY)]
        return Picture(data, metric_axes(up, right) | {"legend": LEGEND}, self.sentence(), self.table)

    def _marks(self, name: str, rows: Int[np.ndarray, "m L"], symbol: str, colour: str) -> dict[str, Any]:
        """A mark for each row, the mean over its seeds, with its interval."""
        _, _, curve = GIVES[self.trainer.gives]
        each = [estimate for row in rows if (estimate := self.estimate(row, curve))]
        reach = [0.0 if estimate.high is None else estimate.high - estimate.value for estimate in each]
        return {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": self.costs[0].values(rows).tolist() if len(rows) else [],
            "y": [estimate.value for estimate in each],
            "error_y": {"type": "data", "array": reach, "color": colour},
            "marker": {"symbol": symbol, "size": 9, "color": colour},
            "text": [self.trainer.space.decode(row).text for row in rows],
            "hoverinfo": "text+x+y",
        }

    def _metrics(self) -> list[Metric]:
        told = replace(self.trainer.metric, seeds=", ".join(map(str, self.seeds)))
        return [told, *(cost.metric for cost in self.costs)]

    def _values(self, rows: Int[np.ndarray, "m L"], seeds: Sequence[int]) -> Float[np.ndarray, "m k"]:
        """The mean over these seeds of what the trainer gives, and the costs."""
        known, (_, _, curve) = self._trainings.finished(), GIVES[self.trainer.gives]
        missing = [row for row in rows for seed in seeds if (number(row), seed) not in known]
        if missing:
            raise ArgumentError(f"{self.ledger} lacks {len(missing)} trainings of these seeds. Walk train() first.")
        means = [np.mean([known[number(row), seed].curves[curve][-1] for seed in seeds]) for row in rows]
        return np.column_stack([means, *(cost.values(rows) for cost in self.costs)])
