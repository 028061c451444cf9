"""This machine as a device: a few networks are timed here, and teach a predictor how long any other takes.

Which are timed does not depend on chance: they are chosen so that together they tell most. Notation: n networks, L
slots, r rounds, p parts and symbols.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from nagkit import arguments
from nagkit.benchmarks.registry import cache_folder
from nagkit.errors import ArgumentError, DataDamagedError, NagkitError
from nagkit.files import write_atomically
from nagkit.metrics import Metric
from nagkit.networks.latency import machine
from nagkit.networks.network import Network
from nagkit.networks.workload import Workload
from nagkit.predictors.additive import Additive
from nagkit.spaces.skeleton import Skeleton

METRIC = "latency_here"
NETWORKS, LEAST = 60, 20  # how many are timed, and how few teach
ROUNDS = 8
SECONDS = 90.0
CANDIDATES = 2000  # random rows to choose from
MUCH = 15.0  # per cent that a network left out may be off before it is said that this is much
RIDGE = 1e-3  # of the information before any row; small, so that what no row has had yet comes first
MOST_KEPT = 2**28  # parameters of networks that need not be built again: one gigabyte
FORMAT = 1


@dataclass(frozen=True, eq=False)
class Timings:
    """What was timed on a machine: ``milliseconds (n, r)`` of the networks ``tokens (n, L)``, NaN where not yet."""

    workload: Workload
    machine: str
    tokens: Int[np.ndarray, "n L"]
    milliseconds: Float[np.ndarray, "n r"]

    @classmethod
    def none(cls, workload: Workload, networks: int = NETWORKS) -> "Timings":
        """Nothing timed yet, on this machine, of that many networks."""
        tokens = design(workload, networks)
        return cls(workload, machine(), tokens, np.full((len(tokens), ROUNDS), np.nan))

    @property
    def known(self) -> int:
        """How many of the networks were timed at least once."""
        return int(np.isfinite(self.milliseconds).any(1).sum())

    @property
    def complete(self) -> bool:
        """Whether every network was timed in every round."""
        return bool(np.isfinite(self.milliseconds).all())

    def labels(self) -> tuple[Int[np.ndarray, "m L"], Float[np.ndarray, "m"]]:
        """The networks that were timed, and the fastest round of each in ms: other work only ever slows one down."""
        timed = np.isfinite(self.milliseconds).any(1)
        if not timed.any():
            return self.tokens[:0], np.empty(0)
        return self.tokens[timed], np.nanmin(self.milliseconds[timed], axis=1)

    def predictor(self) -> Additive:
        """The latency of every network of the space on this machine; its metric says how well it is known."""
        tokens, values = self.labels()
        if len(tokens) < LEAST:
            raise ArgumentError(
                f"timings must hold at least {LEAST} networks to learn from; these hold {len(tokens)}. Time more."
            )
        space, batch = self.workload.searched, self.workload.batch
        metric = Metric(METRIC, "ms", "min", device=f"{self.machine}, one thread", batch=batch)
        fitted = Additive(space, metric, self.workload.parts).fit(tokens, values)
        off = 100 * np.mean(np.abs(fitted.left_out / values - 1))
        order = stats.spearmanr(fitted.left_out, values).statistic
        doubt = f" More than {MUCH:g} % is much: time again when the machine is quiet." if off > MUCH else ""
        fitted.metric = replace(
            metric,
            source=f"Predicted from {len(tokens)} networks timed by nagkit. Each, left out and predicted from the "
            f"others, was {off:.1f} % off in the mean; Spearman's correlation is {order:.3f}.{doubt}",
            error=f"predicted ±{off:.1f} %",
        )
        return fitted

    def write(self, path: str | Path) -> None:
        """The timings as a JSON file."""
        rows = zip(self.tokens.tolist(), self.milliseconds.tolist(), strict=True)
        content = {
            "format": FORMAT,
            "workload": self.workload.about(),
            "machine": self.machine,
            "networks": [{"tokens": row, "milliseconds": [None if np.isnan(x) else x for x in ms]} for row, ms in rows],
        }
        write_atomically(path, json.dumps(content, indent=1).encode())

    @classmethod
    def open(cls, path: str | Path) -> "Timings":
        """The timings in a file; those of another machine, or of another PyTorch, are refused, as they tell nothing."""
        try:
            content = json.loads(Path(path).read_text("utf-8"))
            timings = cls._read(content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, NagkitError) as fault:
            raise DataDamagedError(f"{path} holds no timings of networks: {fault} Delete it, and time anew.") from None
        if timings.machine != machine():
            raise ArgumentError(
                f"path must be a file of this machine ({machine()}); {path} was timed on another: {timings.machine}. "
                "Time the networks here."
            )
        return timings

    @classmethod
    def _read(cls, content: Any) -> "Timings":
        if content["format"] != FORMAT:
            raise ValueError(f"it has format {content['format']!r:.80}, not {FORMAT}.")
        about = dict(content["workload"])
        if about["skeleton"] is not None:
            about["skeleton"] = Skeleton.again(about["skeleton"])
        workload = Workload(**about)
        tokens = workload.searched.check([each["tokens"] for each in content["networks"]])
        milliseconds = np.array([each["milliseconds"] for each in content["networks"]], dtype=np.float64)
        if (
            milliseconds.shape != (len(tokens), ROUNDS)
            or not (np.isnan(milliseconds) | ((milliseconds > 0) & (milliseconds < np.inf))).all()
        ):
            raise ValueError("it holds something else than times above 0 for each round.")
        return cls(workload, arguments.instance("machine", content["machine"], str, "a name"), tokens, milliseconds)


@dataclass(frozen=True)
class Timed:
    """One network was timed: ``done`` of ``total`` timings are finished, and what is known by now."""

    done: int
    total: int
    milliseconds: float
    timings: Timings


def time_networks(workload: Workload, networks: int = NETWORKS, seconds: float = SECONDS) -> Iterator[Timed]:
    """Time networks on this machine, one after each other, a ``Timed`` after each.

    They come in rounds, every round in another order, so that a slow moment of the machine hits none alone. What is
    finished is kept in ``place(workload)`` whenever this is left; a call after an incomplete one goes on, one after a
    complete one begins anew and replaces it as soon as it can teach. Raises ``ArgumentError`` where the time is too
    short to teach anything.

    Args:
        networks: how many, at most; as many as before where those were more.
        seconds: after so many no other network is begun.
    """
    arguments.instance("workload", workload, Workload, "Workload.of('digits/mid8')")
    arguments.whole("networks", networks, low=LEAST, high=CANDIDATES)
    arguments.real("seconds", seconds, low=0)
    return _time(workload, networks, time.monotonic() + seconds)


def _time(workload: Workload, networks: int, end: float) -> Iterator[Timed]:
    before = stored(workload)
    anew = before is not None and before.complete
    timings = Timings.none(workload, networks if before is None else max(networks, len(before.tokens)))
    if before is not None and not anew:
        timings = _with(timings, before)
    milliseconds, kept = timings.milliseconds.copy(), dict[int, Network]()
    for row, number in _visits(milliseconds):
        tokens = timings.tokens[row]
        network = kept.get(row) or workload.network(tokens)
        if len(kept) < MOST_KEPT // _parameters(network):
            kept[row] = network
        milliseconds[row, number] = workload.milliseconds(tokens, network)
        timings = replace(timings, milliseconds=milliseconds.copy())
        if not anew or timings.known >= LEAST:  # a few do not replace what taught more
            timings.write(place(workload))
        yield Timed(int(np.isfinite(milliseconds).sum()), milliseconds.size, float(milliseconds[row, number]), timings)
        if time.monotonic() > end:
            break
    if timings.known < LEAST:
        remedy = "The timings of before are kept; give more" if anew else "They are kept; call again"
        raise ArgumentError(f"seconds must be enough to time {LEAST} networks; {timings.known} were. {remedy}.")


def _parameters(network: Network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _visits(milliseconds: Float[np.ndarray, "n r"]) -> Iterator[tuple[int, int]]:
    """Network and round of all that is missing; the first round in the order of the design, others in random ones."""
    count, rounds = milliseconds.shape
    missing = np.isnan(milliseconds)
    for number in range(rounds):
        order = np.random.default_rng(number).permutation(count) if number else np.arange(count)
        yield from ((row, number) for row in order.tolist() if missing[row, number])


def _with(timings: Timings, before: Timings) -> Timings:
    """What is to be timed, with what was timed of it before."""
    found = {tuple(row): times for row, times in zip(before.tokens.tolist(), before.milliseconds, strict=True)}
    rows = zip(timings.tokens.tolist(), timings.milliseconds, strict=True)
    return replace(timings, milliseconds=np.stack([found.get(tuple(row), nothing) for row, nothing in rows]))


def stored(workload: Workload) -> Timings | None:
    """What was timed on this machine in earlier sessions, if anything."""
    path = place(workload)
    return Timings.open(path) if path.is_file() else None


def place(workload: Workload) -> Path:
    """The file of a workload's timings on this machine, in the cache."""
    about = json.dumps([workload.about(), machine()], sort_keys=True)
    return cache_folder() / "timings" / f"{workload.space}-{hashlib.sha256(about.encode()).hexdigest()[:12]}.json"


