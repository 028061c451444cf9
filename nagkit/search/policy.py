"""Policy search: a generator that learns from what was told to draw good architectures (after GraphPNAS).

What comes out is a distribution, ``search.generator()``, beside the best that was seen.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from jaxtyping import Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.generators.autoregressive import MODELS, AutoregressiveGenerator
from nagkit.generators.policy import Drawn, Policy
from nagkit.generators.policy_training import preferring, refitted, reinforced
from nagkit.search.archive import Archive
from nagkit.search.bayesian import BayesianSearch
from nagkit.search.candidates import SOURCES
from nagkit.threads import one_thread

DRAWS = 200  # candidates for each question
ELITE = 10  # a refit learns from labels that fewer are better than
STEPS = {"refit": 20, "gradient": 8, "preference": 40}  # of each update
FLOOR = 0.15  # the share of each choice that is uniform
ATTEMPTS = 10  # to draw what is new, before a random architecture is asked for


class PolicySearch(BayesianSearch):
    """Asks for what a policy draws that learns, round by round, from what was told.

    The policy begins with the law of the space, so that nothing is left out, and learns after each round. By
    ``"preference"`` it begins anew with that law and learns from all pairs of labels which is the better one. The
    others go on from where it was: ``"refit"`` to the best of all labels, weighted by rank; ``"gradient"`` by the
    policy gradient on the labels of the round, with the share of labels that each one beats as its reward. That counts
    them as drawn by the policy as it was, which is so with ``filtered=False`` and no more than a round asked for at
    once, but that draws which are known already are left out.

    Args:
        initial: how many random architectures come first
        batch: after how many labels the policy learns again
        update: ``"preference"``, ``"refit"`` or ``"gradient"``
        model: of the policy, ``"graph"``; or, for comparison and for spaces whose graphs do not grow, ``"recurrent"``
            or ``"independent"``, see ``nagkit.generators.slot_policy``
        filtered: whether the surrogate chooses among candidates, as in Bayesian search; else what the policy draws is
            asked for as it comes, and acquisition, betas and candidates are not used
        acquisition, betas: as in Bayesian search
        candidates: where they come from, ``"drawn"`` by the policy, and the sources of Bayesian search
    """

    name = "policy"
    options = ("initial", "batch", "update", "model", "filtered", "acquisition", "betas", "candidates")
    sources = ("drawn", *SOURCES)

    def __init__(  # noqa: PLR0913  (an option each)
        self,
        *given: Any,
        initial: int = 5,
        batch: int = 10,
        update: str = "preference",
        model: str = "graph",
        filtered: bool = True,
        candidates: Sequence[str] = ("drawn", "mutation", "random"),
        **named: Any,
    ) -> None:
        self.batch = arguments.whole("batch", batch, low=2)
        self.update = arguments.one_of("update", update, STEPS)
        self.model = arguments.one_of("model", model, MODELS)
        self.filtered = arguments.instance("filtered", filtered, bool, "True, for candidates that a surrogate chooses")
        super().__init__(*given, initial=initial, candidates=candidates, **named)
        if self.filtered and "drawn" not in self.candidates:
            raise ArgumentError(
                f"candidates must hold 'drawn'; got {self.candidates}. Take the search 'bayesian' for the others alone."
            )
        self._law = AutoregressiveGenerator.load(self.space, FLOOR, self.model).policy  # as it is before any label

    def generator(self) -> AutoregressiveGenerator:
        """What the policy has become by the last whole round: a law to sample, to steer, and to ask for likelihoods.

        A share ``FLOOR`` of each of its choices is uniform, as when the search draws.
        """
        return AutoregressiveGenerator(deepcopy(self._policy()))

    def _begin(self) -> None:
        super()._begin()
        self._learned: tuple[int, Policy] | None = None  # from so many labels

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
        return {"drawn": Drawn(self._policy(), DRAWS, self.rng).finish().rows} | super()._drawn(elite)

    def _policy(self) -> Policy:
        """The policy after all whole rounds so far; the same labels give the same policy."""
        told, policy = self._learned or (0, self._law)
        ends = range(self.initial, len(self.archive) + 1, self.batch)
        for end in ends[-1:] if self.update == "preference" else ends:
            if end > told:
                with one_thread():
                    policy = self._updated(policy, self.archive.first(end))
                self._learned = end, policy
        return policy

    def _updated(self, policy: Policy, archive: Archive) -> Policy:
        """The policy after one more round."""
        rng = np.random.default_rng(archive.tokens.ravel())  # seeded by what is known, as a state may be another's
        known, ranks = np.isfinite(archive.values).all(1), archive.ranks()
        if not known.any():
            return policy
        if self.update == "preference":
            return preferring(self._law, archive.tokens[known], ranks[known], STEPS["preference"], rng)
        if self.update == "gradient":
            rows = np.flatnonzero(known)
            rows = rows[rows >= len(archive) - self.batch]
            if len(rows) < 2:
                return policy
            beaten = (ranks[rows, None] < ranks[None, known]).mean(1)
            return reinforced(policy, archive.tokens[rows], beaten, STEPS["gradient"], rng)
        better = (ranks[None, known] < ranks[:, None]).sum(1)  # than each
        weights = np.where(known, np.maximum(ELITE - better, 0.0), 0.0)
        return refitted(policy, archive.tokens, weights, STEPS["refit"], rng)
