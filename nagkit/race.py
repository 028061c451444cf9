"""Searches over the same ground with the same budget and the same seeds.

Notation: q architectures evaluated, m metrics of a search (objectives, then constraints), L slots.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.executors import InProcess, results
from nagkit.metrics import Constraint, Objective
from nagkit.search import SEARCHES, Asked, Evaluated, Left, Search, Stepped, run, search
from nagkit.space import ENUMERABLE, SearchSpace

BASELINES = ("random", "local", "enumeration")  # in every race; the last where the space can be listed


def entrants(text: str) -> dict[str, dict[str, Any]]:
    """Entrants of a race as a person writes them, as in ``"evolution, bayesian:ei, bayesian::guided+mutation"``.

    A bayesian or latent one may name its acquisition, and then where its candidates come from; either may be left
    empty. ``"latent:published"`` asks by the rules of AG-Net. A policy may name its model, how it is updated, and that
    it is ``unfiltered``, in any order, as in ``"policy:recurrent:refit:unfiltered"``.
    """
    return {name: _entrant(name) for name in filter(None, map(str.strip, text.split(",")))}


def _entrant(name: str) -> dict[str, Any]:
    """The search of one entrant and the options that its name says, or none."""
    from nagkit.search.bayesian import ACQUISITIONS
    from nagkit.search.candidates import LATENT_SOURCES, SOURCES

    kind, *rest = name.split(":")
    arguments.one_of("each of searches", kind, SEARCHES)
    if kind == "policy" and rest:
        return _policy(name, rest)
    if any(rest) and kind not in {"bayesian", "latent"}:
        raise ArgumentError(
            f"searches must name an acquisition of bayesian or latent only, as in bayesian:ei, and so sources of "
            f"candidates, as in bayesian:ei:guided+mutation, and words for policy, as in policy:refit; got {name!r}."
        )
    if (kind, rest) == ("latent", ["published"]):
        return {"search": kind, "published": True}
    if len(rest) > 2:
        raise ArgumentError(f"searches must have two colons at most, as in bayesian:ei:guided; got {name!r}.")
    acquisition, sources = (*rest, "", "")[:2]
    options: dict[str, Any] = {}
    if acquisition:
        every = dict.fromkeys(each for names in ACQUISITIONS.values() for each in names)
        options["acquisition"] = arguments.one_of(f"the acquisition in {name!r}", acquisition, every)
    if sources:
        options["candidates"] = sources.split("+")
        for source in options["candidates"]:
            known = (*LATENT_SOURCES, *SOURCES) if kind == "latent" else SOURCES
            arguments.one_of(f"each source of candidates in {name!r}", source, known)
    return {} if name == kind else {"search": kind, **options}


def _policy(name: str, words: Sequence[str]) -> dict[str, Any]:
    """The options that these words mean for a policy search."""
    from nagkit.generators.autoregressive import MODELS
    from nagkit.search.policy import STEPS

    meanings: dict[str, tuple[str, Any]] = {word: ("model", word) for word in MODELS}
    meanings |= {word: ("update", word) for word in STEPS} | {"unfiltered": ("filtered", False)}
    options: dict[str, Any] = {"search": "policy"}
    for word in words:
        option, value = meanings[arguments.one_of(f"each word in {name!r}", word, meanings)]
        if option in options:
            raise ArgumentError(f"searches must name one model, one update and unfiltered once at most; got {name!r}.")
        options[option] = value
    return options


def point(text: str) -> tuple[float, ...]:
    """A point as a person writes it, as in ``"70, 60"``: no numbers where the text is empty."""
    try:
        return tuple(map(float, text.split(","))) if text.strip() else ()
    except ValueError:
        raise ArgumentError(f"reference_point must be numbers with commas, as in '70, 60'; got {text!r}.") from None


@dataclass(frozen=True)
class Course:
    """What is raced over: what the searches see, and what they are judged by.

    Args:
        objectives: what every search improves, such as accuracy on validation
        constraints: what every search has to meet
        judges: for each objective the one that is reported, such as accuracy on test; the objectives when empty
        cost: the price of an evaluation, such as training time in seconds; not reported when None
        reference: where hypervolumes end, a number for each judge in its unit; the worst of each that is known when
            empty, which in a space too large to list is the worst that this race came across

    Values have to be cheap, as those of a table: standings ask for those of the whole space where it can be listed.
    """

    space: SearchSpace
    objectives: Sequence[Objective]
    constraints: Sequence[Constraint] = ()
    judges: Sequence[Objective] = ()
    cost: Objective | None = None
    reference: Sequence[float] = ()

    def __post_init__(self) -> None:
        arguments.instance("space", self.space, SearchSpace, "nagkit.space('nas-bench-201')")
        for name, kind in (("objectives", Objective), ("constraints", Constraint), ("judges", Objective)):
            object.__setattr__(self, name, arguments.several(name, getattr(self, name), kind))
        object.__setattr__(self, "judges", self.judges or self.objectives)
        if not self.objectives or len(self.judges) != len(self.objectives):
            raise ArgumentError(
                "objectives must hold at least one, and judges as many or none; "
                f"got {len(self.objectives)} and {len(self.judges)}."
            )
        if self.cost is not None:
            arguments.instance("cost", self.cost, Objective, "table.objective('train_time')")
        numbers = arguments.several("reference", self.reference, Real)
        if numbers and len(self.judges) == 1:
            raise ArgumentError(f"reference must be empty with one objective, which has no hypervolume; got {numbers}.")
        finite = arguments.finite("reference", numbers, len(self.judges)).tolist() if numbers else ()
        object.__setattr__(self, "reference", tuple(finite))

    @property
    def listed(self) -> bool:
        """Whether the space can be listed, so that the best of all is known."""
        return self.space.size <= ENUMERABLE


@dataclass
class Heat:
    """One search with one seed: what it asked for so far, in the order of the answers, and its CPU seconds.

    The seconds are those of asking, looking up and telling on its thread; ``ended`` says that nothing more will come.
    """

    entrant: str
    seed: int
    tokens: Int[np.ndarray, "q L"]
    values: Float[np.ndarray, "q m"]
    seconds: float = 0.0
    ended: bool = False

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass
class _Lane:
    """A heat that goes on; it may be sent to another process while nobody walks it."""

    search: Search
    budget: int
    heat: Heat
    waiting: dict[int, Int[np.ndarray, "L"]] = field(default_factory=dict)  # asked for and not told, by number

    def advance(self, steps: int, stopped: Callable[[], bool] = lambda: False) -> Heat:
        """The heat after so many more evaluations, or at its end; what was done before an error stays done.

        Args:
            stopped: asked after each step of long work before a question, and ends this there when it says so
        """
        heat, began, wanted = self.heat, time.thread_time(), len(self.heat) + steps
        tokens, values = [heat.tokens], [heat.values]
        try:
            for event in run(self.search, self.budget, left=Left(len(heat) + len(self.waiting), self.waiting)):
                if isinstance(event, Asked):
                    self.waiting = self.waiting | dict(enumerate(event.tokens, event.first))
                if isinstance(event, Stepped) and stopped():
                    break
                if not isinstance(event, Evaluated):
                    continue
                self.waiting = {n: row for n, row in self.waiting.items() if n != event.number}
                tokens.append(event.tokens[None])
                values.append(event.values[None])
                if len(heat) + len(tokens) - 1 == min(wanted, self.budget):
                    break
            else:
                heat.ended = True
        finally:
            heat.tokens, heat.values = np.concatenate(tokens), np.concatenate(values)
            heat.seconds += time.thread_time() - began
        heat.ended |= len(heat) == self.budget
        return heat


def _whole(lane: _Lane) -> Heat:
    return lane.advance(lane.budget)


@dataclass
class Race:
    """Entrants over a course, each with all seeds: ``run`` it to its end, or ``laps`` to watch; ``heats`` is the state.

    Args:
        entrants: by name the options of the search of that name, or ``{"search": name, …}`` with a name of your own;
            random search, local search and (where the space can be listed) enumeration are added
        budget: how many evaluations each may ask for
        seeds: of the searches, the same for every entrant
    """

    course: Course
    entrants: Mapping[str, Mapping[str, Any]]
    budget: int
    seeds: Sequence[int]
    _lanes: list[_Lane] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        arguments.instance("course", self.course, Course, "Course(space, [table.objective('val_accuracy')])")
        arguments.whole("budget", self.budget)
        if not isinstance(self.entrants, Mapping) or not all(isinstance(o, Mapping) for o in self.entrants.values()):
            raise ArgumentError(
                f"entrants must be options by name, such as {{'bayesian': {{}}}}; got {self.entrants!r}."
            )
        self.seeds = tuple(arguments.seed("seeds", seed) for seed in arguments.several("seeds", self.seeds, int))
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ArgumentError(f"seeds must hold at least one, each once; got {self.seeds}.")
        baselines = BASELINES if self.course.listed else BASELINES[:-1]
        self.entrants = {**{name: {} for name in baselines}, **self.entrants}
        self._lanes = [self._lane(name, seed) for seed in self.seeds for name in self.entrants]
        if self.course.listed:
            self._warm_up()

    def _lane(self, name: str, seed: int) -> _Lane:
        options = {"search": name, **self.entrants[name]}
        course, kind = self.course, options.pop("search")
        if taken := sorted(set(options) & {"name", "space", "objectives", "constraints", "seed"}):
            raise ArgumentError(f"entrants[{name!r}] must hold options of its search; {taken[0]} is the race's to say.")
        made = search(kind, course.space, course.objectives, course.constraints, seed=seed, **options)
        empty = np.empty((0, len(course.space.slots)), np.int64), np.empty((0, len(made.metrics)))
        return _Lane(made, self.budget, Heat(name, seed, *empty))

    def _warm_up(self) -> None:
        """What a space works out once for all its rows would else be on the bill of the first heat."""
        space, row = self.course.space, self.course.space.sample(1, np.random.default_rng(0))
        for identity in space.identities:
            space.canonical(row, identity)
        for facts in (space.features, space.one_hot, space.counts):
            facts(row)

    @property
    def heats(self) -> list[Heat]:
        """Every heat as far as it has come, seed by seed."""
        return [lane.heat for lane in self._lanes]

    @property
    def ended(self) -> bool:
        """Whether all have spent their budget, or had nothing more to ask for."""
        return all(heat.ended for heat in self.heats)

    def run(self, executor: Executor | None = None) -> Iterator[Heat]:
        """Every heat that has not ended, each when it has; in this process, or where the executor says.

        Leave this and call it again to go on with what is left.
        """
        places = {(lane.heat.entrant, lane.heat.seed): lane for lane in self._lanes if not lane.heat.ended}
        for finished in results(executor or InProcess(), _whole, list(places.values())):
            for heat in finished:
                places[heat.entrant, heat.seed].heat = heat
                yield heat

    def laps(self, steps: int = 1, stopped: Callable[[], bool] = lambda: False) -> Iterator[list[Heat]]:
        """All heats after every so many evaluations of each, side by side in this process; copies, which stay so.

        Stop by leaving; call this again to go on from there.

        Args:
            stopped: asked after every heat and every step of long work, and ends this within a lap when it says so
        """
        arguments.whole("steps", steps)
        while not self.ended:
            for lane in self._lanes:
                if stopped():
                    return
                if not lane.heat.ended:
                    lane.advance(steps, stopped)
            yield [replace(heat) for heat in self.heats]
