"""The parts of networks are those that PyTorch runs; an oracle counts them in the networks themselves."""

import numpy as np
import pytest
import torch
from torch import nn

from nagkit.errors import ArgumentError
from nagkit.networks.network import Cell, build
from nagkit.networks.parts import parts
from nagkit.space import SearchSpace
from nagkit.spaces import space
from nagkit.spaces.mobilenet_v3 import KERNELS, RESOLUTIONS
from nagkit.spaces.skeleton import MICRO


def counted(cell):
    """The parts of a cell, counted in its modules."""
    kernels = [module.kernel_size[0] for module in cell.modules() if isinstance(module, nn.Conv2d)]
    pooled = {s for s, t in cell.edges if isinstance(cell.get_submodule(f"edge_{s}_{t}"), nn.AvgPool2d)}
    skips = sum(isinstance(module, nn.Identity) for module in cell.modules())
    terms = [sum(target == node for _, target in cell.edges) for node in (1, 2, 3)]
    added = sum(max(0, count - 1) for count in terms)
    return [1, kernels.count(1), kernels.count(3), skips, len(pooled), added, terms.count(0)]


def test_the_parts_of_cells_are_those_of_the_networks():
    cells = space("nas-bench-201")
    tokens = cells.sample(60, np.random.default_rng(0))
    found = parts(cells)(tokens)
    for row, each in zip(tokens, found.tolist(), strict=True):
        (cell, *_) = (m for m in build(cells.decode(row), skeleton=MICRO).modules() if isinstance(m, Cell))
        assert each == counted(cell)


def worked(network, side):
    """The parts of a MobileNetV3, counted where its blocks convolve."""
    work, values = dict.fromkeys((1, *KERNELS), 0), []

    def look(module, inputs, output):
        area = output.shape[2] * output.shape[3]
        work[module.kernel_size[0]] += module.weight.numel() * area
        if module.groups > 1 or output.shape[1] > inputs[0].shape[1]:
            values.append(output.shape[1] * area)

    inside = [m for block in network.body[1:] for m in block.layers.modules() if isinstance(m, nn.Conv2d)]
    for layer in inside:
        if layer.bias is None:  # squeeze and excitation has biases
            layer.register_forward_hook(look)
    with torch.inference_mode():
        first = network.stem(torch.zeros(1, 3, side, side))
        last = network.body(first)
    return [1, first.shape[-1] ** 2, last.shape[-1] ** 2, len(network.body) - 1, *work.values(), sum(values)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet-v3", "mobilenet-v3-w1.2"])
def test_the_parts_of_mobilenets_are_those_of_the_networks(name):
    mobilenets = space(name)
    tokens = mobilenets.sample(4, np.random.default_rng(0))
    for row, found in zip(tokens, parts(mobilenets)(tokens).tolist(), strict=True):
        assert found == worked(build(mobilenets.decode(row), 1000), RESOLUTIONS[row[0]])


def test_a_space_without_parts_is_refused(as_a_user):
    class Other(SearchSpace):
        name, slots, identities = "another", (), ()
        decode = _row = canonical = params = flops = None

    with pytest.raises(ArgumentError, match="can be timed, nas-bench-201 or a mobilenet-v3; got 'another'"):
        parts(Other())
