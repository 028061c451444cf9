"""The MobileNetV3 space: its grammar, its texts, and costs that are those of the networks."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from nagkit.checks.space import SpaceContract
from nagkit.errors import ArgumentError
from nagkit.networks.mobilenet import mobilenet
from nagkit.networks.network import build
from nagkit.space import UNDECIDED, SearchSpace
from nagkit.spaces import space as find
from nagkit.spaces.mobilenet_v3 import BLOCKS, DEPTHS, NONE, RESOLUTIONS, MobileNetV3, divisible

NAMES = ["mobilenet-v3", "mobilenet-v3-w1.2"]
LARGEST = "r224|" + "|".join(["k7e6 k7e6 k7e6 k7e6"] * 5)


@pytest.fixture(params=NAMES)
def space(request):
    return find(request.param)


@pytest.mark.slow
class TestMobileNetV3(SpaceContract):
    @pytest.fixture
    def space(self):
        return find("mobilenet-v3")


def test_there_are_as_many_as_choices_of_depth_and_blocks():
    stage = sum(len(BLOCKS) ** depth for depth in DEPTHS)
    assert find("mobilenet-v3").size == len(RESOLUTIONS) * stage**5
    assert 2e19 < stage**5 < 2.5e19


def test_legal_is_what_some_network_has(space):
    """One stage by all that its depth, third and fourth block can be, whatever the operations are."""
    row, slots = space.sample(1, np.random.default_rng(0))[0], [1, 8, 9]
    structures = [(0, NONE, NONE), (1, 1, NONE), (2, 1, 1)]
    for known in itertools.product((UNDECIDED, 0, 1, 2), (UNDECIDED, NONE, 1), (UNDECIDED, NONE, 1)):
        row[slots] = known
        allowed = space.legal(row[None])[0, slots]
        for place, legal in enumerate(allowed):
            others = [k for k in range(3) if k != place and known[k] != UNDECIDED]
            expected = {s[place] for s in structures if all(s[k] == known[k] for k in others)}
            if place == 0:
                assert set(np.flatnonzero(legal)) == expected, known
            else:
                assert legal[NONE] == (NONE in expected), known
                assert set(legal[1 : 1 + len(BLOCKS)]) == {1 in expected}, known


def count(network, side):
    """Parameters, and multiply-accumulates where they happen, of one image."""
    counted = []

    def hook(module, inputs, output):
        counted.append(output[0].numel() * module.weight[0].numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(hook)
    with torch.inference_mode():
        network.eval()(torch.empty(1, 3, side, side, device="meta"))
    return sum(parameter.numel() for parameter in network.parameters()), sum(counted)


@pytest.mark.slow
def test_costs_are_those_of_the_traced_network(space):
    tokens = space.sample(200 if space.width == 1 else 40, np.random.default_rng(0))
    expected = zip(space.params(tokens, 100).tolist(), space.flops(tokens, 100).tolist(), strict=True)
    for row, costs in zip(tokens, expected, strict=True):
        with torch.device("meta"):
            network = mobilenet(space.decode(row), 100)
        assert count(network, RESOLUTIONS[row[0]]) == costs


def test_the_largest_network_costs_what_it_did():
    space = find("mobilenet-v3")
    largest = space.encode([LARGEST])
    assert round(space.params(largest)[0] / 1e6, 2) == 7.66
    assert round(space.flops(largest)[0] / 1e6) == 566


@pytest.mark.parametrize(
    ("name", "text", "params", "flops"),
    [
        # pixel1_lat@79ms_top1@78.7_finetune@75, @58ms_top1@76.9_finetune@75, @20ms_top1@71.4_finetune@25
        (
            "mobilenet-v3-w1.2",
            "r224|k3e3 k3e3|k5e3 k3e4|k7e4 k5e4 k3e3|k5e6 k3e4 k3e4 k3e3|k3e6 k3e6 k3e6 k3e3",
            8.2,
            356,
        ),
        ("mobilenet-v3", "r220|k3e3 k3e3|k7e4 k5e3 k3e3|k5e6 k5e4 k5e3|k3e4 k7e4 k5e3|k5e6 k7e6 k3e6 k3e4", 5.8, 230),
        ("mobilenet-v3", "r152|k3e3 k3e3|k5e3 k5e3|k7e4 k3e3|k5e3 k3e4|k3e6 k7e6", 4.3, 77),
    ],
)
def test_published_networks_cost_what_was_published(name, text, params, flops):
    """Networks that Once-For-All specialised for a phone: millions of parameters and of multiply-accumulates.

    The figures are those of the table in the README of mit-han-lab/once-for-all, the networks those of
    gatech-sysml/CompOFA at b7a5d9d, NAS/.torch/ofa_specialized. The published operations are rounded to a million, and
    the first are half a million more than convolutions and linear layers have, less than global pooling would add.
    """
    space = find(name)
    tokens = space.encode([text])
    assert round(space.params(tokens)[0] / 1e6, 1) == params
    assert space.flops(tokens)[0] / 1e6 == pytest.approx(flops, abs=0.6)


def test_a_published_network_for_larger_images_has_the_published_parameters():
    """pixel1_lat@143ms_top1@80.1_finetune@75, which takes 240 px; of the same sources."""
    stages = "k5e3 k3e6 k3e3|k5e6 k5e6 k3e6 k5e3|k7e6 k5e6 k3e6 k3e4|k5e6 k3e6 k5e6 k3e4|k3e6 k3e6 k5e6 k3e3"
    space = find("mobilenet-v3-w1.2")
    assert round(space.params(space.encode([f"r224|{stages}"]))[0] / 1e6, 1) == 9.2


@pytest.mark.slow
def test_a_network_learns_from_its_seed_alone_and_runs_on_any_side(space):
    architecture = space.decode(space.sample(1, np.random.default_rng(3))[0])
    first, same, other = (build(architecture, classes=7, seed=seed) for seed in (0, 0, 1))
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    for network in (first, same, other):
        assert network.eval()(images).shape == (2, 7)
    assert torch.equal(first(images), same(images))
    assert not torch.equal(first(images), other(images))
    first.train()(images).sum().backward()
    assert all(parameter.grad is not None for parameter in first.parameters())


def test_likelihoods_are_those_of_drawing_slot_by_slot(space):
    rows = space.sample(50, np.random.default_rng(0))
    np.testing.assert_allclose(space.log_probability(rows), SearchSpace.log_law(space, rows))


def test_a_change_of_depth_is_one_edit(space):
    row = space.encode(["r224|k3e3 k5e6|k7e4 k3e3 k3e3|k3e3 k3e3|k3e3 k3e3|k3e3 k3e3 k3e3 k7e6"])
    near = {space.decode(other).text for other in space.neighbours(row)[0]}
    assert "r224|k3e3 k5e6 k7e4|k7e4 k3e3 k3e3|k3e3 k3e3|k3e3 k3e3|k3e3 k3e3 k3e3 k7e6" in near  # a third block
    assert "r224|k3e3 k5e6|k7e4 k3e3|k3e3 k3e3|k3e3 k3e3|k3e3 k3e3 k3e3 k7e6" in near  # without its third
    assert "r224|k3e3 k5e6|k7e4 k3e3 k3e3|k3e3 k3e3|k3e3 k3e3|k3e3 k3e3" in near  # without both
    assert "r128|k3e3 k5e6|k7e4 k3e3 k3e3|k3e3 k3e3|k3e3 k3e3|k3e3 k3e3 k3e3 k7e6" in near


def test_channels_are_multiples_of_eight():
    assert [divisible(16 * 1.2), divisible(24 * 1.2), divisible(112 * 1.2), divisible(11)] == [24, 32, 136, 16]


@pytest.mark.parametrize("wrong", [0, 1.1, True, "wide", None])
def test_other_widths_are_refused(wrong, as_a_user):
    with pytest.raises(ArgumentError, match="width must be one of"):
        MobileNetV3(wrong)


@pytest.mark.parametrize(
    "text",
    ["r225|" + LARGEST[5:], "r224|k3e3|k3e3 k3e3|k3e3 k3e3|k3e3 k3e3|k3e3 k3e3", LARGEST.replace("k7e6", "k7e5", 1)],
)
def test_other_texts_are_refused(text):
    with pytest.raises(ArgumentError, match=r"resolution must be|architectures must be|block 1.1 must be"):
        find("mobilenet-v3").encode([text])


def test_alike_are_those_whose_choices_are_near(space):
    side = [space.encode([f"r{side}" + "|k3e3 k3e3" * 5])[0] for side in (128, 132, 224)]
    kinds = [
        space.encode(["r128|" + kind + " k3e3" + "|k3e3 k3e3" * 4])[0] for kind in ("k3e3", "k5e3", "k7e3", "k7e6")
    ]
    deep = space.encode(["r128|k3e3 k3e3 k3e3" + "|k3e3 k3e3" * 4])[0]
    facts = space.features(np.array([*side, *kinds, deep]))
    apart = [int((facts[0] != row).sum()) for row in facts]
    assert apart == [0, 1, 24, 0, 1, 2, 4, 1]


def test_trends_are_logarithms_with_a_spread_of_one_together(space):
    trends = space.trends(space.sample(4000, np.random.default_rng(0)))
    assert trends.std(0) ** 2 * 3 == pytest.approx(1.0, abs=0.2)
    one, other = space.encode(["r128" + "|k3e3 k3e3" * 5, "r224" + "|k3e3 k3e3" * 5])
    rise = space.trends(other[None])[0] - space.trends(one[None])[0]
    assert rise[1] == 0  # parameters
    ratio = space.flops(other[None])[0] / space.flops(one[None])[0]
    assert rise[2] / rise[0] == pytest.approx(np.log(ratio) / np.log(224 / 128) * 0.17 / 0.36)
