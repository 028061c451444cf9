"""A law over architectures that depends on what is wanted more: one categorical for each slot and each preference.

A preference weighs k objectives by numbers from 0 on that sum to 1. The law keeps categoricals for preferences on a
lattice (Das & Dennis, 1998), its anchors; between them it is their mixture by distance, and what is learned for one
preference is learned by the anchors near it. So one law holds a whole front.

Notation: n architectures, L slots, K symbols, k objectives, B anchors.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.space import UNDECIDED, SearchSpace

LEAST = 0.12  # of its equal share, which each allowed symbol of a slot keeps: two keep .23 nats, five .45
MOST = 1000  # anchors
_NEAR = 0.5  # of the distance of two anchors, over which one is heard at the other


class Drawn(NamedTuple):
    """Architectures, and the probabilities of the symbols of each slot when it was decided."""

    tokens: Int[np.ndarray, "n L"]
    odds: Float[np.ndarray, "n L K"]


@dataclass(frozen=True, eq=False)
class PreferenceLaw:
    """Slot by slot a symbol is drawn among those that the grammar and ``allowed`` leave.

    ``anchors (B, k)`` are preferences, ``shares (B, L, K)`` their categoricals. They come on top of the space's own
    law, which is what is drawn from while they are even, as before learning. Where the grammar leaves no allowed
    symbol, it has the last word.
    """

    space: SearchSpace
    anchors: Float[np.ndarray, "B k"]
    shares: Float[np.ndarray, "B L K"]
    allowed: Bool[np.ndarray, "L K"]

    @staticmethod
    def of(space: SearchSpace, objectives: int = 2, steps: int = 6) -> "PreferenceLaw":
        """The law before learning.

        Args:
            objectives: how many a preference weighs
            steps: into how many the way from one objective to another is divided by anchors
        """
        arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
        objectives, steps = arguments.whole("objectives", objectives), arguments.whole("steps", steps)
        if (count := math.comb(steps + objectives - 1, objectives - 1)) > MOST:
            raise ArgumentError(
                f"objectives and steps must make {MOST} anchors at most; {objectives} and {steps} make {count:,}. Take "
                "fewer objectives: a front of many is hardly ever wanted as a whole."
            )
        anchors = lattice(objectives, steps)
        allowed = np.arange(space.radices.max()) < space.radices[:, None]
        even = np.where(allowed, 1 / space.radices[:, None], 0.0)
        return PreferenceLaw(space, anchors, np.repeat(even[None], len(anchors), axis=0), allowed)

    def nearness(self, preference: Sequence[float] | Float[np.ndarray, "k"]) -> Float[np.ndarray, "B"]:
        """How much each anchor has to say at a preference; sums to 1."""
        weights = self.weights(preference)
        spacing = 1 / round(1 / self.anchors[self.anchors > 0].min())
        away = np.abs(self.anchors - weights).sum(1) / 2 / (_NEAR * spacing)
        near = np.exp(-(away**2 - away.min() ** 2) / 2)
        return near / near.sum()

    def weights(self, preference: Sequence[float] | Float[np.ndarray, "k"]) -> Float[np.ndarray, "k"]:
        """A preference, checked."""
        wanted = arguments.finite("preference", preference, self.anchors.shape[1])
        if (wanted < 0).any() or abs(wanted.sum() - 1) > 1e-6:
            raise ArgumentError(
                f"preference must be {len(wanted)} numbers from 0 on that sum to 1, a weight for each objective; got "
                f"{wanted.tolist()}. Divide them by their sum."
            )
        return wanted

    def at(self, preference: Sequence[float] | Float[np.ndarray, "k"]) -> Float[np.ndarray, "L K"]:
        """The categoricals for a preference."""
        return np.tensordot(self.nearness(preference), self.shares, 1)

    def draw(
        self, preference: Sequence[float] | Float[np.ndarray, "k"], n: int, rng: np.random.Generator, even: float = 0.0
    ) -> Drawn:
        """n architectures for a preference.

        Args:
            even: the share of each choice that is even among the allowed symbols, to explore
        """
        arguments.whole("n", n)
        arguments.generator("rng", rng)
        shares = self._explored(preference, arguments.real("even", even, 0, 1))
        tokens = np.full((n, len(shares)), UNDECIDED)
        odds = np.empty((n, *shares.shape))
        for slot in range(len(shares)):
            odds[:, slot] = self._odds(tokens, slot, shares[slot])
            tokens[:, slot] = (rng.random((n, 1)) >= odds[:, slot].cumsum(1)).sum(1).clip(max=shares.shape[1] - 1)
            stray = odds[np.arange(n), slot, tokens[:, slot]] == 0  # where a sum of 1 was rounded down
            tokens[stray, slot] = odds[stray, slot].argmax(1)
        return Drawn(tokens, odds)

    def log_probability(
        self,
        tokens: Int[np.ndarray, "n L"],
        preference: Sequence[float] | Float[np.ndarray, "k"],
        even: float = 0.0,
    ) -> Float[np.ndarray, "n"]:
        """How likely ``draw`` gives each architecture, in nats; minus infinity for what is not allowed."""
        tokens, shares = self.space.check(tokens), self._explored(preference, arguments.real("even", even, 0, 1))
        known, total = np.full(tokens.shape, UNDECIDED), np.zeros(len(tokens))
        with np.errstate(divide="ignore"):
            for slot in range(len(shares)):
                total += np.log(self._odds(known, slot, shares[slot])[np.arange(len(tokens)), tokens[:, slot]])
                known[:, slot] = tokens[:, slot]
        return total

    def entropy(self) -> Float[np.ndarray, "B L"]:
        """The entropy of each categorical in nats; 0 is a decision, log K no preference."""
        return -(self.shares * np.log(np.where(self.shares > 0, self.shares, 1.0))).sum(2)

    def moved(
        self, preference: Sequence[float] | Float[np.ndarray, "k"], step: Float[np.ndarray, "L K"]
    ) -> "PreferenceLaw":
        """The law after a step of the shares at a preference; its nearest anchor goes the whole of it."""
        if np.shape(step) != self.allowed.shape or not np.isfinite(step).all():
            raise ArgumentError(
                f"step must be finite numbers of shape {self.allowed.shape}, as ``descent`` gives them."
            )
        near = self.nearness(preference)
        return self._with(self.shares + (near / near.max())[:, None, None] * step, self.allowed)

    def without(self, dropped: Bool[np.ndarray, "L K"]) -> "PreferenceLaw":
        """The law in which these symbols have left their slots; the others of a slot share what they had."""
        if np.shape(dropped) != self.allowed.shape or np.asarray(dropped).dtype != bool:
            raise ArgumentError(
                f"dropped must be Booleans of shape {self.allowed.shape}, whether each symbol leaves; got "
                f"{np.shape(dropped)}."
            )
        allowed = self.allowed & ~dropped
        if len(empty := np.flatnonzero(~allowed.any(1))):
            name = self.space.slots[empty[0]].name
            raise ArgumentError(f"dropped must leave each slot a symbol; {name} would have none. Keep its best one.")
        return self._with(self.shares, allowed)

    def state(self) -> dict[str, np.ndarray]:
        """Its arrays, from which ``from_state`` makes it again."""
        return {"anchors": self.anchors, "shares": self.shares, "allowed": self.allowed}

    @staticmethod
    def from_state(space: SearchSpace, state: Mapping[str, np.ndarray]) -> "PreferenceLaw":
        """The law of which ``state()`` gave this."""
        names = ("anchors", "shares", "allowed")
        if missing := set(names) - set(state):
            raise ArgumentError(f"state must be what state() of a law gave; it has no {sorted(missing)[0]}.")
        law = PreferenceLaw(space, *(np.asarray(state[name]) for name in names))
        wanted = (len(law.anchors), len(space.slots), int(space.radices.max()))
        if law.shares.shape != wanted or law.allowed.shape != wanted[1:]:
            raise ArgumentError(
                f"state must be that of a law of {space.name}, with shares of shape {wanted}; got {law.shares.shape}."
            )
        return law

    def _with(self, shares: Float[np.ndarray, "B L K"], allowed: Bool[np.ndarray, "L K"]) -> "PreferenceLaw":
        """The law with these shares, raised to what each allowed symbol keeps at least."""
        least = LEAST / allowed.sum(1, keepdims=True) * allowed
        shares = np.maximum(np.where(allowed, shares, 0.0), 0.0)
        shares /= np.maximum(shares.sum(2, keepdims=True), 1e-300)
        above = np.maximum(shares - least, 0.0)
        none = above.sum(2, keepdims=True) == 0  # all at their least: even
        above = np.where(none, allowed / allowed.sum(1, keepdims=True), above)
        shares = least + above / above.sum(2, keepdims=True) * (1 - least.sum(1)[:, None])
        return replace(self, shares=shares, allowed=allowed)

    def _explored(self, preference: Sequence[float] | Float[np.ndarray, "k"], even: float) -> Float[np.ndarray, "L K"]:
        return (1 - even) * self.at(preference) + even * self.allowed / self.allowed.sum(1, keepdims=True)

    def _odds(self, known: Int[np.ndarray, "n L"], slot: int, shares: Float[np.ndarray, "K"]) -> np.ndarray:
        """The probabilities (n, K) of the symbols of a slot after those decided before it."""
        legal = self.space.legal_in(known, slot)
        free = legal & self.allowed[slot]
        forced = ~free.any(1)
        odds = np.where(free, shares, 0.0) * np.exp(self.space.belief(known)[:, slot])
        odds[forced] = legal[forced]
        return odds / odds.sum(1, keepdims=True)


def lattice(objectives: int, steps: int) -> Float[np.ndarray, "B k"]:
    """All preferences whose weights are multiples of ``1 / steps``."""
    bars = np.array(list(combinations(range(steps + objectives - 1), objectives - 1)), dtype=np.int64)
    ends = np.full((len(bars), 1), steps + objectives - 1)
    return (np.diff(np.hstack([-np.ones_like(ends), bars, ends]), axis=1) - 1) / steps
