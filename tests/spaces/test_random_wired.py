"""The space of random wirings: its grammar and law against lists of all rows, its structure against networkx."""

import itertools
import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagkit.checks.space import SpaceContract
from nagkit.errors import ArgumentError
from nagkit.space import UNDECIDED
from nagkit.spaces import space as find
from nagkit.spaces.random_wired import NODE, SIZES, RandomWired
from nagkit.spaces.skeleton import MICRO, Skeleton

SMALL = RandomWired(4)  # all of its 64 sets of edges can be looked through
NARROW = RandomWired(4, (2, 4))
OTHERS = (RandomWired(6), RandomWired(12, (11, 20)), find("random-wired-32"))
seeds = st.integers(0, 10**6)


class TestRandomWired(SpaceContract):
    @pytest.fixture(params=[NARROW, RandomWired(9, (10, 20))], ids=lambda space: space.name)
    def space(self, request):
        return request.param


def every(space):
    """All sets of edges within the limits, by looking through those of any number."""
    rows = np.array(list(itertools.product((0, 1), repeat=len(space.slots))))
    return rows[(rows.sum(1) >= space.least) & (rows.sum(1) <= space.most)]


@pytest.mark.parametrize("space", [SMALL, NARROW], ids=lambda space: space.name)
def test_the_rows_are_all_sets_of_so_many_edges(space):
    assert np.array_equal(space.all(), every(space))
    assert space.size == len(every(space))


