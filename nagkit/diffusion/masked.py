"""Masked (absorbing) diffusion: every slot starts undecided and is decided once, in random order.

Notation: n samples, L slots, K symbols; a belief gives logits (n, L, K) of every slot from the decided ones. In
continuous time each slot is masked independently with probability t; run backwards, the order of decisions is a
uniform permutation (Shi et al., 2024, section 3), which is drawn first, as is all other noise. The same random state
therefore gives the same noise under any guidance.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from nagkit import arguments
from nagkit.diffusion.chain import Chain
from nagkit.diffusion.energy import Energy
from nagkit.diffusion.tilt import Tilt
from nagkit.errors import ArgumentError
from nagkit.space import UNDECIDED, SearchSpace

Belief = Callable[[Int[np.ndarray, "n L"]], Float[np.ndarray, "n L K"]]  # partial tokens to logits of every slot


@dataclass(frozen=True, eq=False)
class Frame:
    """A batch on its way: ``UNDECIDED`` marks slots still open, ``probability`` the belief about every slot.

    ``step`` counts from 0 (nothing decided) to ``steps`` (the answer).
    """

    step: int
    steps: int
    tokens: Int[np.ndarray, "n L"]
    probability: Float[np.ndarray, "n L K"]


@dataclass(frozen=True, eq=False)
class Noise:
    """All randomness of a batch: the order of decisions, Gumbel noise for each, a preference in [0, 1), and a seed.

    The order is random within each phase of the slots.
    """

    order: Int[np.ndarray, "n L"]
    gumbel: Float[np.ndarray, "n L K"]
    preference: Float[np.ndarray, "n"]
    seed: int

    @classmethod
    def draw(cls, space: SearchSpace, n: int, rng: np.random.Generator) -> "Noise":
        """The noise of n samples."""
        slots, symbols = len(space.slots), int(space.radices.max())
        order = ([slot.phase for slot in space.slots] + rng.random((n, slots))).argsort(1)
        gumbel = rng.gumbel(size=(n, slots, symbols))
        return cls(order, gumbel, rng.random(n), int(rng.integers(2**63)))


def denoise(
    space: SearchSpace, belief: Belief, guide: Tilt | Energy | None, noise: Noise, steps: int
) -> Iterator[Frame]:
    """The frames of a batch, ``steps + 1`` of them; each step asks the belief once and decides its share of slots.

    Within a step the slots are decided one after the other under grammar and guide, so that what is exact stays exact
    with few steps; only the belief is as old as the step.
    """
    n, slots = noise.order.shape
    rows = np.arange(n)
    direction = np.floor(noise.preference * (len(guide.directions) if guide else 1)).astype(int)
    law = (
        Chain(space, guide, direction, np.random.default_rng(noise.seed))
        if isinstance(guide, Energy)
        else Law(space, guide, direction, noise.gumbel)
    )
    tokens = np.full((n, slots), UNDECIDED)
    for step, decided in enumerate(np.array_split(np.arange(slots), steps)):
        logits = _believed(belief, tokens, noise.gumbel.shape)
        law.begin(logits, tokens, None if belief == space.belief else logits - space.belief(tokens))
        yield Frame(step, steps, tokens.copy(), law.probability(tokens))
        for turn in decided:
            slot = noise.order[:, turn]
            tokens[rows, slot] = law.decided(tokens, slot)
    yield Frame(steps, steps, tokens.copy(), law.probability(tokens))


def _believed(belief: Belief, tokens: np.ndarray, shape: tuple[int, ...]) -> Float[np.ndarray, "n L K"]:
    """The logits of a belief, which may rule a symbol out by -inf but must be numbers of the right shape."""
    logits = arguments.array("belief", belief(tokens))
    if logits.shape != shape or np.isnan(logits).any():
        raise ArgumentError(f"belief must give logits of shape {shape} without NaN; it gave {logits.shape}.")
    return logits


class Law:
    """Belief, grammar and tilt together; ``direction (n,)`` is the preference that each sample follows."""

    def __init__(
        self, space: SearchSpace, tilt: Tilt | None, direction: Int[np.ndarray, "n"], gumbel: Float[np.ndarray, "n L K"]
    ) -> None:
        self.space, self.tilt, self.direction, self.gumbel = space, tilt, direction, gumbel

    def begin(self, logits: Float[np.ndarray, "n L K"], *_: Any) -> None:
        """Take the logits of a step."""
        self.logits = logits

    def decided(self, tokens: Int[np.ndarray, "n L"], slot: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
        """What one slot of each row becomes."""
        rows = np.arange(len(slot))
        guided = self._guided(tokens, self.space.legal_in(tokens, slot), slot)
        return (guided + self.gumbel[rows, slot]).argmax(1)

    def probability(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n L K"]:
        """What each slot would become if it were decided next; certainty where it is decided."""
        legal, held = self.space.legal(tokens), tokens[:, :, None]
        each = [self._guided(tokens, legal[:, l], np.full(len(tokens), l)) for l in range(tokens.shape[1])]
        open_ = special.softmax(np.stack(each, axis=1), axis=2)
        return np.where(held == UNDECIDED, open_, held == np.arange(open_.shape[2]))

    def _guided(self, tokens: np.ndarray, legal: np.ndarray, slot: np.ndarray) -> Float[np.ndarray, "n K"]:
        """The logits of one slot of each row, -inf for what may not be."""
        guided = np.where(legal, self.logits[np.arange(len(slot)), slot], -np.inf)
        return guided if self.tilt is None else guided + self.tilt.of(tokens, slot, self.direction)
