"""Bayesian search: candidates from where the best are, and the one of which most is expected.

Notation: n architectures told with finite values, m candidates, k objectives, L slots.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.dominance import leading
from nagkit.errors import ArgumentError, PackageMissingError
from nagkit.scalarised import scalarised
from nagkit.search.acquisition import (
    expected_hypervolume_improvement,
    expected_improvement,
    improvement_within,
    probability_of_improvement,
)
from nagkit.search.archived import ArchivedSearch
from nagkit.search.belief import Belief, Kernels
from nagkit.search.candidates import ELITE, LEAST_ODDS, SOURCES, WHOLE, Candidates

ACQUISITIONS = {  # by how many objectives they are for
    1: ("ucb", "ei", "pi", "thompson"),
    2: ("ucb", "thompson", "budget", "ehvi", "qlognehvi"),
    3: ("ucb", "thompson", "budget", "qlognehvi"),  # or more
}


class BayesianSearch(ArchivedSearch):
    """Asks for the candidate of which the acquisition expects most.

    Candidates are draws from the law of the slots among the best, all edits of the best, and uniform draws, or what
    ``candidates`` names. Several objectives become one by Chebyshev weights that are drawn anew for each question
    (Knowles, 2006), or by the expected gain of hypervolume, in scores by rank (``"ehvi"``); or the first one is wanted
    within limits to the others that are drawn anew for each question (``"budget"``). Until an architecture meets all
    measured constraints, the likeliest to do so is asked for; then what meets them with odds of one in ten or better,
    as the best often lie just inside a bound.

    Args:
        initial: how many random architectures come first
        acquisition: ``"ucb"``; for one objective also ``"ei"``, ``"pi"``; for two ``"ehvi"``; for two and more
            ``"budget"``, the expected improvement of the first objective within what an architecture costs that is
            drawn at random, and ``"qlognehvi"``, by BoTorch; for any ``"thompson"``
        betas: how many standard deviations above the mean ``"ucb"`` looks, from question to question in turn
        candidates: where they come from, some of ``"elite"``, ``"mutation"``, ``"random"``, ``"guided"``, which is
            diffusion guided by what the search believes, and ``"all"``, for small spaces
    """

    name = "bayesian"
    options: tuple[str, ...] = ("initial", "acquisition", "betas", "candidates")
    sources: tuple[str, ...] = SOURCES

    def __init__(
        self,
        *given: Any,
        initial: int = 6,
        acquisition: str = "ucb",
        betas: Sequence[float] = (0.0, 2.0, 4.0, 6.0),
        candidates: Sequence[str] = ("elite", "mutation", "random"),
        **named: Any,
    ) -> None:
        super().__init__(*given, **named)
        self.initial = arguments.whole("initial", initial, low=2)
        allowed = ACQUISITIONS[min(len(self.objectives), max(ACQUISITIONS))]
        self.acquisition = arguments.one_of(f"acquisition for {len(self.objectives)} objectives", acquisition, allowed)
        if self.acquisition == "qlognehvi" and find_spec("botorch") is None:
            raise PackageMissingError("The acquisition qlognehvi needs BoTorch: pip install 'nagkit[botorch]'.")
        self.betas = [arguments.real("betas", beta, 0, 100) for beta in arguments.several("betas", betas, Real)]
        if not self.betas:
            raise ArgumentError("betas must hold at least one number from 0 to 100.")
        self.candidates = list(arguments.several("candidates", candidates, str))
        for source in self.candidates or [""]:
            arguments.one_of("each of candidates", source, self.sources)
        if "all" in self.candidates and self.space.size > WHOLE:
            raise ArgumentError(
                f"candidates can be 'all' in spaces of {WHOLE:,} architectures or fewer; {self.space.name} has "
                f"{self.space.size:.3g}. Take others, as 'mutation' and 'random'."
            )
        self._begin()

    def promising(self, count: int) -> Int[np.ndarray, "c L"]:
        """So many of those told, or all, spread over the front: by what is expected, as one value may have been luck.

        First comes the best of each exact cost, of these first what lies least behind another one that costs no more;
        then the rest alike. What is told several times, as with other seeds, counts each time. What meets all
        constraints comes before what does not.
        """
        arguments.whole("count", count)
        if not np.isfinite(self.archive.values).all(1).any():
            return self.archive.tokens[:0]
        belief = Belief(self.archive, self._kernels)
        rows, first = np.unique(belief.tokens, axis=0, return_index=True)
        mean, feasible = belief.expected(rows)[0], belief.feasible[first]
        exact = [place for place, objective in enumerate(self.objectives) if objective.exact and place]
        groups = [np.flatnonzero(feasible), np.flatnonzero(~feasible)]
        order = [group[leading(mean[group], mean[group][:, exact])] for group in groups]
        return rows[np.concatenate(order)][:count]

    def _begin(self) -> None:
        """Nothing is learned yet."""
        self._kernels = Kernels()
        self._source = Candidates([name for name in self.candidates if name in SOURCES], self._kernels)
        self.came_from = "random"  # the source of the last question

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self._begin()

    def _propose(self) -> Int[np.ndarray, "k L"]:
        self.came_from, finite = "random", np.isfinite(self.archive.values).all(1).sum()
        if finite < 2 or len(self.archive) + len(self.archive.pending) < self.initial:
            return self._first()
        belief, weights = Belief(self.archive, self._kernels), self.rng.dirichlet(np.ones(len(self.objectives)))
        limits = self._limits(belief)
        within = (belief.scores[:, 1:] >= limits).all(1)
        worth = belief.scores[:, 0] if self.acquisition == "budget" else scalarised(belief.scores, weights)
        order = np.lexsort((-worth, ~within, ~belief.feasible))
        drawn = self._drawn(belief.tokens[order[:ELITE]])
        rows = np.concatenate([self.archive.tokens[:0], *drawn.values()])
        new = self.archive.new(rows) if len(rows) else np.zeros(0, dtype=bool)
        if not new.any():
            return self.archive.fresh(1, self.rng)
        candidates, sources = rows[new], np.repeat(list(drawn), list(map(len, drawn.values())))[new]
        odds = belief.odds(candidates)
        if belief.feasible.any():
            gains = self._gains(belief, candidates, weights, limits)
            odds = np.where(odds >= min(LEAST_ODDS, odds.max()), gains, -np.inf)
        self.came_from = str(sources[odds.argmax()])
        return candidates[[odds.argmax()]]

    def _first(self) -> Int[np.ndarray, "k L"]:
        """What is asked for before anything is known."""
        return self.archive.fresh(1, self.rng)

    def _drawn(self, elite: Int[np.ndarray, "e L"]) -> dict[str, Int[np.ndarray, "_ L"]]:
        """Candidates by source, known ones among them; ``elite`` are the best that were told, best first."""
        return self._source.drawn(self.archive, elite, self.rng)

    def _limits(self, belief: Belief) -> Float[np.ndarray, "c"]:
        """Scores that all objectives but the first shall reach: of an architecture drawn at random, or anything."""
        if self.acquisition != "budget":
            return np.full(len(self.objectives) - 1, -np.inf)
        return belief.expected(self.space.sample(1, self.rng))[0][0, 1:]

    def _gains(
        self,
        belief: Belief,
        candidates: Int[np.ndarray, "m L"],
        weights: Float[np.ndarray, "k"],
        limits: Float[np.ndarray, "c"],
    ) -> Float[np.ndarray, "m"]:
        """What the acquisition expects of each candidate."""
        if self.acquisition == "thompson":
            return scalarised(belief.sampled(candidates, self.rng), weights)
        if self.acquisition == "qlognehvi":
            from nagkit.search.noisy_hypervolume import noisy_hypervolume_improvement  # loads torch

            return noisy_hypervolume_improvement(belief, candidates, self.rng)
        mean, spread = belief.expected(candidates)
        if self.acquisition == "ucb":
            beta = self.betas[(len(self.archive) + len(self.archive.pending)) % len(self.betas)]
            return scalarised(mean + beta * spread, weights)
        if self.acquisition == "budget":
            within = belief.tokens[belief.feasible & (belief.scores[:, 1:] >= limits).all(1)]
            known = belief.mean(0, within) if len(within) else mean[:, 0].min(keepdims=True)
            gains = improvement_within(mean, spread, known.max(), limits)
            return gains if gains.any() else -np.maximum(limits - mean[:, 1:], 0).sum(1)  # nearest to the limits
        best = belief.scores[belief.feasible]
        if self.acquisition == "ehvi":
            return expected_hypervolume_improvement(mean, spread, best, belief.scores.min(0))
        alone = {"ei": expected_improvement, "pi": probability_of_improvement}[self.acquisition]
        return alone(mean[:, 0], spread[:, 0], best.max())
