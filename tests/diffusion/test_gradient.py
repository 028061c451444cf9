"""Guidance by the gradient of a noise-conditional predictor, as published."""

import numpy as np
import pytest
import torch

import nagkit
from nagkit.diffusion.directions import directed_scores
from nagkit.diffusion.gradient import NoisyGradient, trained

SPACE = nagkit.space("nas-bench-201")
MORE = nagkit.Metric("quality", "percent", "max")
FIRSTS = nagkit.Objective(MORE, lambda tokens: (tokens == 0).sum(1).astype(float))
LASTS = nagkit.Objective(MORE, lambda tokens: (tokens == 4).sum(1).astype(float))


@pytest.fixture(scope="module")
def two():
    """The gradient of two wishes that pull apart, at strength 3."""
    return NoisyGradient(SPACE, nagkit.Guidance(3.0, [FIRSTS, LASTS]), 0.25, 10.0)


def expected(gradient, x, sigma, direction):
    with torch.no_grad():
        scores = gradient.predictor.double()(torch.from_numpy(x), torch.full((len(x),), sigma, dtype=torch.float64))
    gradient.predictor.float()
    return scores.numpy()[np.arange(len(x)), direction]


def test_it_is_the_gradient_of_what_is_expected_along_each_direction(two):
    """Against differences in 64 bits."""
    x, direction, step = np.random.default_rng(0).normal(size=(3, 6, 5)), np.array([0, 13, 31]), 1e-5
    found = two(x, 0.8, direction)
    for slot, symbol in ((0, 0), (2, 4), (5, 1)):
        up, down = x.copy(), x.copy()
        up[:, slot, symbol] += step
        down[:, slot, symbol] -= step
        slope = (expected(two, up, 0.8, direction) - expected(two, down, 0.8, direction)) / (2 * step)
        np.testing.assert_allclose(found[:, slot, symbol], 3.0 * slope, rtol=1e-3, atol=1e-4)


def test_each_direction_pulls_its_own_way(two):
    x = np.zeros((32, 6, 5))
    pull = two(x, 1.0, np.arange(32)).mean(1)  # (directions, symbols)
    wishes = pull[:, 0] - pull[:, 4]
    assert min(abs(wishes[[0, -1]])) > 0.3 and wishes[0] * wishes[-1] < 0


def test_the_predictor_knows_what_little_noise_leaves_and_not_what_much_noise_takes():
    scores = directed_scores(SPACE, [FIRSTS])
    predictor = trained(SPACE, SPACE.all(), scores.T, 0.25, 10.0)
    rng = np.random.default_rng(0)
    rows = rng.integers(SPACE.size, size=2000)
    clean = 2.0 * (SPACE.at(rows)[:, :, None] == np.arange(5)) - 1
    share = []
    for sigma in (0.25, 1.0, 10.0):
        x = torch.from_numpy(clean + sigma * rng.standard_normal(clean.shape)).float()
        found = predictor(x, torch.full((2000,), sigma))[:, 0]
        share.append(np.corrcoef(found.numpy(), scores[0, rows])[0, 1])
    assert share[0] > 0.95 and share[0] > share[1] > share[2] and share[2] < 0.4


def test_the_same_guidance_gives_the_same_gradient_and_leaves_global_randomness_alone(two):
    before = torch.get_rng_state()
    again = NoisyGradient(SPACE, nagkit.Guidance(3.0, [FIRSTS, LASTS]), 0.25, 10.0)
    assert torch.equal(before, torch.get_rng_state())
    x = np.random.default_rng(0).normal(size=(3, 6, 5))
    direction = np.array([0, 13, 31])
    np.testing.assert_array_equal(again(x, 0.8, direction), two(x, 0.8, direction))
    before = torch.get_rng_state()
    two(x, 0.8, direction)
    assert torch.equal(before, torch.get_rng_state())


def test_a_space_that_cannot_be_listed_is_guided_too():
    space = nagkit.space("mobilenet-v3")
    small = nagkit.Objective(nagkit.Metric("params", "count", "min"), lambda tokens: space.params(tokens).astype(float))
    generator = nagkit.generator("continuous-diffusion", space)
    free, guided = (
        generator.sample(200, nagkit.Guidance(strength, [small], method="gradient"), np.random.default_rng(0))
        for strength in (0, 3)
    )
    space.check(guided)
    assert space.params(guided).mean() < space.params(free).mean() - space.params(free).std() / 2
