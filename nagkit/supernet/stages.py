"""A look at a space with shared weights: lessons, looks and shrinking by turns, resumable after any step.

Each stage teaches the shared weights what is left of the space, then lets the law follow what they and the costs say of
what it draws for preferences that are drawn anew, then takes from the slots what is worse for every preference. Weights
and law are kept from stage to stage.

Notation: n architectures, L slots, K symbols, k objectives.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.metrics import Objective
from nagkit.networks.digits import Task
from nagkit.networks.robustness import Robustness
from nagkit.spaces.slot_costs import SlotCosts
from nagkit.supernet.lessons import Lesson, Lessons
from nagkit.supernet.natural_gradient import descent
from nagkit.supernet.plan import Plan
from nagkit.supernet.preference_law import PreferenceLaw
from nagkit.supernet.reinforce import Reinforce, rewards
from nagkit.supernet.sampling import fair
from nagkit.supernet.scores import evaluate
from nagkit.supernet.shared import SharedNetwork
from nagkit.supernet.shrinking import Seen, fewest, worse

_RANGE = 1000  # architectures of the space, by which exact costs are put between 0 and 1


@dataclass(frozen=True, eq=False)
class Look:
    """What the law drew for a preference, ``losses`` in nats with shared weights, and the law after it."""

    stage: int
    look: int
    preference: Float[np.ndarray, "k"]
    tokens: Int[np.ndarray, "n L"]
    losses: Float[np.ndarray, "n"]
    law: PreferenceLaw


@dataclass(frozen=True, eq=False)
class Shrunk:
    """What left the slots at the end of a stage, and the law without it."""

    stage: int
    dropped: Bool[np.ndarray, "L K"]
    law: PreferenceLaw


class _Seen(NamedTuple):
    """What a look saw: in which stage, what was drawn for which preference, and what it is worth, less being better."""

    stage: int
    tokens: Int[np.ndarray, "n L"]
    preference: Float[np.ndarray, "k"]
    raw: Float[np.ndarray, "n k"]
    accuracy: Float[np.ndarray, "n"]


class Stages(Iterator[Lesson | Look | Shrunk]):
    """Lessons, looks and shrinking, one step after the other; ``network`` and ``law`` are how they are now.

    The first objective is the loss with shared weights, ``costs`` are the others. An exact one that is a sum over
    slots, as parameters and FLOPs are, is followed in closed form; others, as a measured latency, by values alone, and
    robustness by the shared weights.

    Args:
        seed: of the order of images, of what lessons go through, and of what the law draws
    """

    def __init__(
        self, network: SharedNetwork, task: Task, costs: Sequence[Objective], plan: Plan | None = None, *, seed: int
    ) -> None:
        self.network, self.task = network, task
        self.costs = arguments.several("costs", costs, Objective)
        self.plan = arguments.instance("plan", Plan() if plan is None else plan, Plan, "Plan(looks=20)")
        self.seed, self.stage, self.look = arguments.seed("seed", seed), 0, 0
        self.law = PreferenceLaw.of(network.space, 1 + len(self.costs))
        self.rng = np.random.default_rng([self.seed, 1])
        self.lessons = self._taught()
        self._seen: list[_Seen] = []
        self._scores: dict[bytes, list[float]] = {}  # of this stage: accuracy, and what the weights say of objectives
        self._judges = self._by_weights()
        self._sums = self._in_closed_form()
        self._reinforce = None
        if self.plan.policy == "reinforce":
            self._reinforce = self._published()
            self.law = self._reinforce.law()

    def __next__(self) -> Lesson | Look | Shrunk:
        """The next step."""
        if self.stage == len(self.plan.lessons):
            raise StopIteration
        lesson = next(self.lessons, None)
        if lesson is not None:
            return lesson
        return self._looked() if self.look < self.plan.looks else self._shrunk()

    def drawn(self, stage: int | None = None) -> tuple[Int[np.ndarray, "n L"], Float[np.ndarray, "n k"]]:
        """What was drawn in a stage, by default in this one, each once, and its objectives.

        These are the loss in nats, by the weights of that stage, and the costs in their units.
        """
        seen = [each for each in self._seen if each.stage == (self.stage if stage is None else stage)]
        if not seen:
            return np.empty((0, len(self.network.space.slots)), np.int64), np.empty((0, 1 + len(self.costs)))
        rows, raw = (np.concatenate(part) for part in zip(*((each.tokens, each.raw) for each in seen), strict=True))
        _, first = np.unique(rows, axis=0, return_index=True)
        first.sort()
        signs = np.array([1.0, *(-cost.metric.sign for cost in self.costs)])
        return rows[first], raw[first] * signs

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """What the next steps depend on: arrays by name and a header of texts, as ``weights.write`` takes them."""
        arrays, header = self.lessons.state()
        arrays |= {f"law.{name}": value for name, value in self.law.state().items()}
        if self._reinforce is not None:
            arrays |= {f"reinforce.{name}": value for name, value in self._reinforce.state().items()}
        for place, each in enumerate(self._seen):
            arrays |= {f"seen.{place}.{name}": np.atleast_1d(value) for name, value in each._asdict().items()}
        told = {
            "plan": asdict(self.plan),
            "seed": self.seed,
            "stage": self.stage,
            "look": self.look,
            "costs": [[cost.metric.told(), cost.exact] for cost in self.costs],
            "looking": self.rng.bit_generator.state,
        }
        return arrays, header | {f"stages.{name}": json.dumps(value) for name, value in told.items()}

    @staticmethod
    def from_state(
        state: tuple[Mapping[str, np.ndarray], Mapping[str, str]],
        task: Task,
        costs: Sequence[Objective],
        device: str = "cpu",
    ) -> "Stages":
        """Stages that go on where those that gave the ``state`` were, with the same task and costs."""
        arrays, header = state
        told = {name: json.loads(header[f"stages.{name}"]) for name in ("plan", "seed", "stage", "look", "looking")}
        given = [[cost.metric.told(), cost.exact] for cost in arguments.several("costs", costs, Objective)]
        if json.loads(header["stages.costs"]) != json.loads(json.dumps(given)):
            raise ArgumentError(
                f"costs must be those that the look was begun with, {header['stages.costs']:.300}; got {given!r:.300}."
            )
        lessons = Lessons.from_state(state, task, device=device)
        found = Stages(lessons.network, task, costs, Plan.again(told["plan"]), seed=told["seed"])
        found.law = PreferenceLaw.from_state(found.network.space, _named(arrays, "law"))
        found.lessons, found.stage, found.look = lessons, told["stage"], told["look"]
        lessons.sampler = found._sampled
        found.rng.bit_generator.state = told["looking"]
        if found._reinforce is not None:
            found._reinforce.restore(_named(arrays, "reinforce"))
        while part := _named(arrays, f"seen.{len(found._seen)}"):
            found._seen.append(_Seen(int(part.pop("stage")[0]), **part))
        for seen in found._of_this_stage():
            scores = np.column_stack([seen.accuracy, seen.raw[:, [*found._judges]]]).tolist()
            found._scores |= dict(zip(map(bytes, seen.tokens), scores, strict=True))
        return found

    def _taught(self) -> Lessons:
        """The lessons of this stage."""
        recipe = replace(self.plan.recipe, updates=self.plan.lessons[self.stage])
        seed = np.random.SeedSequence([self.seed, 2, self.stage]).generate_state(1)[0]
        return Lessons(self.network, self.task, recipe, self._sampled, int(seed))

    def _sampled(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        """What lessons go through: all that is left, fairly."""
        return fair(self.network.space, n, rng, self.law.allowed)

    def _looked(self) -> Look:
        """Draw for a preference, judge, and move the law."""
        preference = self.rng.dirichlet(np.ones(1 + len(self.costs)))
        even = 0.0 if self._reinforce else self.plan.even[self.stage]
        drawn = self.law.draw(preference, self.plan.draws, self.rng, even)
        raw, accuracy = self._judged(drawn.tokens)
        self._seen.append(_Seen(self.stage, drawn.tokens, preference, raw, accuracy))
        if self._reinforce is None:
            sums = {place: costs.each / scale for place, (costs, _, scale) in self._sums.items()}
            self.law = self.law.moved(preference, descent(drawn, preference, self._values(raw), sums))
        else:
            aim = self.plan.wished[self.stage], self.plan.exponents[self.stage]
            self._reinforce.learn(drawn, rewards(accuracy, raw[:, 1], *aim))
            self.law = self._reinforce.law()
        self.look += 1
        return Look(self.stage, self.look, preference, drawn.tokens, raw[:, 0], self.law)

    def _shrunk(self) -> Shrunk:
        """Take from the slots what is worse, and begin the next stage."""
        plan, last = self.plan, self.stage + 1 == len(self.plan.lessons)
        if plan.shrinking == "count":
            count = plan.counts[self.stage]
            dropped = fewest(self.law, count, keep=1 if last else 2) if count else np.zeros_like(self.law.allowed)
        else:
            here = self._of_this_stage()
            rows, raw = np.concatenate([each.tokens for each in here]), np.concatenate([each.raw for each in here])
            preferences = np.repeat([each.preference for each in here], plan.draws, axis=0)
            dropped = worse(self.law, Seen(rows, preferences, self._values(raw)), keep=1 if last else 2)
        if self._reinforce is None:
            self.law = self.law.without(dropped)
        else:
            self._reinforce.drop(dropped)
            self.law = self._reinforce.law()
        event = Shrunk(self.stage, dropped, self.law)
        self.stage, self.look = self.stage + 1, 0
        if not last:
            self.lessons = self._taught()
            self._scores = {}  # the weights change: what was said of losses holds no longer
        return event

    def _judged(self, tokens: Int[np.ndarray, "n L"]) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "n"]]:
        """The loss with shared weights and the costs, each so that less is better; and the accuracy (%).

        What is a matter of weights, as robustness, is judged by the shared ones too.
        """
        unknown = [row for row in np.unique(tokens, axis=0) if bytes(row) not in self._scores]
        if unknown:
            each = [evaluate(self.network, task, np.array(unknown), self.plan.images) for task in self._judges.values()]
            scores = np.column_stack([each[0].accuracy, *(found.loss for found in each)]).tolist()
            self._scores |= dict(zip(map(bytes, unknown), scores, strict=True))
        accuracy, *losses = np.array([self._scores[bytes(row)] for row in tokens]).T
        known = dict(zip(self._judges, losses, strict=True))
        raw = [
            known[place] if place in known else -cost.metric.sign * np.asarray(cost.values(tokens), np.float64)
            for place, cost in enumerate(self.costs, start=1)
        ]
        return np.stack([known[0], *raw], axis=1), accuracy

    def _by_weights(self) -> dict[int, Task]:
        """By the place of each objective that is a matter of weights the images that it is judged by."""
        found = {0: self.task}
        for place, cost in enumerate(self.costs, start=1):
            if isinstance(cost.values, Robustness):
                found[place] = cost.values.images(self.task)
        return found

    def _of_this_stage(self) -> "list[_Seen]":
        return [each for each in self._seen if each.stage == self.stage]

    def _published(self) -> Reinforce:
        """The published policy, if there is a cost for it."""
        if not self.costs or self.costs[0].metric.sign > 0:
            raise ArgumentError(
                "costs must begin with one of which less is better for the policy 'reinforce', as trainer.cost()."
            )
        return Reinforce(self.network.space, self.seed, 1 + len(self.costs))

    def _values(self, raw: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """Objectives from about 0 to 1: what is a sum over slots on the range of drawn rows, the others by rank."""
        told = np.concatenate([each.raw for each in self._of_this_stage()])
        values = np.empty_like(raw)
        for place in range(raw.shape[1]):
            if place in self._sums:
                _, low, scale = self._sums[place]
                values[:, place] = (raw[:, place] - low) / scale
            else:
                values[:, place] = np.searchsorted(np.sort(told[:, place]), raw[:, place]) / len(told)
        return values

    def _in_closed_form(self) -> dict[int, tuple[SlotCosts, float, float]]:
        """Of the costs that are sums over slots, by their place: the sum, its least value and its range."""
        found: dict[int, tuple[SlotCosts, float, float]] = {}
        space = self.network.space
        for place, cost in enumerate(self.costs, start=1):
            sums = SlotCosts.found(space, cost.values) if cost.exact else None
            if sums is not None:
                sign = -cost.metric.sign
                costs = SlotCosts(sign * sums.fixed, sign * sums.each)
                values = costs.of(space.sample(_RANGE, np.random.default_rng(0)))
                found[place] = costs, float(values.min()), float(np.ptp(values)) or 1.0
        return found


def _named(arrays: Mapping[str, np.ndarray], group: str) -> dict[str, Any]:
    """The arrays of a group by their names in it."""
    return {name.removeprefix(f"{group}."): array for name, array in arrays.items() if name.startswith(f"{group}.")}