def design(workload: Workload, networks: int = NETWORKS) -> Int[np.ndarray, "n L"]:
    """Networks to time, those that tell most first: each is the one that the earlier ones tell least about.

    What a network tells are its parts and its symbols, slot by slot; so every symbol of every slot comes early. It is
    the sequential D-optimal design (Fedorov, 1972, chapter 3) among random rows.
    """
    arguments.whole("networks", networks, high=CANDIDATES)
    rows = np.unique(workload.searched.sample(CANDIDATES, np.random.default_rng(0)), axis=0)
    told = np.concatenate([workload.parts(rows), workload.searched.one_hot(rows)], axis=1)  # (c, p)
    spread = told.std(0)
    told = told / np.where(spread > 0, spread, 1)
    doubt = np.eye(told.shape[1]) / RIDGE
    unknown = (told**2).sum(1) / RIDGE  # (c,): how little is known of each
    chosen = []
    for _ in range(min(networks, len(rows))):
        chosen.append(int(unknown.argmax()))
        direction = doubt @ told[chosen[-1]]  # (p,)
        scale = 1 + told[chosen[-1]] @ direction
        doubt -= np.outer(direction, direction) / scale
        unknown -= (told @ direction) ** 2 / scale
        unknown[chosen[-1]] = -np.inf
    return rows[chosen]
