"""What a law over architectures is like, by fresh samples: worth, validity, uniqueness, novelty, entropy, diversity.

Notation: n samples, v of them valid, t architectures told, L slots.

Two architectures that are the same under an identity of the space count as one here, and distances are between the
rows that stand for such classes (``canonical``), so that what has no effect makes no distance.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.curves import Band, bands_figure
from nagkit.diffusion.guidance import Guidance
from nagkit.errors import ArgumentError
from nagkit.figures import Picture
from nagkit.generators.generator import Generator
from nagkit.metrics import Metric, Objective
from nagkit.report import Estimate
from nagkit.space import SearchSpace

LEVELS = tuple(range(5, 100, 5))  # quantiles that are drawn (%)
RANK = Metric("rank among the samples", "%", "max")
OFTEN = 0.95  # intervals hold the truth so often


@dataclass(frozen=True, eq=False)
class Distribution:
    """Samples of one law, legal or not, in the order in which they were drawn.

    ``logs (v,)`` says how likely each valid one was (its logarithm, nats), for laws that know it, up to a constant that
    was ``estimated`` from these samples if so said. ``identity`` is that of the space under which two count as one
    architecture; the coarsest when empty.
    """

    space: SearchSpace
    samples: Int[np.ndarray, "n L"]
    logs: Float[np.ndarray, "v"] | None = None
    identity: str = ""
    estimated: bool = False

    def __post_init__(self) -> None:
        arguments.instance("space", self.space, SearchSpace, "nagkit.space('nas-bench-201')")
        names = self.space.identities
        object.__setattr__(self, "identity", arguments.one_of("identity", self.identity or names[-1], names))
        samples = arguments.array("samples", self.samples)
        if samples.ndim != 2 or samples.shape[1] != len(self.space.slots) or samples.dtype.kind not in "iu":
            raise ArgumentError(
                f"samples must be whole numbers of shape (n, {len(self.space.slots)}); got {samples.dtype} "
                f"{samples.shape}."
            )
        object.__setattr__(self, "samples", samples.astype(np.int64, copy=False))
        if not self.valid.any():
            raise ArgumentError(f"samples must hold an architecture of {self.space.name!r}; none of them is one.")
        if self.logs is not None:
            arguments.finite("logs", self.logs, len(self.tokens))

    @classmethod
    def of(
        cls,
        generator: Generator,
        n: int,
        rng: np.random.Generator,
        identity: str = "",
        guidance: Guidance | None = None,
    ) -> "Distribution":
        """Fresh samples of a generator; unguided, with their likelihoods if it has ``log_probability``."""
        arguments.instance("generator", generator, Generator, "nagkit.generator('autoregressive', space)")
        guidance = Guidance() if guidance is None else guidance
        found = cls(generator.space, generator.sample(n, guidance, rng), None, identity)
        if guidance.steers or not hasattr(generator, "log_probability"):
            return found
        return cls(found.space, found.samples, generator.log_probability(found.tokens), identity)

    @classmethod
    def of_space(cls, space: SearchSpace, n: int, rng: np.random.Generator, identity: str = "") -> "Distribution":
        """Fresh samples of the law of a space, with their likelihoods: exact if it has ``log_probability``.

        Else, where not all rows are equally likely, these samples tell the constant that ``log_law`` leaves open: the
        mean of 1 / weight over samples is the size of the space by the sum of all weights.
        """
        rows = space.sample(n, rng)
        if hasattr(space, "log_probability"):
            return cls(space, rows, space.log_probability(rows), identity)
        logs = space.log_law(rows)
        low = logs.min()  # for numbers that can be written
        total = math.log(space.size) - math.log(float(np.exp(low - logs).mean())) + low
        return cls(space, rows, logs - total, identity, estimated=True)

    @cached_property
    def valid(self) -> Bool[np.ndarray, "n"]:
        """Which samples are architectures of the space."""
        valid = np.all((self.samples >= 0) & (self.samples < self.space.radices), axis=1)
        valid[valid] = self.space.belongs(self.samples[valid])
        return valid

    @property
    def tokens(self) -> Int[np.ndarray, "v L"]:
        """The valid samples."""
        return self.samples[self.valid]

    @cached_property
    def forms(self) -> Int[np.ndarray, "v L"]:
        """For each valid sample the row that stands for all that are the same."""
        return self.space.canonical(self.tokens, self.identity)

    @property
    def distinct(self) -> int:
        """How many different architectures there are among the valid samples."""
        return len(np.unique(self.forms, axis=0))

    def distance(self, told: Int[np.ndarray, "t L"]) -> Float[np.ndarray, "v"]:
        """In how many slots each valid sample differs from the nearest of these; 0 where it is one of them."""
        from scipy.spatial.distance import cdist

        others = np.unique(self.space.canonical(self.space.check(told, "told"), self.identity), axis=0)
        return np.rint(cdist(self.forms, others, "hamming").min(1) * len(self.space.slots))

    def apart(self) -> Float[np.ndarray, "pairs"]:
        """In how many slots two samples differ, of pairs in which no sample comes twice, so that these are independent.

        Of samples with an odd number the last has no partner.
        """
        pairs = len(self.forms) // 2
        return (self.forms[:pairs] != self.forms[pairs : 2 * pairs]).sum(1).astype(np.float64)

    def figures(
        self, objective: Objective, told: Int[np.ndarray, "t L"] | None = None, best: int = 10
    ) -> dict[str, Estimate]:
        """What the samples are worth by an objective, and how they differ from each other and from what was told.

        Uniqueness, novelty and all that follows are of the valid samples, worth of those whose value is known. What
        cannot be said is left out.

        Args:
            told: what a search was told, from which the law was learned
            best: of how many of the best samples there is a mean
        """
        arguments.instance("objective", objective, Objective, "table.objective('val_accuracy')")
        arguments.whole("best", best)
        found = self._worth(objective, best)
        found["valid"] = Estimate.share(self.valid)
        found["unique"] = Estimate(100 * self.distinct / len(self.forms), "%", len(self.forms))
        if told is not None and len(told):
            away = self.distance(told)
            found["novel"] = Estimate.share(away > 0)
            found["distance from the nearest told"] = Estimate.of(away, "slots")
        if len(self.forms) > 1:
            found["distance of two samples"] = Estimate.of(self.apart(), "slots")
        if self.logs is not None:
            found["entropy"] = Estimate.of(self._surprise(self.logs), "nats")
        return found

    def _surprise(self, logs: Float[np.ndarray, "v"]) -> Float[np.ndarray, "v"]:
        """Numbers whose mean is the entropy, and whose spread that of its error.

        Where the likelihoods rest on an estimated constant, that is the mean over samples of 1 / likelihood by the size
        of the space; its error adds up with that of -log p, to first order (the delta method).
        """
        return 1 - np.exp(-logs - math.log(self.space.size)) - logs if self.estimated else -logs

    def _worth(self, objective: Objective, best: int) -> dict[str, Estimate]:
        """Mean, best, quantiles and worst of the values that are known."""
        values, metric = self._values(objective), objective.metric
        if not len(values):
            return {}
        name, unit, n = metric.name, metric.unit, len(values)
        found = {f"mean {name}": Estimate.of(values, unit)}
        if best <= n:
            found[f"mean {name} of the best {best}"] = Estimate(float(values[-best:].mean()), unit, n)
        better, worse = ("upper", "lower") if metric.sign > 0 else ("lower", "upper")
        for level, called in ((0.75, f"{better} quartile of"), (0.5, "median"), (0.25, f"{worse} quartile of")):
            low, value, high = _quantile(values, level)
            found[f"{called} {name}"] = Estimate(value, unit, n, min(low, high), max(low, high))
        return found | {f"worst {name}": Estimate(float(values[0]), unit, n)}

    def _values(self, objective: Objective) -> Float[np.ndarray, "k"]:
        """The values that are known, from the worst to the best."""
        values = np.asarray(objective.values(self.tokens), dtype=np.float64)
        return np.sort(objective.metric.sign * values[np.isfinite(values)]) * objective.metric.sign

    def band(self, name: str, objective: Objective) -> Band:
        """Quantiles of the worth of the samples, from the worst to the best, with their intervals."""
        values = self._values(arguments.instance("objective", objective, Objective, "table.objective('val_accuracy')"))
        if not len(values):
            raise ArgumentError(f"objective must know the value of a sample; {objective.metric.name} is known of none.")
        low, middle, high = np.array([_quantile(values, level / 100) for level in LEVELS]).T
        return Band(name, LEVELS, middle, np.minimum(low, high), np.maximum(low, high))


def worth_figure(distributions: Mapping[str, Distribution], objective: Objective) -> Picture:
    """What samples of several laws are worth, from the worst to the best of each, with intervals."""
    arguments.instance("distributions", distributions, Mapping, "{'before': Distribution.of(generator, 200, rng)}")
    for name, each in distributions.items():
        arguments.instance(f"distributions[{name!r}]", each, Distribution, "Distribution.of(generator, 200, rng)")
    bands = [each.band(name, objective) for name, each in distributions.items()]
    return bands_figure(bands, RANK, objective.metric)


def _quantile(values: Float[np.ndarray, "k"], level: float) -> tuple[float, float, float]:
    """A quantile of these values in their order, between the two that enclose that of the law ``OFTEN``.

    How many of k values lie below a quantile is binomial, whatever the law is (David & Nagaraja, Order Statistics,
    section 7.1). Where that would need a value beyond the last, the interval ends with the last.
    """
    from scipy import stats

    k = len(values)
    low, high = stats.binom.ppf([(1 - OFTEN) / 2, (1 + OFTEN) / 2], k, level)
    middle = min(int(level * k), k - 1)
    return float(values[max(int(low) - 1, 0)]), float(values[middle]), float(values[min(int(high), k - 1)])
