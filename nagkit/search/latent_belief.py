"""What a search believes of latent variables, so that it can climb there.

Notation: n labels at z (n, d), m points, k objectives, c columns (objectives, then constraints, exact ones too). What z
is known by are its soft features: odds p of symbols and expected trends t. The kernel of a column is
k(a, b) = (1 - s) exp(-|p_a - p_b|^2 / (2 l^2 u^2)) + s <t_a - m, t_b - m> / v^2, where m is the mean of the labels'
trends, u and v the spread of the labels' odds and trends; noise is added on the diagonal. Distances between z
themselves say less: they rank what was not asked for far worse. Length l, share s of the trend, and noise are those of
a small grid under which the labels are likeliest (Rasmussen & Williams, 2006, eq. 5.8): a grid needs no start, and ends
at its best.
"""

import itertools
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float

from nagkit.scalarised import AUGMENTATION
from nagkit.search.archive import Archive
from nagkit.search.belief import Belief, centre_and_unit
from nagkit.search.soft_features import Soft

LENGTHS, TRENDS, NOISES = (0.4, 0.7, 1.2), (0.0, 0.4, 0.8), (0.05, 0.2, 0.5)
STEPS, RATE = 15, 0.12  # of a climb
FAR = 20.0  # standard deviations at which a bound is as good as none, and still has a gradient
BEYOND = 1.0  # how much farther from the middle than most z may be


class LatentProcess:
    """A Gaussian process of scores (n,) of one column, at points with these soft features."""

    def __init__(self, known: Soft, scores: torch.Tensor) -> None:
        self._known, self._mean, self._centre = known, scores.mean(), known.trends.mean(0)
        self._units = [max(float((part - part.mean(0)).square().sum(1).mean()), 1e-9) for part in known]
        apart, along = self._between(known)
        grid = list(itertools.product(LENGTHS, TRENDS, NOISES))
        noisy = [_kernel(apart, along, l, t) + s * torch.eye(len(scores), dtype=scores.dtype) for l, t, s in grid]
        factors = torch.linalg.cholesky(torch.stack(noisy))  # (g, n, n)
        residual = (scores - self._mean)[:, None].expand(len(grid), -1, 1)
        weights = torch.cholesky_solve(residual, factors)  # (g, n, 1)
        logs = (residual * weights).sum((1, 2)) / 2 + factors.diagonal(dim1=1, dim2=2).log().sum(1)
        best = int(logs.argmin())
        self.length, self.trend, self.noise = grid[best]
        self._factor, self._weights = factors[best].clone(), weights[best, :, 0].clone()  # not the others

    def expected(self, at: Soft) -> tuple[torch.Tensor, torch.Tensor]:
        """Expected scores (m,) at m points and their standard deviation (m,), with gradients."""
        between = _kernel(*self._between(at), self.length, self.trend)  # (m, n)
        explained = torch.linalg.solve_triangular(self._factor, between.T, upper=False)
        own = 1 - self.trend + self.trend * (at.trends - self._centre).square().sum(1) / self._units[1]
        return self._mean + between @ self._weights, (own - explained.square().sum(0)).clamp(min=1e-6).sqrt()

    def _between(self, at: Soft) -> tuple[torch.Tensor, torch.Tensor]:
        """Squared distances of the odds, and products of the trends (m, n), in units of what is known."""
        a, b = at.odds, self._known.odds
        apart = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
        along = (at.trends - self._centre) @ (self._known.trends - self._centre).T
        return apart / self._units[0], along / self._units[1]


class LatentBelief:
    """What is believed of all columns, from the labels of an archive at these z, which ``soft`` knows features of."""

    def __init__(
        self, archive: Archive, belief: Belief, z: Float[np.ndarray, "n d"], soft: Callable[[torch.Tensor], Soft]
    ) -> None:
        self._soft, self._scores = soft, torch.from_numpy(belief.scores)
        with torch.no_grad():
            told = soft(torch.from_numpy(z))
        known = np.isfinite(archive.values).all(1)
        self._objectives = [LatentProcess(told, column) for column in self._scores.T]
        self._limits = []
        for constraint, column in zip(
            archive.constraints, archive.values[known, len(self._objectives) :].T, strict=True
        ):
            if belief.feasible.any():
                centre, unit = centre_and_unit(column)
                low, high = np.clip((np.array([constraint.low, constraint.high]) - centre) / unit, -FAR, FAR).tolist()
                self._limits.append((LatentProcess(told, torch.from_numpy((column - centre) / unit)), (low, high)))

    def mean(self, objective: int, z: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m"]:
        """Expected scores of one objective, by its place."""
        with torch.no_grad():
            return self._objectives[objective].expected(self._soft(torch.from_numpy(z)))[0].numpy()

    def worth(self, z: torch.Tensor, weights: torch.Tensor, betas: torch.Tensor) -> torch.Tensor:
        """What each z (m, d) is hoped to be, with its own weights (m, k) and its own number of standard deviations.

        The logarithm of the odds of meeting the constraints is added, once some label met them.
        """
        at = self._soft(z)
        hoped = torch.stack([mean + betas * spread for mean, spread in (p.expected(at) for p in self._objectives)], 1)
        behind = weights * (hoped - self._scores.amax(0))
        total = behind.amin(1) + AUGMENTATION * behind.sum(1)
        for process, (low, high) in self._limits:
            mean, spread = process.expected(at)
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


def _kernel(apart: torch.Tensor, along: torch.Tensor, length: float, trend: float) -> torch.Tensor:
    return (1 - trend) * torch.exp(-apart / (2 * length**2)) + trend * along
