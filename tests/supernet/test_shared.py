"""A pass through the shared weights is one through the network of that architecture alone."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from nagkit.errors import ArgumentError
from nagkit.networks.network import build
from nagkit.spaces import space
from nagkit.spaces.skeleton import MICRO, Skeleton
from nagkit.supernet.shared import SharedNetwork

CELLS, DARTS = space("nas-bench-201"), space("darts")
COLOURED = Skeleton((4, 6, 5), cells=(2, 1, 1), image_channels=3)
CASES = [
    (CELLS, MICRO),
    (CELLS, COLOURED),
    (DARTS, Skeleton((3, 4), cells=(1, 2), image_channels=1)),
    (DARTS, COLOURED),
]


def shared_name(name, shared, row):
    """What a parameter of the network of one architecture is called among the shared ones."""
    edge = re.match(r"body\.(\d+)\.edge_(\d)_(\d)\.", name)
    if not edge:
        return name
    slot = f"{edge[2]}-{edge[3]}"
    if shared.space.name == DARTS.name:
        slot = f"{'reduction' if shared.body[int(edge[1])].reduces else 'normal'} {slot}"
    (held,) = (each.symbols[k] for each, k in zip(shared.space.slots, row, strict=True) if each.name == slot)
    return f"{edge[0]}{held}.{name[edge.end() :]}"


def alone(shared, row):
    """The network of an architecture with copies of the shared weights, and the shared names of its own."""
    network = build(shared.space.decode(row), shared.classes, shared.skeleton).double().train()
    weights = dict(shared.named_parameters())
    named = {name: shared_name(name, shared, row) for name, _ in network.named_parameters()}
    for name, weight in network.named_parameters():
        weight.data.copy_(weights[named[name]].data)
    return network, named


@pytest.mark.parametrize(("searched", "skeleton"), CASES)
def test_logits_and_gradients_are_those_of_the_network_alone(searched, skeleton):
    shared = SharedNetwork.of(searched, 4, skeleton, seed=1).double()
    images = torch.from_numpy(np.random.default_rng(2).standard_normal((6, skeleton.image_channels, 8, 8)))
    rows = [*searched.sample(4, np.random.default_rng(0)), *([np.zeros(6, int)] if searched is CELLS else [])]
    for row in rows:  # and where all edges are none
        network, named = alone(shared, row)
        logits, expected = shared(images, row), network(images)
        torch.testing.assert_close(logits, expected)
        shared.zero_grad()
        for each in (logits, expected):
            nn.functional.cross_entropy(each, torch.arange(6) % 4).backward()
        gradients = {name: weight.grad for name, weight in shared.named_parameters() if weight.grad is not None}
        assert gradients.keys() == {named[n] for n, weight in network.named_parameters() if weight.grad is not None}
        for name, weight in network.named_parameters():
            if weight.grad is not None:
                torch.testing.assert_close(gradients[named[name]], weight.grad)


def test_initial_weights_depend_on_the_seed_alone():
    before = torch.get_rng_state()
    first, again, other = (SharedNetwork.of(CELLS, 10, MICRO, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stem.0.weight"], other["stem.0.weight"])


def test_evaluation_mode_changes_nothing():
    shared, images = SharedNetwork.of(CELLS, 10, MICRO), torch.randn(4, 1, 8, 8, generator=torch.Generator())
    row = np.array([3, 1, 2, 4, 1, 3])
    assert torch.equal(shared(images, row), shared.eval()(images, row))


def test_spaces_without_a_shared_network_are_refused():
    with pytest.raises(ArgumentError, match="'nas-bench-201', 'darts'"):
        SharedNetwork.of(space("enas"))


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ArgumentError, match="no CUDA device"):
        SharedNetwork.of(CELLS, 10, MICRO, device="cuda")


@pytest.mark.usefixtures("as_a_user")
def test_a_mixture_of_operations_is_refused():
    shared = SharedNetwork.of(CELLS, 10, MICRO)
    with pytest.raises(ArgumentError):
        shared(torch.zeros(2, 1, 8, 8), np.full((6, 5), 0.2))
