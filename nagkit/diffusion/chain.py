"""Complete architectures that follow a guided law, given what is decided or how likely each symbol is.

Notation: n architectures, L slots, K symbols, g slots tied together, P particles.

The target q of a chain is p(x) exp(weight(x)) on legal rows within the limits, for each architecture on its own, its
decided slots fixed; p is the law of the space, times prod_l exp(evidence[l, x_l]) where there is evidence besides, of a
denoiser or of a noisy observation. A move is a step of Metropolis and Hastings: one slot, with those that the grammar
ties to it, is drawn anew from a belief plus the sum of the ``Energy``, and kept with probability
min(1, q(x') r(x) / q(x) r(x')), r the law of the proposal. As the sum is close to the weight, nearly all are kept, and
a predictor sees one row a move. With particles a move draws all open slots of P rows anew and chooses among them and
the present row by their weights (iterated sampling importance resampling: Andrieu, Lee & Vihola, 2018, *Uniform
ergodicity of the iterated conditional SMC*). Both leave the target as it is.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from nagkit.diffusion.energy import Energy, drawn
from nagkit.errors import UnsatisfiableError
from nagkit.space import UNDECIDED, SearchSpace

SWEEPS, SETTLED = 30, 0.03  # most moves of every slot before the first is decided; the gain in score that ends them
PARTICLES = 16


class Chain:
    """Architectures ``rows (n, L)`` on their way; ``direction (n,)`` is the one that each follows."""

    def __init__(
        self, space: SearchSpace, energy: Energy | None, direction: Int[np.ndarray, "n"], rng: np.random.Generator
    ) -> None:
        self.space, self.energy, self.direction, self.rng = space, energy, direction, rng
        sums = np.zeros((1, len(space.slots), int(space.radices.max()))) if energy is None else energy.sums
        self._sums = sums[direction]  # (n, L, K)
        self.particles = energy is not None and energy.particles
        self.strength = 0.0 if energy is None else energy.strength
        self.rows: Int[np.ndarray, "n L"] = np.empty((0, len(space.slots)), dtype=np.int64)

    def begin(
        self,
        logits: Float[np.ndarray, "n L K"],
        tokens: Int[np.ndarray, "n L"],
        evidence: Float[np.ndarray, "n L K"] | None = None,
    ) -> None:
        """Take the belief of a step, and what of it is evidence besides the law of the space.

        ``UNDECIDED`` in ``tokens`` are the slots that may still change.
        """
        self.logits, self.evidence = logits, evidence
        if not len(self.rows):
            self._start()
        if self.particles:
            self._resample(tokens == UNDECIDED)

    def decided(self, tokens: Int[np.ndarray, "n L"], slot: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
        """What one slot of each row becomes: with particles what it is, else after it was moved."""
        if not self.particles:
            self._move(slot, tokens == UNDECIDED)
        return self.rows[np.arange(len(slot)), slot]

    def probability(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n L K"]:
        """What each slot would become if it were decided next, by the proposals; certainty where it is decided."""
        allowed = np.where(self.space.legal(tokens), self.logits + self._sums, -np.inf)
        held = tokens[:, :, None]
        return np.where(held == UNDECIDED, special.softmax(allowed, axis=2), held == np.arange(allowed.shape[2]))

    def _start(self) -> None:
        """Complete architectures from the proposals, moved until all are within limits and their weight settles."""
        self.rows = drawn(self.space, self.logits + self._sums, self.rng)
        self._weight, self._beyond = self._judged(self.rows, self.direction)
        open_, settled = np.ones(self.rows.shape, dtype=bool), self.energy is None or self.particles
        for _ in range(SWEEPS):
            if settled and not self._beyond.any():
                return
            before = self._weight.mean()
            for slot in self.rng.permutation(len(self.space.slots)):
                self._move(np.full(len(self.rows), slot), open_)
            settled = settled or self._weight.mean() - before < SETTLED * self.strength
        within = np.flatnonzero(self._beyond == 0)
        if not len(within):
            limits = " and ".join(map(str, self.energy.constraints)) if self.energy else ""
            raise UnsatisfiableError(f"No sample came within {limits}, though it can be met. Relax a limit.")
        if len(stuck := np.flatnonzero(self._beyond)):
            instead = self.rows[self.rng.choice(within, len(stuck))]
            self._take(stuck, instead, *self._judged(instead, self.direction[stuck]))

    def _move(self, slot: np.ndarray, open_: np.ndarray) -> None:
        """One open slot of each row anew, with what is tied to it."""
        which = np.flatnonzero(open_[np.arange(len(slot)), slot])
        if len(which):
            new, forth, back = self._redrawn(which, self.space.tied[slot[which]], open_)
            weight, beyond = self._judged(new, self.direction[which])
            gain = weight - self._weight[which] + self._told(new, which) - self._told(self.rows[which], which)
            gain += back - forth
            kept = (np.log(self.rng.random(len(which))) < gain) & (beyond == self._beyond[which])
            kept |= beyond < self._beyond[which]
            self._take(which[kept], new[kept], weight[kept], beyond[kept])

    def _resample(self, open_: np.ndarray) -> None:
        """All open slots of each row anew, the best of several by weight and chance."""
        which = np.flatnonzero(open_.any(1))
        group = np.tile(np.argsort([s.phase for s in self.space.slots], kind="stable"), (len(which), 1))
        rows, weight, beyond = (each[which].copy() for each in (self.rows, self._weight, self._beyond))
        best = np.full(len(which), -np.inf)
        for particle in range(PARTICLES):
            new, forth, back = self._redrawn(which, group, open_)
            if particle == 0:
                best = weight + self._told(rows, which) - back + self.rng.gumbel(size=len(which))
            judged = self._judged(new, self.direction[which])
            key = judged[0] + self._told(new, which) - forth + self.rng.gumbel(size=len(which))
            key = np.where(judged[1] <= beyond, key, -np.inf)
            better = key > best
            best = np.maximum(best, key)
            rows[better], weight[better], beyond[better] = new[better], judged[0][better], judged[1][better]
        self._take(which, rows, weight, beyond)

    def _redrawn(
        self, which: np.ndarray, group: Int[np.ndarray, "w g"], open_: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows with the open slots of a group (-1: none) drawn anew; log probabilities of the new and of the old."""
        w, slots = len(which), np.tile(group, (2, 1))
        both = np.tile(self.rows[which], (2, 1))  # the new above the old: both are weighed alike
        here = (slots >= 0) & np.tile(open_[which[:, None], group], (2, 1))
        row, column = np.nonzero(here)
        both[row, slots[row, column]] = UNDECIDED
        chance = np.zeros(2 * w)
        for step in np.flatnonzero(here.any(0)):
            row = np.flatnonzero(here[:, step])  # as many among the new as among the old
            slot, sample = slots[row, step], which[row % w]
            legal = self.space.legal_in(both[row], slot)
            logits = np.where(legal, self.logits[sample, slot] + self._sums[sample, slot], -np.inf)
            proposal = special.log_softmax(logits, axis=1)
            half = len(row) // 2
            new = (proposal[:half] + self.rng.gumbel(size=(half, legal.shape[1]))).argmax(1)
            symbol = np.concatenate([new, self.rows[sample[half:], slot[half:]]])
            chance[row] += proposal[np.arange(len(row)), symbol]
            both[row, slot] = symbol
        return both[:w], chance[:w], chance[w:]

    def _judged(self, rows: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log weight of rows, their law included, and their distance beyond the limits."""
        law = self.space.log_law(rows)
        return (
            (law, np.zeros(len(rows)))
            if self.energy is None
            else (
                law + self.energy.weight(rows, direction),
                self.energy.beyond(rows),
            )
        )

    def _told(self, rows: np.ndarray, which: np.ndarray) -> np.ndarray | float:
        """What the evidence says of rows in the place of those at ``which``."""
        if self.evidence is None:
            return 0.0
        return self.evidence[which[:, None], np.arange(rows.shape[1]), rows].sum(1)

    def _take(self, which: np.ndarray, rows: np.ndarray, weight: np.ndarray, beyond: np.ndarray) -> None:
        self.rows[which], self._weight[which], self._beyond[which] = rows, weight, beyond
