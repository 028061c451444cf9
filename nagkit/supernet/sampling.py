"""Which architectures an update of shared weights goes through.

An update shows each symbol of each slot equally often (Chu, Zhang & Xu, ICCV 2021, *FairNAS*, section 3.2: strict
fairness), so that no operation learns more than another before it is known which is better.
"""

import itertools
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.space import SearchSpace
from nagkit.spaces import darts_cells
from nagkit.spaces.darts import Darts
from nagkit.spaces.nas_bench_201 import NasBench201

Sampler = Callable[[int, np.random.Generator], Int[np.ndarray, "n L"]]


def fair(
    space: SearchSpace, n: int, rng: np.random.Generator, allowed: Bool[np.ndarray, "L K"] | None = None
) -> Int[np.ndarray, "n L"]:
    """Rows in which every symbol of every slot comes equally often, but for one where n does not divide.

    In ``darts`` this holds of the choices of two edges into each node, and of the operations of each slot where it
    holds one.

    Args:
        allowed: the symbols that each slot still has; all of them when None. In ``darts`` edges without an operation
            are left out as long as two others lead to their node.
    """
    arguments.one_of("space", space.name, (NasBench201.name, Darts.name))
    arguments.whole("n", n)
    tokens = np.zeros((n, len(space.slots)), dtype=np.int64)
    legal = np.arange(space.radices.max()) < space.radices[:, None]
    if allowed is not None:
        if np.shape(allowed) != legal.shape or not (legal & allowed).any(1).all():
            raise ArgumentError(
                f"allowed must be Booleans of shape {legal.shape} that leave each slot a symbol, as those of a "
                f"PreferenceLaw; got shape {np.shape(allowed)}."
            )
        legal &= allowed
    left = [np.flatnonzero(each) for each in legal]
    if not isinstance(space, Darts):
        for slot, symbols in enumerate(left):
            tokens[:, slot] = symbols[_dealt(len(symbols), n, rng)]
        return tokens
    operations = [symbols[symbols > 0] for symbols in left]
    for cell, node in itertools.product(range(len(darts_cells.CELLS)), darts_cells.NODES):
        slots = cell * darts_cells.EDGES + np.flatnonzero(np.equal(darts_cells.TARGET, node))
        open_ = [slot for slot in slots.tolist() if len(operations[slot])]
        ends = open_ if len(open_) >= darts_cells.INTO else slots.tolist()
        pairs = np.array(list(itertools.combinations(ends, darts_cells.INTO)))
        there = np.zeros(tokens.shape, dtype=bool)
        np.put_along_axis(there, pairs[_dealt(len(pairs), n, rng)], True, axis=1)
        for slot in slots.tolist():
            choice = operations[slot] if len(operations[slot]) else 1 + np.arange(len(darts_cells.OPERATIONS))
            tokens[there[:, slot], slot] = choice[_dealt(len(choice), int(there[:, slot].sum()), rng)]
    return tokens


def _dealt(kinds: int, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
    """n cards from shuffled decks of so many kinds, one deck after the other."""
    decks = [rng.permutation(kinds) for _ in range(-(-n // kinds))]
    return np.concatenate([*decks, np.empty(0, dtype=np.int64)])[:n]
