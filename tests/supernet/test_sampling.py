"""An update is fair: what can come equally often does."""

import itertools

import numpy as np
import pytest

from nagkit.errors import ArgumentError
from nagkit.spaces import space
from nagkit.spaces.darts_cells import CELLS, EDGES, INTO, NODES, OPERATIONS, TARGET
from nagkit.supernet.sampling import fair

RNG = np.random.default_rng


def balanced(counts):
    return max(counts) - min(counts) <= 1


@pytest.mark.parametrize("n", [1, 5, 7, 10])
def test_each_symbol_of_each_slot_comes_equally_often_but_for_one(n):
    searched = space("nas-bench-201")
    tokens = fair(searched, n, RNG(n))
    assert searched.belongs(tokens).all()
    for column in tokens.T:
        assert balanced(np.bincount(column, minlength=5))


@pytest.mark.parametrize("n", [1, 7, 21])
def test_pairs_of_edges_and_their_operations_come_equally_often_but_for_one(n):
    searched = space("darts")
    tokens = fair(searched, n, RNG(n))
    assert tokens.shape == (n, 28)
    assert searched.belongs(tokens).all()
    for cell, node in itertools.product(range(len(CELLS)), NODES):
        slots = cell * EDGES + np.flatnonzero(np.equal(TARGET, node))
        pairs = [tuple(np.flatnonzero(row)) for row in tokens[:, slots]]
        assert balanced([pairs.count(pair) for pair in itertools.combinations(range(node), INTO)])
        for column in tokens[:, slots].T:
            assert balanced(np.bincount(column, minlength=1 + len(OPERATIONS))[1:])


def test_other_spaces_are_refused():
    with pytest.raises(ArgumentError, match="'nas-bench-201', 'darts'"):
        fair(space("enas"), 5, RNG(0))


def test_updates_differ():
    searched, rng = space("nas-bench-201"), RNG(0)
    assert not np.array_equal(fair(searched, 5, rng), fair(searched, 5, rng))


@pytest.mark.parametrize(
    "allowed", [np.ones((6, 4), dtype=bool), np.zeros((6, 5), dtype=bool), np.arange(5) > np.arange(6)[:, None]]
)
def test_what_leaves_a_slot_nothing_is_refused(allowed):
    with pytest.raises(
        ArgumentError, match=r"allowed must be Booleans of shape \(6, 5\) that leave each slot a symbol"
    ):
        fair(space("nas-bench-201"), 5, np.random.default_rng(0), allowed)
