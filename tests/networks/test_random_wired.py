"""Networks of random wirings cost what the space says, compute what the paper says, and learn."""

import numpy as np
import pytest
import torch
from torch import nn

from nagkit.errors import ArgumentError
from nagkit.networks.digits import render
from nagkit.networks.export import to_onnx, to_python
from nagkit.networks.network import build
from nagkit.networks.random_wired import WeightedSum, Wiring
from nagkit.networks.recipes import ImageRecipe
from nagkit.networks.training import TrainingRecipe, train
from nagkit.spaces.random_wired import RandomWired
from nagkit.spaces.skeleton import MICRO, PUBLISHED, Skeleton

SPACE = RandomWired(8)
SKELETONS = {"micro": MICRO, "published": PUBLISHED, "three": Skeleton((3, 4, 6), cells=(2, 1, 3), image_channels=2)}
TEXT = "-|0|-|0 1 2|3|-|4|2 4"  # nodes 5, 6 and 7 lead nowhere; the output is their mean


def wiring(text=TEXT):
    return SPACE.decode(SPACE.encode([text])[0])


def images(channels, side=8, n=3):
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(7))


def counted(network, channels, side):
    """Parameters, and multiply-accumulates where they happen, of one image."""
    found = []

    def hook(module, inputs, output):
        each = module.weight.numel() if isinstance(module, WeightedSum) else module.weight[0].numel()
        found.append(output[0].numel() * each)

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | WeightedSum):
            module.register_forward_hook(hook)
    with torch.inference_mode():
        network.eval()(torch.zeros(1, channels, side, side))
    return sum(parameter.numel() for parameter in network.parameters()), sum(found)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
@pytest.mark.parametrize("nodes", [4, 8, 32])
def test_costs_are_those_of_the_traced_network(nodes, skeleton):
    space, side = RandomWired(nodes), 9
    tokens = space.sample(2, np.random.default_rng(0))
    params, flops = space.params(tokens, 7, skeleton), space.flops(tokens, 7, side, skeleton)
    for row, *expected in zip(tokens, params, flops, strict=True):
        network = build(space.decode(row), 7, skeleton)
        assert list(counted(network, skeleton.image_channels, side)) == expected


def by_hand(module, x):
    """What the wiring of ``TEXT`` gives, written out."""

    def node(place, value):
        return module.get_submodule(f"node_{place + 1}")(value)

    def total(place, *values):
        weights = torch.sigmoid(module.get_submodule(f"sum_{place + 1}").weight)
        return sum(weight * value for weight, value in zip(weights, values, strict=True))

    v0, v2, v5 = node(0, x), node(2, x), node(5, x)
    v1 = node(1, total(1, v0))
    v3 = node(3, total(3, v0, v1, v2))
    v4 = node(4, total(4, v3))
    return (v5 + node(6, total(6, v4)) + node(7, total(7, v2, v4))) / 3


@pytest.mark.parametrize(("stride", "side"), [(1, 7), (2, 4)])
def test_nodes_sum_what_leads_to_them_and_the_output_is_the_mean_of_the_last(stride, side):
    module = Wiring(wiring(), 3, 5, stride)
    for name, parameter in module.named_parameters():
        if name.startswith("sum"):
            nn.init.normal_(parameter, generator=torch.Generator().manual_seed(len(name)))
    module.eval()
    with torch.inference_mode():
        found = module(images(3, 7))
        assert found.shape == (3, 5, side, side)
        assert torch.allclose(found, by_hand(module, images(3, 7)), atol=1e-6)


def test_a_node_convolves_relu_channel_by_channel_and_then_across():
    node = Wiring(wiring(), 3, 5, 1).get_submodule("node_1").eval()
    x = images(3)
    channels = [nn.functional.conv2d(x[:, [c]].relu(), node[1].weight[[c]], padding=1) for c in range(3)]
    across = torch.einsum("nchw,dc->ndhw", torch.cat(channels, 1), node[2].weight[:, :, 0, 0])
    assert torch.allclose(node(x), across / (1 + node[3].eps) ** 0.5, atol=1e-6)


def test_a_network_learns_from_its_seed_alone():
    first, same, other = (build(wiring(), 7, MICRO, seed=seed) for seed in (0, 0, 1))
    for network in (first, same, other):
        assert network.eval()(images(1)).shape == (3, 7)
    assert torch.equal(first(images(1)), same(images(1)))
    assert not torch.equal(first(images(1)), other(images(1)))
    first.train()(images(1)).sum().backward()
    assert all(parameter.grad is not None for parameter in first.parameters())


def test_wirings_of_any_limits_have_a_network():
    space = RandomWired(5, (0, 10))
    for text in ("-|-|-|-|-", "-|0|0 1|0 1 2|0 1 2 3"):
        assert build(space.decode(space.encode([text])[0]), 10, MICRO).eval()(images(1)).isfinite().all()


def test_a_wiring_is_trained_on_digits_better_than_chance():
    task = render(ImageRecipe("few", digits=(0, 1), images=(300, 200, 200), texture=0.1, noise=0.05))
    *_, last = train(build(wiring(), 2, MICRO), task, TrainingRecipe(epochs=10, batch=50))
    assert last.validation_accuracy > 80
    assert last.seconds > 0


@pytest.mark.slow
def test_the_onnx_file_computes_the_same(tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'nagkit[dev]'")
    network = build(wiring(), 7, MICRO)
    network.train()(images(1, n=16))
    session = runtime.InferenceSession(to_onnx(network, tmp_path / "network.onnx", (1, 8, 8)))
    (logits,) = session.run(["logits"], {"images": images(1).numpy()})
    np.testing.assert_allclose(logits, network.eval()(images(1)).detach(), atol=1e-5)


def test_what_is_only_for_cells_with_operations_on_edges_is_refused():
    with pytest.raises(ArgumentError, match="operations on edges"):
        to_python(wiring())
