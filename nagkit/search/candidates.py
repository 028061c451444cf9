"""Where the candidates of a Bayesian search come from.

Notation: m candidates, L slots, k objectives.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Bool, Int

from nagkit.diffusion.energy import Energy, drawn
from nagkit.diffusion.guidance import Guidance
from nagkit.errors import UnsatisfiableError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.search.archive import Archive
from nagkit.search.belief import Belief, Kernels, settled
from nagkit.search.elite import like
from nagkit.space import UNDECIDED

SOURCES = ("elite", "mutation", "random", "guided", "all")
LATENT_SOURCES = ("sampled", "climbed")  # those that have latent variables, of a latent search
ELITE = 10  # architectures around which candidates are looked for
DRAWS = 200  # from the law of the elite
UNIFORM, ALONE = 60, 1_000  # random ones beside others, of which they are at least a tenth, and alone
GUIDED, STRENGTH = 600, 4.0  # guided ones, and how strongly
WHOLE = 20_000  # architectures of a space at most, of which all can be candidates at once
MASKED = 3, 0.3  # at most so many slots of the best, or so large a part of them, are decided anew; at least one
LEAST_ODDS = 0.1  # of meeting the constraints: what is less likely to is not asked for

EXPECTED, FEASIBLE = Metric("expected", "sd", "max"), Metric("feasible", "odds", "max")


class Candidates:
    """Candidates from several sources at once.

    ``"elite"``: draws from the law of the slots among the best; ``"mutation"``: all edits of the best; ``"random"``:
    draws from the whole space; ``"guided"``: masked diffusion begun at the best, of which a part is masked again and
    decided anew, guided by what is expected (to first order, as candidates are judged afterwards); ``"all"``: of a
    small space everything, but of what computes the same what costs least.
    """

    def __init__(self, sources: Sequence[str], kernels: Kernels) -> None:
        self.sources, self.kernels = sources, kernels
        self._guide: tuple[int, Energy | None] | None = None  # from so many labels
        self._whole: Int[np.ndarray, "m L"] | None = None
        self.left: Bool[np.ndarray, "L K"] | None = None  # the symbols of each slot to which "all" keeps; every one

    def drawn(
        self, archive: Archive, elite: Int[np.ndarray, "e L"], rng: np.random.Generator
    ) -> dict[str, Int[np.ndarray, "_ L"]]:
        """Candidates by source, known ones among them; ``elite`` are the best that were told, best first."""
        space, parts = archive.space, {}
        if "elite" in self.sources:
            parts["elite"] = like(space, elite, DRAWS, rng)
        if "mutation" in self.sources:
            parts["mutation"] = space.neighbours(elite).reshape(-1, elite.shape[1])
        if "guided" in self.sources:
            parts["guided"] = self._guided(archive, elite, rng)
        if "all" in self.sources:
            parts["all"] = self._all(archive)
        if "random" in self.sources:
            others = sum(map(len, parts.values()))
            parts["random"] = space.sample(max(UNIFORM, others // 9 + 1) if others else ALONE, rng)
        return parts

    def _all(self, archive: Archive) -> Int[np.ndarray, "m L"]:
        """The cheapest of each class of architectures that compute the same, by the exact objectives in their order."""
        if self._whole is None:
            space = archive.space
            rows = space.all()
            rows = rows[archive.allowed(rows)]
            if self.left is not None:
                rows = rows[self.left[np.arange(rows.shape[1]), rows].all(1)]
            costs = [-each.metric.sign * each.values(rows) for each in archive.objectives if each.exact]
            classes = space.index(space.canonical(rows, space.identities[-1]))
            order = np.lexsort((*costs[::-1], classes))
            self._whole = rows[order[np.unique(classes[order], return_index=True)[1]]]
        return self._whole

    def _guided(self, archive: Archive, elite: np.ndarray, rng: np.random.Generator) -> Int[np.ndarray, "m L"]:
        weights = np.arange(len(elite), 0, -1.0)
        rows = elite[rng.choice(len(elite), GUIDED, p=weights / weights.sum())]
        most = max(MASKED[0], round(MASKED[1] * rows.shape[1]))
        masked = rng.random(rows.shape).argsort(1).argsort(1) < rng.integers(1, most + 1, (GUIDED, 1))
        for slot, others in enumerate(archive.space.tied):
            masked[:, others[others >= 0]] |= masked[:, [slot]]
        energy = self._energy(archive)
        if energy is None:
            return archive.tokens[:0]
        rows = np.where(masked, UNDECIDED, rows)
        direction = rng.integers(len(energy.directions), size=GUIDED)
        return drawn(archive.space, archive.space.belief(rows) + energy.sums[direction], rng, rows)

    def _energy(self, archive: Archive) -> Energy | None:
        """What guides: it follows from the first labels, so many that it stays for a while.

        A search that was interrupted so finds the same again. ``None`` where nothing seems feasible yet, or nearly all
        of the first evaluations failed.
        """
        count = settled(len(archive))
        if self._guide is None or self._guide[0] != count:
            self._guide = count, self._learned(archive.first(count))
        return self._guide[1]

    def _learned(self, archive: Archive) -> Energy | None:
        if np.isfinite(archive.values).all(1).sum() < 2:
            return None
        guidance = towards_expected(archive, Belief(archive, self.kernels), STRENGTH, method="first-order")
        try:
            return Energy(archive.space, guidance)
        except UnsatisfiableError:
            return None


def towards_expected(archive: Archive, belief: Belief, strength: float, method: str = "tilt") -> Guidance:
    """Guidance by what is expected of each objective, within the exact constraints.

    The measured constraints hold by odds, once some architecture met them.
    """
    wishes = [Objective(EXPECTED, partial(belief.mean, j)) for j in range(len(archive.objectives))]
    limits = [constraint for constraint in archive.constraints if constraint.exact]
    if len(limits) < len(archive.constraints) and belief.feasible.any():
        limits.append(Constraint(FEASIBLE, belief.odds, low=LEAST_ODDS, odds=belief.odds))
    return Guidance(strength, wishes, limits, method=method)
