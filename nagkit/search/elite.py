"""Where the best are: the law of each slot among them."""

import numpy as np
from jaxtyping import Int

from nagkit.space import UNDECIDED, SearchSpace

SMOOTHING = 0.15  # share of the uniform law


def like(space: SearchSpace, elite: Int[np.ndarray, "e L"], n: int, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
    """Draws from the product of the laws of the slots among the elite, best first and weighted by rank.

    Slot by slot, each among the symbols that are legal so far.
    """
    weights = np.arange(len(elite), 0, -1.0)
    tokens = np.full((n, len(space.slots)), UNDECIDED)
    for l, slot in enumerate(space.slots):
        share = np.bincount(elite[:, l], weights, space.radices.max()) / weights.sum()  # (K,)
        share = (1 - SMOOTHING) * share + SMOOTHING / len(slot.symbols)
        race = rng.exponential(size=(n, len(share))) / share  # the first to arrive has each symbol's chance
        tokens[:, l] = np.where(space.legal_in(tokens, l), race, np.inf).argmin(1)
    return tokens
