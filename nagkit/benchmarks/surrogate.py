"""A benchmark of a space too large to list: measured where there is a measurement, and predicted, declaredly, anywhere.

Notation: n architectures asked for, k measured ones, m metrics, L slots.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nagkit.benchmarks import registry, sealed
from nagkit.benchmarks.lookup import Lookup
from nagkit.metrics import Metric, Metrics
from nagkit.space import SearchSpace
from nagkit.spaces import space as find_space

FORMAT = 1  # raised when a file of before can no longer be read as it was
FOLDS = 5
EXACT_NUMBERS = 2**63 - 1  # a space with no more combinations of symbols numbers its rows without a digest


@dataclass(frozen=True)
class Error:
    """By how much values err on measurements that they were not fitted to.

    ``mae`` is the mean absolute error in the metric's unit, ``tau`` Kendall's rank correlation, ``held_out`` tells on
    which measurements.
    """

    mae: float
    tau: float
    held_out: str

    @classmethod
    def of(cls, values: Float[np.ndarray, "k"], measured: Float[np.ndarray, "k"], held_out: str) -> "Error":
        """That of values for which these were measured."""
        from scipy.stats import kendalltau

        return cls(float(np.abs(values - measured).mean()), float(kendalltau(values, measured).statistic), held_out)

    def short(self, unit: str) -> str:
        """The error as a figure or a table says it beside the metric."""
        return f"surrogate ±{self.mae:.2g} {unit}"

    def sentence(self, unit: str) -> str:
        """The error in words."""
        return f"mean absolute error {self.mae:.3g} {unit} and Kendall's tau {self.tau:.3f} on {self.held_out}"


def folds(n: int) -> Iterator[Int[np.ndarray, "held"]]:
    """The places of each fifth of ``n`` measurements, in an order that is always the same."""
    shuffled = np.random.default_rng(0).permutation(n)
    return (np.sort(shuffled[start::FOLDS]) for start in range(FOLDS))


def cross_validated(
    fit: Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]],
    tokens: Int[np.ndarray, "k L"],
    measured: Float[np.ndarray, "k m"],
) -> Float[np.ndarray, "k m"]:
    """The value of each measured architecture by a model that was fitted without the fifth that it is in."""
    values = np.empty_like(measured)
    for held in folds(len(tokens)):
        rest = np.delete(np.arange(len(tokens)), held)
        values[held] = fit(tokens[rest], measured[rest])(tokens[held])
    return values


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted surrogate as it lies in a file: its arrays, and what is said about it and its metrics.

    ``errors`` holds those of the metrics that are not measured or exact. ``sha256`` is that of the file this was opened
    from.
    """

    name: str
    space: str
    source: str
    licence: str
    metrics: Mapping[str, Metric]
    errors: Mapping[str, Error]
    arrays: Mapping[str, np.ndarray]
    details: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def write(self, path: str | os.PathLike[str]) -> None:
        """The file at ``path`` holds this; the same fit gives the same bytes."""
        description = {
            "format": FORMAT,
            **{name: getattr(self, name) for name in ("name", "space", "source", "licence")},
            "metrics": [metric.told() for metric in self.metrics.values()],
            "errors": {name: asdict(error) for name, error in self.errors.items()},
            "details": dict(self.details),
        }
        sealed.write(path, description, self.arrays)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Fit":
        """The fit at ``path``: its arrays are read-only views of the mapped file, verified against the sha256."""
        with sealed.refusals(path) as found:
            about, arrays, sha256 = sealed.read(found, FORMAT)
            return cls(
                **{name: about[name] for name in ("name", "space", "source", "licence", "details")},
                metrics={each["name"]: Metric(**each) for each in about["metrics"]},
                errors={name: Error(**each) for name, each in about["errors"].items()},
                arrays=arrays,
                sha256=sha256,
            )


@dataclass(frozen=True, eq=False)
class Part:
    """Some metrics whose values come from one place.

    ``values`` gives them for architectures as (n, m), by a function of this module or another, not of a local scope,
    so that another process gets it too. ``measured`` are the architectures that were measured for it, one of each class
    under ``identity``; ``computed`` says whether others have values too.
    """

    names: tuple[str, ...]
    values: Callable[[Int[np.ndarray, "n L"]], Float[np.ndarray, "n m"]]
    measured: Int[np.ndarray, "k L"]
    computed: bool
    identity: str = "string"


