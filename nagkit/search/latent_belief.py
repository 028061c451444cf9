"""What a search believes of latent variables, so that it can climb there.

Notation: n labels at z (n, d), m points, k objectives, c columns (objectives, then constraints, exact ones too). The
kernel of a column is k(a, b) = (1 - t) exp(-|a - b|^2 / (2 l^2 d)) + t <a, b> / d; noise is added on the diagonal.
Length l, share t of the trend, and noise are those of a small grid under which the labels are likeliest (Rasmussen &
Williams, 2006, eq. 5.8): a grid needs no start, and ends at its best.
"""

import itertools

import numpy as np
import torch
from jaxtyping import Float

from nagkit.search.archive import Archive
from nagkit.search.belief import Belief, centre_and_unit
from nagkit.search.scalarised import AUGMENTATION

LENGTHS, TRENDS, NOISES = (0.4, 0.7, 1.2), (0.0, 0.4, 0.8), (0.05, 0.2, 0.5)
STEPS, RATE = 15, 0.12  # of a climb
FAR = 20.0  # standard deviations at which a bound is as good as none, and still has a gradient
BEYOND = 1.0  # how much farther from the middle than most z may be


class LatentProcess:
    """A Gaussian process of scores (n,) of one column."""

    def __init__(self, z: torch.Tensor, scores: torch.Tensor) -> None:
        self._z, self._mean = z, scores.mean()
        apart, along = _between(z, z)
        grid = list(itertools.product(LENGTHS, TRENDS, NOISES))
        noisy = [_kernel(apart, along, l, t) + s * torch.eye(len(z), dtype=z.dtype) for l, t, s in grid]
        factors = torch.linalg.cholesky(torch.stack(noisy))  # (g, n, n)
        residual = (scores - self._mean)[:, None].expand(len(grid), -1, 1)
        weights = torch.cholesky_solve(residual, factors)  # (g, n, 1)
        logs = (residual * weights).sum((1, 2)) / 2 + factors.diagonal(dim1=1, dim2=2).log().sum(1)
        best = int(logs.argmin())
        self.length, self.trend, self.noise = grid[best]
        self._factor, self._weights = factors[best].clone(), weights[best, :, 0].clone()  # not the others

    def expected(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Expected scores (m,) at z (m, d) and their standard deviation (m,), with gradients."""
        between = _kernel(*_between(z, self._z), self.length, self.trend)  # (m, n)
        explained = torch.linalg.solve_triangular(self._factor, between.T, upper=False)
        own = 1 - self.trend + self.trend * (z**2).mean(1)
        return self._mean + between @ self._weights, (own - (explained**2).sum(0)).clamp(min=1e-6).sqrt()


class LatentBelief:
    """What is believed of all columns, from the labels of an archive at these z."""

    def __init__(self, archive: Archive, belief: Belief, z: Float[np.ndarray, "n d"]) -> None:
        self.z, self._scores = torch.from_numpy(z), torch.from_numpy(belief.scores)
        known = np.isfinite(archive.values).all(1)
        self._objectives = [LatentProcess(self.z, column) for column in self._scores.T]
        self._limits = []
        for constraint, column in zip(
            archive.constraints, archive.values[known, len(self._objectives) :].T, strict=True
        ):
            if belief.feasible.any():
                centre, unit = centre_and_unit(column)
                low, high = np.clip((np.array([constraint.low, constraint.high]) - centre) / unit, -FAR, FAR).tolist()
                self._limits.append((LatentProcess(self.z, torch.from_numpy((column - centre) / unit)), (low, high)))

    def mean(self, objective: int, z: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m"]:
        """Expected scores of one objective, by its place."""
        return self._objectives[objective].expected(torch.from_numpy(z))[0].numpy()

    def worth(self, z: torch.Tensor, weights: torch.Tensor, betas: torch.Tensor) -> torch.Tensor:
        """What each z (m, d) is hoped to be, with its own weights (m, k) and its own number of standard deviations.

        The logarithm of the odds of meeting the constraints is added, once some label met them.
        """
        hoped = torch.stack([mean + betas * spread for mean, spread in (p.expected(z) for p in self._objectives)], 1)
        behind = weights * (hoped - self._scores.amax(0))
        total = behind.amin(1) + AUGMENTATION * behind.sum(1)
        for process, (low, high) in self._limits:
            mean, spread = process.expected(z)
            odds = torch.special.ndtr((high - mean) / spread) - torch.special.ndtr((low - mean) / spread)
            total = total + odds.clamp(min=1e-9).log()
        return total

    def climbed(
        self, z: Float[np.ndarray, "m d"], betas: tuple[float, ...], rng: np.random.Generator
    ) -> Float[np.ndarray, "m d"]:
        """Where a few steps along the gradient lead from each z, by what is hoped with one of ``betas``."""
        weights = torch.from_numpy(rng.dirichlet(np.ones(len(self._objectives)), size=len(z)))
        hope = torch.from_numpy(rng.choice(betas, len(z)))
        farthest = z.shape[1] ** 0.5 + BEYOND
        at = torch.from_numpy(z.copy()).requires_grad_()
        ascent = torch.optim.Adam([at], RATE, maximize=True)
        for _ in range(STEPS):
            ascent.zero_grad()
            self.worth(at, weights, hope).sum().backward()
            ascent.step()
            with torch.no_grad():
                at.mul_((farthest / at.norm(dim=1, keepdim=True)).clamp(max=1))
        return at.detach().numpy()


def _between(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Squared distances and products (n, m), each the mean over the latent variables."""
    along = a @ b.T / a.shape[1]
    return (a**2).mean(1)[:, None] + (b**2).mean(1) - 2 * along, along


def _kernel(apart: torch.Tensor, along: torch.Tensor, length: float, trend: float) -> torch.Tensor:
    return (1 - trend) * torch.exp(-apart / (2 * length**2)) + trend * along
