"""Motifs are counted as loops count them, and compared with intervals that hold what they say."""

import re

import numpy as np
import pytest

import nagkit
from nagkit.distribution import Distribution
from nagkit.errors import ArgumentError
from nagkit.motifs import DEAD, SLOTS, Motifs

CELLS, GRAPHS = nagkit.space("nas-bench-201"), nagkit.space("nas-bench-101")


class Free(type(CELLS)):
    """The same cells, of which every part counts."""

    name = "free"

    def alive(self, tokens):
        return np.ones(tokens.shape, dtype=bool)


FREE = Free()


def drawn(space=CELLS, n=300, seed=0):
    return Distribution.of_space(space, n, np.random.default_rng(seed))


def preferring(n=300):
    """Cells that mostly begin with a 3x3 convolution."""
    rows = drawn(n=n, seed=1).tokens
    rows[: n * 3 // 4, 0] = 3
    return Distribution(CELLS, rows)


def alive(architecture):
    """The nodes on a way of nodes with operations from the input to the output, by following every way."""
    there = [op != "none" for op in architecture.ops]
    last, found, ways = len(there) - 1, set(), [[0]]
    while ways:
        way = ways.pop()
        if way[-1] == last:
            found |= set(way)
        ways += [[*way, j] for i, j in architecture.edges if i == way[-1] and there[j]]
    return found


def joined(architecture):
    """The pairs of operations of edges with data, one after the other."""
    live, ops = alive(architecture), architecture.ops
    return {(ops[i], ops[j]) for i, j in architecture.edges if i in live and j in live}


@pytest.mark.parametrize("space", [CELLS, GRAPHS], ids=lambda space: space.name)
def test_pairs_are_those_that_loops_find(space):
    samples, law = drawn(space, 60), drawn(space, 80, 1)
    found = Motifs.of_pairs(samples, law)
    each = [[joined(space.decode(row)) for row in one.tokens] for one in (samples, law)]
    assert set(found.names) == set().union(*each[0], *each[1])
    for place, pair in enumerate(found.names):
        assert found.share[place] == pytest.approx(sum(pair in pairs for pairs in each[0]) / 60)
        assert found.law[place] == pytest.approx(sum(pair in pairs for pairs in each[1]) / 80)


def test_symbols_count_where_they_have_an_effect():
    samples = drawn(n=100)
    found = Motifs.of_slots(samples, drawn(seed=1))
    for l, slot in enumerate(CELLS.slots):
        held = [
            slot.symbols[row[l]] if 1 + l in alive(CELLS.decode(row)) else DEAD for row in samples.tokens
        ]  # node 1 + l is that of slot l
        for symbol, place in found.of(slot.name).items():
            assert found.share[place] == pytest.approx(held.count(symbol) / 100)
    assert not any(symbol == "none" for _, symbol in found.names)


def test_what_is_preferred_comes_first_with_an_interval_above_one():
    found = Motifs.of_slots(preferring(), drawn(n=3_000))
    first = found.table().iloc[0]
    assert (first["slot"], first["symbol"]) == ("0-1", "nor_conv_3x3")
    assert 1 < first["low"] < first["lift"] < first["high"]
    assert first["lift"] == pytest.approx(first["share (%)"] / first["of the other law (%)"], rel=0.02)
    assert (np.diff(found.table()["lift"]) <= 0).all()
    assert "the most preferred is conv 3×3 at 0-1" in found.sentence()
    assert found.table(least=0.5)["share (%)"].max() >= 50


def test_a_law_prefers_nothing_to_itself():
    """Two samples of one law differ for certain in 5 of 100 cases, however many motifs are compared in each."""
    said = [Motifs.of_slots(drawn(seed=2 * s), drawn(n=600, seed=2 * s + 1)).certain.any() for s in range(80)]
    assert np.mean(said) < 0.15, "of five of 100, so many are seen once in a thousand times"


def test_of_what_is_certain_few_are_chance():
    """Where the first slot differs and no other does."""
    said = []
    for seed in range(40):
        law, rows = drawn(n=600, seed=2 * seed), drawn(seed=2 * seed + 1).tokens
        rows[:, 0] = np.where(rows[:, 0] == 1, 3, rows[:, 0])
        found = Motifs.of_slots(Distribution(FREE, rows), Distribution(FREE, law.tokens))
        said.append([where for (where, _), certain in zip(found.names, found.certain, strict=True) if certain])
    assert np.mean(["0-1" in each for each in said]) == 1
    wrong = [sum(where != "0-1" for where in each) / len(each) for each in said]
    assert np.mean(wrong) <= 0.05


def test_a_slot_with_two_symbols_is_one_motif():
    space = nagkit.space("enas")
    found = Motifs.of_slots(drawn(space, 100), drawn(space, 200, 1))
    skips = [slot.name for slot in space.slots if len(slot.symbols) == 2]
    assert len(skips) == 15
    assert sorted(name for name in found.names if name[0] in skips) == sorted((skip, "skip") for skip in skips)
    assert len(found.names) == 6 * 6 + 15
    none = Distribution(space, np.zeros((9, len(space.slots)), dtype=int))
    assert Motifs.of_slots(none, none).of("skip 0-2") == {"-": 2}, "where there is no other"


def test_what_one_law_never_has_keeps_a_finite_lift():
    rows = drawn(n=50).tokens
    rows[:, 0] = 3
    found = Motifs.of_slots(Distribution(CELLS, rows), drawn(n=500))
    assert np.isfinite([found.lift, found.low, found.high]).all()
    place = found.of("0-1")["avg_pool_3x3"]
    assert found.share[place] == 0 < found.lift[place] < found.high[place] < 1


def test_where_nothing_differs_the_sentence_says_so():
    rows = np.full((4, 6), 3)
    same = Distribution(CELLS, rows)
    assert Motifs.of_slots(same, same).sentence() == "Nothing differs from the other law for certain."


@pytest.mark.parametrize(
    ("lifts", "said"),
    [
        ([(0.5, 0.9), (0.1, 0.3)], "2 of 2 differ .*; the least preferred is conv 3×3 at 0-2 .0.17 times.."),
        ([(1.1, 2), (3, 4)], "2 of 2 differ .*; the most preferred is conv 3×3 at 0-2 .3.5 times.."),
        ([(0.9, 2), (3, 4)], "1 of 2 differs .*; the most preferred is conv 3×3 at 0-2 .3.5 times.."),
        ([(0.9, 2), (0.3, 0.4)], "1 of 2 differs .*; the least preferred is conv 3×3 at 0-2 .0.35 times.."),
        ([(0.3, 0.4), (2, 4)], "the most preferred is conv 3×3 at 0-2 .*, the least preferred is conv 3×3 at 0-1 "),
    ],
)
def test_the_sentence_names_as_preferred_only_what_is_more_frequent(lifts, said):
    low, high = np.array(lifts).T
    shares = np.full(2, 0.5)
    names = (("0-1", "nor_conv_3x3"), ("0-2", "nor_conv_3x3"))
    found = Motifs(CELLS, SLOTS, names, shares, shares, np.sqrt(low * high), low, high)
    assert re.search(said, found.sentence())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((drawn(n=2), drawn(GRAPHS, 2)), "law must be of the space 'nas-bench-201'"),
        ((3, drawn(n=2)), "samples must be"),
    ],
)
def test_laws_that_cannot_be_compared_are_refused(as_a_user, given, said):
    with pytest.raises(ArgumentError, match=said):
        Motifs.of_slots(*given)