class Surrogate(Lookup):
    """Values of architectures of a large space, each metric measured, exact, or a *surrogate*: predicted by a model.

    What is measured is never mixed with what is predicted: they are metrics of different names. ``errors`` tells of
    each surrogate metric by how much it errs; its ``Metric`` says it too. ``computed`` names the metrics that every
    architecture may have, and not only those that were measured; ``seen`` and ``judged`` are the first of them.
    """

    def __init__(self, fit: Fit, parts: Sequence[Part]) -> None:
        self.name: str = fit.name
        self.space: SearchSpace = find_space(fit.space)
        self.source, self.licence, self.sha256 = fit.source, fit.licence, fit.sha256
        self.details = MappingProxyType(dict(fit.details))
        self.metrics: Mapping[str, Metric] = MappingProxyType(Metrics(fit.metrics))
        self.errors: Mapping[str, Error] = MappingProxyType(dict(fit.errors))
        self.computed = frozenset(name for part in parts if part.computed for name in part.names)
        self.seen = self.judged = next((name for name in self.metrics if name in self.computed), "")
        self._fit, self._parts = fit, tuple(parts)
        self._part = {name: part for part in parts for name in part.names}

    def known(self, metric: str) -> Int[np.ndarray, "n L"]:
        """The measured architectures that have a value; of a computed metric those that its model rests on."""
        name = self._metric(metric)
        part = self._part[name]
        values = part.values(part.measured)[:, part.names.index(name)]
        return part.measured[~np.isnan(values)].astype(np.int64)

    def classes(self, tokens: Int[np.ndarray, "n L"], metric: str) -> Int[np.ndarray, "n"]:
        """A number for each architecture, equal for those that share their measurement of the metric.

        In spaces with more combinations of symbols than there are numbers it is a digest of 64 bits, equal for others
        with a chance of 5·10⁻²⁰.
        """
        return numbers(self.space, self.space.canonical(tokens, self._part[self._metric(metric)].identity))

    def sentence(self) -> str:
        """What the benchmark holds, in words."""
        exact = sorted(self.computed - set(self.errors))
        measured = [name for name in self.metrics if name not in self.computed]
        counts = ", ".join(f"{name} of {len(self.known(name)):,} architectures" for name in measured)
        return (
            f"Surrogate {self.name!r}: measured {counts}; exact {', '.join(exact)}; predicted, with errors in "
            f"benchmark.errors, {', '.join(self.errors)}. Space of {self.space.size:.3g} ({self.space.name}). "
            f"{self.source} Licence: {self.licence}."
        )

    def __reduce__(self) -> tuple[type["Surrogate"], tuple[Fit, tuple[Part, ...]]]:
        """Another process gets the numbers themselves, as it may not have the file."""
        return Surrogate, (self._fit, self._parts)

    def _columns_of(self, tokens: Int[np.ndarray, "n L"], names: Sequence[str]) -> list[np.ndarray]:
        parts = {id(part): part for part in map(self._part.__getitem__, names)}
        same = {identity: self.space.canonical(tokens, identity) for identity in {p.identity for p in parts.values()}}
        found = {key: part.values(same[part.identity]) for key, part in parts.items()}
        return [found[id(part)][:, part.names.index(name)].copy() for name, part in ((n, self._part[n]) for n in names)]


def place(name: str, version: int, files: Sequence[registry.File]) -> Path:
    """Where the models and measurements of a surrogate are kept; the name tells what they were made of.

    ``version`` is raised when a model changes, so that it is fitted again.
    """
    made_of = hashlib.sha256(repr([version, FORMAT, *(file.sha256 for file in files)]).encode()).hexdigest()
    return registry.cache_folder() / "tables" / f"{name.replace('/', '-')}-{made_of[:12]}.safetensors"


def kept(path: Path, fit: Callable[[], Fit], parts: Callable[[Mapping[str, np.ndarray]], Sequence[Part]]) -> Surrogate:
    """The surrogate at a path, made by ``parts`` of the arrays there; fitted at first use, opened from then on."""
    if not path.is_file():
        fit().write(path)
    found = Fit.open(path)
    return Surrogate(found, parts(found.arrays))


def measured_among(
    tokens: Int[np.ndarray, "n L"], rows: Int[np.ndarray, "k L"], values: Float[np.ndarray, "k m"], space: SearchSpace
) -> Float[np.ndarray, "n m"]:
    """The values of these architectures where they are among the measured rows, NaN elsewhere."""
    own = numbers(space, rows)
    order = np.argsort(own)
    place = order[np.minimum(np.searchsorted(own, numbers(space, tokens), sorter=order), len(own) - 1)]
    here = (rows[place] == tokens).all(1)
    return np.where(here[:, None], values[place], np.nan)


def exact(tokens: Int[np.ndarray, "n L"], name: str, space: SearchSpace) -> Float[np.ndarray, "n 1"]:
    """Exact ``"params"`` or ``"flops"`` in millions, of as many classes as is usual in the space."""
    count: Callable[..., np.ndarray] = space.params if name == "params" else space.flops
    return count(tokens)[:, None] / 1e6


def numbers(space: SearchSpace, tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n"]:
    """One number for each row: its place among all combinations of symbols, or where they are too many, a digest."""
    radices = space.radices.tolist()
    if np.prod(np.array(radices, dtype=object)) <= EXACT_NUMBERS:
        return np.ravel_multi_index(tuple(tokens.T), radices)
    digest = np.zeros(len(tokens), np.uint64)
    for column in tokens.T.astype(np.uint64):  # the mixing of SplitMix64 (Steele, Lea & Flood, 2014), slot by slot
        digest = (digest ^ column) + np.uint64(0x9E3779B97F4A7C15)
        digest = (digest ^ (digest >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        digest = (digest ^ (digest >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        digest ^= digest >> np.uint64(31)
    return digest.view(np.int64)
