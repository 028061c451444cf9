"""The Gaussian process, against textbook formulas in loops."""

import numpy as np
import pytest
from blocks import Blocks
from scipy import optimize, stats

import nagkit
from nagkit.checks.predictor import MORE
from nagkit.predictors.gaussian_process import (
    LENGTHS,
    NOISES,
    PRIOR_SPREAD,
    VARIANCES,
    GaussianProcess,
    Kernel,
    Posterior,
    l1,
    loss,
    parts,
    start,
)

SPACE = nagkit.space("nas-bench-201")
SHIFT = np.array([0.7, -0.5, 0.3, 0.4, -0.2])  # of each logarithm, away from the start


def some(n, seed):
    return parts(SPACE, SPACE.sample(n, np.random.default_rng(seed)))


def distances(features):
    return np.stack([l1(part, part) for part in features])


def by_loops(kernel, a, b):
    """The kernel, entry by entry."""
    k = np.zeros((len(a[0]), len(b[0])))
    for length, variance, x, y in zip(kernel.lengths, kernel.variances, a, b, strict=True):
        k += [[variance * np.exp(-(p != q).sum() / length) for q in y] for p in x]
    return k


def test_l1_counts_differing_features():
    a, b = some(7, 0)[0], some(5, 1)[0]
    np.testing.assert_array_equal(l1(a, b), [[(x != y).sum() for y in b] for x in a])


def test_parts_are_what_is_computed_and_what_is_written():
    dead = [[0, 3, 0, 0, 0, 0], [0, 0, 3, 0, 0, 0]]  # one convolution each, which nothing reaches or uses
    computed, written = parts(SPACE, np.array(dead))
    np.testing.assert_array_equal(computed[0], computed[1])
    assert l1(written, written)[0, 1] == 4  # two slots, two symbols each


@pytest.mark.parametrize("logs", [start(2), start(2) + SHIFT, start(2) - 2 * SHIFT])
def test_loss_is_the_log_posterior(logs):
    features, scores, kernel = some(30, 2), np.random.default_rng(0).standard_normal(30), Kernel.of(logs)
    covariance = by_loops(kernel, features, features) + kernel.noise * np.eye(30)
    evidence = stats.multivariate_normal(np.zeros(30), covariance).logpdf(scores)
    prior = sum(stats.norm(m, PRIOR_SPREAD).logpdf(x) for m, x in zip(start(2), logs, strict=True))
    constant = -15 * np.log(2 * np.pi) + sum(stats.norm(m, PRIOR_SPREAD).logpdf(m) for m in start(2))
    assert loss(logs, distances(features), scores)[0] == pytest.approx(constant - evidence - prior)


def test_gradient_is_that_of_finite_differences():
    features, scores = some(30, 3), np.random.default_rng(1).standard_normal(30)
    given = distances(features), scores
    error = optimize.check_grad(lambda x: loss(x, *given)[0], lambda x: loss(x, *given)[1], start(2) + SHIFT)
    assert error < 1e-4


def test_posterior_is_the_conditional_of_a_joint_normal():
    both, x, y = some(31, 4), [part[:25] for part in some(31, 4)], [part[25:] for part in some(31, 4)]
    scores, kernel = np.random.default_rng(4).standard_normal(25), Kernel((9.0, 5.0), (1.3, 0.4), 0.1)
    k = by_loops(kernel, both, both)
    inverse = np.linalg.inv(k[:25, :25] + kernel.noise * np.eye(25))
    posterior = Posterior(kernel, x, scores)
    mean, covariance = posterior.mean_and_covariance(y)
    np.testing.assert_allclose(mean, k[25:, :25] @ inverse @ scores, atol=1e-9)
    np.testing.assert_allclose(covariance, k[25:, 25:] - k[25:, :25] @ inverse @ k[:25, 25:], atol=1e-9)
    np.testing.assert_allclose(posterior.mean(y), mean, atol=1e-12)
    np.testing.assert_allclose(posterior.mean_and_spread(y), (mean, np.sqrt(np.diag(covariance))), atol=1e-9)


def test_the_spread_of_the_predictor_is_of_a_value_measured_anew():
    rng = np.random.default_rng(4)
    tokens, fresh = SPACE.sample(25, rng), SPACE.sample(6, rng)
    process, values = GaussianProcess(SPACE, MORE), rng.random(25)
    fitted, scores = process.fit(tokens, values), stats.norm.ppf((stats.rankdata(values) - 0.5) / 25)
    mean, spread = Posterior(fitted.kernel, parts(SPACE, tokens), scores).mean_and_spread(parts(SPACE, fresh))
    np.testing.assert_allclose(fitted._scores(fresh), (mean, np.sqrt(spread**2 + fitted.kernel.noise)), atol=1e-12)


def test_hyperparameters_are_a_local_optimum():
    rng = np.random.default_rng(5)
    tokens = SPACE.sample(80, rng)
    values = (tokens == 3).sum(1) + 0.1 * rng.standard_normal(80)
    kernel = GaussianProcess(SPACE, MORE).fit(tokens, values).kernel
    best = np.log([*np.ravel(list(zip(kernel.lengths, kernel.variances, strict=True))), kernel.noise])
    bounds = np.array([LENGTHS, VARIANCES, LENGTHS, VARIANCES, NOISES]).T
    given = distances(parts(SPACE, tokens)), stats.norm.ppf((stats.rankdata(values) - 0.5) / 80)
    at_best = loss(best, *given)[0]
    for step in 0.1 * np.vstack([np.eye(5), -np.eye(5)]):
        assert loss(np.clip(best + step, *bounds), *given)[0] >= at_best - 1e-4


def test_what_costs_without_being_computed_is_learned():
    """A price for every written convolution, live or dead: what is computed does not tell it."""

    def price(rows):
        return (rows == 3) @ np.sqrt([2, 3, 5, 7, 11, 13])

    rng = np.random.default_rng(7)
    tokens, others = SPACE.sample(100, rng), SPACE.sample(1000, rng)
    process = GaussianProcess(SPACE, MORE).fit(tokens, price(tokens))
    assert stats.spearmanr(process.mean(others), price(others)).statistic > 0.95


def test_a_space_that_adds_nothing_has_one_part():
    space = Blocks()
    tokens = space.all()
    assert len(parts(space, tokens)) == 1
    process = GaussianProcess(space, MORE).fit(tokens, tokens[:, 2].astype(float))
    assert tokens[process.mean(tokens).argmax(), 2] == 3


def test_doubt_is_smaller_near_labels():
    rng = np.random.default_rng(6)
    tokens = SPACE.sample(60, rng)
    process = GaussianProcess(SPACE, MORE).fit(tokens, (tokens == 3).sum(1) + rng.random(60))
    assert process._scores(tokens)[1].mean() < process._scores(SPACE.sample(500, rng))[1].mean()
