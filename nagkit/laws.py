"""Laws of architectures compared: samples of each, every one trained with several seeds.

Notation: n samples of a law, s seeds, u different architectures among all laws, b bootstrap repetitions.

Intervals are those of a bootstrap in two steps, of samples and of the seeds of each (95 %, percentiles). It is if
anything too wide, as a sample's mean carries the noise of its seeds already.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.figures import VERMILION, Picture, metric_axes, safe
from nagkit.metrics import Metric
from nagkit.networks.ledger import Training, number
from nagkit.networks.trainer import Trainer
from nagkit.networks.trainings import Trainings
from nagkit.report import Estimate

if TYPE_CHECKING:
    import pandas

REPETITIONS = 4000  # of the bootstrap
ACCURACY = Metric("test accuracy", "%", "max")
_JITTER = 0.28  # of the room of a law, over which its samples are spread
_FEWEST = 3  # architectures, below which nothing is said about what goes with accuracy


@dataclass(frozen=True, eq=False)
class Laws:
    """Laws by name, each as a sample (n, L) of it, to be trained with each of these seeds and compared.

    Seeds should be others than those that a law was learned with. Every finished training is kept in the ledger, a
    file; what is there is not trained again, also when samples or laws were added or taken away.
    """

    trainer: Trainer
    samples: Mapping[str, Int[np.ndarray, "n L"]]
    seeds: Sequence[int]
    ledger: Path
    _trainings: Trainings = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_trainings", Trainings(self.trainer, self.ledger))
        arguments.instance("samples", self.samples, Mapping, "{'learned': tokens}")
        seeds = tuple(arguments.seed("seeds", seed) for seed in arguments.several("seeds", self.seeds, int))
        checked = {name: self.trainer.space.check(tokens) for name, tokens in self.samples.items()}
        if not checked:
            raise ArgumentError("samples must hold one law or more; got none. Write {'learned': tokens}.")
        if not seeds or len(set(seeds)) < len(seeds):
            raise ArgumentError(f"seeds must hold one or more, each once; got {seeds}. Write (1, 2, 3).")
        object.__setattr__(self, "samples", checked)
        object.__setattr__(self, "seeds", seeds)

    # ---------------------------------------------------------------------------------------------------- trainings

    def train(self, executor: Executor | None = None) -> Iterator[Training]:
        """Train what is missing: each training when it has finished and is kept.

        All laws get their first sample trained with the first seed, then their second, so that they can be compared on
        the way. Leave this and call it again to go on with what is left.
        """
        yield from self._trainings.train(self._jobs(), executor)

    def __len__(self) -> int:
        """How many different trainings the comparison needs."""
        return len(self._jobs())

    def _jobs(self) -> list[tuple[tuple[int, ...], int]]:
        most = max(map(len, self.samples.values()))
        rows = [tokens[i] for i in range(most) for tokens in self.samples.values() if i < len(tokens)]
        different = dict.fromkeys(tuple(row.tolist()) for row in rows)
        return [(row, seed) for seed in self.seeds for row in different]

    # ------------------------------------------------------------------------------------------------------ figures

    def accuracy(self) -> dict[str, Float[np.ndarray, "n s"]]:
        """The test accuracy of each training in percent, by law; NaN where it is not finished."""
        known = {key: each.curves["test_accuracy"][-1] for key, each in self._trainings.finished().items()}
        return {
            name: np.array([[known.get((number(row), seed), np.nan) for seed in self.seeds] for row in tokens])
            for name, tokens in self.samples.items()
        }

    def known(self) -> dict[str, Float[np.ndarray, "n s"]]:
        """The same of the samples that are trained with all seeds, by the laws that have any."""
        whole = {name: values[np.isfinite(values).all(1)] for name, values in self.accuracy().items()}
        if not (found := {name: values for name, values in whole.items() if len(values)}):
            raise ArgumentError(f"ledger must hold trainings of the samples; {self.ledger} has none. Walk train().")
        return found

    def figures(self) -> dict[tuple[str, str], Estimate]:
        """By law and name: mean test accuracy, that of the best and the worst sample, and how samples spread."""
        found, noise = {}, self.noise()
        for name, values in self.known().items():
            means = values.mean(1)
            found[name, "mean"] = _interval(values.mean(), _means(values), len(values))
            found[name, "best"], found[name, "worst"] = (Estimate(v, "%") for v in (means.max(), means.min()))
            if len(means) > 1 and noise is not None:
                spread = means.var(ddof=1) - noise.value**2 / len(self.seeds)
                found[name, "spread without noise"] = Estimate(float(max(spread, 0) ** 0.5), "%")
        return found

    def noise(self) -> Estimate | None:
        """The standard deviation of trainings of one architecture with different seeds; None with one seed."""
        if len(self.seeds) == 1:
            return None
        values = np.concatenate([*self.known().values()])
        variance, rng = values.var(1, ddof=1), np.random.default_rng(0)
        repeated = variance[rng.integers(len(values), size=(REPETITIONS, len(values)))].mean(1) ** 0.5
        return _interval(variance.mean() ** 0.5, repeated, len(values))

    def difference(self, first: str, second: str) -> Estimate:
        """By how much the mean test accuracy of the first law exceeds that of the second."""
        known = self.known()
        for which, name in (("first", first), ("second", second)):
            arguments.one_of(which, name, known)
        a, b = known[first], known[second]
        return _interval(a.mean() - b.mean(), _means(a, 1) - _means(b, 2), min(len(a), len(b)))

    def ranking(self) -> list[str]:
        """The laws by their mean test accuracy, the best first."""
        means = {name: values.mean() for name, values in self.known().items()}
        return sorted(means, key=lambda name: -means[name])

    def sentence(self, name: str, others: Sequence[str] = ()) -> str:
        """Whether a law is better than the best of others (all when none are named), by how much, and the noise."""
        for each in others:
            arguments.one_of("each of others", each, self.samples)
        means, figures = self.ranking(), self.figures()
        best = next((each for each in means if each != name and (not others or each in others)), None)
        told = f"{name}: mean test accuracy {figures[arguments.one_of('name', name, means), 'mean']}."
        if best is None:
            return told
        gain, noise = self.difference(name, best), self.noise()
        low, high = gain.low or 0.0, gain.high or 0.0
        verdict = "is better" if low > 0 else "is worse" if high < 0 else "cannot be told from it"
        told += f" The best of the others is {best}: {figures[best, 'mean']}. "
        told += f"The difference is {gain}, so that {name} {verdict}."
        if noise is not None:
            size = "more" if abs(gain.value) > noise.value else "less"
            told += f" It is {size} than the noise of seeds, the standard deviation between trainings of one: {noise}."
        return told

    def association(self, values: Float[np.ndarray, "u"]) -> Estimate | None:
        """Spearman's correlation of what is known of ``different()`` with mean test accuracy; None where all are alike.

        Args:
            values: a number for each architecture, such as its edges
        """
        from scipy import stats

        tokens, accuracy = self.different()
        values = arguments.finite("values", values, len(tokens))
        if len(tokens) < _FEWEST or np.ptp(values) == 0 or np.ptp(accuracy) == 0:
            return None
        rng, ranks = np.random.default_rng(0), np.stack([stats.rankdata(values), stats.rankdata(accuracy)])
        drawn = ranks[:, rng.integers(len(tokens), size=(REPETITIONS, len(tokens)))]
        centred = drawn - drawn.mean(2, keepdims=True)
        spread = np.sqrt((centred**2).sum(2).prod(0))
        repeated = centred.prod(0).sum(1)[spread > 0] / spread[spread > 0]
        return _interval(float(np.corrcoef(ranks)[0, 1]), repeated, len(tokens), "1")

    def different(self) -> tuple[Int[np.ndarray, "u L"], Float[np.ndarray, "u"]]:
        """The different architectures that are trained with all seeds, and their mean test accuracy."""
        values = self.accuracy()
        tokens, accuracy = (np.concatenate([*each.values()]) for each in (self.samples, values))
        whole = np.isfinite(accuracy).all(1)
        tokens, first = np.unique(tokens[whole], axis=0, return_index=True)
        return tokens, accuracy[whole].mean(1)[first]

    def figure(self) -> Picture:
        """A point for each sample, its mean over seeds; and for each law the mean with its interval."""
        known, estimates = self.known(), self.figures()
        points = [_strip(place, name, values.mean(1)) for place, (name, values) in enumerate(known.items())]
        means = [estimates[name, "mean"] for name in known]
        layout = metric_axes(ACCURACY, ACCURACY) | {"showlegend": False}
        axis = {"title": {"text": ""}, "tickvals": list(range(len(known))), "ticktext": [*map(safe, known)]}
        layout["xaxis"] = layout["xaxis"] | axis | {"range": [-0.6, len(known) - 0.4]}
        sentence = " ".join(f"{name}: {mean}." for name, mean in zip(known, means, strict=True))
        return Picture(
            [*points, _marks(means)], layout, f"Test accuracy of samples of each law; means: {sentence}", self.table
        )

    def table(self) -> "pandas.DataFrame":
        """A row for each law: samples, mean with its interval, best, worst."""
        import pandas as pd

        figures, rows = self.figures(), []
        for name, values in self.known().items():
            mean, best, worst = (figures[name, what] for what in ("mean", "best", "worst"))
            rows.append((name, len(values), mean.value, mean.low, mean.high, best.value, worst.value))
        columns = ["law", "samples", "mean test accuracy (%)", "low", "high", "best", "worst"]
        return pd.DataFrame(rows, columns=columns)


def _means(values: Float[np.ndarray, "n s"], seed: int = 0) -> Float[np.ndarray, "b"]:
    """Means of samples drawn again, each with seeds drawn again."""
    rng, (n, s) = np.random.default_rng(seed), values.shape
    drawn = rng.integers(n, size=(REPETITIONS, n, 1)), rng.integers(s, size=(REPETITIONS, n, s))
    return values[drawn].mean((1, 2))


def _interval(value: float, repeated: Float[np.ndarray, "b"], n: int, unit: str = "%") -> Estimate:
    low, high = np.quantile(repeated, [0.025, 0.975])
    return Estimate(float(value), unit, n, float(low), float(high))


def _strip(place: int, name: str, means: Float[np.ndarray, "n"]) -> dict[str, Any]:
    """The samples of a law, spread evenly over its room so that none hides another."""
    across = place + _JITTER * np.linspace(-1, 1, len(means)) if len(means) > 1 else np.array([place])
    return {
        "type": "scatter",
        "mode": "markers",
        "name": safe(name),
        "x": across.tolist(),
        "y": means.tolist(),
        "marker": {"symbol": "circle-open", "size": 7, "color": "#0072B2"},
        "hoverinfo": "name+y",
    }


def _marks(means: Sequence[Estimate]) -> dict[str, Any]:
    values = np.array([(mean.value, mean.low, mean.high) for mean in means])
    error = {"type": "data", "symmetric": False, "color": VERMILION, "thickness": 2, "width": 8}
    error |= {"array": (values[:, 2] - values[:, 0]).tolist(), "arrayminus": (values[:, 0] - values[:, 1]).tolist()}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "mean and interval",
        "x": list(range(len(means))),
        "y": values[:, 0].tolist(),
        "error_y": error,
        "marker": {"symbol": "diamond", "size": 11, "color": VERMILION},
        "hoverinfo": "y",
    }
