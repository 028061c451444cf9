"""The macro space of ENAS: its texts, its graphs as D-VAE reads them, and what its networks cost."""

import numpy as np
import pytest

from nagkit.checks.space import SpaceContract
from nagkit.errors import ArgumentError
from nagkit.space import UNDECIDED
from nagkit.spaces import space as find
from nagkit.spaces.enas import CHANNELS, NODES, OPERATIONS, PAIRS, read_after

SPACE = find("enas")
TEXT = "conv3x3|maxpool3x3(0)|conv5x5|sepconv3x3(0,2)|avgpool3x3|sepconv5x5(4)"
NESTED = [[0], [5, 1], [2, 0, 0], [1, 1, 0, 1], [4, 0, 0, 0, 0], [3, 0, 0, 0, 0, 1]]  # the same, as D-VAE writes it


class TestEnas(SpaceContract):
    @pytest.fixture
    def space(self):
        return SPACE


def encoded(*texts):
    return SPACE.encode(list(texts))


def as_d_vae_reads(nested):
    """The edges that D-VAE makes of its notation (``decode_ENAS_to_igraph``), node by node and bit by bit."""
    edges = set()
    for node, (_, *bits) in enumerate(nested, 1):
        edges.add((node - 1, node))
        edges |= {(vertex, node) for vertex, bit in enumerate(bits) if bit}
    return edges | {(len(nested), len(nested) + 1)}


def test_there_are_as_many_as_choices_of_operations_and_skips():
    assert SPACE.size == 6**6 * 2**15 == 1_528_823_808
    assert len(PAIRS) == 15


def test_a_row_is_the_notation_of_d_vae_without_its_brackets():
    row = [number for node in NESTED for number in node]
    assert SPACE.decode(row).text == TEXT
    assert encoded(TEXT)[0].tolist() == row


def test_its_graphs_are_those_of_d_vae():
    for row in SPACE.sample(50, np.random.default_rng(0)).tolist():
        left = iter(row)
        nested = [[next(left) for _ in range(node)] for node in range(1, NODES + 1)]
        found = SPACE.decode(row)
        assert found.edges == as_d_vae_reads(nested)
        assert found.ops == ("input", *(OPERATIONS[node[0]] for node in nested), "output")


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("|avgpool3x3", ""),
        TEXT.replace("conv5x5|", "conv7x7|"),
        TEXT.replace("(0,2)", "(2,0)"),
        TEXT.replace("(0,2)", "(0,0)"),
        TEXT.replace("(0,2)", "(0,3)"),  # what leads there anyway
        TEXT.replace("(0,2)", "()"),
        "conv3x3(0)" + TEXT.removeprefix("conv3x3"),
    ],
)
def test_other_texts_are_refused(text):
    with pytest.raises(ArgumentError, match=r"architectures must|operation must be one of"):
        encoded(text)


def test_what_is_read_later_is_what_some_skip_or_the_chain_reads():
    for row in SPACE.sample(50, np.random.default_rng(1)):
        edges = SPACE.decode(row).edges
        for node in (2, 4):
            expected = [any((vertex, later) in edges for later in range(node + 1, NODES + 1)) for vertex in range(node)]
            assert read_after(node, SPACE.skips(row[None]))[0].tolist() == [*expected, True]


def test_pooling_alone_costs_what_joints_and_reductions_do():
    """Without skips five joints are left, and a reduction of one value after the second and the fourth node."""
    a, b, c = CHANNELS
    joints = [a, b, b, c, c]
    row = encoded("|".join(["maxpool3x3", "avgpool3x3"] * 3))
    params = 27 * a + 2 * a + sum(d * d + 2 * d for d in joints) + a * b + 2 * b + b * c + 2 * c + 10 * c + 10
    assert SPACE.params(row).tolist() == [params]
    sides = [32, 16, 16, 8, 8]
    flops = 27 * a * 32**2 + sum(d * d * s * s for d, s in zip(joints, sides, strict=True))
    assert SPACE.flops(row).tolist() == [flops + a * b * 16**2 + b * c * 8**2 + 10 * c]


def test_a_separable_convolution_costs_less_and_a_skip_more():
    whole, separable, skipping = encoded(
        "conv5x5|conv5x5|conv5x5|conv5x5|conv5x5|conv5x5",
        "conv5x5|conv5x5|conv5x5|conv5x5|conv5x5|sepconv5x5",
        "conv5x5|conv5x5|conv5x5|conv5x5|conv5x5|conv5x5(4)",
    )
    for cost in (SPACE.params, SPACE.flops):
        separable_less, more = cost(whole[None]) - cost(separable[None]), cost(skipping[None]) - cost(whole[None])
        pixels = 1 if cost == SPACE.params else 8**2
        assert separable_less.tolist() == [(25 * 384**2 - 25 * 384 - 384**2) * pixels]
        assert more.tolist() == [384**2 * pixels]  # the fourth node is read by the chain, so it is reduced anyway


@pytest.mark.parametrize("wrong", [0, -1, 2.5, 5_000, "32", True])
def test_other_sides_are_refused(wrong, as_a_user):
    with pytest.raises(ArgumentError, match="image_size must be a whole number from 1 to 4096"):
        SPACE.flops(encoded(TEXT), image_size=wrong)


def test_a_sketch_draws_undecided_skips_by_their_odds():
    row, odds = encoded(TEXT)[0].copy(), np.full((len(SPACE.slots), len(OPERATIONS)), 0.25)
    skip, node = (next(l for l, slot in enumerate(SPACE.slots) if slot.name == name) for name in ("skip 0-2", "node 3"))
    row[[skip, node]] = UNDECIDED
    sketch = SPACE.sketch(row, odds)
    assert (sketch.edges[0, 2], sketch.edges[0, 4], sketch.edges[1, 4]) == (0.25, 1.0, 0.0)
    assert list(sketch.belief) == [3]
    assert sketch.undecided == 2


def test_trends_have_a_spread_of_one_together():
    trends = SPACE.trends(SPACE.sample(4_000, np.random.default_rng(0)))
    assert trends[:, :2].var(0) == pytest.approx(0.25, rel=0.1)
    assert trends.var(0).sum() == pytest.approx(1.0, rel=0.1)
