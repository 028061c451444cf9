"""Classical random graphs as wirings: their edges and degrees are those of networkx, and they fit their space."""

import math

import networkx as nx
import numpy as np
import pytest

from nagkit.errors import ArgumentError
from nagkit.spaces import space as find
from nagkit.spaces.random_wired import RandomWired
from nagkit.wirings import BarabasiAlbert, ErdosRenyi, WattsStrogatz, families, sample

SPACE = find("random-wired-16")
FAMILIES = {
    "erdos-renyi": (ErdosRenyi(0.4), lambda seed: nx.erdos_renyi_graph(16, 0.4, seed=seed)),
    "barabasi-albert": (BarabasiAlbert(4), lambda seed: nx.barabasi_albert_graph(16, 4, seed=seed)),
    "watts-strogatz": (WattsStrogatz(6, 0.75), lambda seed: nx.watts_strogatz_graph(16, 6, 0.75, seed=seed)),
}
each = pytest.mark.parametrize(("family", "direct"), FAMILIES.values(), ids=FAMILIES)


def drawn(family, n=200, space=SPACE, seed=0):
    return sample(space, family, n, np.random.default_rng(seed))


@each
def test_rows_belong_and_depend_on_the_seed_alone(family, direct):
    rows = drawn(family, 20)
    assert np.array_equal(SPACE.check(rows), rows)
    assert np.array_equal(rows, drawn(family, 20))
    assert len(np.unique(np.concatenate([rows, drawn(family, 20, seed=1)]), axis=0)) == 40


@each
def test_degrees_are_those_of_networkx(family, direct):
    """How many nodes of each degree, in the mean of 400 graphs drawn here and 400 drawn there."""
    found = SPACE.structure(drawn(family, 400))
    here = np.array([np.bincount(row, minlength=16) for row in found.into + found.out])
    there = np.array([np.bincount([d for _, d in direct(seed).degree], minlength=16) for seed in range(400)])
    error = np.sqrt((here.var(0) + there.var(0)) / 400)
    assert (np.abs(here.mean(0) - there.mean(0)) <= 4.5 * error).all()
    assert (here.std(0) > 0).sum() >= 5


@each
def test_edges_are_as_many_as_a_family_says(family, direct):
    edges = drawn(family).sum(1)
    assert abs(edges.mean() - family.edges(16)) <= 5 * edges.std() / np.sqrt(len(edges))
    assert (edges.std() > 0) == isinstance(family, ErdosRenyi)


def test_who_came_later_is_joined_to_m_before():
    """The first m have no edges between them, and the next joins all of them."""
    into = SPACE.structure(drawn(BarabasiAlbert(4))).into
    assert (into == [0] * 4 + [4] * 12).all()


def test_a_ring_is_cut_open_at_its_first_node():
    row = drawn(WattsStrogatz(4, 0.0), 1)[0]
    edges = {(int(i), int(j)) for i, j in np.argwhere(SPACE.adjacency(row[None])[0])}
    assert edges == {tuple(sorted((i, (i + step) % 16))) for i in range(16) for step in (1, 2)}


def test_graphs_that_do_not_fit_are_drawn_again():
    """Binomial numbers of edges, cut off at the limits of the space."""
    space, family = RandomWired(6, (5, 7)), ErdosRenyi(0.5)
    share = np.array([math.comb(15, k) for k in (5, 6, 7)]) / 2**15
    assert family.fitting(space) == pytest.approx(share.sum())
    found = np.bincount(drawn(family, 1000, space).sum(1), minlength=16)
    assert found.sum() == found[5:8].sum() == 1000
    assert np.allclose(found[5:8] / 1000, share / share.sum(), atol=0.07)


@pytest.mark.parametrize(("nodes", "edges"), [(8, 16), (16, 48), (16, 64), (32, 60)])
def test_families_of_a_size_are_alike_in_size(nodes, edges):
    space = find(f"random-wired-{nodes}")
    for family in families(nodes, edges):
        assert abs(family.edges(nodes) - edges) <= 0.07 * edges
        assert family.fitting(space) > 0.9
        assert abs(drawn(family, 100, space).sum(1).mean() - edges) <= 0.1 * edges


def test_no_other_family_of_its_kind_is_nearer():
    _, attached, ring = families(32, 100)
    assert (attached, ring) == (BarabasiAlbert(4), WattsStrogatz(6, 0.75))  # 112 rather than 87, 96 than 128


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ErdosRenyi(1.1), "p must be a number from 0 to 1"),
        (lambda: BarabasiAlbert(0), "m must be a whole number from 1"),
        (lambda: WattsStrogatz(3, 0.5), "k must be even, as many on each side; got 3. Take 2."),
        (lambda: WattsStrogatz(4, -1), "p must be a number from 0 to 1"),
        (lambda: drawn(BarabasiAlbert(16)), "m must be a whole number from 1 to 15; got 16"),
        (lambda: drawn(WattsStrogatz(16, 0.5)), "k must be a whole number from 2 to 15; got 16"),
        (
            lambda: drawn(WattsStrogatz(12, 0.5)),
            "family must fit random-wired-16, .* 15 to 80 .* has 96 edges",
        ),
        (lambda: drawn(ErdosRenyi(0.0)), "family must fit random-wired-16"),
        (lambda: drawn("ring"), "family must be a Family"),
        (lambda: sample(find("nas-bench-201"), ErdosRenyi(0.3), 1, None), "space must be a RandomWired"),
        (lambda: sample(SPACE, ErdosRenyi(0.3), 1, None), "rng must be"),
        (lambda: families(3, 3), "nodes must be a whole number from 4 to 32"),
        (lambda: families(8, 29), "edges must be a whole number from 7 to 28"),
    ],
)
def test_what_is_no_family_or_does_not_fit_is_refused(call, message, as_a_user):
    with pytest.raises(ArgumentError, match=message):
        call()
