"""The Gaussian process, against textbook formulas in loops."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

import nagkit
from blocks import Blocks
from nagkit.checks.predictor import MORE
from nagkit.predictors.gaussian_process import (
    BOUNDS,
    PRIOR_SPREAD,
    START,
    Features,
    GaussianProcess,
    Kernel,
    Posterior,
    l1,
    loss,
    similarities,
)

SPACE = nagkit.space("nas-bench-201")
SHIFT = np.array([0.7, -0.5, 0.3, 0.4, -0.2, 0.1])  # of each logarithm, away from the start


def some(n, seed):
    return Features.of(SPACE, SPACE.sample(n, np.random.default_rng(seed)))


def by_loops(kernel, a, b):
    """The kernel, entry by entry."""
    k = np.empty((len(a.computed), len(b.computed)))
    for i, j in np.ndindex(*k.shape):
        computed = (a.computed[i] != b.computed[j]).sum()
        written = (a.written[i] != b.written[j]).sum()
        trend = (a.trends[i] - kernel.centre) @ (b.trends[j] - kernel.centre)
        k[i, j] = kernel.variance_computed * math.exp(-computed / kernel.length_computed)
        k[i, j] += kernel.variance_written * math.exp(-written / kernel.length_written) + kernel.trend * trend
    return k


def test_l1_counts_differing_features():
    a, b = some(7, 0).computed, some(5, 1).computed
    np.testing.assert_array_equal(l1(a, b), [[(x != y).sum() for y in b] for x in a])


def test_dead_operations_are_written_but_neither_computed_nor_counted():
    dead = [[0, 3, 0, 0, 0, 0], [0, 0, 3, 0, 0, 0]]  # one convolution each, which nothing reaches or uses
    features = Features.of(SPACE, np.array(dead))
    np.testing.assert_array_equal(*features.computed)
    np.testing.assert_array_equal(features.trends * math.sqrt(6), [[6, 0, 0, 0, 0]] * 2)
    assert l1(features.written, features.written)[0, 1] == 4  # two slots, two symbols each


@pytest.mark.parametrize("logs", [START, START + SHIFT, START - 2 * SHIFT])
def test_loss_is_the_log_posterior(logs):
    features, scores = some(30, 2), np.random.default_rng(0).standard_normal(30)
    kernel = Kernel.of(logs, features.trends.mean(0))
    covariance = by_loops(kernel, features, features) + kernel.noise * np.eye(30)
    evidence = stats.multivariate_normal(np.zeros(30), covariance).logpdf(scores)
    prior = sum(stats.norm(m, PRIOR_SPREAD).logpdf(x) for m, x in zip(START, logs, strict=True))
    constant = -15 * np.log(2 * np.pi) + sum(stats.norm(m, PRIOR_SPREAD).logpdf(m) for m in START)
    given = similarities(features, features, kernel.centre)
    assert loss(logs, given, scores)[0] == pytest.approx(constant - evidence - prior)


def test_gradient_is_that_of_finite_differences():
    features, scores = some(30, 3), np.random.default_rng(1).standard_normal(30)
    given = similarities(features, features, features.trends.mean(0)), scores
    error = optimize.check_grad(lambda x: loss(x, *given)[0], lambda x: loss(x, *given)[1], START + SHIFT)
    assert error < 1e-4


def test_posterior_is_the_conditional_of_a_joint_normal():
    both = some(31, 4)
    x, y = both.first(25), Features(*(part[25:] for part in both))
    scores, kernel = np.random.default_rng(4).standard_normal(25), Kernel.of(START + SHIFT, x.trends.mean(0))
    k = by_loops(kernel, both, both)
    inverse = np.linalg.inv(k[:25, :25] + kernel.noise * np.eye(25))
    posterior = Posterior(kernel, x, scores)
    mean, covariance = posterior.mean_and_covariance(y)
    np.testing.assert_allclose(mean, k[25:, :25] @ inverse @ scores, rtol=1e-5)  # distances have 32 bits
    np.testing.assert_allclose(covariance, k[25:, 25:] - k[25:, :25] @ inverse @ k[:25, 25:], atol=1e-6)
    np.testing.assert_allclose(posterior.mean(y), mean, atol=1e-12)
    np.testing.assert_allclose(posterior.mean_and_spread(y), (mean, np.sqrt(np.diag(covariance))), atol=1e-9)
    assert [len(part) for part in x.and_those_of(y)] == [31, 31, 31]


def test_what_is_left_out_is_judged_by_a_process_without_it():
    x, scores = some(12, 5), np.random.default_rng(5).standard_normal(12)
    kernel = Kernel.of(START + SHIFT, x.trends.mean(0))
    expected = []
    for place in range(12):
        others, alone = (Features(*(part[rows] for part in x)) for rows in (np.arange(12) != place, [place]))
        mean, spread = Posterior(kernel, others, np.delete(scores, place)).mean_and_spread(alone)
        expected.append((mean[0], math.hypot(spread[0], math.sqrt(kernel.noise))))
    np.testing.assert_allclose(np.transpose(Posterior(kernel, x, scores).left_out()), expected, rtol=1e-5, atol=1e-6)


def test_the_spread_of_the_predictor_is_of_a_value_measured_anew():
    rng = np.random.default_rng(4)
    tokens, fresh = SPACE.sample(25, rng), SPACE.sample(6, rng)
    process, values = GaussianProcess(SPACE, MORE), rng.random(25)
    fitted, scores = process.fit(tokens, values), stats.norm.ppf((stats.rankdata(values) - 0.5) / 25)
    posterior = Posterior(fitted.kernel, Features.of(SPACE, tokens), scores)
    mean, spread = posterior.mean_and_spread(Features.of(SPACE, fresh))
    np.testing.assert_allclose(fitted._scores(fresh), (mean, np.sqrt(spread**2 + fitted.kernel.noise)), atol=1e-12)


def test_hyperparameters_are_a_local_optimum():
    rng = np.random.default_rng(5)
    tokens = SPACE.sample(80, rng)
    values = (tokens == 3).sum(1) + 0.1 * rng.standard_normal(80)
    kernel, features = GaussianProcess(SPACE, MORE).fit(tokens, values).kernel, Features.of(SPACE, tokens)
    best = np.log([getattr(kernel, name) for name in Kernel.__dataclass_fields__ if name != "centre"])
    given = similarities(features, features, kernel.centre), stats.norm.ppf((stats.rankdata(values) - 0.5) / 80)
    at_best = loss(best, *given)[0]
    for step in 0.1 * np.vstack([np.eye(6), -np.eye(6)]):
        assert loss(np.clip(best + step, *np.array(BOUNDS).T), *given)[0] >= at_best - 1e-4


def test_what_costs_without_being_computed_is_learned():
    """A price for every written convolution, live or dead: what is computed does not tell it."""

    def price(rows):
        return (rows == 3) @ np.sqrt([2, 3, 5, 7, 11, 13])

    rng = np.random.default_rng(7)
    tokens, others = SPACE.sample(100, rng), SPACE.sample(1000, rng)
    process = GaussianProcess(SPACE, MORE).fit(tokens, price(tokens))
    assert stats.spearmanr(process.mean(others), price(others)).statistic > 0.95


def test_few_labels_tell_a_trend():
    """Twelve labels, and an answer beyond all of them."""
    rng, none, all_convolutions = np.random.default_rng(8), np.zeros((1, 6), int), np.full((1, 6), 3)
    tokens = SPACE.sample(12, rng)
    process = GaussianProcess(SPACE, MORE).fit(tokens, SPACE.counts(tokens)[:, 3].astype(float))
    assert process._means(all_convolutions) > process._means(tokens).max() > process._means(none)


def test_a_space_without_structure_of_its_own_has_the_same_features_twice():
    space = Blocks()
    tokens = space.all()
    features = Features.of(space, tokens)
    np.testing.assert_array_equal(features.computed, features.written)
    process = GaussianProcess(space, MORE).fit(tokens, tokens[:, 2].astype(float))
    assert tokens[process.mean(tokens).argmax(), 2] == 3


def test_doubt_is_smaller_near_labels():
    rng = np.random.default_rng(6)
    tokens = SPACE.sample(60, rng)
    process = GaussianProcess(SPACE, MORE).fit(tokens, (tokens == 3).sum(1) + rng.random(60))
    assert process._scores(tokens)[1].mean() < process._scores(SPACE.sample(500, rng))[1].mean()
