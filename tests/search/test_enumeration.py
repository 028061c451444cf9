"""Enumerate and rank: down the list of the whole space, best prediction first."""

import numpy as np
import pytest

from nagkit.checks.search import COUNT, symbols, walk
from nagkit.errors import ArgumentError
from nagkit.metrics import Metric, Objective
from nagkit.predictors.gaussian_process import GaussianProcess
from nagkit.search import search
from nagkit.spaces.nas_bench_201 import NasBench201

SPACE = NasBench201()
WISH = [Objective(COUNT, symbols)]


def test_after_the_random_ones_comes_the_best_prediction_of_the_whole_space():
    made = search("enumeration", SPACE, WISH, seed=0, initial=12)
    first = walk(made, 12)
    predicted = GaussianProcess(SPACE, COUNT).fit(first, symbols(first)).mean(SPACE.all())
    classes = SPACE.canonical(SPACE.all(), "function")
    known = {row.tobytes() for row in SPACE.canonical(first, "function")}
    unknown = np.array([row.tobytes() not in known for row in classes])
    (asked,) = made.ask(1)
    assert predicted[SPACE.index(asked[None])[0]] == pytest.approx(predicted[unknown].max())


def test_it_finds_what_a_predictor_can_learn():
    assert symbols(walk(search("enumeration", SPACE, WISH, seed=0, initial=12), 40)).max() == 24


def test_a_space_too_large_to_list_is_refused(as_a_user):
    class Wide(NasBench201):
        """As if there were many more."""

        size = 10**9

    with pytest.raises(ArgumentError, match="to be listed"):
        search("enumeration", Wide(), WISH, seed=0)
    with pytest.raises(ArgumentError, match="initial must be"):
        search("enumeration", SPACE, WISH, seed=0, initial=1)


def test_several_objectives_give_a_spread():
    few = Objective(Metric("zeros", "count", "min"), lambda tokens: (tokens > 2).sum(1).astype(float))
    rows = walk(search("enumeration", SPACE, [*WISH, few], seed=0, initial=12), 60)[12:]
    assert len(np.unique((rows > 2).sum(1))) >= 3
