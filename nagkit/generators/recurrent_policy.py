"""A recurrent network that reads the slots before one and says its odds: what GraphPNAS compares itself with.

Published results against it (Li et al., 2022, arXiv 2211.15155) stem from code whose recurrent generator ignores the
rewards and takes the sigmoid of its outputs twice. Here it has the likelihood, rewards and updates of all policies.

Notation: n architectures, L slots, K symbols, W width.
"""

from itertools import accumulate

import torch
from torch import nn

from nagkit.generators.slot_policy import SlotPolicy
from nagkit.space import SearchSpace

WIDTH, LAYERS = 32, 2  # as many numbers to learn as a policy of graphs has, about


class RecurrentPolicy(SlotPolicy):
    """An LSTM over the slots in their order; each symbol of each slot has a vector, each slot a head of its own."""

    pace = 2.0

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        radices = [self.radices[slot] for slot in self.order]
        self.symbols = nn.Embedding(sum(radices), WIDTH)
        self.network = nn.LSTM(WIDTH, WIDTH, LAYERS, batch_first=True)
        self.heads = nn.Parameter(torch.zeros(len(radices), WIDTH, max(radices)))
        self.biases = nn.Parameter(torch.zeros(len(radices), max(radices)))
        self._first = list(accumulate(radices[:-1], initial=0))  # of the vectors of each slot

    def learned(self, rows: torch.Tensor, upto: int) -> torch.Tensor:
        """Those of the heads, from what the network makes of the slots before each."""
        before = rows[:, self.order[: upto - 1]] + torch.tensor(self._first[: upto - 1], dtype=torch.int64)
        read = nn.functional.pad(self.symbols(before), (0, 0, 1, 0))  # (n, upto, W), nothing at first
        states, _ = self.network(read)
        return torch.einsum("nlw,lwk->nlk", states, self.heads[:upto]) + self.biases[:upto]
