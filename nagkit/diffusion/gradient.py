"""The gradient of a noise-conditional predictor: how DiffusionNAG guides.

Notation: n samples, N labelled rows, L slots, K symbols, d directions, s the strength. A network f(x, sigma) with d
outputs learns the scores of rows from what noise leaves of them; s df/dx along the direction of each sample is added
to the score, the first order of log E[exp(s z) | x]. Scores are normal scores of ranks, so strength has the unit it has
elsewhere. DiffusionNAG takes standardised accuracies, in which good architectures hardly differ; its 10,000, for labels
divided by 100, is a strength of 100 in them. The more noise, the less f can know: for the exact posterior under
guidance see ``posterior``.
"""

from functools import partial
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from nagkit.diffusion.directions import Directions, reference, representatives, strength_for
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.limits import met
from nagkit.space import SearchSpace

WIDTH, STEPS, BATCH, RATE, DECAY = 128, 1000, 256, 3e-3, 1e-2


class NoisyPredictor(nn.Module):
    """Scores (n, d) from noisy rows x (n, L, K) and their noise sigma (n,)."""

    def __init__(self, slots: int, symbols: int, directions: int) -> None:
        super().__init__()
        sizes = (slots * symbols + 1, WIDTH, WIDTH)
        layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.SiLU())]
        self.layers = nn.Sequential(*layers, nn.Linear(WIDTH, directions))

    def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """What the noisy rows are expected to score; inputs have about unit size whatever the noise."""
        scaled = x.flatten(1) / (1 + sigma**2).sqrt()[:, None]
        scores: torch.Tensor = self.layers(torch.cat([scaled, sigma.log()[:, None]], dim=1))
        return scores


def trained(
    space: SearchSpace, rows: Int[np.ndarray, "N L"], scores: Float[np.ndarray, "N d"], low: float, high: float
) -> NoisyPredictor:
    """A predictor that has learned the scores of rows at noises from low to high; always the same for the same labels.

    The loss is the mean squared error, log sigma is uniform.
    """
    rng = np.random.default_rng(0)
    symbols = int(space.radices.max())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        predictor = NoisyPredictor(len(space.slots), symbols, scores.shape[1])
    optimizer = torch.optim.AdamW(predictor.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        batch = rng.integers(len(rows), size=BATCH)
        sigma = np.exp(rng.uniform(np.log(low), np.log(high), BATCH))
        corners = 2.0 * (rows[batch][:, :, None] == np.arange(symbols)) - 1
        x = corners + sigma[:, None, None] * rng.standard_normal(corners.shape)
        error = predictor(_tensor(x), _tensor(sigma)) - _tensor(scores[batch])
        optimizer.zero_grad()
        (error**2).mean().backward()
        optimizer.step()
        schedule.step()
    return predictor.requires_grad_(False)


class NoisyGradient:
    """What a guidance adds to the score, along each of ``directions`` directions."""

    def __init__(self, space: SearchSpace, guidance: Guidance, low: float, high: float) -> None:
        """Learned from the objectives' values of the whole space, or of draws, for noises from low to high."""
        rows = representatives(space, np.random.default_rng(0))
        values = reference(space, guidance.objectives, rows)
        scores = Directions(guidance.objectives, values).every(values)  # (d, N)
        self.strength = guidance.strength
        if guidance.effective is not None:
            allowed = met(space, guidance.constraints, reference(space, guidance.constraints, rows)).all(1)
            self.strength = strength_for(guidance.effective, scores[:, allowed])
        self.directions = len(scores)
        self.predictor = trained(space, rows, scores.T, low, high)

    def __call__(
        self, x: Float[np.ndarray, "n L K"], sigma: float, direction: Int[np.ndarray, "n"]
    ) -> Float[np.ndarray, "n L K"]:
        """The gradient of strength times the score expected along a direction for each sample."""
        at = _tensor(x).requires_grad_()
        with torch.enable_grad():
            scores = self.predictor(at, torch.full((len(x),), sigma))
            (gradient,) = torch.autograd.grad(scores[torch.arange(len(x)), torch.from_numpy(direction)].sum(), at)
        return self.strength * gradient.double().numpy()


_tensor = partial(torch.as_tensor, dtype=torch.float32)
