"""Latent search: a generator that learns where to look, with a surrogate, round by round.

After AG-Net (Lukasik, Jung and Keuper, ECCV 2022), whose own rules are ``published=True``. There z told nothing of an
architecture, and the surrogate saw nothing but z. Here z comes from an encoder of architectures, and surrogates know
both.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.generators.latent import LatentGenerator
from nagkit.search.bayesian import BayesianSearch
from nagkit.search.calibration import Calibration
from nagkit.search.candidates import LATENT_SOURCES, SOURCES
from nagkit.search.latent_rounds import GOOD, LEAST_SHARE, Round, look
from nagkit.search.soft_features import SoftFeatures
from nagkit.threads import one_thread


class LatentSearch(BayesianSearch):
    """Asks for what a generator proposes, and a surrogate expects most of.

    After the first random architectures the generator is refitted in every round to what was told, weighted by rank. It
    proposes what it samples around the best and everywhere (``"sampled"``), and what a surrogate of latent variables
    climbs to by its gradient (``"climbed"``); beside them stand the other sources of a Bayesian search. Each source is
    credited with what came of it; of the generator's two, the one of which more was good proposes more. For each
    question the surrogate of architectures, which knows all labels so far, chooses as in Bayesian search.

    Args:
        initial: how many random architectures come first
        batch: how many are asked for in a round
        acquisition, betas: as in Bayesian search
        candidates: where they come from, some of ``"sampled"``, ``"climbed"``, and the sources of Bayesian search
        published: ask by the rules of AG-Net as it was published instead; acquisition and candidates are not used
    """

    name = "latent"
    options = ("initial", "batch", "acquisition", "betas", "candidates", "published")
    sources = (*LATENT_SOURCES, *SOURCES)

    def __init__(
        self,
        *given: Any,
        initial: int = 16,
        batch: int = 16,
        candidates: Sequence[str] = (*LATENT_SOURCES, "mutation", "random"),
        published: bool = False,
        **named: Any,
    ) -> None:
        self.batch = arguments.whole("batch", batch)
        self.published = arguments.instance("published", published, bool, "True, for the rules of the paper")
        super().__init__(*given, initial=initial, candidates=candidates, **named)
        if not self.published and not set(LATENT_SOURCES) & set(self.candidates):
            raise ArgumentError(
                f"candidates must hold at least one of {', '.join(map(repr, LATENT_SOURCES))}; got {self.candidates}. "
                "Take the search 'bayesian' for the others alone."
            )
        if not self.published:
            self.generator = LatentGenerator.load(self.space)  # as it is before any label
            self._features = SoftFeatures(self.space)

    def _begin(self) -> None:
        super()._begin()
        self._rounds: dict[int, Round] = {}
        self._asked_of: dict[bytes, str] = {}  # the source of each row that was asked for
        if self.published:
            from nagkit.search.ag_net import Published

            self._published = Published(self.space, self.initial, self.batch)

    @property
    def rounds(self) -> list[Round]:
        """Where it has looked so far, round by round; none by the rules of the paper."""
        ends = range(self.initial, len(self.archive) + 1, self.batch)
        return [] if self.published else [self._round(end) for end in ends if self._known(end) >= 2]

    @property
    def asked_of(self) -> list[str]:
        """The source of each label, in the order told.

        One of ``candidates`` or ``"published"``; ``"first"`` of the first architectures, ``"random"`` also where
        nothing was proposed, and ``"told"`` where nobody asked.
        """
        return [self._asked_of.get(row.tobytes(), "told") for row in self.archive.tokens]

    def calibration(self) -> Calibration:
        """Intervals for what is asked for next, and how often those of each round held."""
        return Calibration.of(self.archive, self.initial, self.batch)

    def credit(self, labels: int | None = None) -> dict[str, tuple[int, int]]:
        """For each source how many of the first labels it proposed, and how many of those are good.

        Good are those in the best quarter of these labels, with their equals. What several sources propose counts for
        the first of ``"sampled"``, ``"climbed"``, ``"elite"``, ``"mutation"``, ``"guided"``, ``"random"``.
        """
        most = len(self.archive)
        first = self.archive.first(most if labels is None else arguments.whole("labels", labels, low=0, high=most))
        ranks = first.ranks()
        limit = np.quantile(ranks, GOOD) if len(ranks) else 0.0
        good = np.logical_and(ranks <= limit, np.isfinite(first.values).all(1))
        of = np.array(self.asked_of[: len(first)], dtype=object)
        names = ["published"] if self.published else self.candidates
        return {name: (int((of == name).sum()), int(good[of == name].sum())) for name in names}

    def state(self) -> dict[str, Any]:
        """As of every search, and where each architecture that was asked for came from."""
        rows = np.concatenate([self.archive.tokens, self.archive.pending])
        return super().state() | {"asked_of": [self._asked_of.get(row.tobytes()) for row in rows]}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        rows = np.concatenate([self.archive.tokens, self.archive.pending])
        pairs = zip(rows, state["asked_of"], strict=True)
        self._asked_of = {row.tobytes(): str(name) for row, name in pairs if name is not None}

    def _propose(self) -> Int[np.ndarray, "k L"]:
        if len(self.archive) < self.initial or self._known(len(self.archive)) < 2:
            row, self.came_from = self.archive.fresh(1, self.rng), "first"
        else:
            row = self._as_published() if self.published else super()._propose()
        self._asked_of |= dict.fromkeys((each.tobytes() for each in row), self.came_from)
        return row

    def _drawn(self, elite: Int[np.ndarray, "e L"]) -> dict[str, Int[np.ndarray, "_ L"]]:
        count = self.initial + (len(self.archive) - self.initial) // self.batch * self.batch
        now = self._round(count) if self._known(count) >= 2 else None
        proposed = {name: now.tokens[now.sources == name] for name in now.shares} if now else {}
        return proposed | super()._drawn(elite)

    def _round(self, count: int) -> Round:
        """The round after so many labels."""
        if count not in self._rounds:
            with one_thread():
                first, shares = self.archive.first(count), self._shares(count)
                self._rounds[count] = look(self.generator, first, shares, self.betas, self._features)
        return self._rounds[count]

    def _shares(self, count: int) -> dict[str, float]:
        """How much each source of the generator proposes: as much as its questions were good, and some at least."""
        told, latent = self.credit(count), [name for name in LATENT_SOURCES if name in self.candidates]
        good = np.array([(told[name][1] + 1) / (told[name][0] + 2) for name in latent])
        shares = np.maximum(good / good.sum(), LEAST_SHARE)
        return dict(zip(latent, (shares / shares.sum()).tolist(), strict=True))

    def _as_published(self) -> Int[np.ndarray, "k L"]:
        rows = self._published.asked(self.archive, (len(self.archive) - self.initial) // self.batch)
        rows = rows[self.archive.new(rows)] if len(rows) else rows
        self.came_from = "published" if len(rows) else "random"
        return rows[:1] if len(rows) else self.archive.fresh(1, self.rng)

    def _known(self, count: int) -> int:
        """How many of the first labels are finite."""
        return int(np.isfinite(self.archive.values[:count]).all(1).sum())
