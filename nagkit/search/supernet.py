"""Search with shared weights: a look at the space by one network first, then real trainings of what it leaves.

What comes out is a front, and a law that says what to draw for every preference between the objectives.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int

from nagkit import arguments, weights
from nagkit.errors import ArgumentError
from nagkit.metrics import Objective
from nagkit.networks.images import Images, found, opened, told
from nagkit.networks.recipes import RECIPES, TABLES
from nagkit.networks.trainer import Trainer
from nagkit.search.bayesian import BayesianSearch
from nagkit.search.candidates import SOURCES, WHOLE
from nagkit.space import SearchSpace
from nagkit.spaces.darts import Darts
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import MICRO, Skeleton
from nagkit.supernet import Lesson, Look, Plan, PreferenceLaw, SharedNetwork, Shrunk, Stages
from nagkit.supernet.shared import DEVICES

DRAWS, PREFERENCES = 200, 20  # candidates for each question, drawn for so many preferences
ATTEMPTS = 10  # to draw what is new, before a random architecture is asked for

Step = Lesson | Look | Shrunk


class SupernetSearch(BayesianSearch):
    """Looks at the space with shared weights, then trains what is best of what the look has left.

    ``steps`` walks the look: lessons of the shared weights; draws by which the law learns what each preference between
    loss and costs wants; and shrinking, by which what is worse for all of them leaves. The loss is on the images, costs
    are all objectives but the first, and their values are asked for in this process. The first questions are drawn by
    the law, for preferences at random. Then decides, as in Bayesian search, what was told. The look knows no
    constraints; where nothing of what it left is new and meets those that are exact, the rest of the space comes.

    Args:
        images: that the shared weights learn from; by default those of the first objective
        skeleton: of the shared network; by default that of the networks behind the first objective
        plan: how long the look takes, and how it goes on
        device: where the shared weights are, "cpu" or "cuda"
        initial: how many architectures are drawn by the law alone
        acquisition, betas: as in Bayesian search; by default "budget" for several objectives, "ucb" for one
        candidates: where they come from, ``"drawn"`` by the law, and the sources of Bayesian search; by default
            ``"all"`` in a small space, and what is drawn, mutations and random ones in others
    """

    name = "supernet"
    laws: list[PreferenceLaw]  # after each stage of the look
    _stages: Stages | Mapping[str, Any] | None  # at work, or where they were left; None when all are done
    options = ("images", "skeleton", "plan", "device", "initial", "acquisition", "betas", "candidates")
    sources = ("drawn", *SOURCES)

    def __init__(  # noqa: PLR0913  (an option each)
        self,
        *given: Any,
        images: Images | Mapping[str, Any] | None = None,
        skeleton: Skeleton | Mapping[str, Any] | None = None,
        plan: Plan | Mapping[str, Any] | None = None,
        device: str = "cpu",
        initial: int = 12,
        acquisition: str | None = None,
        candidates: Sequence[str] | None = None,
        **named: Any,
    ) -> None:
        space = arguments.instance("space", given[0] if given else None, SearchSpace, "nagkit.space('nas-bench-201')")
        arguments.one_of("space", space.name, (NasBench201.name, Darts.name))
        wishes = arguments.several("objectives", given[1] if len(given) > 1 else (), Objective)
        acquisition = acquisition or ("ucb" if len(wishes) < 2 else "budget")
        if candidates is None:
            candidates = ("all",) if space.size <= WHOLE else ("drawn", "mutation", "random")
        super().__init__(*given, initial=initial, acquisition=acquisition, candidates=candidates, **named)
        _check(self.objectives)
        around = (images, skeleton) if images and skeleton else _behind(self.objectives[0])
        self._source_of_images, shape = images or around[0], skeleton or around[1]
        self.images = told(self._source_of_images)
        self._skeleton = _made("skeleton", shape, Skeleton, "MICRO")
        self._plan = _made("plan", Plan() if plan is None else plan, Plan, "Plan(looks=20)")
        self.skeleton, self.plan = json.loads(json.dumps([asdict(self._skeleton), asdict(self._plan)]))
        self.device = arguments.one_of("device", device, DEVICES)

    def steps(self) -> Iterator[Step]:
        """What is left of the look."""
        while self._stages is not None:
            step = next(self._look(self._stages))
            if isinstance(step, Shrunk):
                self.laws = [*self.laws, step.law]
            if len(self.laws) == len(self._plan.lessons):
                self._stages = None
            yield step

    def law(self) -> PreferenceLaw:
        """The law of all preferences after the last whole stage of the look, or of the space before it."""
        return self.laws[-1] if self.laws else PreferenceLaw.of(self.space, len(self.objectives))

    def state(self) -> dict[str, Any]:
        """As of Bayesian search, and the look."""
        stages = self._stages
        if isinstance(stages, Stages):
            arrays, header = stages.state()
            stages = {"arrays": weights.packed(arrays), "header": header}
        return super().state() | {"laws": [weights.packed(law.state()) for law in self.laws], "look": stages}

    def _begin(self) -> None:
        super()._begin()
        self.laws, self._stages = [], {"seed": self.seed}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self.laws = [PreferenceLaw.from_state(self.space, weights.unpacked(law)) for law in state["laws"]]
        self._stages = state["look"]

    def _look(self, left: Stages | Mapping[str, Any]) -> Stages:
        """The stages at work, begun or gone on with."""
        costs, task = self.objectives[1:], opened(found(self._source_of_images))
        if isinstance(left, Stages):
            return left
        if "seed" in left:
            classes, seed = task.classes, left["seed"]
            network = SharedNetwork.of(self.space, classes, self._skeleton, seed=seed, device=self.device)
            stages = Stages(network, task, costs, self._plan, seed=seed)
        else:
            state = weights.unpacked(left["arrays"]), left["header"]
            stages = Stages.from_state(state, task, costs, self.device)
        self._stages = stages
        return stages

    def _propose(self) -> Int[np.ndarray, "k L"]:
        for _ in self.steps():
            pass
        return super()._propose()

    def _first(self) -> Int[np.ndarray, "k L"]:
        for _ in range(ATTEMPTS):
            rows = self._by_law(1)
            if len(rows := rows[self.archive.new(rows)]):
                self.came_from = "drawn"
                return rows[:1]
        return super()._first()

    def _drawn(self, elite: Int[np.ndarray, "e L"]) -> dict[str, Int[np.ndarray, "_ L"]]:
        """Candidates by source, of what is left of the space."""
        self._source.left = self.law().allowed
        drawn = {"drawn": self._by_law(DRAWS // PREFERENCES)} if "drawn" in self.candidates else {}
        allowed, slots = self.law().allowed, np.arange(len(self.space.slots))
        return {name: rows[allowed[slots, rows].all(1)] for name, rows in (drawn | super()._drawn(elite)).items()}

    def _by_law(self, each: int) -> Int[np.ndarray, "n L"]:
        """So many rows for each of some preferences at random."""
        law, preferences = self.law(), self.rng.dirichlet(np.ones(len(self.objectives)), PREFERENCES)
        return np.concatenate([law.draw(preference, each, self.rng).tokens for preference in preferences])


Made = TypeVar("Made", Skeleton, Plan)


def _made(name: str, given: Made | Mapping[str, Any], kind: type[Made], example: str) -> Made:
    """What an option means: itself, or what its fields in JSON told."""
    if not isinstance(given, Mapping):
        return arguments.instance(name, given, kind, example)
    try:
        return kind.again(given)
    except (KeyError, TypeError) as fault:
        raise ArgumentError(
            f"{name} must be a {kind.__name__}, as {example}, or its fields; these are not: {fault}."
        ) from None


def _check(objectives: Sequence[Objective]) -> None:
    """Refuse what a look would misunderstand."""
    first, *costs = objectives
    trained = [each.metric.name for each in costs if isinstance(each.values, Trainer)]
    if first.exact or trained:
        raise ArgumentError(
            f"objectives must begin with the one that training tells, and only that one may be a Trainer's; got "
            f"{[each.metric.name for each in objectives]}. Put it first; for robustness take Robustness(trainer)."
        )


def _behind(objective: Objective) -> tuple[Images, Skeleton]:
    """The images and the skeleton of the networks behind an objective."""
    if isinstance(objective.values, Trainer):
        return objective.values.images, objective.values.skeleton
    if (task := objective.benchmark.removeprefix(TABLES)) in RECIPES:
        return task, MICRO
    raise ArgumentError(
        f"images and skeleton must be given for {objective.metric.name}, as no Trainer and no table of digits is "
        "behind it: the name of a task such as 'mid8' or ImageFile('images.npz'), and a Skeleton such as MICRO."
    )
