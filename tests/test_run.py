"""A run goes on from wherever it was left, and ends as if it had never been."""

import json
from itertools import islice

import numpy as np
import pytest

import nagkit
from nagkit.benchmarks import benchmark
from nagkit.checks.search import COUNT, symbols
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.run import Run
from nagkit.search import SEARCHES, Asked, Evaluated, search
from runs import BATCH, BUDGET, SPACE, history, made, run, worth

pytestmark = pytest.mark.slow


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.sqlite"


@pytest.fixture(scope="module", params=SEARCHES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def undisturbed(name, tmp_path_factory):
    path = tmp_path_factory.mktemp(name) / "run.sqlite"
    list(run(path, name).walk(worth))
    return history(path)


def test_a_run_holds_what_happened(path):
    events = list(run(path).walk(worth))
    asked = np.concatenate([event.tokens for event in events if isinstance(event, Asked)])
    table = run(path).evaluations()
    assert len(asked) == len(table) == BUDGET
    assert table["architecture"].tolist() == [SPACE.decode(row).text for row in asked]
    assert table["number"].tolist() == list(range(BUDGET))
    np.testing.assert_array_equal(table["symbols (count)"], worth(asked)[:, 0])
    assert (table["fault"].isna() == table["symbols (count)"].notna()).all()
    failed = int(table["fault"].notna().sum())
    assert failed
    assert f"20 of 20 evaluations, {failed} of them failed" in run(path).sentence()


def test_what_is_yielded_is_on_disk(path):
    for event in run(path).walk(worth):
        kind, content = history(path)[-1]
        assert kind == ("asked" if isinstance(event, Asked) else "evaluated")
        assert content["tokens"] == event.tokens.tolist()


def test_left_after_any_event_it_ends_the_same(path, name, undisturbed):
    for count in (2, 3, 5, 11):
        file, seen = path.with_name(f"{count}.sqlite"), count
        while seen == count:
            walk = run(file, name).walk(worth)
            seen = len(list(islice(walk, count)))
            walk.close()
        assert history(file) == undisturbed


@pytest.mark.parametrize("evaluations", [0, 1, 2, 7])
def test_stopped_it_keeps_what_has_finished_and_later_ends_the_same(path, evaluations, tmp_path):
    list(run(tmp_path / "whole.sqlite").walk(worth))
    told = []
    for event in run(path).walk(worth, stopped=lambda: len(told) >= evaluations):
        if isinstance(event, Evaluated):
            told.append(event)
    assert len(told) == len(run(path).told()) == evaluations
    list(run(path).walk(worth))
    assert history(path) == history(tmp_path / "whole.sqlite")


def test_a_run_goes_on_without_the_program_that_made_it(path):
    table = benchmark("digits/mid8")
    wanted, bound = [table.objective("val_accuracy")], [table.constraint("params", high=0.02, exact=True)]
    first = Run(path, search("local", SPACE, wanted, bound, seed=2), 12)
    whole = [event.values.tolist() for event in first.walk() if isinstance(event, Evaluated)]
    other = Run(path.with_name("other.sqlite"), search("local", SPACE, wanted, bound, seed=2), 12)
    walk = other.walk()
    for _ in range(9):
        next(walk)
    walk.close()
    again = Run.open(other.path)
    list(again.walk())
    columns = ["val_accuracy (%)", "params (M)"]
    np.testing.assert_array_equal(again.evaluations()[columns], whole)
    assert again.evaluations()["params (M)"].max() <= 0.02
    assert again.front().sentence() == first.front().sentence()


def test_the_search_given_stays_as_it_is(path):
    mine = made()
    before = json.dumps(mine.state())
    list(Run(path, mine, BUDGET).walk(worth))
    assert json.dumps(mine.state()) == before


def test_the_search_of_a_run_has_heard_everything(path):
    list(run(path).walk(worth))
    now = run(path).search()
    assert len(now.archive) == BUDGET
    assert not len(now.archive.pending)


def test_a_budget_may_grow(path, name, undisturbed):
    list(run(path, name, BUDGET - 5).walk(worth))  # 15 is a multiple of the batch
    list(run(path, name, BUDGET).walk(worth))
    assert history(path) == undisturbed
    assert Run.open(path).budget == BUDGET


def test_a_finished_run_is_finished(path):
    list(run(path).walk(worth))
    assert list(run(path).walk(worth)) == []


def test_another_search_is_refused(path):
    list(run(path).walk(worth))
    for other in (made(seed=1), made("random"), made(population=7)):
        with pytest.raises(ArgumentError, match="path must be a run of this very search"):
            Run(path, other, BUDGET, BATCH)
    with pytest.raises(ArgumentError, match="batch"):
        Run(path, made(), BUDGET, BATCH + 1)
    bounded = search("random", SPACE, [Objective(COUNT, symbols)], [Constraint(COUNT, symbols, high=3)], seed=0)
    with pytest.raises(ArgumentError, match="this very search"):
        Run(path, bounded, BUDGET, BATCH)


def test_a_table_that_has_changed_is_refused(path, monkeypatch):
    table = benchmark("digits/mid8")
    mine = search("random", SPACE, [table.objective("val_accuracy")], seed=0)
    list(Run(path, mine, 3).walk())
    monkeypatch.setattr("nagkit.benchmarks.benchmark", lambda name: type("Other", (), {"sha256": "0" * 64}))
    again = Run(path, mine, 4)
    assert len(again.told()) == 3
    with pytest.raises(ArgumentError, match="inputs"):
        list(again.walk())


def test_a_budget_that_is_spent_already_is_refused(path):
    list(run(path).walk(worth))
    with pytest.raises(ArgumentError, match=f"budget must be at least {BUDGET}, as many as .*; got 3"):
        list(run(path, budget=3).walk(worth))


def test_metrics_of_one_name_keep_a_column_each(path):
    wanted = [Objective(COUNT, symbols), Objective(COUNT, lambda tokens: -symbols(tokens))]
    mine = Run(path, search("random", SPACE, wanted, [Constraint(COUNT, symbols, high=20.0)], seed=0), 5)
    list(mine.walk())
    table = mine.evaluations()
    first, second, third = (f"{COUNT.name} ({COUNT.unit}){again}" for again in ("", " 2", " 3"))
    assert (table[first] == -table[second]).all()
    assert (table[first] == table[third]).all()
    assert {first, second} < set(mine.front().table().columns)


def test_a_search_that_does_not_tell_how_it_was_made_is_refused(path):
    mine = made()
    mine.about = lambda: {"search": "mine"}
    with pytest.raises(ArgumentError, match=r"search must tell in about\(\) its constraints"):
        Run(path, mine, 3)


def test_values_of_a_function_need_the_function(path):
    list(run(path).walk(worth))
    again = Run.open(path)
    assert len(again.evaluations()) == BUDGET
    again = Run(path, made(), BUDGET + 1, BATCH)
    list(again.walk())  # the objective itself knows
    more = Run.open(path)
    more.budget += 3
    with pytest.raises(ArgumentError, match=r"evaluate must be given: .* no file holds"):
        list(more.walk())
    assert len(more.told()) == BUDGET + 1
    assert len([event for event in more.walk(worth) if isinstance(event, Evaluated)]) == 3


def test_the_front_is_of_what_meets_the_constraints(path):
    cost = Metric("cost", "ms", "min")
    wanted = [Objective(COUNT, symbols), Objective(cost, lambda tokens: (tokens == 3).sum(1).astype(float))]
    mine = Run(path, search("random", SPACE, wanted, [Constraint(COUNT, symbols, high=12)], seed=0), 60)
    assert len(mine.front()) == 0
    list(mine.walk())
    front = mine.front()
    assert 1 <= len(front) < 60
    assert front.values[:, 0].max() <= 12


@pytest.mark.parametrize("wrong", [{"budget": 0}, {"batch": 0}, {"path": 3}])
def test_impossible_runs_are_refused(path, wrong, as_a_user):
    with pytest.raises(ArgumentError, match=f"{next(iter(wrong))} must be"):
        Run(**{"path": path, "search": made(), "budget": 3, **wrong})
    assert nagkit.Run is Run
