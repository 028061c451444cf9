"""The NAS-Bench-101 space: its grammar against brute force, the published numbers, and costs of published cells."""

import itertools
from collections import Counter

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagkit.benchmarks import readers
from nagkit.checks.space import SpaceContract
from nagkit.errors import ArgumentError
from nagkit.space import UNDECIDED
from nagkit.spaces import space as find
from nagkit.spaces.nas_bench_101 import OPERATIONS, notation
from nagkit.spaces.nas_bench_101_costs import vertex_channels
from nagkit.spaces.nas_bench_101_grammar import CELL_EDGES, EDGES, INNER, MOST_EDGES, NONE, OPS, OUTPUT, patterns

SPACE = find("nas-bench-101")
CLASSES = {2: 1, 3: 6, 4: 84, 5: 2441, 6: 62010, 7: 359082}  # different cells by vertices (Ying et al., 2019)
RESIDUAL = "conv3x3-bn-relu(0)|maxpool3x3(0,1)|output(0,1,2)"


@pytest.mark.slow
class TestNasBench101(SpaceContract):
    @pytest.fixture(params=SPACE.identities)
    def identity(self, request):
        return request.param

    @pytest.fixture
    def space(self):
        return find("nas-bench-101")

    def test_every_legal_symbol_is_sampled(self, space):
        """As often as rows have it: of two vertices there is one cell in over a million."""
        n = 40_000
        share = np.bincount(space.sample(n, np.random.default_rng(0))[:, 0], minlength=6) / n
        expected = np.array([len(rows(inner)) for inner in range(6)]) / space.size
        assert np.allclose(share, expected, atol=4 * np.sqrt(expected.max() / n) / 2)


def rows(inner):
    """All rows with so many inner vertices."""
    sets = patterns()[patterns()[:, 0] == inner]
    ops = np.array(list(itertools.product(range(1, 4), repeat=inner)), dtype=int).reshape(3**inner, inner)
    all_rows = np.repeat(sets, len(ops), axis=0)
    all_rows[:, OPS] = NONE
    all_rows[:, OPS.start : OPS.start + inner] = np.tile(ops, (len(sets), 1))
    return all_rows


def agreeing(row):
    """The symbols that each slot can have beside all others that are decided, by looking through every pattern."""
    every = np.array(patterns())
    every[:, OPS] = np.arange(INNER) < every[:, :1]  # whether there is an operation, whichever
    seen = np.where((np.arange(len(row)) >= OPS.start) & (row != UNDECIDED), row != NONE, row)
    wrong = (seen != UNDECIDED) & (seen != every)  # (p, L)
    elsewhere = wrong.sum(1, keepdims=True) - wrong
    return [set(every[elsewhere[:, l] == 0, l].tolist()) for l in range(len(row))]


@given(st.integers(0, 10**6), st.floats(0, 1), st.integers(0, 2))
def test_legal_is_what_some_cell_has(seed, known, wrong):
    """Cells of which some is undecided and some may be wrong, beside a list of all."""
    rng = np.random.default_rng(seed)
    row = SPACE.sample(1, rng)[0]
    slots = rng.integers(len(row), size=wrong)
    row[slots] = rng.integers(SPACE.radices[slots])
    row[rng.random(len(row)) > known] = UNDECIDED
    for legal, expected, slot in zip(SPACE.legal(row[None])[0], agreeing(row), SPACE.slots, strict=True):
        if slot.symbols[0] == "none":
            assert legal[NONE] == (NONE in expected), row
            assert legal[1:].tolist() == [1 in expected] * 3 + [False, False], row
        else:
            assert set(np.flatnonzero(legal)) == expected, row


@given(st.integers(0, 10**6), st.integers(4, MOST_EDGES))
def test_legal_is_exact_where_few_edges_are_left(seed, on):
    """All is undecided but the vertices and so many edges, some more of which are ruled out."""
    rng = np.random.default_rng(seed)
    row = np.full(len(SPACE.slots), UNDECIDED)
    row[0], order = INNER, 1 + rng.permutation(len(CELL_EDGES))
    row[order[:on]], row[order[on : on + rng.integers(len(CELL_EDGES) - on)]] = 1, 0
    legal = SPACE.legal(row[None])[0]
    assert [set(np.flatnonzero(each)) for each in legal[EDGES]] == agreeing(row)[EDGES], row


