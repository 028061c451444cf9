"""The networks of ENAS's macro space cost what the space says, and compute what its nodes and skips say."""

import numpy as np
import pytest
import torch
from torch import nn

from nagkit.networks.enas import Reduction, enas
from nagkit.networks.network import build
from nagkit.spaces.enas import NODES, Enas

SPACE = Enas()
TEXT = "sepconv3x3|maxpool3x3(0)|conv3x3|avgpool3x3(0,2)|conv5x5(1)|sepconv5x5(0,4)"


def network_of(text, **more):
    return build(SPACE.decode(SPACE.encode([text])[0]), **more)


def costs(network, side):
    """Parameters, and multiply-accumulates where they happen, of one image."""
    counted = []

    def hook(module, inputs, output):
        counted.append(output[0].numel() * module.weight[0].numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(hook)
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 3, side, side, device=network.classifier.weight.device))
    return sum(parameter.numel() for parameter in network.parameters()), sum(counted)


@pytest.mark.parametrize(("classes", "side"), [(10, 32), (100, 7), (3, 1)])
def test_costs_are_those_of_traced_networks(classes, side):
    tokens = SPACE.sample(20, np.random.default_rng(side))
    params, flops = SPACE.params(tokens, classes), SPACE.flops(tokens, classes, side)
    for row, expected in zip(tokens, zip(params.tolist(), flops.tolist(), strict=True), strict=True):
        with torch.device("meta"):
            network = enas(SPACE.decode(row), classes)
        assert costs(network, side) == expected, SPACE.decode(row).text


def by_hand(chain, text, x):
    """What the nodes give, read from their text: all values are made smaller where a stage ends, if they can be."""
    values = [x]
    for node, part in enumerate(text.split("|"), 1):
        _, _, sources = part.removesuffix(")").partition("(")
        value = getattr(chain, f"node_{node}")(values[-1])
        if node > 1:
            skipped = [values[int(source)] for source in sources.split(",") if source]
            value = getattr(chain, f"joint_{node}")(torch.cat([*skipped, value], dim=1))
        values.append(value)
        if node in (2, 4):
            smaller = [getattr(chain, f"reduction_{node}_{vertex}", None) for vertex in range(node + 1)]
            values = [make(value) if make else None for make, value in zip(smaller, values, strict=True)]
    return values[-1]


def test_nodes_work_on_the_one_before_and_join_what_they_skip_to():
    chain = network_of(TEXT).eval().body[0]
    x = torch.randn(2, 96, 9, 6, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = chain(x)
        assert found.shape == (2, 384, 3, 2)
        assert torch.allclose(found, by_hand(chain, TEXT, x), atol=1e-5)


def test_only_what_is_read_later_is_made_smaller():
    chain = network_of(TEXT).body[0]
    made = {name for name, _ in chain.named_children() if name.startswith("reduction")}
    assert made == {"reduction_2_0", "reduction_2_1", "reduction_2_2"} | {
        "reduction_4_0",
        "reduction_4_1",
        "reduction_4_4",
    }


def test_half_of_the_channels_are_from_even_pixels_and_half_from_odd_ones():
    reduction, x = Reduction(1, 2).eval(), torch.arange(25.0).reshape(1, 1, 5, 5)
    for convolution in (reduction.even, reduction.odd):
        nn.init.ones_(convolution.weight)
    with torch.inference_mode():
        even, odd = reduction(x)[0]
    exact = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(even, torch.tensor([[0.0, 2, 4], [10, 12, 14], [20, 22, 24]]), **exact)
    torch.testing.assert_close(odd, torch.tensor([[6.0, 8, 0], [16, 18, 0], [0, 0, 0]]), **exact)


def test_a_mean_pool_does_not_count_what_is_beyond_the_image():
    pool = network_of("|".join(["avgpool3x3"] * NODES)).body[0].node_1
    assert torch.equal(pool(torch.ones(1, 96, 3, 3)), torch.ones(1, 96, 3, 3))


def test_a_network_learns_from_its_seed_alone():
    first, same, other = (network_of(TEXT, classes=7, seed=seed) for seed in (0, 0, 1))
    images = torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    for network in (first, same, other):
        assert network.eval()(images).shape == (2, 7)
    assert torch.equal(first(images), same(images))
    assert not torch.equal(first(images), other(images))
    first.train()(images).sum().backward()
    assert all(parameter.grad is not None for parameter in first.parameters())
