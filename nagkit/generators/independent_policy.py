"""A product of categoricals: odds for each symbol of each slot, whatever is decided in the others.

Notation: n architectures, L slots, K symbols.
"""

import torch
from torch import nn

from nagkit.generators.slot_policy import SlotPolicy
from nagkit.space import SearchSpace


class IndependentPolicy(SlotPolicy):
    """Learns a table of odds; what slots have to do with each other is left to the law of the space."""

    pace = 10.0

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        self.table = nn.Parameter(torch.zeros(len(self.order), max(self.radices)))

    def learned(self, rows: torch.Tensor, upto: int) -> torch.Tensor:
        """Those of the table, for all rows alike."""
        return self.table[:upto].expand(len(rows), -1, -1)
