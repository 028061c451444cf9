"""Networks cost exactly what the space says, and lose nothing with their dead edges."""

import numpy as np
import pytest
import torch
from torch import nn

from nagkit.errors import ArgumentError
from nagkit.networks.fused import fuse
from nagkit.networks.network import Network, build
from nagkit.space import Architecture
from nagkit.spaces.nas_bench_201 import CONV1, CONV3, NONE, POOL, SKIP, NasBench201
from nagkit.spaces.skeleton import MICRO, PUBLISHED, Skeleton

SPACE = NasBench201()
SMALL = Skeleton(channels=(4, 6, 8), cells=(1, 1, 2))
MIXES = [(n1, n3) for n1 in range(7) for n3 in range(7 - n1)]


def cell(*row: int) -> Architecture:
    return SPACE.decode(row)


def mixed(n1: int, n3: int) -> Architecture:
    return cell(*[CONV1] * n1, *[CONV3] * n3, *[SKIP] * (6 - n1 - n3))


def params(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_accumulates(network: nn.Module, images: torch.Tensor) -> int:
    """Counted where they happen: in every convolution and in the classifier, for one image."""
    counted = []

    def count(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        bias = 1 if module.bias is not None else 0
        counted.append(output[0].numel() * (module.weight[0].numel() + bias))

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.inference_mode():
        network(images)
    return sum(counted)


def stirred(network: Network, seed: int = 0) -> Network:
    """Statistics and shifts as a training could leave them."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2, generator=generator)
            nn.init.uniform_(module.bias, -1, 1, generator=generator)
            nn.init.uniform_(module.running_mean, -1, 1, generator=generator)
            nn.init.uniform_(module.running_var, 0.5, 2, generator=generator)
    return network


def images(n: int = 3, channels: int = 1, side: int = 8) -> torch.Tensor:
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize(
    ("skeleton", "classes", "mixes"),
    [(SMALL, 10, MIXES), (MICRO, 120, MIXES), (PUBLISHED, 10, [(0, 0), (2, 3)]), (PUBLISHED, 120, [(6, 0), (0, 6)])],
    ids=["small", "micro", "published", "published, 120 classes"],
)
def test_parameters_are_those_of_the_space_for_every_mix_of_operations(skeleton, classes, mixes):
    for n1, n3 in mixes:
        architecture = mixed(n1, n3)
        built = params(build(architecture, classes, skeleton, prune=False))
        assert built == SPACE.params(np.array([architecture.tokens]), classes, skeleton)[0]


@pytest.mark.parametrize(
    "row", [(NONE,) * 6, (CONV3, NONE, NONE, POOL, NONE, CONV1), (NONE, NONE, CONV3, SKIP, CONV1, POOL)]
)
def test_parameters_of_dead_operations_count_unless_pruned(row):
    kept = SPACE.params(np.array([row]))[0]
    alive = np.where(SPACE.alive(np.array([row])), row, NONE)
    assert params(build(cell(*row), prune=False)) == kept
    assert params(build(cell(*row))) == SPACE.params(alive)[0]


@pytest.mark.parametrize(("skeleton", "side"), [(SMALL, 8), (SMALL, 9), (MICRO, 8), (MICRO, 11)])
def test_multiply_accumulates_are_those_of_the_space(skeleton, side):
    for row in SPACE.sample(12, np.random.default_rng(3)):
        network = build(SPACE.decode(row), 7, skeleton, prune=False)
        counted = multiply_accumulates(network, images(1, skeleton.image_channels, side))
        assert counted == SPACE.flops(row[None], 7, side, skeleton)[0]


def test_dead_edges_do_not_change_the_output():
    rows = SPACE.sample(300, np.random.default_rng(0))
    dead = ((rows != NONE) & ~SPACE.alive(rows)).any(1)
    for row in rows[dead][:25]:
        whole, pruned = (build(SPACE.decode(row), skeleton=MICRO, prune=prune) for prune in (False, True))
        assert params(pruned) <= params(whole)
        pruned.load_state_dict({name: whole.state_dict()[name] for name in pruned.state_dict()})
        for mode in (True, False):
            assert torch.equal(whole.train(mode)(images()), pruned.train(mode)(images()))


def test_a_pruned_network_draws_its_own_initial_weights():
    row = (CONV3, NONE, NONE, POOL, NONE, CONV1)  # the convolutions are dead
    whole, pruned = (build(cell(*row), skeleton=MICRO, prune=prune, seed=4) for prune in (False, True))
    assert torch.equal(whole.stem[0].weight, pruned.stem[0].weight)
    assert not torch.equal(whole.classifier.weight, pruned.classifier.weight)


def test_a_cell_agrees_with_its_definition():
    """x3 = conv3x3(x0) + x1 + pool(x2) with x1 = conv1x1(x0), x2 = x0 + conv3x3(x1), in plain functions."""
    network = stirred(build(cell(CONV1, SKIP, CONV3, CONV3, SKIP, POOL), skeleton=MICRO)).eval()
    first = network.body[0]

    def convolved(edge: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.conv2d(x.clamp(min=0), edge[1].weight, padding=edge[1].kernel_size[0] // 2)
        norm = edge[2]
        mean, scale = norm.running_mean[:, None, None], (norm.running_var[:, None, None] + norm.eps).sqrt()
        return (y - mean) / scale * norm.weight[:, None, None] + norm.bias[:, None, None]

    x0 = images(2, 8)
    x1 = convolved(first.edge_0_1, x0)
    x2 = x0 + convolved(first.edge_1_2, x1)
    ones = torch.ones(1, 8, 8, 8)
    inside = nn.functional.conv2d(ones, torch.ones(8, 1, 3, 3), padding=1, groups=8)
    pooled = nn.functional.conv2d(x2, torch.ones(8, 1, 3, 3), padding=1, groups=8) / inside
    expected = convolved(first.edge_0_3, x0) + x1 + pooled
    torch.testing.assert_close(first(x0), expected)


def test_a_cell_without_a_path_gives_zero_and_the_network_still_trains():
    network = build(cell(CONV3, NONE, NONE, NONE, NONE, CONV1), skeleton=MICRO)
    assert not network.body[0](images(2, 8)).any()
    loss = nn.functional.cross_entropy(network(images()), torch.tensor([0, 1, 2]))
    loss.backward()
    assert torch.isfinite(loss)
    assert network.classifier.bias.grad.any()


def test_initial_weights_depend_on_the_seed_alone():
    architecture = cell(CONV1, CONV3, SKIP, POOL, CONV3, SKIP)
    before = torch.random.get_rng_state()
    first = build(architecture, skeleton=MICRO, seed=1).state_dict()
    torch.manual_seed(99)
    again = build(architecture, skeleton=MICRO, seed=1).state_dict()
    other = build(architecture, skeleton=MICRO, seed=2).state_dict()
    torch.random.set_rng_state(before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


def test_global_randomness_is_untouched():
    before = torch.random.get_rng_state()
    build(cell(CONV1, CONV3, SKIP, POOL, CONV3, SKIP), skeleton=MICRO)
    assert torch.equal(before, torch.random.get_rng_state())


def test_initial_weights_follow_the_law_of_pytorch():
    weight = build(mixed(0, 6)).body[-1].edge_2_3[1].weight
    bound = 1 / np.sqrt(9 * 64)
    assert weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.02)


EXTREMES = [(CONV3,) * 6, (NONE,) * 6, (POOL,) * 6, (CONV3, NONE, CONV1, NONE, NONE, POOL)]  # the last: no path, dead


def parted(tensor: torch.Tensor, like: torch.Tensor, number: int) -> torch.Tensor:
    """The piece of a gradient of fused networks that belongs to network ``number``."""
    return tensor[number * len(like) : (number + 1) * len(like)]


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("row", [*map(tuple, SPACE.sample(8, np.random.default_rng(1)).tolist()), *EXTREMES])
def test_fused_networks_compute_and_learn_what_each_does_alone(copies, row):
    alone = [stirred(build(SPACE.decode(row), skeleton=MICRO, seed=seed), seed) for seed in range(copies)]
    fused = fuse(*alone)
    assert params(fused) == sum(map(params, alone))
    several = images(16 * copies).reshape(16, copies, 8, 8)  # each network sees other images
    labels = torch.arange(16) % 10
    for training in (True, False):
        outputs = [network.train(training)(several[:, [k]]) for k, network in enumerate(alone)]
        together = fused.train(training)(several)
        torch.testing.assert_close(together, torch.cat(outputs, dim=1), rtol=1e-4, atol=1e-5)
        for network in (fused, *alone):
            network.zero_grad()
        for output in (*outputs, *together.split(10, dim=1)):
            nn.functional.cross_entropy(output, labels).backward(retain_graph=True)
        for name in ("stem.0.weight", "stem.1.bias", "head.0.weight", "classifier.weight", "classifier.bias"):
            for k, network in enumerate(alone):
                own, gradient = network.get_parameter(name), fused.get_parameter(name).grad
                if own.grad is None:  # no path from here to the output
                    assert gradient is None
                else:
                    torch.testing.assert_close(parted(gradient, own, k), own.grad, rtol=1e-3, atol=1e-5)
        squares = [
            sum((p.grad**2).sum() for network in networks for p in network.parameters() if p.grad is not None)
            for networks in (alone, [fused])
        ]
        torch.testing.assert_close(squares[1], squares[0], rtol=1e-3, atol=1e-6)


def test_what_one_of_fused_networks_sees_does_not_reach_the_others():
    fused = fuse(*(build(mixed(2, 3), skeleton=MICRO, seed=seed) for seed in range(3))).train()
    several = images(4 * 3).reshape(4, 3, 8, 8)
    before = fused(several)
    several[:, 1] = 100 * several[:, 1] + 1
    changed = (fused(several) - before).detach().abs().unflatten(1, (3, 10)).amax((0, 2))
    assert changed[1] > 1e-3
    assert not changed[[0, 2]].any()


def test_fusing_leaves_the_networks_as_they_were():
    plain = [build(mixed(3, 3), skeleton=MICRO, seed=seed) for seed in (0, 1)]
    before = [{name: value.clone() for name, value in network.state_dict().items()} for network in plain]
    fused = fuse(*plain)
    for parameter in fused.parameters():
        parameter.data.zero_()
    for network, values in zip(plain, before, strict=True):
        assert all(torch.equal(value, values[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("one", "other", "classes"),
    [
        (mixed(3, 3), mixed(4, 2), 10),  # other kernels
        (mixed(2, 2), mixed(2, 3), 10),  # one convolution more
        (mixed(2, 2), mixed(2, 2), 9),
    ],
)
def test_networks_of_different_architectures_are_not_fused(one, other, classes):
    with pytest.raises(ArgumentError, match="one architecture with one skeleton"):
        fuse(build(one, skeleton=MICRO), build(other, classes, MICRO))


def test_architectures_that_differ_in_operations_without_weights_are_not_fused():
    with pytest.raises(ArgumentError, match="one architecture with one skeleton"):
        fuse(build(cell(CONV3, *[SKIP] * 5), skeleton=MICRO), build(cell(CONV3, *[POOL] * 5), skeleton=MICRO))


@pytest.mark.parametrize("networks", [(), ("network",), (nn.Linear(1, 1),)])
def test_what_is_no_network_is_not_fused(networks, as_a_user):
    with pytest.raises(ArgumentError, match="networks must be"):
        fuse(*networks)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"architecture": "|skip_connect~0|"}, "space.decode"),
        ({"architecture": Architecture("another", ("a",), frozenset(), (0,), "a")}, "'nas-bench-201'.*'another'"),
        ({"classes": 0}, "classes must be a whole number from 1"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 2**63}, "seed must be"),
        ({"classes": 10**9}, "classes must be a whole number from 1 to 1000000"),
        ({"skeleton": "micro"}, "skeleton must be a Skeleton"),
        ({"prune": "no"}, "prune must be True or False"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(arguments, words, as_a_user):
    with pytest.raises(ArgumentError, match=words):
        build(**{"architecture": cell(0, 0, 0, 1, 0, 0), **arguments})
