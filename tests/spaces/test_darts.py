"""The cell space of DARTS: its grammar, its notation, which cells are the same, and costs of published networks."""

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagkit.checks.space import SpaceContract
from nagkit.errors import ArgumentError
from nagkit.space import UNDECIDED
from nagkit.spaces import space as find
from nagkit.spaces.darts import CIFAR, SMALL
from nagkit.spaces.darts_cells import CELL_EDGES, EDGES, NODES, NONE, OPERATIONS, SYMBOLS
from nagkit.spaces.skeleton import PUBLISHED, Skeleton

SPACE = find("darts")
# As the authors wrote them; nodes may name their sources in any order.
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], "
    "normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), "
    "('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
    "reduce_concat=[2, 3, 4, 5])"
)
PC_DARTS = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 0), ('dil_conv_3x3', 1), "
    "('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('avg_pool_3x3', 0), ('dil_conv_3x3', 1)], normal_concat=range(2, 6), "
    "reduce=[('sep_conv_5x5', 1), ('max_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 2), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 3), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2)], reduce_concat=range(2, 6))"
)


class TestDarts(SpaceContract):
    @pytest.fixture(params=SPACE.identities)
    def identity(self, request):
        return request.param

    @pytest.fixture
    def space(self):
        return SPACE


def patterns(node):
    """Every choice of two of the edges into a node, as ones among zeros."""
    return [[int(source in pair) for source in range(node)] for pair in itertools.combinations(range(node), 2)]


def test_there_are_as_many_as_choices_of_edges_and_operations():
    cell = np.prod([len(patterns(node)) * len(OPERATIONS) ** 2 for node in NODES], dtype=object)
    assert SPACE.size == cell**2 == 1_037_664_180**2
    assert 1e18 < SPACE.size < 1.1e18  # the paper: about 10^18


def nodes():
    """Of each node of both cells its slots and all choices of its edges."""
    for start, node in itertools.product((0, EDGES), NODES):
        yield [start + CELL_EDGES.index((source, node)) for source in range(node)], patterns(node)


def agrees(row, slots, pattern, but=None):
    """Whether what is decided in these slots fits a choice of edges, one of them left aside."""
    pairs = [(row[slot], on) for slot, on in zip(slots, pattern, strict=True) if slot != but]
    return all(symbol == UNDECIDED or (symbol > NONE) == on for symbol, on in pairs)


@given(st.integers(0, 10**6), st.floats(0, 1), st.integers(0, 3))
def test_legal_is_what_some_cell_has(seed, known, wrong):
    """Beside a list of all choices for each node, with some slots undecided and some maybe wrong."""
    rng = np.random.default_rng(seed)
    row = SPACE.sample(1, rng)[0]
    row[rng.integers(len(row), size=wrong)] = rng.integers(len(SYMBOLS), size=wrong)
    row[rng.random(len(row)) > known] = UNDECIDED
    legal = SPACE.legal(row[None])[0]
    for slots, choices in nodes():
        for place, slot in enumerate(slots):
            fits = {pattern[place] for pattern in choices if agrees(row, slots, pattern, but=slot)}
            assert legal[slot].tolist() == [0 in fits, *[1 in fits] * len(OPERATIONS)], (row, slot)


def test_belief_is_the_share_of_rows():
    """Of those that agree, in a loop over choices of edges; operations are equally likely."""
    rng = np.random.default_rng(0)
    rows = SPACE.sample(100, rng)
    rows[rng.random(rows.shape) < rng.random((100, 1))] = UNDECIDED
    for row, logits in zip(rows, SPACE.belief(rows), strict=True):
        for slots, choices in nodes():
            fits = [pattern for pattern in choices if agrees(row, slots, pattern)]
            for slot, edge in zip(slots, np.mean(fits, axis=0), strict=True):
                if row[slot] == UNDECIDED:
                    expected = [1 - edge, *[edge / len(OPERATIONS)] * len(OPERATIONS)]
                    np.testing.assert_allclose(np.exp(logits[slot]), expected, atol=1e-9)


def test_samples_are_uniform():
    tokens = SPACE.sample(40_000, np.random.default_rng(0))
    last = tokens[:, EDGES - 5 : EDGES]  # the edges into the last node of the normal cell: ten pairs
    _, counts = np.unique((last > 0) @ 2 ** np.arange(5), return_counts=True)
    assert len(counts) == 10
    assert ((counts - 4_000) ** 2 / 4_000).sum() < 9 + 5 * np.sqrt(18)
    share = np.bincount(tokens.ravel(), minlength=len(SYMBOLS))[1:] / (tokens > 0).sum()
    assert np.allclose(share, 1 / 7, atol=0.003)


