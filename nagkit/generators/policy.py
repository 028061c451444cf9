"""Laws over architectures that decide block after block of slots, and know how likely each architecture is.

Notation: n architectures, L slots, K symbols, B blocks, S slots of a block, M components of a mixture. Of a block first
a component m is drawn with weight a[m], then slot after slot a symbol by the odds of that component, among what the
grammar allows beside all decided before: p(block) = sum_m a[m] prod_s p_m(symbol of s | legal), exact with any grammar.
To these odds a policy may add those of a law that it starts from, its ``prior``. A share ``floor`` of each choice is
uniform over what is legal, so that nothing is ever ruled out.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import special
from torch import nn

from nagkit.space import UNDECIDED, SearchSpace

Odds = tuple[torch.Tensor, torch.Tensor]  # logarithms of the weights (n, M), and of the odds of symbols (n, M, S, K)


@dataclass(frozen=True)
class Reading:
    """Complete rows (n, L) with the ``prior_in`` of each slot when it was decided (n, L, K).

    ``fixed`` is what else of each block stays the same while a policy learns, tensors with n rows.
    """

    rows: torch.Tensor
    prior: torch.Tensor
    fixed: Sequence[tuple[torch.Tensor, ...]] = ()

    def take(self, rows: Int[np.ndarray, "k"]) -> "Reading":
        """That of some rows."""
        return Reading(self.rows[rows], self.prior[rows], [tuple(each[rows] for each in held) for held in self.fixed])


class Policy(nn.Module, ABC):
    """Decides ``blocks``, which together hold each slot of its ``space`` once."""

    floor = 0.0

    def __init__(self, space: SearchSpace, blocks: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.space = space
        self.blocks = tuple(map(tuple, blocks))
        self.order = tuple(chain.from_iterable(self.blocks))
        self.radices = tuple(space.radices.tolist())

    def read(self, rows: torch.Tensor) -> Reading:
        """Complete rows (n, L), read so far as nothing that is learned changes what is read."""
        return Reading(rows, self._prior(rows.numpy()))

    @abstractmethod
    def block(self, rows: torch.Tensor, place: int) -> Odds:
        """The odds of one block after those before it; what later slots of ``rows (n, L)`` hold is not looked at."""

    def each(self, reading: Reading) -> list[Odds]:
        """The odds of all blocks of rows that were read."""
        return [self.block(reading.rows, place) for place in range(len(self.blocks))]

    def __deepcopy__(self, memo: dict[int, Any]) -> "Policy":
        """Another with the same weights, of the same space."""
        found = object.__new__(type(self))
        found.__dict__ = deepcopy(self.__dict__, memo | {id(self.space): self.space})
        return found

    def prior_in(self, rows: Int[np.ndarray, "n L"], slot: int) -> Float[np.ndarray, "n K"]:
        """Log odds that are added to those of one slot, whatever is learned: minus infinity for what is not legal."""
        return np.where(self.space.legal_in(rows, slot), 0.0, -np.inf)

    def _prior(self, rows: Int[np.ndarray, "n L"]) -> torch.Tensor:
        """``prior_in`` of each slot of complete rows as it was when the slot was decided (n, L, K)."""
        found = np.zeros((*rows.shape, max(self.radices)), dtype=np.float32)
        partial = np.full_like(rows, UNDECIDED)
        for slot in self.order:
            found[:, slot] = self.prior_in(partial, slot)
            partial[:, slot] = rows[:, slot]
        return torch.from_numpy(found)

    def log_probability(self, reading: Reading) -> torch.Tensor:
        """The logarithm of the probability of each block (n, B), with a gradient."""
        found, rows = [], reading.rows
        for slots, (weights, odds) in zip(self.blocks, self.each(reading), strict=True):
            known = reading.prior[:, None, slots]  # (n, 1, S, K)
            each = floored((odds + known).log_softmax(3), known.isfinite(), self.floor)
            held = rows[:, None, slots, None].expand(-1, each.shape[1], -1, -1)
            found.append((weights + each.gather(3, held)[..., 0].sum(2)).logsumexp(1))
        return torch.stack(found, dim=1)


def floored(logs: torch.Tensor, allowed: torch.Tensor, floor: float) -> torch.Tensor:
    """Log probabilities over the last axis, of which a share is uniform over what is allowed."""
    if not floor:
        return logs
    uniform = (floor / allowed.sum(-1, keepdim=True).double()).log().to(logs.dtype)
    mixed = torch.logaddexp(logs + float(np.log1p(-floor)), uniform)
    return torch.where(allowed, mixed, -torch.inf)


class Drawn:
    """Rows that are drawn from a policy block after block, with the probability of what was drawn.

    ``rows (n, L)`` are complete at the end; ``logs (n, B)`` are the logarithms of the policy's probability of each
    block, ``asked (n, B)`` those of the law that was drawn from: a ``tilt (n, L, K)`` is added to the log odds of it.
    """

    def __init__(
        self, policy: Policy, n: int, rng: np.random.Generator, tilt: Float[np.ndarray, "n L K"] | None = None
    ) -> None:
        self.policy, self.rng, self.tilt = policy, rng, tilt
        self.rows = np.full((n, len(policy.order)), UNDECIDED)
        self.logs, self.asked = np.zeros((2, n, len(policy.blocks)))

    def finish(self, place: int = 0) -> "Drawn":
        """Draw all blocks from this one on; what was in them is drawn anew."""
        self.rows[:, [slot for slots in self.policy.blocks[place:] for slot in slots]] = UNDECIDED
        for each in range(place, len(self.policy.blocks)):
            self._draw(each)
        return self

    def take(self, other: "Drawn", which: Bool[np.ndarray, "n"]) -> None:
        """Make some rows those of another draw."""
        for own, new in zip((self.rows, self.logs, self.asked), (other.rows, other.logs, other.asked), strict=True):
            own[which] = new[which]

    def _draw(self, place: int) -> None:
        slots = self.policy.blocks[place]
        weights, odds = odds_of(self.policy, self.rows, place)
        component = (weights + self.rng.gumbel(size=weights.shape)).argmax(1)
        logs, asked, each = weights.copy(), weights.copy(), np.arange(len(weights))
        for s, slot in enumerate(slots):
            prior = self.policy.prior_in(self.rows, slot)[:, None]  # (n, 1, K)
            plain = among(odds[:, :, s], prior, self.policy.floor)
            tilted = plain
            if self.tilt is not None:
                tilted = among(odds[:, :, s] + self.tilt[:, None, slot], prior, self.policy.floor)
            own = tilted[each, component]
            symbol = (own + self.rng.gumbel(size=own.shape)).argmax(1)
            self.rows[:, slot] = symbol
            logs += plain[each, :, symbol]
            asked += tilted[each, :, symbol]
        self.logs[:, place], self.asked[:, place] = special.logsumexp(logs, axis=1), special.logsumexp(asked, axis=1)


def among(
    odds: Float[np.ndarray, "... K"], prior: Float[np.ndarray, "... K"], floor: float
) -> Float[np.ndarray, "... K"]:
    """Log probabilities of symbols by both odds, of which a share is uniform among what is legal."""
    logs = special.log_softmax(odds + prior, axis=-1)
    return floored(torch.from_numpy(logs), torch.from_numpy(np.isfinite(prior)), floor).numpy()


def odds_of(
    policy: Policy, rows: Int[np.ndarray, "n L"], place: int
) -> tuple[Float[np.ndarray, "n M"], Float[np.ndarray, "n M S K"]]:
    """The odds of one block as arrays; the weights add up to one in double precision, too.

    Rows that are alike so far, as nearly all are at first, are read once.
    """
    different, each = np.unique(rows, axis=0, return_inverse=True)
    with torch.inference_mode():
        weights, odds = (
            part.double().numpy()[each.ravel()] for part in policy.block(torch.from_numpy(different), place)
        )
    return special.log_softmax(weights, axis=1), odds
