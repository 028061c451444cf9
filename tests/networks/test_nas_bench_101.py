"""The networks of NAS-Bench-101 cost what the space says, and compute what is published."""

import numpy as np
import pytest
import torch
from torch import nn

from nagkit.errors import ArgumentError
from nagkit.networks.fused import fuse
from nagkit.networks.nas_bench_101 import Cell, nas_bench_101
from nagkit.networks.network import build, edges, initialise
from nagkit.space import Architecture
from nagkit.spaces.nas_bench_101 import NasBench101

SPACE = NasBench101()
CELLS = (
    "output(0)",
    "conv3x3-bn-relu(0)|maxpool3x3(0,1)|output(0,1,2)",
    "conv1x1-bn-relu(0)|conv3x3-bn-relu(0)|maxpool3x3(1)|conv1x1-bn-relu(1)|output(2,3,4)",
    "conv1x1-bn-relu(0)|maxpool3x3(1)|conv3x3-bn-relu(1,2)|maxpool3x3(0)|maxpool3x3(4)|output(3,5)",
)


def cell(text: str) -> Architecture:
    return SPACE.decode(SPACE.encode([text])[0])


def costs(network: nn.Module, side: int) -> tuple[int, int]:
    """Parameters, and multiply-accumulates where they happen, of one image."""
    counted = []

    def hook(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        counted.append(output[0].numel() * module.weight[0].numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(hook)
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 3, side, side, device=network.classifier.weight.device))
    return sum(parameter.numel() for parameter in network.parameters()), sum(counted)


@pytest.mark.parametrize(("classes", "side"), [(10, 4), (100, 7)])
def test_costs_are_those_of_the_traced_network(classes, side):
    for row in SPACE.encode(CELLS):
        params, flops = SPACE.params(row[None], classes), SPACE.flops(row[None], classes, side)
        assert costs(build(SPACE.decode(row), classes), side) == (params[0], flops[0])


@pytest.mark.slow
def test_costs_are_those_of_200_traced_networks():
    tokens = SPACE.sample(200, np.random.default_rng(0))
    expected = zip(SPACE.params(tokens).tolist(), SPACE.flops(tokens).tolist(), strict=True)
    for row, each in zip(tokens, expected, strict=True):
        with torch.device("meta"):
            network = nas_bench_101(SPACE.decode(row), 10)
        assert costs(network, 32) == each, SPACE.decode(row).text


def by_hand(module: Cell, text: str, x: torch.Tensor) -> torch.Tensor:
    """What a cell gives, read from its text."""
    values = [x]
    for vertex, part in enumerate(text.split("|"), 1):
        op, _, sources = part[:-1].partition("(")
        inputs = [values[int(i)] for i in sources.split(",") if int(i)]
        projected = [getattr(module, f"projection_{vertex}")(x)] if "0" in sources else []
        if op == "output":
            joined = torch.cat(inputs, dim=1) if inputs else 0
            return joined + projected[0] if projected else joined
        total = sum(value[:, : module.channels[vertex]] for value in inputs + projected)
        values.append(getattr(module, f"vertex_{vertex}")(total))
    raise AssertionError(text)


@pytest.mark.parametrize("text", CELLS)
def test_a_cell_adds_projects_narrows_and_joins(text):
    network = build(cell(text)).eval()
    x = torch.randn(2, 128, 5, 4, generator=torch.Generator().manual_seed(0))
    first = network.body[0]
    with torch.inference_mode():
        assert torch.allclose(first(x), by_hand(first, text, x), atol=1e-5)


def test_isomorphic_cells_that_share_channels_evenly_cost_the_same():
    one = "conv1x1-bn-relu(0)|maxpool3x3(0)|output(1,2)"
    other = "maxpool3x3(0)|conv1x1-bn-relu(0)|output(1,2)"
    tokens = SPACE.encode([one, other])
    assert SPACE.params(tokens)[0] == SPACE.params(tokens)[1]
    assert np.array_equal(*SPACE.canonical(tokens))


def test_a_network_learns_from_its_seed_alone():
    first, same, other = (build(cell(CELLS[1]), classes=7, seed=seed) for seed in (0, 0, 1))
    images = torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    for network in (first, same, other):
        assert network.eval()(images).shape == (2, 7)
    assert torch.equal(first(images), same(images))
    assert not torch.equal(first(images), other(images))
    first.train()(images).sum().backward()
    assert all(parameter.grad is not None for parameter in first.parameters())
    assert torch.equal(initialise(first, 1).stem[0].weight, other.stem[0].weight)


def test_what_is_only_for_cells_with_operations_on_edges_is_refused():
    with pytest.raises(ArgumentError, match="operations on edges"):
        edges(cell(CELLS[0]))
    with pytest.raises(ArgumentError, match="side by side"):
        fuse(build(cell(CELLS[0])), build(cell(CELLS[0]), seed=1))


def test_architectures_of_no_known_space_have_no_network():
    with pytest.raises(ArgumentError, match="must belong to one of the spaces 'nas-bench-201'"):
        build(Architecture("another", ("input", "output"), frozenset({(0, 1)}), (0,), ""))