@pytest.mark.slow
def test_the_patterns_are_all_whose_vertices_lie_on_a_path():
    """Of all 2²¹ sets of edges, by walking from the input and back from the output."""
    codes = np.arange(2 ** len(CELL_EDGES))
    bits = {edge: codes >> place & 1 == 1 for place, edge in enumerate(reversed(CELL_EDGES))}
    forward, back, touched = np.zeros((3, OUTPUT + 1, len(codes)), dtype=bool)
    forward[0] = back[OUTPUT] = touched[[0, OUTPUT]] = True
    for i, j in CELL_EDGES:
        forward[j] |= forward[i] & bits[i, j]
        touched[[i, j]] |= bits[i, j]
    for i, j in reversed(CELL_EDGES):
        back[i] |= back[j] & bits[i, j]
    gapless = (touched[1:INNER] >= touched[2 : INNER + 1]).all(0)
    legal = gapless & (touched == (forward & back)).all(0) & (sum(bits.values()) <= MOST_EDGES)
    found = patterns()[:, EDGES] @ (1 << np.arange(len(CELL_EDGES))[::-1])
    assert np.array_equal(np.sort(found), codes[legal])
    assert np.array_equal(touched[1 : INNER + 1, found].sum(0), patterns()[:, 0])


def test_there_are_as_many_rows_as_patterns_with_operations():
    assert np.bincount(patterns()[:, 0]).tolist() == [1, 2, 10, 121, 1545, 4793]
    assert SPACE.size == 1_293_208 == sum(len(rows(inner)) for inner in range(6))


def different(inner):
    canonical = SPACE.canonical(rows(inner))
    return len(np.unique(canonical @ 4 ** np.arange(canonical.shape[1])))  # no symbol but of vertices exceeds 3


@pytest.mark.parametrize("vertices", [2, 3, 4, 5])
def test_there_are_as_many_different_cells_as_published(vertices):
    assert different(vertices - 2) == CLASSES[vertices]


@pytest.mark.slow
def test_all_different_cells_are_those_published():
    assert sum(CLASSES.values()) == 423_624
    assert {vertices: different(vertices - 2) for vertices in (6, 7)} == {6: CLASSES[6], 7: CLASSES[7]}


@given(st.integers(0, 10**6))
def test_the_canonical_row_is_the_first_of_all_numberings(seed):
    """Against a loop over the numberings of one cell."""
    row = SPACE.sample(1, np.random.default_rng(seed))[0]
    inner, found = int(row[0]), []
    on = {edge for edge, bit in zip(CELL_EDGES, row[EDGES], strict=True) if bit}
    for order in itertools.permutations(range(1, inner + 1)):
        new = {0: 0, OUTPUT: OUTPUT, **dict(enumerate(order, 1))}
        if all(new[i] < new[j] for i, j in on):
            ops = {new[vertex]: row[OPS.start + vertex - 1] for vertex in range(1, inner + 1)}
            edges = [int(edge in {(new[i], new[j]) for i, j in on}) for edge in CELL_EDGES]
            found.append([inner, *edges, *(int(ops.get(vertex, NONE)) for vertex in range(1, OUTPUT))])
    assert SPACE.canonical(row[None], "graph")[0].tolist() == min(found)
    assert {tuple(each) for each in SPACE.canonical(np.array(found), "graph").tolist()} == {tuple(min(found))}


def test_samples_are_uniform_over_all_rows():
    """Chi-squared over the patterns with six vertices, each as likely as the next."""
    tokens = SPACE.sample(200_000, np.random.default_rng(0))
    six = tokens[tokens[:, 0] == 4]
    _, counts = np.unique(six[:, EDGES] @ (1 << np.arange(len(CELL_EDGES))), return_counts=True)
    expected = len(six) / 1545
    assert len(counts) == 1545
    spread = ((counts - expected) ** 2 / expected).sum()
    assert abs(spread - 1544) < 5 * np.sqrt(2 * 1544)
    used = six[:, OPS][:, :4]
    assert np.allclose(np.bincount(used.ravel(), minlength=4)[1:] / used.size, 1 / 3, atol=0.01)


# ---------------------------------------------------------------------------------------------------- published cells


