"""What a noisy architecture says of the clean one: the posterior of every slot, exact under the law of a space.

Notation: n samples, L slots, K symbols, d directions; x (n, L, K) is a one-hot row scaled to ±1 plus normal noise of
standard deviation sigma. A clean row r then has the likelihood exp(sum_l 2 x[l, r_l] / sigma^2), up to a factor that
all rows share. The law of a space is that of ``space.sample``, slot by slot. Slots fall into groups that do not depend
on each other; the law of a group is a table over its combinations of symbols, a matrix with the combinations of its
first slots down and those of the others across, so that all sums over rows are two products of matrices.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from nagkit.diffusion.directions import directed_scores, strength_for
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.limits import feasible, log_odds
from nagkit.errors import ArgumentError
from nagkit.space import UNDECIDED, SearchSpace

MOST = 1_000_000  # combinations of symbols in a group
# Logarithms of likelihoods and of weights in the table end here below the largest: their product is above zero in 64
# bits, so that a feasible row is always left, and what is cut off is far below the rounding of a sum.
LEAST_LIKELIHOOD, LEAST_WEIGHT = -450.0, -200.0

Posterior = Callable[[Float[np.ndarray, "n L K"], float], Float[np.ndarray, "n L K"]]  # of x and sigma


class Group:
    """Slots that depend on each other, and their law for each direction."""

    def __init__(self, space: SearchSpace, slots: Sequence[int], rows: np.ndarray, logs: Float[np.ndarray, "d N"]):
        """The law with the logarithms ``logs`` at the rows of symbols ``rows (N, g)``, up to a factor."""
        self.slots = list(slots)
        self._widths = space.radices[self.slots].tolist()
        sizes = np.cumprod(self._widths)
        self._cut = int(np.abs(sizes**2.0 / sizes[-1] - 1).argmin()) + 1 if len(self.slots) > 1 else 1
        weights = np.exp(np.maximum(logs - logs.max(1, keepdims=True), LEAST_WEIGHT))
        table = np.zeros((len(logs), sizes[-1]))
        table[:, np.ravel_multi_index(tuple(rows.T), tuple(self._widths))] = np.where(logs == -np.inf, 0, weights)
        self._table = table.reshape(len(logs), sizes[self._cut - 1], -1)

    def posterior(self, energy: Float[np.ndarray, "n L K"], direction: Int[np.ndarray, "n"]) -> list[np.ndarray]:
        """The posterior (n, symbols) of each slot, where ``energy`` is 2 x / sigma^2."""
        likelihoods = [self._likelihood(energy[:, l, :k]) for l, k in zip(self.slots, self._widths, strict=True)]
        first, last = (_products(part, len(energy)) for part in (likelihoods[: self._cut], likelihoods[self._cut :]))
        by_last, by_first = np.empty_like(first), np.empty_like(last)
        for d in np.unique(direction):
            mine = direction == d
            by_last[mine] = last[mine] @ self._table[d].T
            by_first[mine] = first[mine] @ self._table[d]
        whole = (first * by_last).sum(1, keepdims=True)
        return _margins(first * by_last / whole, self._widths[: self._cut]) + _margins(
            last * by_first / whole, self._widths[self._cut :]
        )

    def _likelihood(self, energy: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        least = LEAST_LIKELIHOOD / len(self.slots)
        return np.exp(np.maximum(energy - energy.max(1, keepdims=True), least))


class ExactPosterior:
    """The posterior under laws of independent groups, one for each of ``directions`` directions."""

    def __init__(self, space: SearchSpace, groups: Sequence[Group], directions: int = 1) -> None:
        self.space, self.groups, self.directions = space, groups, directions

    def __call__(
        self, x: Float[np.ndarray, "n L K"], sigma: float, direction: Int[np.ndarray, "n"] | None = None
    ) -> Float[np.ndarray, "n L K"]:
        """The probability of each symbol in each slot, given x at noise sigma, along a direction for each sample."""
        direction = np.zeros(len(x), dtype=int) if direction is None else direction
        energy, found = 2 * x / sigma**2, np.zeros(x.shape)
        for group in self.groups:
            for slot, probability in zip(group.slots, group.posterior(energy, direction), strict=True):
                found[:, slot, : probability.shape[1]] = probability
        return found


def unguided(space: SearchSpace) -> ExactPosterior | None:
    """The posterior under the law of a space that draws its samples slot by slot.

    ``None`` where it draws them in another way, or where too many slots depend on each other to list them.
    """
    if type(space).sample is not SearchSpace.sample:
        return None
    parts = _independent(space) or [list(range(len(space.slots)))]
    if max(_combinations(space, part) for part in parts) > MOST:
        return None
    return ExactPosterior(space, [Group(space, part, *_law(space, part)) for part in parts])


def guided(space: SearchSpace, guidance: Guidance) -> ExactPosterior:
    """The posterior under the law p(x) exp(strength z(x)) on the feasible rows, for each direction of a guidance.

    z is the normal score of the rank, as in the tilt of masked diffusion.
    """
    every = list(range(len(space.slots)))
    if type(space).sample is not SearchSpace.sample or _combinations(space, every) > MOST:
        raise ArgumentError(
            f"space must draw its samples slot by slot and have at most {MOST:,} combinations of symbols to be guided "
            f"exactly; {space.name} has {_combinations(space, every):.2g}. "
            "Sample it unguided, with method='gradient', or by the generator 'masked-diffusion'."
        )
    allowed = feasible(space, guidance.constraints)
    scores = directed_scores(space, guidance.objectives)  # (d, N)
    strength = guidance.strength
    if guidance.effective is not None:
        strength = strength_for(guidance.effective, scores[:, allowed])
    rows, law = _law(space, every)
    energy = law + strength * scores + log_odds(guidance.constraints, rows)
    return ExactPosterior(space, [Group(space, every, rows, np.where(allowed, energy, -np.inf))], len(scores))


def _law(space: SearchSpace, slots: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The rows (N, g) of these slots in lexicographic order, and the logarithm (1, N) of their chances in a sample."""
    rows, logs = np.full((1, len(space.slots)), UNDECIDED), np.zeros(1)
    for l in slots:
        legal = space.legal_in(rows, l)  # (N, K)
        row, symbol = np.nonzero(legal)
        rows, logs = rows[row], logs[row] - np.log(legal.sum(1))[row]
        rows[:, l] = symbol
    return rows[:, slots], logs[None]


