"""The generic parts of a search space, proved on a tiny one with unequal slots and a grammar."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagkit.checks.space import SpaceContract
from nagkit.errors import ArgumentError
from nagkit.space import UNDECIDED, Architecture, SearchSpace, Slot

SLOTS = (
    Slot("kernel", ("1", "3", "5")),
    Slot("stride", ("1", "2")),
    Slot("activation", ("relu", "none", "gelu", "silu")),
)


def belongs(kernel: int, stride: int, activation: int) -> bool:
    """A 1x1 kernel does not stride, and what strides is followed by an activation."""
    return not (stride == 1 and (kernel == 0 or activation == 1))


ROWS = np.array([row for row in itertools.product(range(3), range(2), range(4)) if belongs(*row)])


class Blocks(SearchSpace):
    """One block: kernel, stride, activation."""

    name = "blocks"
    slots = SLOTS

    def legal(self, tokens):
        allowed = np.zeros((len(tokens), 3, 4), dtype=bool)
        for i, row in enumerate(tokens):
            for l in range(3):
                others = [m for m in range(3) if m != l and row[m] != UNDECIDED]
                for legal in ROWS:
                    if all(legal[m] == row[m] for m in others):
                        allowed[i, l, legal[l]] = True
        return allowed

    def decode(self, row: Any) -> Architecture:
        tokens = tuple(self.check(np.asarray(row)[None], "row")[0].tolist())
        ops = tuple(slot.symbols[k] for slot, k in zip(self.slots, tokens, strict=True))
        return Architecture(self.name, ops, frozenset({(0, 1), (1, 2)}), tokens, "/".join(ops))

    def encode(self, architectures: Sequence[str | Architecture]):
        if isinstance(architectures, str) or not len(architectures):
            raise ArgumentError("architectures must be a list with at least one architecture.")
        texts = [a.text if isinstance(a, Architecture) else a for a in architectures]
        if wrong := [text for text in texts if not isinstance(text, str) or text.count("/") != 2]:
            raise ArgumentError(f"architectures must be written kernel/stride/activation; got {wrong[0]!r}.")
        parts = [text.split("/") for text in texts]
        return self.check([[s.symbols.index(p) for s, p in zip(self.slots, row, strict=True)] for row in parts])

    def canonical(self, tokens, identity="string"):
        if identity != "string":
            raise ArgumentError(f"identity must be 'string'; got {identity!r}.")
        return self.check(tokens)

    def params(self, tokens, classes=10):
        return self._cost(tokens, classes)

    def flops(self, tokens, classes=10):
        return self._cost(tokens, classes)

    def _cost(self, tokens, classes):
        if not isinstance(classes, int) or classes < 1:
            raise ArgumentError(f"classes must be a whole number from 1; got {classes!r}.")
        return (2 * self.check(tokens)[:, 0] + 1) ** 2 + classes


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


def test_an_edit_that_the_grammar_forbids_is_replaced_by_another_neighbour(blocks):
    near = blocks.neighbours(np.array([[0, 0, 0]]))[0]
    assert {tuple(row) for row in near.tolist()} == {(1, 0, 0), (2, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3)}


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