@pytest.fixture(scope="module")
def published(upstream):
    """Rows and parameters of the cells that one paper's authors saved from the benchmark."""

    def read(*names):
        cells = {}
        for path in [each for name in names for each in sorted((upstream / "haap" / "pkl").glob(name))]:
            cells |= readers.read_pickle(path.read_bytes(), path.name)
        if not cells:
            pytest.skip("needs the public tables of haap")
        facts = [cell["fixed_metrics"] for cell in cells.values()]
        texts = [
            notation(readers.numbers(each["module_adjacency"], "haap"), each["module_operations"]) for each in facts
        ]
        return SPACE.encode(texts), [each["trainable_parameters"] for each in facts]

    return read


def test_parameters_are_those_published(published):
    tokens, params = published("train_metrics000300_000443.pkl")
    assert len(tokens) == 300
    assert SPACE.params(tokens).tolist() == params


@pytest.mark.slow
def test_parameters_are_those_published_of_all_cells_and_no_two_are_one(published):
    tokens, params = published("*.pkl")
    assert len(tokens) == 16_484
    assert SPACE.params(tokens).tolist() == params
    assert len(np.unique(SPACE.canonical(tokens), axis=0)) == 16_484


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("conv1x1-bn-relu(0)|conv1x1-bn-relu(0)|conv1x1-bn-relu(0)|output(1,2,3)", [43, 43, 42, 0, 0]),
        ("conv1x1-bn-relu(0)|conv1x1-bn-relu(1)|conv1x1-bn-relu(0)|output(0,2,3)", [64, 64, 64, 0, 0]),
        ("conv1x1-bn-relu(0)|maxpool3x3(1)|maxpool3x3(0,2)|output(2,3)", [64, 64, 64, 0, 0]),
        ("output(0)", [0, 0, 0, 0, 0]),
    ],
)
def test_vertices_share_the_channels_of_the_output(text, channels):
    assert vertex_channels(SPACE.encode([text]), 128).tolist() == [channels]


def test_a_small_cell_costs_what_it_does_by_hand():
    row = SPACE.encode(["conv3x3-bn-relu(0)|output(0,1)"])
    pairs = [(128, 128)] * 3 + [(128, 256), (256, 256), (256, 256)] + [(256, 512), (512, 512), (512, 512)]
    weights = [2 * before * after + 9 * after**2 for before, after in pairs]
    assert SPACE.params(row)[0] == 27 * 128 + 256 + sum(weights) + 6 * sum(c for _, c in pairs) + 513 * 10
    places = [32**2] * 3 + [16**2] * 3 + [8**2] * 3
    assert SPACE.flops(row)[0] == 27 * 128 * 32**2 + np.dot(weights, places) + 512 * 10


# ------------------------------------------------------------------------------------------------------------- trimming


def read(row):
    """The text of the cell that the benchmark reads in a row, vertex by vertex; None where it reads none."""
    ops = [OPERATIONS[op - 1] for op in itertools.takewhile(lambda op: op != NONE, row[OPS])]
    there = [0, *range(1, len(ops) + 1), OUTPUT]
    matrix = [[int(i < j and row[1 + CELL_EDGES.index((i, j))] == 1) for j in there] for i in there]
    try:
        text = notation(matrix, ["input", *ops, "output"])
    except ArgumentError:
        return None
    edges = sum(len(part.split(",")) for part in text.split("|"))
    return text if edges <= MOST_EDGES else None


@pytest.mark.parametrize("edges", [0.2, 0.4, 0.6])
def test_a_trimmed_row_is_the_cell_that_the_benchmark_reads(edges):
    rng = np.random.default_rng(0)
    wild = np.where(
        np.arange(len(SPACE.slots)) < OPS.start, rng.random((400, 27)) < edges, rng.integers(0, 7, (400, 27))
    )
    wild[:, OPS] %= 4
    trimmed, texts = SPACE.trimmed(wild), [read(row) for row in wild]
    assert 0 < sum(text is None for text in texts) < 400
    for row, text in zip(trimmed, texts, strict=True):
        assert SPACE.faults(row) if text is None else SPACE.decode(row).text == text


def test_nothing_is_trimmed_from_a_cell():
    cells = SPACE.sample(1000, np.random.default_rng(0))
    np.testing.assert_array_equal(SPACE.trimmed(cells), cells)


# ------------------------------------------------------------------------------------------------------------ notation


def test_a_text_names_operations_and_what_leads_to_them():
    architecture = SPACE.decode(SPACE.encode([RESIDUAL])[0])
    assert architecture.text == RESIDUAL
    assert architecture.ops == ("input", "conv3x3-bn-relu", "maxpool3x3", "output")
    assert architecture.edges == {(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)}


