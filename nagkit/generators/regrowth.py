"""Architectures of a policy that follow a guided law, by growing a part of them anew.

The target is p(x) exp(weight(x)) on what is within the limits, with p the policy's law. A move keeps the blocks before
a place, each in turn in random order, draws the others from the policy with its odds tilted by the sum of the guide, q,
and keeps the result with probability min(1, r' / r), r = exp(weight) p(new blocks) / q(new blocks), as both are known
exactly (Metropolis-Hastings).
"""

import numpy as np
from jaxtyping import Int

from nagkit.diffusion.energy import Energy
from nagkit.generators.guided_chain import GuidedChain
from nagkit.generators.policy import Drawn, Policy


class Regrowth(GuidedChain):
    """n samples of a policy on their way under a guide."""

    rounds = 12

    def __init__(self, policy: Policy, energy: Energy, n: int, rng: np.random.Generator) -> None:
        super().__init__(energy, n, rng)
        self.moves = 2 * len(policy.blocks)  # each place is grown from twice
        self._places: list[int] = []
        self._given = policy, n, rng, energy.sums[self.direction]
        self._now = Drawn(*self._given).finish()
        self._start(self._now.rows)

    @property
    def rows(self) -> Int[np.ndarray, "n L"]:
        """The samples."""
        return self._now.rows

    def _move(self) -> None:
        if not self._places:
            self._places = self.rng.permutation(len(self._now.policy.blocks)).tolist()
        place = self._places.pop()
        new = Drawn(*self._given)
        new.take(self._now, np.ones(len(self.rows), dtype=bool))
        new.finish(place)
        gain = (new.logs - new.asked)[:, place:].sum(1) - (self._now.logs - self._now.asked)[:, place:].sum(1)
        self._now.take(new, self._accepted(new.rows, gain))

    def _copy(self, to: Int[np.ndarray, "k"], of: Int[np.ndarray, "k"]) -> None:
        for part in (self._now.rows, self._now.logs, self._now.asked):
            part[to] = part[of]
