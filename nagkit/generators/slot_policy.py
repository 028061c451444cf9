"""Policies that decide slot by slot, in any space: what the policy of graphs is compared with.

Their odds are added to those of the space's law. While they are nil, as before anything is learned, a policy is that
law, exactly and without weights that come in a file.

Notation: n architectures, L slots, K symbols.
"""

from abc import abstractmethod

import numpy as np
import torch
from jaxtyping import Float, Int

from nagkit.generators.policy import Odds, Policy, Reading
from nagkit.space import SearchSpace


class SlotPolicy(Policy):
    """Decides each slot by itself: in the order of growth where the graphs of a space grow, else in that of the space.

    Adam moves each number equally far at a step, and not as many of them make a choice in each model: learned odds are
    taken ``pace`` times. That was chosen by likelihood, not by what a search finds: a refit of 20 steps from the law to
    ten architectures makes them about as much likelier as it does in the policy of graphs, or most of what it can.
    """

    pace: float

    def __init__(self, space: SearchSpace) -> None:
        blocks = space.growth.blocks if space.growth else [range(len(space.slots))]
        super().__init__(space, [(slot,) for block in blocks for slot in block])

    @abstractmethod
    def learned(self, rows: torch.Tensor, upto: int) -> torch.Tensor:
        """What is learned of the odds of the first so many slots in order (n, upto, K), each from those before it."""

    def block(self, rows: torch.Tensor, place: int) -> Odds:
        """The odds of one slot after those before it."""
        return self._odds(self.learned(rows, place + 1)[:, -1])

    def each(self, reading: Reading) -> list[Odds]:
        """The odds of all slots, at once."""
        return [self._odds(odds) for odds in self.learned(reading.rows, len(self.order)).unbind(1)]

    def prior_in(self, rows: Int[np.ndarray, "n L"], slot: int) -> Float[np.ndarray, "n K"]:
        """The log odds of the space's law."""
        return super().prior_in(rows, slot) + self.space.belief(rows)[:, slot]

    def _odds(self, learned: torch.Tensor) -> Odds:
        return torch.zeros(len(learned), 1), self.pace * learned[:, None, None]
