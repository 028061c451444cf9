"""Two entrants of a race over the same seeds: who ends better, by how much, and how soon each has the other's end.

Notation: s seeds, q evaluations of a heat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from nagkit.metrics import Metric
from nagkit.report import Estimate

if TYPE_CHECKING:
    import pandas

EQUAL = 1e-9  # what differs by less is equal


def reached(regret: Float[np.ndarray, "s q"], target: float) -> Float[np.ndarray, "s"]:
    """After how many evaluations each heat lay behind by ``target`` or less; infinite if never."""
    there = regret <= target + EQUAL
    return np.where(there.any(1), there.argmax(1) + 1.0, np.inf)


def ordered(values: Float[np.ndarray, "s"]) -> tuple[float, float, float]:
    """The median, and the order statistics between which the true one is 95 times of 100 or more.

    Infinite values are those of which no more is known than that they are larger than all others; what is given is
    infinite where it rests on them. Less than six have no such statistics; they are then NaN.
    """
    from scipy import stats

    count = len(values)
    if count < 6:
        return float(np.median(values)), np.nan, np.nan
    below, ranked = int(stats.binom.ppf(0.025, count, 0.5)), np.sort(values)
    return float(np.median(values)), float(ranked[below - 1]), float(ranked[count - below])


def median(values: Float[np.ndarray, "s"], unit: str) -> Estimate:
    """The finite median, with its interval by ``ordered`` as far as that is known."""
    middle, low, high = ordered(values)
    return Estimate(middle, unit, len(values), *((low, high) if np.isfinite(high) else ()))


@dataclass(frozen=True, eq=False)
class Paired:
    """Two entrants over the same seeds, after the same number of evaluations of each.

    Args:
        metric: of the final figure, regret or hypervolume, with the direction in which it is better
        ends: the final figures, a row for each of the two
        needed: ``needed[i, j]`` is after how many evaluations each heat of entrant i had the *median end* of entrant j:
            what its median seed ended with by what searches see, of two middle ones the worse, so that more than half
            of its own heats had it. Infinite where not within ``evaluations``, as all that is known then is that it
            takes more. None with several objectives

    That j itself had it earlier than at its end is told by ``needed[j, j]``, so that nobody who stopped getting better
    half way seems to have needed all evaluations.
    """

    first: str
    second: str
    metric: Metric
    evaluations: int
    ends: Float[np.ndarray, "2 s"]
    needed: Float[np.ndarray, "2 2 s"] | None = None

    @classmethod
    def of(
        cls,
        names: tuple[str, str],
        metric: Metric,
        evaluations: int,
        ends: Float[np.ndarray, "2 s"],
        regrets: Float[np.ndarray, "2 s q"] | None = None,
    ) -> "Paired":
        """Two entrants with these final figures; with one objective, ``regrets`` are those on the way, as seen."""
        needed = None
        if regrets is not None:
            targets = [float(np.sort(end)[len(end) // 2]) for end in regrets[:, :, -1]]
            needed = np.array([[reached(regret, target) for target in targets] for regret in regrets])
        return cls(*names, metric, evaluations, ends, needed)

    @property
    def difference(self) -> Estimate:
        """The mean of first minus second over the seeds, with the 95 % interval of paired differences."""
        return Estimate.of(self.ends[0] - self.ends[1], self.metric.unit)

    @property
    def counts(self) -> tuple[int, int, int]:
        """In how many seeds the first is better, equal, and worse."""
        ahead = self.metric.sign * (self.ends[0] - self.ends[1])
        better, worse = int((ahead > EQUAL).sum()), int((ahead < -EQUAL).sum())
        return better, len(ahead) - better - worse, worse

    def figures(self) -> dict[str, Estimate]:
        """What is said of the two, by name; a median that was not reached within the evaluations is left out."""
        (better, _, _), seeds = self.counts, self.ends.shape[1]
        at = f"@{self.evaluations}"
        found = {
            f"difference of {self.metric.name} {at}": self.difference,
            f"seeds in which it is better {at}": Estimate.share(np.arange(seeds) < better),
        }
        names = (self.first, self.second)
        for (i, j), told in self._needs():
            found[f"seeds in which {names[i]} had the median end of {names[j]} {at}"] = Estimate.share(
                np.isfinite(told)
            )
            if np.isfinite(np.median(told)):
                found[f"median queries of {names[i]} to the median end of {names[j]}"] = median(told, "evaluations")
        return found

    def row(self) -> dict[str, str]:
        """The same as texts, for a row of a table about the first."""
        better, equal, worse = self.counts
        found = {
            f"difference of {self.metric.name} ({self.metric.unit})": _signed(self.difference),
            "better, equal, worse seeds": f"{better}, {equal}, {worse}",
        }
        names = ("it", self.second)
        for (i, j), told in self._needs():
            found[f"queries of {names[i]} to the end of {names[j]}"] = _within(told, self.evaluations)
        return found

    def _needs(self) -> list[tuple[tuple[int, int], Float[np.ndarray, "s"]]]:
        """What is needed by place: of both to the end of the second, then of both to that of the first."""
        return [] if self.needed is None else [((i, j), self.needed[i, j]) for i, j in ((0, 1), (1, 1), (1, 0), (0, 0))]


def table(pairs: Sequence[Paired]) -> "pandas.DataFrame":
    """A row for each first entrant against its second, all as texts."""
    import pandas as pd

    return pd.DataFrame([pair.row() for pair in pairs], index=[pair.first for pair in pairs])


def _signed(estimate: Estimate) -> str:
    within = "" if estimate.low is None else f" ({estimate.low:+.3g} to {estimate.high:+.3g})"
    return f"{estimate.value:+.3g}{within}"


def _within(needed: Float[np.ndarray, "s"], evaluations: int) -> str:
    """The median and its interval in words, and in how many seeds it was reached where not in all."""
    told = [f"{value:g}" if np.isfinite(value) else f"over {evaluations}" for value in ordered(needed)]
    interval = f" ({told[1]} to {told[2]})" if np.isfinite(ordered(needed)[1]) else ""
    there = int(np.isfinite(needed).sum())
    return f"{told[0]}{interval}" + (f", in {there} of {len(needed)} seeds" if there < len(needed) else "")
