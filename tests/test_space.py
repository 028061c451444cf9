"""The generic parts of a search space, proved on a tiny one with unequal slots and a grammar."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks import ROWS, Blocks, belongs
from nagkit.checks.space import SpaceContract
from nagkit.errors import ArgumentError
from nagkit.space import Architecture, SearchSpace, Slot


class TestBlocks(SpaceContract):
    @pytest.fixture
    def space(self):
        return Blocks()


@pytest.fixture
def blocks():
    return Blocks()


def test_only_legal_rows_are_counted_and_listed(blocks):
    assert blocks.size == len(ROWS) == 18
    assert np.array_equal(blocks.all(), ROWS)


def test_rows_that_break_the_grammar_are_named_with_the_slots(blocks):
    with pytest.raises(ArgumentError, match=r"tokens\[1\].*stride.*'2'"):
        blocks.check([[1, 1, 0], [2, 1, 1]])
    assert blocks.faults([2, 1, 1]) == (
        "Slot 1 (stride) may not be '2' beside the others, but '1'.",
        "Slot 2 (activation) may not be 'none' beside the others, but 'relu' or 'gelu' or 'silu'.",
    )
    assert blocks.faults([0, 1, 1]) == ("Slot 1 (stride) may not be '2' beside the others, but '1'.",)


def test_what_an_edit_makes_illegal_gives_way(blocks):
    near = blocks.neighbours(np.array([[0, 0, 0], [1, 0, 1]]))
    edits = {(1, 0, 0), (2, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3)}
    assert {tuple(row) for row in near[0].tolist()} == edits | {(1, 1, 0)}  # a stride needs a larger kernel
    assert (1, 1, 0) in {tuple(row) for row in near[1].tolist()}  # and an activation


@given(st.integers(0, 10**6), st.integers(1, 50))
def test_sampling_uses_what_is_legal_so_far_and_nothing_else(seed, n):
    blocks = Blocks()
    tokens = blocks.sample(n, np.random.default_rng(seed))
    assert all(belongs(*row) for row in tokens.tolist())


class Wide(Blocks):
    """Too many rows to be listed."""

    name = "wide"
    slots = tuple(Slot(str(l), ("a", "b", "c", "d")) for l in range(20))
    legal = SearchSpace.legal


def test_a_large_space_is_sampled_but_never_listed():
    wide = Wide()
    assert wide.size == 4**20
    assert wide.sample(5, np.random.default_rng(0)).shape == (5, 20)
    for call in (wide.all, lambda: wide.at(np.array([0])), lambda: wide.index(np.zeros((1, 20), dtype=int))):
        with pytest.raises(ArgumentError, match="1,000,000"):
            call()


@pytest.mark.parametrize("edges", [{(1, 0)}, {(1, 1)}, {(0, 3)}, {(-1, 0)}])
def test_an_architecture_with_a_cycle_or_a_missing_node_cannot_be_made(edges):
    with pytest.raises(ArgumentError, match="0 <= i < j < 3"):
        Architecture("blocks", ("a", "b", "c"), frozenset(edges), (0, 0, 0), "a/b/c")


def test_the_key_tells_graphs_apart_and_nothing_else():
    def key(ops=("a", "b"), edges=((0, 1),), text="t", space="s"):
        return Architecture(space, ops, frozenset(edges), (0,), text).key

    assert key() == key(text="another text")
    assert len({key(), key(ops=("a", "c")), key(edges=()), key(space="z")}) == 4
    assert key() == "33ea0a4daa18"


@pytest.mark.parametrize("index", [np.array([18]), np.array([-1]), np.array([[0]]), np.array([0.0]), 3, "a", [None]])
def test_places_outside_the_list_are_refused(blocks, as_a_user, index):
    with pytest.raises(ArgumentError, match="index"):
        blocks.at(index)
