"""Candidates of a Bayesian search come from where it is told."""

import json

import numpy as np
import pytest

from nagkit.checks.search import COUNT, symbols, walk
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.search import search
from nagkit.spaces.mobilenet_v3 import MobileNetV3
from nagkit.spaces.nas_bench_201 import NasBench201

SPACE = NasBench201()
MANY = [Objective(COUNT, symbols)]


@pytest.mark.slow
@pytest.mark.parametrize("sources", [["guided"], ["mutation"], ["random"], ["guided", "mutation"]])
def test_every_source_leads_to_better_than_the_first(sources):
    values = symbols(walk(search("bayesian", SPACE, MANY, seed=0, candidates=sources), 40))
    assert values[30:].mean() > values[:6].mean() + 1


@pytest.mark.slow
def test_guided_candidates_go_on_from_a_state_as_if_nothing_had_been():
    begun = search("bayesian", SPACE, MANY, seed=0, candidates=["guided"])
    walk(begun, 25)
    again = search("bayesian", SPACE, MANY, seed=9, candidates=["guided"]).from_state(
        json.loads(json.dumps(begun.state()))
    )
    np.testing.assert_array_equal(walk(again, 10), walk(begun, 10))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["guided", "bayesian"])
def test_exact_limits_hold_in_a_large_space(name):
    space = MobileNetV3()
    flops = Metric("flops", "M", "min")
    most = [Objective(COUNT, lambda tokens: space.params(tokens) / 1e6)]
    limit = Constraint(flops, lambda tokens: space.flops(tokens) / 1e6, high=150, exact=True)
    options = {"initial": 10, "batch": 10} if name == "guided" else {"candidates": ["guided"]}
    asked = walk(search(name, space, most, [limit], seed=0, **options), 30)
    assert (space.flops(asked) <= 150e6).all()
    assert space.params(asked[10:]).mean() > space.params(asked[:10]).mean()


def test_guided_candidates_wait_for_evaluations_that_did_not_fail():
    """Guidance is learned from the first eleven of thirteen, which all failed."""
    begun = search("bayesian", SPACE, MANY, seed=0, candidates=["guided"])
    begun.tell(begun.ask(11), np.full((11, 1), np.nan))
    told = begun.ask(2)
    begun.tell(told, symbols(told)[:, None].astype(float))
    assert begun.ask(1).shape == (1, 6)


def test_an_unknown_source_is_refused(as_a_user):
    with pytest.raises(ArgumentError, match=r"each of candidates must be one of .* Did you mean 'guided'"):
        search("bayesian", SPACE, MANY, seed=0, candidates=["guide"])
    with pytest.raises(ArgumentError, match="each of candidates must be one of"):
        search("bayesian", SPACE, MANY, seed=0, candidates=[])