def _independent(space: SearchSpace) -> list[list[int]] | None:
    """Groups of slots that do not depend on each other, or ``None`` where no such groups can be shown to exist.

    Slots are together if a symbol in one forbids a symbol in another. That this is all there is shows in the size of
    the space: it is the product of the numbers of rows of the groups only if every combination of them is legal.
    """
    slots = len(space.slots)
    slot = np.repeat(np.arange(slots), space.radices)
    one = np.full((len(slot), slots), UNDECIDED)  # a row for each symbol of each slot, all else undecided
    one[np.arange(len(slot)), slot] = np.concatenate([np.arange(k) for k in space.radices])
    narrowed = (space.legal(one) != space.legal(np.full((1, slots), UNDECIDED))).any(2)  # (m, L)
    linked = np.zeros((slots, slots), dtype=bool)
    np.logical_or.at(linked, slot, narrowed)
    count, member = sparse.csgraph.connected_components(sparse.csr_array(linked), directed=False)
    parts = [np.flatnonzero(member == part).tolist() for part in range(count)]
    if max(_combinations(space, part) for part in parts) > MOST:
        return None
    return parts if math.prod(len(_law(space, part)[0]) for part in parts) == space.size else None


def _combinations(space: SearchSpace, slots: Sequence[int]) -> int:
    return math.prod(space.radices[list(slots)].tolist())


def _products(likelihoods: Sequence[Float[np.ndarray, "n _"]], n: int) -> Float[np.ndarray, "n m"]:
    """The likelihood of each combination of symbols; of no slots it is one."""
    joint = np.ones((n, 1))
    for likelihood in likelihoods:
        joint = (joint[:, :, None] * likelihood[:, None]).reshape(n, -1)
    return joint


def _margins(joint: Float[np.ndarray, "n m"], widths: Sequence[int]) -> list[np.ndarray]:
    """The law (n, k) of each slot from that of all combinations."""
    grid = joint.reshape(len(joint), *widths)
    axes = range(1, grid.ndim)
    return [grid.sum(tuple(other for other in axes if other != axis)) for axis in axes]