def test_a_published_cell_is_pruned_to_what_lies_on_a_path():
    matrix = np.zeros((5, 5), dtype=int)
    matrix[[0, 0, 1, 0, 2], [1, 4, 4, 3, 3]] = 1  # vertices 2 and 3 reach no output or are not reached
    operations = ["input", "maxpool3x3", *["conv1x1-bn-relu"] * 2, "output"]
    assert notation(matrix, operations) == "maxpool3x3(0)|output(0,1)"
    matrix[:] = 0
    with pytest.raises(ArgumentError, match="path from the input"):
        notation(matrix, operations)
    for wrong in (matrix[1:], matrix + np.eye(5, dtype=int), matrix + 2):
        with pytest.raises(ArgumentError, match="upper triangle"):
            notation(wrong, operations)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("maxpool3x3(0)|output(0)", "Vertex 1 has no edge out"),
        ("maxpool3x3(1)|output(1)", "vertex 1 must come after 1"),
        ("maxpool5x5(0)|output(1)", "operation must be one of"),
        ("maxpool3x3(0)", "architectures must be"),
        ("maxpool3x3(0)|output()", "architectures must be"),
        ("|".join(["maxpool3x3(0)"] * 6 + ["output(1,2,3,4,5,6)"]), "at most five operations"),
        ("|".join(["maxpool3x3(0)"] * 5 + ["output(0,1,2,3,4,5)"]), "at most 9 edges; there are 11"),
    ],
)
def test_other_texts_are_refused_with_the_reason(text, reason):
    with pytest.raises(ArgumentError, match=reason):
        SPACE.encode([text])


def test_every_fault_of_a_row_is_told():
    row = SPACE.encode([RESIDUAL])[0]
    row[0] = 1
    assert SPACE.faults(row) == (
        "Of 3 vertices vertex 2 is not there and may have no operation.",
        "Edge 0-2 joins a vertex that is not there.",
        "Edge 1-2 joins a vertex that is not there.",
        "Edge 2-6 joins a vertex that is not there.",
    )
    row[0], row[OPS.start] = 2, NONE
    assert SPACE.faults(row) == ("Of 4 vertices vertex 1 needs an operation.",)


def test_an_edge_that_was_the_only_one_gives_way_to_another():
    near = {SPACE.decode(row).text for row in SPACE.neighbours(SPACE.encode([RESIDUAL]))[0]}
    assert RESIDUAL.replace("(0,1)", "(0)") in near  # an edge less
    assert RESIDUAL.replace("conv3x3", "conv1x1") in near
    assert "conv3x3-bn-relu(0)|maxpool3x3(0,1)|output(0,2)" in near
    assert "conv3x3-bn-relu(0)|output(0,1)" in near  # a vertex less
    assert "conv3x3-bn-relu(0)|maxpool3x3(0,1)|conv1x1-bn-relu(2)|output(0,1,2,3)" in near  # one more


@given(st.integers(0, 10**6))
def test_features_are_counts_of_operations_edges_and_what_is_on_paths(seed):
    """Against networkx, path by path."""
    row = SPACE.sample(1, np.random.default_rng(seed))[0]
    architecture = SPACE.decode(row)
    output = len(architecture.ops) - 1
    paths = list(nx.all_simple_paths(architecture.graph(), 0, output))
    convolutions = [sum(architecture.ops[vertex] == "conv3x3-bn-relu" for vertex in path) for path in paths]
    pairs = Counter((architecture.ops[i], architecture.ops[j]) for i, j in architecture.edges)
    kinds = itertools.product(("input", *OPERATIONS), (*OPERATIONS, "output"))
    counts = [architecture.ops.count(op) for op in OPERATIONS]
    counts += [pairs[kind] for kind in kinds]
    counts += [min(map(len, paths)) - 2, max(map(len, paths)) - 2, min(convolutions), max(convolutions)]
    assert SPACE.features(row[None])[0].reshape(-1, 5).sum(1).tolist() == np.minimum(counts, 5).tolist()


def test_isomorphic_cells_have_the_same_features():
    tokens = SPACE.sample(500, np.random.default_rng(0))
    canonical = SPACE.canonical(tokens)
    assert (canonical != tokens).any(1).mean() > 0.5
    assert np.array_equal(SPACE.features(tokens), SPACE.features(canonical))
