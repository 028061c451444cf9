"""Intervals for what a search asks for next, and how often those for what it asked for before have held.

Notation: n labels, m candidates, c metrics that are measured, L slots. A miss is a label beyond its interval.

An interval is what is expected of the metric, plus and minus a standard deviation times a factor. The factor is a
conformal quantile of how many standard deviations labels were from what others said of them. What a search asks for is
unlike what it was told, so the last questions, judged by the labels before them, count most, and labels that are left
out of their own process little; such weights are chosen beforehand (Barber et al., 2023, Conformal prediction beyond
exchangeability). While there are few, the normal law counts too. The level follows the misses (Gibbs & Candès, 2021,
Adaptive conformal inference under distribution shift).

Two Gaussian processes are asked, and the mixture of both believed. One learns ranks, as the search does, and errs least
among what is usual. But the best stand close together there, and records, which a search is there to find, lie far
beyond them. The other learns standardised values, on which records are as near as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.predictors.gaussian_process import Features, Posterior
from nagkit.predictors.ranks import RankScale, rank_normal
from nagkit.search.archive import Archive
from nagkit.search.belief import Kernels, Scored, centre_and_unit
from nagkit.threads import one_thread

FADE = 0.96  # what a question counts, by the next one: about the last 25 matter
LEFT_OUT = 0.1  # what a label that is left out counts: it says little of the next questions
LAW = 5.0  # for how many questions the normal law counts
STEP = 0.01  # of the level, after each label
_LAW = special.ndtri(0.5 + (np.arange(50) + 0.5) / 100)  # quantiles of how far a normal number is from its mean


@dataclass(frozen=True, eq=False)
class Judged:
    """What became of one round, which was predicted from the ``known`` labels before it that had not failed.

    Of its ``labels`` so many were ``within`` their intervals (c,). ``factors`` (c,) say how many standard deviations
    these were wide to either side, ``widths`` (c,) from end to end in the metric's unit, the median.
    """

    number: int
    known: int
    labels: int
    within: Int[np.ndarray, "c"]
    factors: Float[np.ndarray, "c"]
    widths: Float[np.ndarray, "c"]

    @property
    def coverage(self) -> Float[np.ndarray, "c"]:
        """The share of the labels that were within."""
        return self.within / self.labels


class Calibration:
    """How well a search knows what it will be told, for each of its ``metrics`` that is measured.

    It follows from what was told, in that order, and from nothing else. Failed evaluations are left out, and so are
    rounds of which nothing is left, or before which fewer than 2 labels were known.
    """

    def __init__(self, archive: Archive, initial: int, batch: int, level: float) -> None:
        known = np.isfinite(archive.values).all(1)
        ends = [*range(initial, len(archive), batch), len(archive)]  # of what comes before each round, by place
        counts = np.concatenate([[0], known.cumsum()])[ends].tolist()  # the same, by label
        spans = {n: span for n, span in enumerate(pairwise(counts), start=1) if 2 <= span[0] < span[1]}
        both: list[Objective | Constraint] = [*archive.objectives, *archive.constraints]
        columns = [column for column, each in enumerate(both) if not each.exact]
        features = Features.of(archive.space, archive.tokens[known])
        with one_thread():
            self._followed = [
                _Followed(archive.metrics[j], features, archive.values[known, j], [*spans.values()], level)
                for j in columns
            ]
        self.level, self.metrics = level, tuple(archive.metrics[j] for j in columns)
        told = np.array([each.told for each in self._followed]).reshape(len(columns), len(spans), 3)
        self.rounds = tuple(
            Judged(number, before, after - before, within.astype(np.int64), factors, widths)
            for (number, (before, after)), (within, factors, widths) in zip(
                spans.items(), told.transpose(1, 2, 0), strict=True
            )
        )
        self._space = archive.space

    @classmethod
    def of(cls, archive: Archive, initial: int, batch: int, level: float = 0.9) -> "Calibration":
        """That of an archive in which 2 labels or more are finite.

        Args:
            initial: how many were told before the first round
            batch: how many are told in a round
            level: the share of labels that is to lie within
        """
        arguments.instance("archive", archive, Archive, "search.archive")
        finite = int(np.isfinite(archive.values).all(1).sum())
        if finite < 2:
            raise ArgumentError(
                f"archive must hold at least 2 labels to learn from; {finite} of its {len(archive)} are finite. "
                "Tell the search more first."
            )
        initial, batch = arguments.whole("initial", initial), arguments.whole("batch", batch)
        return cls(archive, initial, batch, arguments.real("level", level, 0, 1))

    @property
    def coverage(self) -> Float[np.ndarray, "c"]:
        """The share of the labels of all rounds that were within their intervals; NaN before the first."""
        labels = sum(each.labels for each in self.rounds)
        within = np.sum([each.within for each in self.rounds], axis=0)
        return within / labels if labels else np.full(len(self.metrics), np.nan)

    def intervals(self, tokens: Int[np.ndarray, "m L"]) -> tuple[Float[np.ndarray, "m c"], Float[np.ndarray, "m c"]]:
        """Lowest and highest values (m, c) that are to be expected of these if they are evaluated next."""
        features = Features.of(self._space, self._space.check(tokens))
        low, high = np.empty((2, len(tokens), len(self.metrics)))
        with one_thread():
            for column, each in enumerate(self._followed):
                mean, spread = each.process.mean_and_spread(features)
                low[:, column], high[:, column] = mean - each.factor * spread, mean + each.factor * spread
        return low, high


class _Followed:
    """One metric: for each round what was ``told`` of its intervals; and ``process`` and ``factor`` of those to come.

    Args:
        spans: how many labels had come before each round, and with it
    """

    def __init__(
        self,
        metric: Metric,
        features: Features,
        values: Float[np.ndarray, "n"],
        spans: Sequence[tuple[int, int]],
        level: float,
    ) -> None:
        self.told: list[tuple[int, float, float]] = []  # labels within, factor, median width
        kernels, chance, asked = Kernels(), 1 - level, np.empty(0)  # chance of a miss, and how far off each label was
        for before, after in spans:
            process = _Process(kernels, features.first(before), values[:before], metric)
            factor = _factor(process.left_out, asked, chance)
            mean, spread = process.mean_and_spread(Features(*(part[before:after] for part in features)))
            off = np.abs(values[before:after] - mean) / spread
            missed = off > factor
            self.told.append((int((~missed).sum()), factor, float(np.median(2 * factor * spread))))
            chance = min(max(chance + STEP * float((1 - level - missed).sum()), 0.0), 1.0)
            asked = np.concatenate([asked, off])
        self.process = _Process(kernels, features, values, metric)
        self.factor = _factor(self.process.left_out, asked, chance)


class _Process:
    """What two Gaussian processes expect of a metric, in its unit, one that learned ranks and one that learned values.

    ``left_out`` says how many standard deviations each label is from what the others say of it.
    """

    def __init__(self, kernels: Kernels, features: Features, values: Float[np.ndarray, "n"], metric: Metric) -> None:
        centre, unit = centre_and_unit(values)
        ways: list[tuple[Scored, Scored]] = [  # to scores, and back
            (lambda given: rank_normal(metric.sign * given), RankScale.of(metric, values).to_unit),
            (_standardised, lambda scores: centre + unit * scores),
        ]
        self._asked = [
            (Posterior(kernels.learned(place, features, values, to_scores), features, to_scores(values)), to_unit)
            for place, (to_scores, to_unit) in enumerate(ways)
        ]
        mean, spread = _mixture([(*posterior.left_out(), to_unit) for posterior, to_unit in self._asked])
        self.left_out = np.abs(values - mean) / spread

    def mean_and_spread(self, features: Features) -> tuple[np.ndarray, np.ndarray]:
        """Expected values (m,) and the standard deviation (m,) of what will be measured, noise included."""
        expected = []
        for posterior, to_unit in self._asked:
            mean, spread = posterior.mean_and_spread(features)
            expected.append((mean, np.sqrt(spread**2 + posterior.kernel.noise), to_unit))
        return _mixture(expected)


def _mixture(expected: Sequence[tuple[np.ndarray, np.ndarray, Scored]]) -> tuple[np.ndarray, np.ndarray]:
    """Mean (m,) and standard deviation (m,) of equal parts of normal laws, each of scores that have a way to the unit.

    The parts are taken to be normal in the unit, with half the distance between one standard deviation up and down.
    """
    means = np.array([to_unit(mean) for mean, _, to_unit in expected])
    up, down = (np.array([to_unit(mean + side * s) for mean, s, to_unit in expected]) for side in (1, -1))
    return means.mean(0), np.sqrt(((up - down) ** 2 / 4).mean(0) + means.var(0))


def _standardised(values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    centre, unit = centre_and_unit(values)
    return (values - centre) / unit


def _factor(left_out: Float[np.ndarray, "n"], asked: Float[np.ndarray, "t"], chance: float) -> float:
    """So many standard deviations the weighted labels are off with that chance; those asked for came in this order."""
    off = np.concatenate([_LAW, left_out, asked])
    weights = np.repeat([LAW / len(_LAW), LEFT_OUT], [len(_LAW), len(left_out)])
    weights = np.concatenate([weights, FADE ** np.arange(len(asked))[::-1]])
    order = np.argsort(off)
    nearer = np.cumsum(weights[order]) - weights[order] / 2  # of each, half of its own weight with it
    return float(np.interp(1 - chance, nearer / weights.sum(), off[order]))