@pytest.mark.parametrize("nodes", SIZES)
def test_a_space_goes_by_its_nodes_and_holds_trees_and_dense_wirings(nodes):
    space = find(f"random-wired-{nodes}")
    assert (space.name, space.nodes) == (f"random-wired-{nodes}", nodes)
    assert (space.least, space.most) == (nodes - 1, min(5 * nodes, nodes * (nodes - 1) // 2))
    assert space.size == sum(math.comb(len(space.slots), k) for k in range(space.least, space.most + 1))


@given(seeds, st.sampled_from([SMALL, NARROW]))
def test_legal_is_what_some_wiring_has(seed, space):
    """Of any state, whether or not it can be completed."""
    row = np.random.default_rng(seed).integers(UNDECIDED, 2, size=6)
    for slot, legal in enumerate(space.legal(row[None])[0]):
        others = [l for l in range(6) if l != slot and row[l] != UNDECIDED]
        agreeing = every(space)[(every(space)[:, others] == row[others]).all(1)]
        assert set(np.flatnonzero(legal)) == set(agreeing[:, slot].tolist()), row


@pytest.mark.parametrize("space", [SMALL, NARROW], ids=lambda space: space.name)
def test_all_numbers_of_edges_are_equally_likely_and_all_sets_of_so_many(space):
    n = 40_000
    drawn = np.bincount(space.index(space.sample(n, np.random.default_rng(0))), minlength=space.size) / n
    law = np.exp(space.log_probability(space.all()))
    assert law.sum() == pytest.approx(1)
    share = np.bincount(space.all().sum(1), law)[space.least :]
    assert np.allclose(share, share[0])
    assert ((drawn - law) ** 2 / law).sum() * n < space.size + 5 * np.sqrt(2 * space.size)  # chi-squared


@given(seeds, st.sampled_from([SMALL, NARROW]))
def test_the_belief_is_the_share_of_each_symbol_under_the_law(seed, space):
    """Bayes' rule by looking through all rows that agree with the decided slots."""
    rng = np.random.default_rng(seed)
    row = space.sample(1, rng)[0]
    row[rng.random(6) < 0.6] = UNDECIDED
    decided = row != UNDECIDED
    rows = space.all()[(space.all()[:, decided] == row[decided]).all(1)]
    law = np.exp(space.log_law(rows))
    logits = np.where(space.legal(row[None]), space.belief(row[None]), -np.inf)[0]
    share = np.exp(logits[:, 1]) / np.exp(logits).sum(1)
    assert np.allclose(share[~decided], (law @ rows / law.sum())[~decided])


def test_an_undecided_row_of_many_nodes_is_believed_as_it_is_sampled():
    space = find("random-wired-32")
    logits = space.belief(np.full((1, len(space.slots)), UNDECIDED))[0]
    share = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    assert np.allclose(share, (space.least + space.most) / 2 / len(space.slots))
    full, nearly = np.zeros((2, len(space.slots)), dtype=int)
    full[: space.most] = nearly[: space.most - 1] = 1
    full[-1] = nearly[-1] = UNDECIDED
    assert space.legal(np.array([full, nearly]))[:, -1].tolist() == [[True, False], [True, True]]


@pytest.mark.parametrize("space", [NARROW, *OTHERS], ids=lambda space: space.name)
def test_where_no_edge_may_be_added_the_nearest_gives_way(space):
    rng = np.random.default_rng(0)
    for edges, symbol in ((space.most, 1), (space.least, 0)):
        row = (rng.random(len(space.slots)).argsort().argsort() < edges).astype(int)
        for slot, near in enumerate(space.neighbours(row[None])[0]):
            moved = set(np.flatnonzero(near != row).tolist())
            expected = {slot}
            if row[slot] != symbol:
                others = [l for l in np.flatnonzero(row == symbol).tolist() if l != slot]
                expected |= {min(others, key=lambda l: (abs(l - slot), l))}
            assert moved == expected


@pytest.mark.parametrize("space", OTHERS, ids=lambda space: space.name)
def test_structure_is_that_of_networkx(space):
    """Against graphs built edge by edge; the input and the output are nodes of these."""
    for row in space.sample(10, np.random.default_rng(0)):
        graph, found = space.decode(row).graph(), space.structure(row[None])
        inner = list(range(1, space.nodes + 1))
        assert graph.number_of_edges() == row.sum() + graph.out_degree(0) + graph.in_degree(space.nodes + 1)
        assert [graph.nodes[node]["op"] for node in inner] == [NODE] * space.nodes
        into = [sum(1 for i in graph.predecessors(node) if i) for node in inner]
        out = [sum(1 for j in graph.successors(node) if j <= space.nodes) for node in inner]
        assert (found.into[0].tolist(), found.out[0].tolist()) == (into, out)
        longest = nx.dag_longest_path_length(graph, weight="")
        shortest = nx.shortest_path_length(graph, 0, space.nodes + 1)
        assert (found.deep()[0], found.shallow()[0]) == (longest - 2, shortest - 2)
        ways = {0: 1}
        for node in (*inner, space.nodes + 1):
            ways[node] = sum(ways[i] for i in graph.predecessors(node))
        edges, fed, taken, deep, paths = found.summary()[0]
        assert (edges, fed, taken, deep) == (row.sum(), into.count(0), out.count(0), longest - 2)
        assert paths == pytest.approx(math.log(ways[space.nodes + 1]))


@given(seeds)
def test_isomorphic_wirings_share_all_features(seed):
    """The same graph with its nodes in another order in which all edges go up."""
    rng, space = np.random.default_rng(seed), OTHERS[0]
    on = space.adjacency(space.sample(1, rng))[0]
    order, left = [], set(range(space.nodes))
    while left:
        free = [j for j in sorted(left) if not any(on[i, j] for i in left)]
        order.append(free[rng.integers(len(free))])
        left.remove(order[-1])
    other = on[np.ix_(order, order)][space.source, space.target].astype(int)
    rows = np.array([on[space.source, space.target].astype(int), other])
    assert np.array_equal(*space.features(rows))
    assert np.array_equal(*space.trends(rows))
    assert np.array_equal(*space.params(rows))


def test_a_text_gives_of_each_node_those_that_lead_to_it():
    row = SMALL.encode(["-|0|0 1|-"])[0]
    architecture = SMALL.decode(row)
    assert row.tolist() == [1, 1, 1, 0, 0, 0]  # 0-1, 0-2, 1-2, and none into node 3
    assert architecture.text == "-|0|0 1|-"
    assert architecture.edges == {(0, 1), (1, 2), (1, 3), (2, 3), (0, 4), (3, 5), (4, 5)}


@pytest.mark.parametrize(
    "text", ["-|0|0 1", "-|0|0 1|-|-", "0|-|-|-", "-|1|0|0", "-|0,1|0|0", "-|0|0 4|-", "-|-|-|" + "9" * 5000]
)
def test_other_texts_are_refused(text):
    with pytest.raises(ArgumentError, match="architectures must be of random-wired-4"):
        SMALL.encode([text])


def test_too_many_edges_are_a_fault():
    assert NARROW.faults(np.ones(6, dtype=int)) == ("There must be 2 to 4 edges; there are 6.",)


def test_trends_have_a_spread_of_one_together():
    for space in OTHERS:
        assert space.trends(space.sample(4000, np.random.default_rng(1))).var(0).sum() == pytest.approx(1, abs=0.2)


def test_trends_are_finite_where_the_limits_leave_hardly_a_choice():
    space = RandomWired(32, (495, 496))
    assert np.isfinite(space.trends(space.sample(20, np.random.default_rng(0)))).all()


def test_costs_follow_edges_and_nodes_fed_by_hand():
    """Two stages of 2 and 3 channels, one wiring each; the second node of three edges is fed, too."""
    space, skeleton = SMALL, Skeleton((2, 3), cells=1, image_channels=1)
    row = space.encode(["-|-|0 1|2"])
    params = 9 * 2 + 4 + (4 * 2 * (9 + 2 + 2) + 3) + (2 * (2 * (9 + 3) + 6) + 2 * 3 * (9 + 3 + 2) + 3) + 6 + 4 * 7
    assert space.params(row, 7, skeleton).tolist() == [params]
    flops = 9 * 2 * 25 + (4 * 2 * 11 + 3 * 2) * 25 + (2 * 2 * 12 + 2 * 3 * 12 + 3 * 3) * 9 + 3 * 7
    assert space.flops(row, 7, 5, skeleton).tolist() == [flops]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RandomWired(3), "nodes must be a whole number from 4 to 32; got 3"),
        (lambda: RandomWired(33), "nodes must be a whole number from 4 to 32; got 33"),
        (lambda: RandomWired(8, 12), r"edges must be \(least, most\)"),
        (lambda: RandomWired(8, (9, 9)), "edges must be a whole number from 10 to 28; got 9"),
        (lambda: RandomWired(8, (9, 29)), "edges must be a whole number from 10 to 28; got 29"),
        (lambda: SMALL.params(SMALL.all()[:1], 10, None), "skeleton must be a Skeleton"),
        (lambda: SMALL.flops(SMALL.all()[:1], 10, 3, MICRO), "image_size must be a whole number from 4"),
    ],
)
def test_other_sizes_are_refused(call, message, as_a_user):
    with pytest.raises(ArgumentError, match=message):
        call()
