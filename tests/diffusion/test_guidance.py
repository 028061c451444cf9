"""Guidance holds what the sliders hold, and nothing that makes no sense."""

import pytest

import nagkit
from nagkit.errors import ArgumentError

METRIC = nagkit.Metric("quality", "percent", "max")
WISH = nagkit.Objective(METRIC, lambda tokens: tokens.sum(1).astype(float))

pytestmark = pytest.mark.usefixtures("as_a_user")


def test_lists_become_tuples_and_equal_guidance_is_equal():
    assert nagkit.Guidance(2, [WISH]) == nagkit.Guidance(2, (WISH,))
    assert hash(nagkit.Guidance(2, [WISH])) == hash(nagkit.Guidance(2, (WISH,)))


@pytest.mark.parametrize("strength", [-1, float("nan"), float("inf"), "4", None, True, 1001])
def test_an_impossible_strength_is_refused(strength):
    with pytest.raises(ArgumentError, match="strength must be a number from 0 to 1000"):
        nagkit.Guidance(strength, [WISH])


@pytest.mark.parametrize("effective", [0, 0.5, float("nan"), "300"])
def test_an_impossible_effective_number_is_refused(effective):
    with pytest.raises(ArgumentError, match="effective must be a number from 1"):
        nagkit.Guidance(objectives=[WISH], effective=effective)


def test_strength_and_effective_together_are_refused():
    with pytest.raises(ArgumentError, match="strength or effective, not both"):
        nagkit.Guidance(1, [WISH], effective=10)


@pytest.mark.parametrize("steered", [{"strength": 1}, {"effective": 10}])
def test_strength_without_an_objective_is_refused(steered):
    with pytest.raises(ArgumentError, match="nothing to steer towards"):
        nagkit.Guidance(**steered)


def test_one_objective_without_a_list_is_told_to_be_put_into_one():
    with pytest.raises(ArgumentError, match=r"objectives must be a list; put the one Objective into \[ \]"):
        nagkit.Guidance(3.0, WISH)


@pytest.mark.parametrize("field", ["objectives", "constraints"])
@pytest.mark.parametrize("value", [5, "val_accuracy", None])
def test_anything_but_a_list_is_refused(field, value):
    with pytest.raises(ArgumentError, match=f"{field} must be a list of"):
        nagkit.Guidance(**{field: value})


@pytest.mark.parametrize("field", ["objectives", "constraints"])
def test_wishes_of_another_kind_are_refused(field):
    with pytest.raises(ArgumentError, match=f"{field} must hold"):
        nagkit.Guidance(**{field: ["val_accuracy"]})


def test_odds_are_refused_where_they_cannot_be_weighed():
    likely = nagkit.Constraint(nagkit.Metric("likely", "odds", "max"), len, low=0.1, odds=len)
    with pytest.raises(ArgumentError, match="constraints with odds must be left to another method"):
        nagkit.Guidance(constraints=[likely], method="gradient")
