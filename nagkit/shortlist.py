"""Which architectures to train first on a task, and how good the best of the first k is: shortlists and their curves.

Notation: m architectures on the ground, one for each class that shares a training; places are theirs, from 0 to m - 1;
N samples drawn, k trained. A shortlist is an array of different places, those to train first at its head.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.benchmarks import Table
from nagkit.diffusion.guidance import Guidance
from nagkit.errors import ArgumentError
from nagkit.generators import Generator
from nagkit.metrics import Constraint, Metric, Objective, Values
from nagkit.predictors import Predictor
from nagkit.predictors.conditioned import ConditionedPredictor
from nagkit.search import Evaluated, run, search
from nagkit.space import SearchSpace

EFFECTIVE = 100  # architectures that the guided law leaves in play
ANEW = 10  # trainings after which a predictor that learned from them guides new samples
ROUNDS = 20  # of N samples, after which what was found has to do (as DiffusionNAG's code has it)
_IN_PLAY = Metric("on the ground", "1", "max")


@dataclass(frozen=True, eq=False)
class Ground:
    """The architectures that may be trained on a task: what a training shows, and what it is judged by (both (m,))."""

    space: SearchSpace
    tokens: Int[np.ndarray, "m L"]
    seen: Float[np.ndarray, "m"]
    judged: Float[np.ndarray, "m"]
    metric: Metric

    @classmethod
    def of(cls, table: Table, seen: str = "val_accuracy", judged: str = "test_accuracy") -> "Ground":
        """All that a table knows."""
        arguments.instance("table", table, Table, "nagkit.benchmark('digits/hard8')")
        tokens = table.known(seen)
        if table.metrics[seen].sign < 0:
            raise ArgumentError(f"seen must be a metric of which more is better, such as accuracy; got {seen!r}.")
        values = table.look_up(tokens, [seen, judged])
        return cls(table.space, tokens, values[:, 0], values[:, 1], table.metrics[seen])

    @cached_property
    def _place(self) -> Int[np.ndarray, "N"]:
        """For each row of the space the place of its class, -1 where the ground has none."""
        first = self.space.index(self.space.canonical(self.space.all(), "function"))
        place = np.full(self.space.size, -1)
        place[first[self.space.index(self.tokens)]] = np.arange(len(self.tokens))
        return place[first]

    def places(self, tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n"]:
        """The place of each architecture, -1 where the ground has none that computes the same."""
        return self._place[self.space.index(tokens)]

    def values(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """What trainings show of these architectures, NaN where they are not on the ground."""
        places = self.places(tokens)
        return np.where(places >= 0, self.seen[places], np.nan)

    @cached_property
    def rows(self) -> Int[np.ndarray, "r L"]:
        """All rows of the space that are on the ground."""
        return self.space.all()[self._place >= 0]

    @property
    def whole(self) -> bool:
        """Whether the ground is the whole space."""
        return len(self.rows) == self.space.size

    @cached_property
    def constraint(self) -> Constraint:
        """The demand to be on the ground, which costs nothing to know."""
        return Constraint(_IN_PLAY, lambda tokens: (self.places(tokens) >= 0).astype(float), low=0.5, exact=True)

    def best(self, shortlist: Int[np.ndarray, "n"], k: int) -> Float[np.ndarray, "k"]:
        """What the best so far is judged by, after 1 to k trainings; where the list is shorter, it stays where it was.

        The best is that of which training has shown most, the first of several; what judges it is read of it alone.
        """
        if not len(shortlist):
            raise ArgumentError("shortlist must name at least one architecture; got none.")
        seen = self.metric.sign * self.seen[shortlist[:k]]
        new = seen > np.concatenate([[-np.inf], np.maximum.accumulate(seen)[:-1]])
        found = self.judged[shortlist[np.maximum.accumulate(np.where(new, np.arange(len(seen)), 0))]]
        return np.pad(found, (0, k - len(found)), mode="edge")


@dataclass(frozen=True, eq=False)
class Shortlists:
    """Ways to choose which k architectures of a ground to train, each from so many samples; ``rng`` draws them."""

    ground: Ground
    generator: Generator
    samples: int = 256
    k: int = 40

    def __post_init__(self) -> None:
        arguments.instance("ground", self.ground, Ground, "Ground.of(table)")
        arguments.whole("samples", self.samples)
        arguments.whole("k", self.k)

    def generated(self, predictor: Predictor, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
        """Samples of the guided law that leaves about 100 architectures in play, the best predicted first."""
        return self._ranked(partial(self._guided, predictor, rng), predictor.mean)

    def filtered(self, score: Values, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
        """Uniform samples, those first that score best, as by the mean of a predictor or by their size."""
        return self._ranked(partial(self._uniform, rng), score)

    def enumerated(self, score: Values) -> Int[np.ndarray, "n"]:
        """All of the ground, those first that score best."""
        return np.argsort(-score(self.ground.tokens), kind="stable")[: self.k]

    def learning(self, predictor: ConditionedPredictor, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
        """As ``generated``, but the predictor learns from each training before the next is chosen.

        After every tenth training there are new samples, guided by what was learned. From the second on, that is
        trained of which the mean and one standard deviation come to most.
        """
        chosen: list[int] = []
        drawn, now = np.empty(0, np.int64), predictor
        for done in range(min(self.k, len(self.ground.tokens))):
            if done % ANEW == 0:
                drawn = self.ground.places(self._guided(now, rng))
            candidates = np.setdiff1d(drawn, chosen)
            if not len(candidates):
                candidates = np.setdiff1d(np.arange(len(self.ground.tokens)), chosen)
            mean, spread = now.predict(self.ground.tokens[candidates])
            chosen.append(int(candidates[(mean + spread * (done > 0)).argmax()]))
            now = predictor.fit(self.ground.tokens[chosen], self.ground.seen[chosen])
        return np.array(chosen)

    def searched(self, name: str, seed: int) -> Int[np.ndarray, "n"]:
        """What the search of this name trains first, knowing of nothing but the ground."""
        wanted = Objective(self.ground.metric, self.ground.values)
        limits = () if self.ground.whole else (self.ground.constraint,)
        made = search(name, self.ground.space, [wanted], limits, seed=seed, identity="function")
        asked = [event.tokens for event in run(made, self.k) if isinstance(event, Evaluated)]
        return self.ground.places(np.array(asked))

    def _guided(self, predictor: Predictor, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        limits = () if self.ground.whole else (self.ground.constraint,)
        effective = min(EFFECTIVE, len(self.ground.rows) / 2)
        guidance = Guidance(objectives=[predictor.objective()], constraints=limits, effective=effective)
        return self.generator.sample(self.samples, guidance, rng)

    def _uniform(self, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        return self.ground.rows[rng.integers(len(self.ground.rows), size=self.samples)]

    def _ranked(self, draw: Callable[[], Int[np.ndarray, "n L"]], score: Values) -> Int[np.ndarray, "n"]:
        """The samples, each class once, best first; more rounds of as many follow until there are k.

        What a later round adds stands behind, as it is drawn only when the first has run out. At most 20 rounds.
        """
        found = np.empty(0, np.int64)
        for _ in range(ROUNDS):
            new = np.setdiff1d(self.ground.places(draw()), found)
            if len(new):
                found = np.concatenate([found, new[np.argsort(-score(self.ground.tokens[new]), kind="stable")]])
            if len(found) >= min(self.k, len(self.ground.tokens)):
                break
        return found[: self.k]


def needed(curves: Sequence[Float[np.ndarray, "k"]], level: float) -> int | None:
    """After how many trainings the mean of these curves has reached a level; None if never."""
    reached = np.mean(curves, axis=0) >= level
    return int(reached.argmax()) + 1 if reached.any() else None
