"""What an architecture is known by while only the odds of its symbols are, so that a surrogate has a gradient in z.

Notation: n points, d latent variables, L slots, K symbols, c trends.
"""

from typing import NamedTuple

import numpy as np
import torch

from nagkit.generators.autoencoder import SlotDecoder
from nagkit.space import SearchSpace

SAMPLE = 2000  # architectures whose trends are fitted


class Soft(NamedTuple):
    """``odds (n, L K)`` of the symbols of all slots, and ``trends (n, c)`` as they are expected."""

    odds: torch.Tensor
    trends: torch.Tensor


class SoftFeatures:
    """Soft features of one space.

    The trends of a space are taken to be linear in its symbols, with the coefficients that fit a sample best: of
    counts that is exact, of logarithms of costs nearly so.
    """

    def __init__(self, space: SearchSpace) -> None:
        symbols = np.arange(space.radices.max())
        rows = space.sample(SAMPLE, np.random.default_rng(0))
        held = (rows[:, :, None] == symbols).reshape(len(rows), -1)
        with_one = np.column_stack([held, np.ones(len(rows))])
        self._trends = torch.from_numpy(np.linalg.lstsq(with_one, space.trends(rows))[0])  # (L K + 1, c)
        self._missing = torch.from_numpy(symbols >= space.radices[:, None])  # (L, K)

    def of(self, decoder: SlotDecoder, z: torch.Tensor) -> Soft:
        """Those of z (n, d), with gradients; grammar aside."""
        odds = decoder(z.float()).double().masked_fill(self._missing, -torch.inf).softmax(2).flatten(1)
        return Soft(odds, odds @ self._trends[:-1] + self._trends[-1])
