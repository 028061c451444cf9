"""The Gaussian process, against textbook formulas in loops."""

from dataclasses import astuple

import numpy as np
import pytest
from scipy import optimize, stats

import nagkit
from nagkit.checks.predictor import MORE
from nagkit.predictors.gaussian_process import BOUNDS, PRIOR_SPREAD, START, GaussianProcess, Kernel, Posterior, l1, loss

SPACE = nagkit.space("nas-bench-201")


def some(n, seed):
    return SPACE.features(SPACE.sample(n, np.random.default_rng(seed)))


def test_l1_counts_differing_features():
    a, b = some(7, 0), some(5, 1)
    np.testing.assert_array_equal(l1(a, b), [[(x != y).sum() for y in b] for x in a])


@pytest.mark.parametrize("logs", [START, START + 0.7, START - [1, 0.5, 2]])
def test_loss_is_the_log_posterior(logs):
    features, scores = some(30, 2), np.random.default_rng(0).standard_normal(30)
    length, variance, noise = np.exp(logs)
    kernel = np.array([[variance * np.exp(-(a != b).sum() / length) for b in features] for a in features])
    evidence = stats.multivariate_normal(np.zeros(30), kernel + noise * np.eye(30)).logpdf(scores)
    prior = sum(stats.norm(m, PRIOR_SPREAD).logpdf(x) for m, x in zip(START, logs, strict=True))
    constant = -15 * np.log(2 * np.pi) + sum(stats.norm(m, PRIOR_SPREAD).logpdf(m) for m in START)
    assert loss(logs, l1(features, features), scores)[0] == pytest.approx(constant - evidence - prior)


def test_gradient_is_that_of_finite_differences():
    features, scores = some(30, 3), np.random.default_rng(1).standard_normal(30)
    distance = l1(features, features)
    error = optimize.check_grad(
        lambda x: loss(x, distance, scores)[0], lambda x: loss(x, distance, scores)[1], START + 0.3
    )
    assert error < 1e-4


def test_posterior_is_the_conditional_of_a_joint_normal():
    rng = np.random.default_rng(4)
    x, y = SPACE.features(SPACE.sample(25, rng)), SPACE.features(SPACE.sample(6, rng))
    scores, kernel = rng.standard_normal(25), Kernel(9.0, 1.3, 0.1)
    k = kernel.variance * np.exp(-l1(np.r_[x, y], np.r_[x, y]) / kernel.length)
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
    mean, spread = Posterior(fitted.kernel, SPACE.features(tokens), scores).mean_and_spread(SPACE.features(fresh))
    expected = (mean, np.sqrt(spread**2 + fitted.kernel.noise))
    np.testing.assert_allclose(fitted._scores(SPACE.features(fresh)), expected, atol=1e-12)


def test_hyperparameters_are_a_local_optimum():
    rng = np.random.default_rng(5)
    tokens = SPACE.sample(80, rng)
    values = (tokens == 3).sum(1) + 0.1 * rng.standard_normal(80)
    process = GaussianProcess(SPACE, MORE).fit(tokens, values)
    best = np.log(astuple(process.kernel))
    distance = l1(SPACE.features(tokens), SPACE.features(tokens))
    scores = stats.norm.ppf((stats.rankdata(values) - 0.5) / 80)
    at_best = loss(best, distance, scores)[0]
    for step in 0.1 * np.vstack([np.eye(3), -np.eye(3)]):
        moved = np.clip(best + step, *np.array(BOUNDS).T)
        assert loss(moved, distance, scores)[0] >= at_best - 1e-6


def test_doubt_is_smaller_near_labels():
    rng = np.random.default_rng(6)
    tokens = SPACE.sample(60, rng)
    process = GaussianProcess(SPACE, MORE).fit(tokens, (tokens == 3).sum(1) + rng.random(60))
    seen, _ = process._scores(SPACE.features(tokens))[1], None
    assert seen.mean() < process._scores(SPACE.features(SPACE.sample(500, rng)))[1].mean()
