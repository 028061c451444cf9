"""Costs that add up are learned exactly; the additive predictor keeps the contract of predictors."""

import numpy as np
import pytest
from scipy import optimize

from nagkit.checks.predictor import MORE, PredictorContract
from nagkit.errors import ArgumentError
from nagkit.predictors.additive import Additive
from nagkit.spaces import space

SPACE = space("nas-bench-201")


def parts(tokens):
    """1, and how many of each operation there are."""
    return np.concatenate([np.ones((len(tokens), 1)), (tokens[:, :, None] == np.arange(1, 5)).sum(1)], axis=1)


def costs(tokens):
    return parts(tokens) @ [0.5, 0.1, 1.0, 3.0, 0.0]


class TestAdditive(PredictorContract):
    @pytest.fixture
    def unfitted(self):
        return Additive(SPACE, MORE, parts)

    def truth(self, predictor, tokens):
        """A cost that is nearly a sum: of two convolutions in a row the second is cheaper."""
        return 10 * (costs(tokens) - 0.5 * ((tokens[:, 0] == 3) & (tokens[:, 2] == 3)))


def test_a_sum_is_learned_exactly_from_few_labels():
    tokens = SPACE.sample(20, np.random.default_rng(0))
    fitted = Additive(SPACE, MORE, parts).fit(tokens, costs(tokens))
    np.testing.assert_allclose(fitted.mean(SPACE.all()), costs(SPACE.all()), rtol=1e-9)
    np.testing.assert_allclose(fitted.left_out, costs(tokens), rtol=1e-9)


def test_no_part_costs_less_than_nothing():
    tokens = SPACE.sample(200, np.random.default_rng(0))
    values = 10 - parts(tokens)[:, 3]  # more of an operation, less cost: no sum of costs
    fitted = Additive(SPACE, MORE, parts).fit(tokens, values)
    for symbol in range(1, 5):
        assert (fitted.mean(np.where(tokens == 0, symbol, tokens)) >= fitted.mean(tokens)).all()


def test_what_is_left_out_is_predicted_by_the_others():
    rng = np.random.default_rng(0)
    tokens = SPACE.sample(30, rng)
    values = costs(tokens) * rng.uniform(0.9, 1.1, 30)
    left_out = Additive(SPACE, MORE, parts).fit(tokens, values).left_out
    for i in range(30):
        others = np.delete(np.arange(30), i)
        x, y = parts(tokens)[others], values[others]
        weights = optimize.lsq_linear(x / y[:, None], np.ones(29), bounds=(0, np.inf)).x
        assert left_out[i] == pytest.approx(parts(tokens)[i] @ weights, rel=1e-3)


def test_ninety_percent_intervals_hold_about_ninety_percent():
    rng = np.random.default_rng(1)
    tokens = SPACE.sample(1060, rng)
    values = costs(tokens) * np.exp(0.1 * rng.standard_normal(1060))
    mean, spread = Additive(SPACE, MORE, parts).fit(tokens[:60], values[:60]).predict(tokens[60:])
    assert 0.85 < (np.abs(mean - values[60:]) < 1.645 * spread).mean() < 0.95


@pytest.mark.usefixtures("as_a_user")
def test_a_cost_of_nothing_is_refused():
    tokens = SPACE.sample(20, np.random.default_rng(0))
    with pytest.raises(ArgumentError, match="values must be above 0, as costs are; the least is 0"):
        Additive(SPACE, MORE, parts).fit(tokens, costs(tokens) - costs(tokens).min())


@pytest.mark.usefixtures("as_a_user")
def test_parts_that_cannot_be_called_are_refused():
    with pytest.raises(ArgumentError, match="parts must be a function"):
        Additive(SPACE, MORE, np.ones((3, 2)))