def test_an_edge_can_move_and_keep_its_operation():
    """To every vertex where it could lead from, unless the other edge has the same operation."""
    for row in SPACE.sample(30, np.random.default_rng(1)):
        near = {tuple(each) for each in SPACE.neighbours(row[None])[0].tolist()}
        for slots, _ in nodes():
            (one, other), free = [s for s in slots if row[s]], [s for s in slots if not row[s]]
            for gone, new in itertools.product((one, other), free):
                moved = row.copy()
                moved[[gone, new]] = NONE, row[gone]
                assert tuple(moved) in near or row[one] == row[other], (row, gone, new)
                assert SPACE.belongs(moved[None]).all()


def renumbered(row, order):
    """The normal cell with its nodes in another order, or ``None`` if an edge would go down."""
    new, found = (0, 1, *order), row.copy()
    found[:EDGES] = NONE
    for edge, (source, node) in enumerate(CELL_EDGES):
        if row[edge]:
            if new[source] >= new[node]:
                return None
            found[CELL_EDGES.index((new[source], new[node]))] = row[edge]
    return found


@given(st.integers(0, 10**6))
def test_the_canonical_row_is_the_first_of_all_orders_of_nodes(seed):
    row = SPACE.sample(1, np.random.default_rng(seed))[0]
    swapped = np.roll(row, EDGES)
    for each in (row, swapped):
        orders = [found for order in itertools.permutations(NODES) if (found := renumbered(each, order)) is not None]
        least = min(found[:EDGES].tolist() for found in orders)
        assert SPACE.canonical(np.array(orders))[:, :EDGES].tolist() == [least] * len(orders)
    assert SPACE.canonical(swapped[None])[0].tolist() == np.roll(SPACE.canonical(row[None])[0], EDGES).tolist()


def test_rows_are_the_same_where_their_graphs_are_isomorphic():
    """All choices of edges of a normal cell, with one operation, beside one reduction cell."""
    rest = SPACE.encode([DARTS_V2])[0, EDGES:].tolist()
    rows = np.array([[*itertools.chain(*each), *rest] for each in itertools.product(*map(patterns, NODES))])
    canonical = {tuple(row) for row in SPACE.canonical(rows).tolist()}
    classes: list[nx.DiGraph] = []
    for row in rows:
        graph = SPACE.decode(row).graph()
        same = nx.algorithms.isomorphism.categorical_node_match("op", None)
        if not any(nx.is_isomorphic(graph, other, same) for other in classes):
            classes.append(graph)
    assert len(rows) == 180
    assert len(canonical) == len(classes) < 180


def test_isomorphic_architectures_have_the_same_features_and_costs():
    rows = SPACE.sample(300, np.random.default_rng(2))
    same = SPACE.canonical(rows)
    assert (rows != same).any(1).mean() > 0.5
    for answer in (SPACE.features, SPACE.counts, SPACE.params, SPACE.flops):
        np.testing.assert_array_equal(answer(rows), answer(same))
    np.testing.assert_array_equal(np.sort(SPACE.depths(rows)), np.sort(SPACE.depths(same)))


def test_depths_are_longest_paths():
    row = SPACE.encode([DARTS_V2])
    assert SPACE.depths(row).tolist() == [[[1, 1, 1, 2], [1, 2, 2, 2]]]
    for each in SPACE.sample(20, np.random.default_rng(3)):
        graph = nx.DiGraph([edge for edge, symbol in zip(CELL_EDGES, each[EDGES:], strict=True) if symbol])
        for node, depth in zip(NODES, SPACE.depths(each[None])[0, 1], strict=True):
            assert depth == nx.dag_longest_path_length(graph.subgraph(nx.ancestors(graph, node) | {node}))


# --------------------------------------------------------------------------------------------------------- notation


