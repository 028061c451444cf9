"""Policy search: a generator of graphs that learns, by reinforcement, to draw good ones (after GraphPNAS).

What comes out is a distribution, ``search.generator()``, beside the best that was seen.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from nagkit import arguments
from nagkit.generators.autoregressive import AutoregressiveGenerator
from nagkit.generators.policy import Drawn, Policy
from nagkit.generators.policy_training import refitted, reinforced
from nagkit.search.archive import Archive
from nagkit.search.bayesian import BayesianSearch
from nagkit.search.candidates import SOURCES
from nagkit.threads import one_thread

UPDATES = ("refit", "gradient")
DRAWS = 200  # candidates for each question
ELITE = 10  # labels that a refit learns from
STEPS = {"refit": 20, "gradient": 8}  # of an update
FLOOR = 0.15  # the share of each choice that is uniform
ATTEMPTS = 10  # to draw what is new, before a random architecture is asked for


class PolicySearch(BayesianSearch):
    """Asks for what a policy draws that learns, round by round, from what was told.

    The policy begins with the law of the space, so that nothing is left out. After each round it goes on learning from
    where it was: by ``"refit"`` to the best of all labels, weighted by rank; or by ``"gradient"``, the policy gradient
    on the labels of the round, which it has drawn itself, with the share of labels that each one beats as its reward.

    Args:
        initial: how many random architectures come first
        batch: after how many labels the policy learns again
        update: ``"refit"`` or ``"gradient"``
        filtered: whether the surrogate chooses among candidates, as in Bayesian search; else what the policy draws is
            asked for as it comes, and acquisition, betas and candidates are not used
        acquisition, betas: as in Bayesian search
        candidates: where they come from, ``"drawn"`` by the policy, and the sources of Bayesian search
    """

    name = "policy"
    options = ("initial", "batch", "update", "filtered", "acquisition", "betas", "candidates")
    sources = ("drawn", *SOURCES)

    def __init__(
        self,
        *given: Any,
        initial: int = 10,
        batch: int = 10,
        update: str = "refit",
        filtered: bool = True,
        candidates: Sequence[str] = ("drawn", "mutation", "random"),
        **named: Any,
    ) -> None:
        self.batch = arguments.whole("batch", batch, low=2)
        self.update = arguments.one_of("update", update, UPDATES)
        self.filtered = arguments.instance("filtered", filtered, bool, "True, for candidates that a surrogate chooses")
        super().__init__(*given, initial=initial, candidates=candidates, **named)
        self._law = AutoregressiveGenerator.load(self.space, FLOOR).policy  # as it is before any label
        self._learned: tuple[Archive, Policy] | None = None

    def generator(self) -> AutoregressiveGenerator:
        """What the policy has become by the last whole round: a law to sample, to steer, and to ask for likelihoods."""
        return AutoregressiveGenerator(self._policy())

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self._learned = None

    def _propose(self) -> Int[np.ndarray, "k L"]:
        if self.filtered or len(self.archive) + len(self.archive.pending) < self.initial:
            return super()._propose()
        self.came_from = "drawn"
        for _ in range(ATTEMPTS):
            rows = Drawn(self._policy(), self.batch, self.rng).finish().rows
            rows = rows[self.archive.new(rows)]
            if len(rows):
                return rows[:1]
        self.came_from = "random"
        return self.archive.fresh(1, self.rng)

    def _drawn(self, elite: Int[np.ndarray, "e L"]) -> dict[str, Int[np.ndarray, "_ L"]]:
        own = {}
        if "drawn" in self.candidates:
            own["drawn"] = Drawn(self._policy(), DRAWS, self.rng).finish().rows
        return own | super()._drawn(elite)

    def _policy(self) -> Policy:
        """The policy after all whole rounds so far; the same labels give the same policy."""
        rounds = max(len(self.archive) - self.initial, 0) // self.batch
        ends = [self.initial + number * self.batch for number in range(rounds + (len(self.archive) >= self.initial))]
        told, policy = (0, self._law) if self._learned is None else (len(self._learned[0]), self._learned[1])
        for end in ends:
            if end > told:
                with one_thread():
                    policy = self._updated(policy, self.archive.first(end))
                self._learned = self.archive.first(end), policy
        return policy

    def _updated(self, policy: Policy, archive: Archive) -> Policy:
        """The policy after one more round."""
        rng = np.random.default_rng(archive.tokens.ravel())  # seeded by what is known, as a state may be another's
        known, ranks = np.isfinite(archive.values).all(1), archive.ranks()
        if self.update == "gradient":
            rows = np.flatnonzero(known)[-self.batch :]
            beaten = (ranks[rows, None] < ranks[None, known]).mean(1)
            return reinforced(policy, archive.tokens[rows], beaten, STEPS["gradient"], rng) if len(rows) > 1 else policy
        weights = np.where(known, np.maximum(ELITE - ranks, 0.0), 0.0)
        if not weights.any():
            return policy
        return refitted(policy, archive.tokens, weights, STEPS["refit"], rng)
