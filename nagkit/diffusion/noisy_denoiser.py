"""The learned posterior of continuous diffusion, for spaces whose posterior has no closed form.

Notation: n samples, L slots, K symbols, D width. The K noisy numbers of a slot, brought to unit size, and the logarithm
of the noise enter the transformer that the denoiser of masked diffusion is, too.
"""

import numpy as np
import torch
from torch import nn

from nagkit.diffusion.denoiser import DenoiserShape, SlotTransformer
from nagkit.diffusion.posterior import Posterior
from nagkit.space import SearchSpace

LOW, HIGH = 0.1, 10.0  # the noise it learns to see through


class NoisyDenoiser(SlotTransformer):
    """Noisy rows to logits of what each slot was."""

    command = "nagkit train --process continuous"

    def __init__(self, shape: DenoiserShape) -> None:
        super().__init__(shape)
        self.level = nn.Sequential(nn.Linear(1, shape.width), nn.SiLU(), nn.Linear(shape.width, shape.width))

    @staticmethod
    def entry(shape: DenoiserShape) -> nn.Module:
        """A vector from the noisy numbers of a slot."""
        return nn.Linear(shape.symbols, shape.width)

    def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """Logits (n, L, K) from noisy rows x (n, L, K) and their noise sigma (n,)."""
        scaled = x / (1 + sigma**2).sqrt()[:, None, None]
        return self.logits(self.symbol(scaled) + self.level(sigma.log()[:, None])[:, None])

    def posterior(self, space: SearchSpace) -> Posterior:
        """The probability of each symbol that a slot of the space has."""
        absent = torch.from_numpy(np.arange(self.shape.symbols) >= space.radices[:, None])

        def posterior(x: np.ndarray, sigma: float) -> np.ndarray:
            self.eval()
            with torch.inference_mode():
                logits = self(torch.from_numpy(x).float(), torch.full((len(x),), float(sigma)))
                return logits.double().masked_fill(absent, -torch.inf).softmax(2).numpy()

        return posterior