def test_a_genotype_is_read_as_published_and_written_in_order():
    (row,) = SPACE.encode([DARTS_V2])
    text = SPACE.decode(row).text
    assert text.startswith("Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ")
    assert text.endswith("('max_pool_3x3', 1), ('skip_connect', 2)], reduce_concat=range(2, 6))")
    assert SPACE.encode([text])[0].tolist() == row.tolist()
    spread = DARTS_V2.replace("normal=", "\n  normal = ").replace(", (", ",\n    (").replace("),", ") ,")
    assert SPACE.encode([spread])[0].tolist() == row.tolist()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("('sep_conv_3x3', 0), ", "", "16|must have 2 operations for each of 4 nodes of the normal cell; got"),
        ("('dil_conv_3x3', 2)]", "('dil_conv_3x3', 5)]", "node 5 of the normal cell has"),
        ("('dil_conv_3x3', 2)]", "('dil_conv_3x3', 0)]", "different vertices before it; node 5"),
        ("dil_conv_3x3", "dil_conv_7x7", "operation must be one of"),
        ("dil_conv_3x3", "none", "operation must be one of"),
        ("reduce_concat=[2, 3, 4, 5]", "reduce_concat=[3, 4, 5]", "of the form Genotype"),
        ("('dil_conv_3x3', 2)]", "('dil_conv_3x3', 2), print(1)]", "of the form Genotype"),
    ],
)
def test_other_genotypes_are_refused(old, new, words, as_a_user):
    with pytest.raises(ArgumentError, match=words):
        SPACE.encode([DARTS_V2.replace(old, new)])


def test_a_node_without_two_edges_is_a_fault(as_a_user):
    row = SPACE.encode([DARTS_V2])[0]
    row[[0, EDGES + 2]] = NONE, 2
    assert SPACE.faults(row) == (
        "Node 2 of the normal cell must have 2 edges in that are not 'none'; it has 1.",
        "Node 3 of the reduction cell must have 2 edges in that are not 'none'; it has 3.",
    )


# ------------------------------------------------------------------------------------------------------------ costs


def test_published_networks_have_the_published_parameters():
    """3.3 M (Liu et al., 2019, table 1; their code prints 3.349342) and 3.6 M (Xu et al., 2020, table 1)."""
    tokens = SPACE.encode([DARTS_V2, PC_DARTS])
    assert SPACE.params(tokens)[0] == 3_349_342
    assert round(SPACE.params(tokens)[1] / 1e6, 1) == 3.6
    assert round(SPACE.flops(tokens)[0] / 1e6) == 528


@pytest.mark.parametrize("skeleton", [CIFAR, SMALL, PUBLISHED, Skeleton((7,), cells=2)])
def test_costs_are_sums_over_slots(skeleton):
    tokens = SPACE.sample(20, np.random.default_rng(0))
    pairs = [
        (SPACE.params(tokens, 7, skeleton), SPACE.slot_params(7, skeleton)),
        (SPACE.flops(tokens, 7, 9, skeleton), SPACE.slot_flops(7, 9, skeleton)),
    ]
    for total, costs in pairs:
        assert costs.each.shape == (28, 8)
        assert (costs.each[:, NONE] == 0).all() and (costs.each >= 0).all()
        for row, cost in zip(tokens.tolist(), total.tolist(), strict=True):
            assert cost == costs.fixed + sum(int(costs.each[slot, symbol]) for slot, symbol in enumerate(row))


def test_a_skip_costs_where_it_halves_the_side_alone():
    each = SPACE.slot_params(skeleton=SMALL).each[:, SYMBOLS.index("skip_connect")]
    halving = [slot for slot, (source, _) in enumerate(CELL_EDGES * 2) if slot >= EDGES and source < 2]
    assert np.flatnonzero(each).tolist() == halving
    assert set(each[halving].tolist()) == {16**2 + 32 + 32**2 + 64}


def test_costs_of_the_largest_skeleton_are_those_of_whole_numbers_without_bound():
    largest = Skeleton((4096,) * 8, cells=100, image_channels=4096)
    costs = SPACE.slot_flops(10**6, 4096, largest)
    row = SPACE.encode([DARTS_V2.replace("skip_connect", "sep_conv_5x5")])
    exact = costs.fixed + sum(int(costs.each[slot, symbol]) for slot, symbol in enumerate(row[0]))
    assert SPACE.flops(row, 10**6, 4096, largest)[0] == exact > 2**59
    assert (costs.each >= 0).all()


@pytest.mark.parametrize("wrong", [0, -1, 2.5, 5_000, "32", True])
def test_other_sides_are_refused(wrong, as_a_user):
    with pytest.raises(ArgumentError, match="image_size must be a whole number from 1 to 4096"):
        SPACE.flops(SPACE.encode([DARTS_V2]), image_size=wrong)


def test_what_is_no_skeleton_is_refused(as_a_user):
    for cost in (SPACE.params, SPACE.flops):
        with pytest.raises(ArgumentError, match="skeleton must be a Skeleton such as CIFAR"):
            cost(SPACE.encode([DARTS_V2]), skeleton=20)
