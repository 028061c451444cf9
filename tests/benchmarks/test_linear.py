"""The linear model against textbook solutions, written out."""

import numpy as np
import pytest

from nagkit.benchmarks.linear import PENALTIES, Linear


def data(n=40, f=6, m=3, noise=0.1):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n, f))
    return features, features @ rng.normal(size=(f, m)) + 5 + noise * rng.normal(size=(n, m))


def ridge(features, target, penalty):
    """Weights and offset by the normal equations, the offset unpenalised."""
    centred = features - features.mean(0)
    weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(features.shape[1]), centred.T @ target)
    return weights, target.mean() - features.mean(0) @ weights


@pytest.mark.parametrize("noise", [0.0, 0.1, 3.0, 30.0])
def test_it_is_the_ridge_regression_that_errs_least_where_one_is_left_out(noise):
    features, targets = data(noise=noise)
    found = Linear.fitted(features, targets)
    for column, target in enumerate(targets.T):
        errors = []
        for penalty in PENALTIES:
            missed = []
            for out in range(len(target)):
                rest = np.arange(len(target)) != out
                # leaving one out of the centred problem: the same penalty, centre and all
                weights, offset = ridge(features[rest], target[rest], penalty)
                missed.append(abs(features[out] @ weights + offset - target[out]))
            errors.append(np.mean(missed))
        weights, offset = ridge(features, target, PENALTIES[np.argmin(errors)])
        np.testing.assert_allclose(found.weights[:, column], weights, atol=1e-9)
        assert found.offset[column] == pytest.approx(offset)


def test_features_that_say_nothing_new_do_no_harm():
    features, targets = data()
    doubled = np.column_stack([features, features, np.ones(len(features)), np.zeros(len(features))])
    values = Linear.fitted(doubled, targets).values(doubled)
    np.testing.assert_allclose(values, Linear.fitted(features, targets).values(features), atol=0.05)


def test_values_are_those_of_the_formula():
    features, targets = data()
    model = Linear.fitted(features, targets)
    expected = [
        [sum(x * w for x, w in zip(row, column, strict=True)) for column in model.weights.T] for row in features
    ]
    np.testing.assert_allclose(model.values(features), np.array(expected) + model.offset)
