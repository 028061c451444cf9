"""Who the best are, and where: how much each rank counts, and the law of each slot among the elite."""

import numpy as np
from jaxtyping import Float, Int

from nagkit.space import UNDECIDED, SearchSpace

SMOOTHING = 0.15  # share of the uniform law
FACTOR = 1e-2  # k of the weights 1 / (k n + r)


def rank_weights(ranks: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """1 / (k n + r) of rank r, 0 for the best (Tripp et al., 2020, *Sample-Efficient Optimization*, eq. 3)."""
    return 1 / (FACTOR * len(ranks) + ranks)


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
