"""Generation as the studio shows it: an iterator of snapshots, each a whole picture of what is known so far.

Notation: n architectures finished, L slots, k metrics. The samples come in rounds; every round draws its noise from
its own child of the seed, so the same seed replays the same noise under any guidance.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from nagkit_widgets.settings import ROUNDS, Settings, stream
from nagkit_widgets.sources import benchmark
from scipy.special import softmax

import nagkit
from nagkit.diffusion.masked import Frame
from nagkit.errors import NagkitError
from nagkit.generators import weights
from nagkit.generators.generator import Generator
from nagkit.metrics import Front
from nagkit.space import UNDECIDED, SearchSpace

MOST_ROUNDS = 6


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One moment: a frame of what is at work, and every architecture that is finished.

    ``caption`` says what the frame shows; the work is ``done`` out of ``total``. ``values (n, k)`` of the metrics of
    ``front`` are predicted or exact, or what evaluations gave where they were ``evaluated``. ``beside`` is what
    held settings gave at the same moment, ``run`` the file of the search that this is a moment of.
    ``within`` says which architectures keep to the limits, None where all do; ``failed`` how many
    evaluations gave nothing, and why.
    """

    settings: Settings
    space: SearchSpace
    caption: str
    done: int
    total: int
    frame: Frame
    tokens: Int[np.ndarray, "n L"]
    values: Float[np.ndarray, "n k"]
    front: Front
    evaluated: bool = False
    beside: "Snapshot | None" = None
    run: Path | None = None
    within: Bool[np.ndarray, "n"] | None = None
    failed: str = ""

    @property
    def distinct(self) -> int:
        """Number of different architectures among those finished."""
        return len(np.unique(self.tokens, axis=0))

    @property
    def met(self) -> Float[np.ndarray, "w k"]:
        """The values of those within the limits."""
        return self.values if self.within is None else self.values[self.within]

    def decided(self, row: int) -> Frame:
        """One of the finished architectures as a frame."""
        tokens = self.tokens[row][None]
        return Frame(1, 1, tokens, np.eye(self.space.radices.max())[tokens])

    def ranked(self) -> Int[np.ndarray, "d"]:
        """Places in ``tokens`` of the distinct architectures, best first in the first metric; beyond limits last."""
        _, first = np.unique(self.tokens, axis=0, return_index=True)
        gain = self.values[first, 0] * self.front.metrics[0].sign
        beyond = np.zeros(len(first)) if self.within is None else ~self.within[first]
        return first[np.lexsort((-gain, beyond))]


def generated(settings: Settings) -> Iterator[Snapshot]:
    """A snapshot for every frame of every round, and one after each round with its architectures added."""
    space, axes, guidance = benchmark(settings.table).space, settings.axes(), settings.guidance()
    generator = _generator(space.name, settings.steps)
    wishes = [settings.wish(metric.name) for metric in axes]
    tokens, values = np.empty((0, len(space.slots)), dtype=np.int64), np.empty((0, len(axes)))
    front = Front(space, axes, tokens, values)
    rounds = min(MOST_ROUNDS, -(-settings.samples // 16))
    for number, part in enumerate(np.array_split(np.arange(settings.samples), rounds)):
        for frame in generator.frames(len(part), guidance, stream(settings.seed, ROUNDS, number)):
            said = f"Round {number + 1} of {rounds}, first sample, step {frame.step} of {frame.steps}"
            yield Snapshot(settings, space, said, len(tokens), settings.samples, frame, tokens, values, front)
        tokens = np.concatenate([tokens, frame.tokens])
        gained = np.stack([wish.values(frame.tokens) for wish in wishes], axis=1)  # (n of this round, k)
        values = np.concatenate([values, gained])
        front = Front.of(space, axes, tokens, values)
        yield Snapshot(settings, space, said, len(tokens), settings.samples, frame, tokens, values, front)


def blank(space: SearchSpace) -> Frame:
    """An architecture of which nothing is decided, as the space believes it."""
    row = np.full((1, len(space.slots)), UNDECIDED)
    belief = softmax(np.where(space.legal(row), space.belief(row), -np.inf), axis=2)
    return Frame(0, 1, row, belief)


def warm_up(settings: Settings) -> None:
    """Load and learn what the first batch will need; a refusal is left to that batch to tell."""
    with suppress(NagkitError):
        _generator(benchmark(settings.table).space.name, settings.steps)
        settings.guidance()


@lru_cache(maxsize=16)
def _generator(space: str, steps: int) -> Generator:
    """One with the trained denoiser where there is one, else with the exact belief of the space."""
    found = nagkit.space(space)
    name = "masked-diffusion" if weights(found).is_file() else "exact-prior"
    return nagkit.generator(name, found, steps=steps)
