"""The searches of Optuna: what they propose twice costs nothing, and what is known reaches them."""

import numpy as np
import pytest

from blocks import Blocks
from nagkit.checks.search import COUNT, symbols, walk
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.search import search
from nagkit.spaces.nas_bench_201 import NasBench201

pytestmark = pytest.mark.slow

SPACE = NasBench201()
WISH = [Objective(COUNT, symbols)]
ZEROS = Metric("zeros", "count", "min")


def zeros(tokens):
    return (tokens == 0).sum(1).astype(float)


@pytest.fixture(params=["tpe", "nsga-ii"])
def name(request):
    return request.param


def study(made):
    return made._study(0)


def test_it_learns(name):
    few = {} if name == "tpe" else {"population": 8}
    best = np.mean([symbols(walk(search(name, SPACE, WISH, seed=seed, **few), 80)).max() for seed in range(3)])
    plain = np.mean([symbols(walk(search("random", SPACE, WISH, seed=seed), 80)).max() for seed in range(3)])
    assert best > plain


def test_every_trial_has_the_value_of_its_architecture(name):
    made = search(name, Blocks(), WISH, seed=0)
    asked = walk(made, 14)
    trials = study(made).trials
    assert len(trials) > len(asked), "proposals that came twice are trials too"
    for trial in trials:
        tokens, _ = made._trials[trial.number]
        assert trial.values == [sum(tokens)]
        assert list(trial.params.values()) == tokens


def test_waiting_failed_and_bounded_trials_are_told_apart(name):
    made = search(name, SPACE, WISH, [Constraint(ZEROS, zeros, high=1.0)], seed=0)
    rows = made.ask(3)
    made.tell(rows[:1], np.array([[np.nan, np.nan]]))
    made.tell(rows[1:2], np.array([[7.0, 3.0]]))
    failed, known, waiting = study(made).trials
    assert (failed.state.name, known.state.name, waiting.state.name) == ("FAIL", "COMPLETE", "RUNNING")
    assert list(known.constraints.values()) == [2.0]


def test_the_sampler_hears_what_is_beyond_an_exact_constraint(name):
    made = search(name, SPACE, WISH, [Constraint(ZEROS, zeros, high=0.0, exact=True)], seed=0)
    assert (zeros(walk(made, 12)) == 0).all()
    beyond = [trial for trial in study(made).trials if trial.params and 0 in trial.params.values()]
    assert beyond
    for trial in beyond:
        assert trial.state.name == "PRUNED"
        assert list(trial.constraints.values()) == [list(trial.params.values()).count(0)]


def test_constraints_steer_it(name):
    few = Constraint(ZEROS, zeros, high=0.0)
    options = {} if name == "tpe" else {"population": 8}
    bound = walk(search(name, SPACE, WISH, [few], seed=0, **options), 60)
    assert (zeros(bound[30:]) == 0).mean() > (zeros(SPACE.all()) == 0).mean()


def test_what_was_told_unasked_is_a_trial(name):
    made = search(name, SPACE, WISH, seed=0)
    rows = search("random", SPACE, WISH, seed=1).ask(5)
    made.tell(rows, symbols(rows)[:, None])
    made.tell(rows, symbols(rows)[:, None])
    assert [trial.values for trial in study(made).trials] == [[value] for value in symbols(rows)]


def test_impossible_options_are_refused(as_a_user):
    with pytest.raises(ArgumentError, match="initial must be"):
        search("tpe", SPACE, WISH, seed=0, initial=0)
    with pytest.raises(ArgumentError, match="population must be"):
        search("nsga-ii", SPACE, WISH, seed=0, population=1)
