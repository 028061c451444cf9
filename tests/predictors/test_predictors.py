"""Every predictor keeps the contract."""

import numpy as np
import pytest

import nagkit
from nagkit.checks.predictor import MORE, PredictorContract
from nagkit.errors import ArgumentError
from nagkit.predictors import PREDICTORS


class TestGaussianProcess(PredictorContract):
    @pytest.fixture
    def unfitted(self):
        return nagkit.predictor("gaussian-process", nagkit.space("nas-bench-201"), MORE)


@pytest.mark.slow
class TestEnsemble(PredictorContract):
    @pytest.fixture
    def unfitted(self):
        return nagkit.predictor("ensemble", nagkit.space("nas-bench-201"), MORE, members=4)


def test_every_predictor_has_its_contract_here():
    assert PREDICTORS == ("gaussian-process", "ensemble")


@pytest.mark.usefixtures("as_a_user")
def test_an_unknown_predictor_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'gaussian-process'"):
        nagkit.predictor("gausian-proces", nagkit.space("nas-bench-201"), MORE)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("space", ["nas-bench-201", None])
def test_anything_but_a_space_is_refused(space):
    with pytest.raises(ArgumentError, match="space must be a SearchSpace"):
        nagkit.predictor("gaussian-process", space, MORE)


@pytest.mark.usefixtures("as_a_user")
def test_a_metric_by_name_is_refused():
    with pytest.raises(ArgumentError, match="metric must be a Metric"):
        nagkit.predictor("ensemble", nagkit.space("nas-bench-201"), "val_accuracy")


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("members", [0, 1, 2.0, True, "8"])
def test_an_ensemble_of_fewer_than_two_is_refused(members):
    with pytest.raises(ArgumentError, match="members must be a whole number from 2"):
        nagkit.predictor("ensemble", nagkit.space("nas-bench-201"), MORE, members=members)


@pytest.mark.usefixtures("as_a_user")
def test_unknown_options_are_refused():
    with pytest.raises(ArgumentError, match="Did you mean 'members'"):
        nagkit.predictor("ensemble", nagkit.space("nas-bench-201"), MORE, member=4)
    with pytest.raises(ArgumentError, match="none, as there are none; got 'members'"):
        nagkit.predictor("gaussian-process", nagkit.space("nas-bench-201"), MORE, members=4)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    "values", [["1", "2"], [True, False], [1j, 2], np.array(["2020", "2021"], "M8[Y]"), [[1], 2], None]
)
def test_labels_that_are_no_numbers_are_refused(values):
    space = nagkit.space("nas-bench-201")
    with pytest.raises(ArgumentError, match="values must"):
        nagkit.predictor("gaussian-process", space, MORE).fit(space.all()[:2], values)


@pytest.mark.parametrize("name", PREDICTORS)
def test_ninety_percent_intervals_hold_about_ninety_percent(name):
    space = nagkit.space("nas-bench-201")
    rng = np.random.default_rng(0)
    tokens = space.sample(1000, rng)
    share = np.random.default_rng(3).random((6, 5))
    values = share[np.arange(6), tokens].sum(1) + 0.2 * rng.standard_normal(1000)
    mean, spread = nagkit.predictor(name, space, MORE).fit(tokens[:200], values[:200]).predict(tokens[200:])
    assert 0.8 < (np.abs(mean - values[200:]) < 1.645 * spread).mean() < 0.97
