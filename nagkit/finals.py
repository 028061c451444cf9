"""The end of a search: its candidates race, trained with more and more seeds, and a front is told with its doubt.

Notation: n candidates, m of them left, s seeds, c costs, k = 1 + c objectives.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
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
CONFIDENCE = 0.95  # that a candidate which is as good as any stays in the race
CURVES = ("validation_accuracy", "validation_loss", TEST, "test_loss")


@dataclass(frozen=True, eq=False)
class Finals:
    """A race: all candidates are trained with one seed after the other, and those fall out that are beaten for sure.

    That is when another one that costs no more is better by so much that a candidate which is as good as any falls out
    by chance at most 5 times of 100, all comparisons and rounds together (Bonferroni), if trainings of all vary alike
    from seed to seed; so nobody falls out before the second seed (after Maron & Moore, NIPS 1993, *Hoeffding races*).
    To halve the field after each seed, as successive halving does, would throw out good ones by bad luck. A
    training that diverged is beaten.

    Seeds are others than those of the trainer, by which the search chose. Each training is kept in the ledger, a file.
    Costs that are measured, as latency, are measured once for each of these objects.
    """

    trainer: Trainer
    costs: Sequence[Objective]
    candidates: Int[np.ndarray, "n L"]
    seeds: Sequence[int]
    ledger: Path
    _trainings: Trainings = field(init=False, repr=False)
    _known: dict[bytes, Float[np.ndarray, "c"]] = field(
        init=False, repr=False
    )  # costs of the candidates, in their units

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
        if again := {*seeds} & {*self.trainer.seeds}:
            raise ArgumentError(
                f"seeds must be others than those of the trainer, by which a search chose; {sorted(again)} are not. "
                f"Take {tuple(1 + max(self.trainer.seeds) + place for place in range(len(seeds)))}."
            )
        rows = rows[np.sort(first)]
        costs = np.stack([np.asarray(cost.values(rows), np.float64) for cost in self.costs], axis=1)
        object.__setattr__(self, "candidates", rows)
        object.__setattr__(self, "seeds", seeds)
        object.__setattr__(self, "_known", dict(zip(map(bytes, rows), costs, strict=True)))

    def train(self, executor: Executor | None = None) -> Iterator[Training]:
        """Train what is missing, round by round: each training when it has finished and is kept.

        Leave this and call it again to go on with what is left.
        """
        for place, seed in enumerate(self.seeds):
            jobs = [(tuple(row.tolist()), seed) for row in self.left(place)]
            yield from self._trainings.train(jobs, executor)

    def left(self, rounds: int | None = None) -> Int[np.ndarray, "m L"]:
        """The candidates that are left after so many seeds, which must be finished; after all when None."""
        rounds = len(self.seeds) if rounds is None else arguments.whole("rounds", rounds, 0, len(self.seeds))
        rows = self.candidates
        for done in range(1, rounds + 1):
            rows = rows[~self._beaten(rows, self.seeds[:done])]
        return rows

    def front(self) -> Front:
        """What no other dominates by its mean over all seeds, of those that are left; ``left`` are those that may."""
        rows = self.left(len(self.seeds) - 1)
        return Front.of(self.trainer.space, self._metrics(), rows, self._values(rows, self.seeds))

    def estimate(self, row: Int[np.ndarray, "L"], curve: str = TEST) -> Estimate | None:
        """The mean over the seeds that a candidate is trained with, and its interval; None where there is none.

        Args:
            curve: of the trainings, ``"test_accuracy"`` or ``"validation_accuracy"`` (%), or a loss (nats)
        """
        arguments.one_of("curve", curve, CURVES)
        known = self._trainings.finished()
        keys = [(number(row), seed) for seed in self.seeds]
        each = [known[key].curves[curve][-1] for key in keys if key in known]
        return Estimate.of(each, "nats" if "loss" in curve else "%") if each else None

    def sentence(self) -> str:
        """The front in words."""
        return (
            f"{len(self.candidates)} candidates; after {len(self.seeds)} seeds {len(self.left())} of them may be the "
            f"best for what they cost. By their means: {self.front().sentence()}"
        )

    def table(self) -> "pandas.DataFrame":
        """A row for each candidate: on the front or not, accuracies with their intervals, costs, and how many seeds."""
        import pandas as pd

        best, may = ({tuple(row) for row in each.tolist()} for each in (self.front().tokens, self.left()))
        rows: list[tuple[object, ...]] = []
        costs = np.array([self._known[bytes(row)] for row in self.candidates])
        for row, cost in zip(self.candidates, costs, strict=True):
            validation, test = (self.estimate(row, curve) for curve in ("validation_accuracy", TEST))
            seeds = 0 if test is None else test.n
            text = self.trainer.space.decode(row).text
            on = "yes" if (key := tuple(row.tolist())) in best else "maybe" if key in may else "no"
            rows.append((on, text, str(validation), str(test), *cost, seeds))
        columns = ["on the front", "architecture", "validation accuracy", "test accuracy"]
        rows.sort(key=lambda row: (("yes", "maybe", "no").index(str(row[0])), row[4]))
        return pd.DataFrame(rows, columns=[*columns, *headings([cost.metric for cost in self.costs]), "seeds"])

    def figure(self) -> Picture:
        """What is left over its first cost, with the interval over its seeds; and what fell out on the way."""
        up, right, *_ = self._metrics()
        last = self.left()
        fallen = self.candidates[~(self.candidates[:, None] == last[None]).all(2).any(1)]
        data = [
            self._marks("may be on the front", last, "diamond", BLUE),
            self._marks("fell out", fallen, "circle-open", GREY),
        ]
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
            "x": [float(self._known[bytes(row)][0]) for row in rows],
            "y": [estimate.value for estimate in each],
            "error_y": {"type": "data", "array": reach, "color": colour},
            "marker": {"symbol": symbol, "size": 9, "color": colour},
            "text": [self.trainer.space.decode(row).text for row in rows],
            "hoverinfo": "text+x+y",
        }

    def _beaten(self, rows: Int[np.ndarray, "m L"], seeds: Sequence[int]) -> Bool[np.ndarray, "m"]:
        """Which of these another one beats for sure by these seeds."""
        from scipy import stats

        each, costs = self._trained(rows, seeds), self._costs(rows)
        beaten = ~np.isfinite(each).all(1)
        good = np.flatnonzero(~beaten)
        if len(seeds) == 1 or len(good) < 2:
            return beaten if not beaten.all() else ~beaten
        error = np.sqrt(2 * each[good].var(1, ddof=1).mean() / len(seeds))
        comparisons = (len(self.candidates) - 1) * (len(self.seeds) - 1)
        reach = error * stats.t.isf((1 - CONFIDENCE) / comparisons, len(good) * (len(seeds) - 1))
        mean, cost = each[good].mean(1), costs[good]
        worse = mean[:, None] > mean[None] + reach
        dearer = (cost[:, None] >= cost[None]).all(2)
        beaten[good] = (worse & dearer).any(1)
        return beaten

    def _metrics(self) -> list[Metric]:
        told = replace(self.trainer.metric, seeds=", ".join(map(str, self.seeds)))
        return [told, *(cost.metric for cost in self.costs)]

    def _trained(self, rows: Int[np.ndarray, "m L"], seeds: Sequence[int]) -> Float[np.ndarray, "m s"]:
        """What the trainer gives with each seed, signed so that less is better."""
        known, (_, direction, curve) = self._trainings.finished(), GIVES[self.trainer.gives]
        missing = sum((number(row), seed) not in known for row in rows for seed in seeds)
        if missing:
            raise ArgumentError(f"{self.ledger} lacks {missing} trainings of these seeds. Walk train() first.")
        sign = 1 if direction == "min" else -1
        return sign * np.array([[known[number(row), seed].curves[curve][-1] for seed in seeds] for row in rows])

    def _costs(self, rows: Int[np.ndarray, "m L"]) -> Float[np.ndarray, "m c"]:
        """The costs, signed so that less is better."""
        signs = np.array([-cost.metric.sign for cost in self.costs])
        return signs * np.array([self._known[bytes(row)] for row in rows])

    def _values(self, rows: Int[np.ndarray, "m L"], seeds: Sequence[int]) -> Float[np.ndarray, "m k"]:
        """The mean over these seeds of what the trainer gives, and the costs, in their units."""
        signs = np.array([-metric.sign for metric in self._metrics()])
        return signs * np.column_stack([self._trained(rows, seeds).mean(1), self._costs(rows)])
