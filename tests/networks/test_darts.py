"""Networks of DARTS cells cost what the space says, compute what a genotype says, and learn."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from nagkit.networks.darts import FactorizedReduction, darts, operation
from nagkit.networks.network import build
from nagkit.networks.recipes import ImageRecipe
from nagkit.networks.trainer import Trainer
from nagkit.networks.training import TrainingRecipe
from nagkit.spaces.darts import CIFAR, SMALL, Darts
from nagkit.spaces.darts_cells import OPERATIONS
from nagkit.spaces.skeleton import Skeleton

SPACE = Darts()
DARTS_V2 = (  # as the authors wrote it
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], "
    "normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), "
    "('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
    "reduce_concat=[2, 3, 4, 5])"
)


def costs(network, channels, side):
    """Parameters, and multiply-accumulates where they happen, of one image."""
    counted = []

    def hook(module, inputs, output):
        counted.append(output[0].numel() * module.weight[0].numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(hook)
    with torch.inference_mode():
        network.eval()(torch.zeros(1, channels, side, side, device=network.classifier.weight.device))
    return sum(parameter.numel() for parameter in network.parameters()), sum(counted)


@pytest.mark.parametrize(
    ("skeleton", "classes", "side"),
    [
        (SMALL, 10, 8),
        (Skeleton((8, 16), cells=1, image_channels=1), 3, 1),
        (Skeleton((7, 9, 5), cells=(1, 3, 2), image_channels=2), 100, 13),  # odd sides, odd channels
        (Skeleton((6,), cells=2), 10, 5),  # without a reduction cell
    ],
)
def test_costs_are_those_of_traced_networks(skeleton, classes, side):
    tokens = SPACE.sample(8, np.random.default_rng(side))
    params, flops = SPACE.params(tokens, classes, skeleton), SPACE.flops(tokens, classes, side, skeleton)
    for row, expected in zip(tokens, zip(params.tolist(), flops.tolist(), strict=True), strict=True):
        with torch.device("meta"):
            network = darts(SPACE.decode(row), classes, skeleton)
        assert costs(network, skeleton.image_channels, side) == expected, SPACE.decode(row).text


def test_the_published_network_has_the_published_parameters():
    """3.349342 M, as the authors' code prints for DARTS_V2 with 36 channels, twenty cells and ten classes."""
    (row,) = SPACE.encode([DARTS_V2])
    with torch.device("meta"):
        network = darts(SPACE.decode(row), 10, CIFAR)
    assert next(index for index, cell in enumerate(network.body) if cell.input_1[1].out_channels != 36) == 6
    assert costs(network, 3, 32) == (3_349_342, SPACE.flops(row[None])[0])


def by_hand(network, genotype, x):
    """What cells give, read from the text: nodes in pairs of operations and sources, reductions where stages begin."""
    cells = {}
    for name in ("normal", "reduce"):
        pairs = re.findall(r"\('(\w+)', (\d)\)", re.search(rf"{name}=\[(.*?)\]", genotype)[1])
        cells[name] = [(pairs[2 * node], pairs[2 * node + 1]) for node in range(4)]
    outputs, width = [x, x], network.body[0].input_1[1].out_channels
    for cell in network.body:
        channels = cell.input_1[1].out_channels
        kind, width = ("reduce" if channels > width else "normal"), channels
        states = [cell.input_0(outputs[-2]), cell.input_1(outputs[-1])]
        for node, terms in enumerate(cells[kind], 2):
            states.append(sum(getattr(cell, f"edge_{source}_{node}")(states[int(source)]) for _, source in terms))
        outputs.append(torch.cat(states[2:], 1))
    return outputs[-1]


@pytest.mark.parametrize("skeleton", [SMALL, Skeleton((8, 16), cells=(2, 2), image_channels=1)])
def test_cells_compute_what_the_genotype_says(skeleton):
    for seed in range(3):
        architecture = SPACE.decode(SPACE.sample(1, np.random.default_rng(seed))[0])
        network = build(architecture, skeleton=skeleton, seed=seed).eval()
        x = network.stem(torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(seed)))
        assert torch.allclose(network.body(x), by_hand(network, architecture.text, x))


@pytest.mark.parametrize("symbol", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
def test_an_operation_keeps_the_channels_and_divides_the_side(symbol, stride):
    module = operation(symbol, 6, stride)
    kinds = [type(each) for each in module.modules()]
    assert kinds.count(nn.BatchNorm2d) == {"sep": 2, "dil": 1}.get(
        symbol[:3], int(symbol[:4] == "skip" and stride == 2)
    )
    for side in (1, 5, 8):
        assert module(torch.randn(2, 6, side, side)).shape == (2, 6, -(-side // stride), -(-side // stride))
    if symbol[4:8] == "conv":
        kernels = [each for each in module.modules() if isinstance(each, nn.Conv2d) and each.groups == 6]
        assert {each.kernel_size[0] for each in kernels} == {int(symbol[-1])}
        assert {each.dilation[0] for each in kernels} == {1 + symbol.startswith("dil")}


def test_a_factorized_reduction_sees_even_and_odd_pixels_after_relu():
    module = FactorizedReduction(2, 4).eval()
    x = torch.randn(1, 2, 5, 4)
    found = module(x)
    even, odd = module.even.weight[:, :, 0, 0], module.odd.weight[:, :, 0, 0]
    for row, column in np.ndindex(3, 2):
        first = x[0, :, 2 * row, 2 * column].relu()
        second = x[0, :, 2 * row + 1, 2 * column + 1].relu() if row < 2 else torch.zeros(2)
        expected = torch.cat([even @ first, odd @ second]) / np.sqrt(1 + module.norm.eps)
        assert torch.allclose(found[0, :, row, column], expected, atol=1e-6)


def test_a_network_is_made_from_its_seed_alone_and_learns():
    architecture = SPACE.decode(SPACE.sample(1, np.random.default_rng(5))[0])
    first, same, other = (build(architecture, skeleton=SMALL, seed=seed) for seed in (0, 0, 1))
    rng = torch.Generator().manual_seed(0)
    images, labels = torch.randn(32, 1, 8, 8, generator=rng), torch.arange(32) % 10
    assert torch.equal(first.eval()(images), same.eval()(images))
    assert not torch.equal(first(images), other.eval()(images))
    step, losses = torch.optim.SGD(first.train().parameters(), lr=0.05, momentum=0.9), []
    for _ in range(15):
        losses.append(nn.functional.cross_entropy(first(images), labels))
        step.zero_grad()
        losses[-1].backward()
        step.step()
    assert all(parameter.grad is not None for parameter in first.parameters())
    assert losses[-1] < 0.5 * losses[0]


def test_without_a_skeleton_it_is_the_published_one():
    (row,) = SPACE.encode([DARTS_V2])
    network = build(SPACE.decode(row))
    assert len(network.body) == 20
    assert sum(parameter.numel() for parameter in network.parameters()) == SPACE.params(row[None])[0]


def test_the_trainer_trains_it_on_digits():
    tiny = ImageRecipe("tiny", images=(200, 100, 40), digits=(0, 1, 7), ground="clouds", texture=0.1, noise=0.05)
    trainer = Trainer(SPACE, tiny, TrainingRecipe(epochs=5, batch=20), skeleton=SMALL)
    (value,) = trainer(SPACE.encode([DARTS_V2]))
    assert value > 50  # chance is a third
