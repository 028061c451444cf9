"""Searches in the studio: snapshots of a run, in a file before they are on the screen."""

import numpy as np
import pytest
from nagkit_widgets import searching
from nagkit_widgets.searching import searched
from nagkit_widgets.settings import DIFFUSION, SYSTEMS, Settings
from nagkit_widgets.sources import EMBEDDED, benchmark

from nagkit.errors import ArgumentError, NagkitError
from nagkit.metrics import Objective
from nagkit.run import Run
from nagkit.search import search


def walked(path, **changes):
    return list(searched(Settings(table=EMBEDDED, **{"system": "random", "budget": 12, **changes}), path))


def test_a_search_evaluates_what_the_table_holds_and_its_front_grows(tmp_path):
    steps = walked(tmp_path / "a.sqlite")
    assert [len(step.tokens) for step in steps] == list(range(13))
    last = steps[-1]
    assert last.evaluated
    assert (last.done, last.total) == (12, 12)
    assert np.array_equal(last.values[:, 0], benchmark(EMBEDDED).look_up(last.tokens, "val_accuracy"))
    assert len(last.front) >= 1


def test_what_is_on_the_screen_is_in_the_file(tmp_path):
    path = tmp_path / "a.sqlite"
    for step in searched(Settings(table=EMBEDDED, system="evolution", budget=12), path):
        assert len(Run.open(path).told()) == len(step.tokens)


def test_a_search_that_was_left_goes_on_to_the_same_end(tmp_path):
    whole = walked(tmp_path / "whole.sqlite", system="bayesian")[-1]
    part = searched(Settings(table=EMBEDDED, system="bayesian", budget=12), tmp_path / "part.sqlite")
    while len(next(part).tokens) < 7:
        pass
    part.close()
    rest = walked(tmp_path / "part.sqlite", system="bayesian")
    assert len(rest[0].tokens) == 7
    assert np.array_equal(rest[-1].tokens, whole.tokens)


def test_the_front_keeps_to_the_limits_and_exact_ones_hold_for_all(tmp_path):
    table = benchmark(EMBEDDED)
    limit = float(np.quantile(table.look_up(table.space.all(), "params"), 0.3))
    last = walked(tmp_path / "a.sqlite", limits=(("params", limit),))[-1]
    assert (table.look_up(last.tokens, "params") <= limit).all()
    slow = float(np.quantile(table.look_up(table.space.all(), "latency_cpu"), 0.5))
    last = walked(tmp_path / "b.sqlite", limits=(("latency_cpu", slow),))[-1]
    assert (table.look_up(last.front.tokens, "latency_cpu") <= slow).all()
    assert (table.look_up(last.tokens, "latency_cpu") > slow).any()


def test_a_file_of_another_search_is_refused_and_stays(tmp_path):
    walked(tmp_path / "a.sqlite")
    with pytest.raises(ArgumentError, match="run of this very search"):
        walked(tmp_path / "a.sqlite", seed=1)
    assert len(Run.open(tmp_path / "a.sqlite").told()) == 12


def failing(monkeypatch, fails):
    """Evaluations that fail for architectures of which this is true."""
    table = benchmark(EMBEDDED)
    values = table.objective("val_accuracy").values

    def troubled(tokens):
        if fails(tokens):
            raise RuntimeError("out of memory")
        return values(tokens)

    wish = Objective(table.metrics["val_accuracy"], troubled)
    monkeypatch.setattr(searching, "made", lambda settings: search("random", table.space, [wish], seed=settings.seed))


def test_evaluations_that_failed_are_counted_and_told(tmp_path, monkeypatch):
    failing(monkeypatch, lambda tokens: tokens[0, 0] == 0)
    last = walked(tmp_path / "a.sqlite")[-1]
    assert 0 < len(last.tokens) < last.done == last.total == 12
    assert last.failed == f"{12 - len(last.tokens)} of 12 evaluations failed, the last by RuntimeError: out of memory"
    assert walked(tmp_path / "a.sqlite")[0].failed == last.failed


def test_a_search_of_which_all_failed_says_why(tmp_path, monkeypatch):
    failing(monkeypatch, lambda _: True)
    with pytest.raises(NagkitError, match="12 of 12 evaluations failed, the last by RuntimeError: out of memory"):
        walked(tmp_path / "a.sqlite")


@pytest.mark.slow
@pytest.mark.parametrize("system", [name for name in SYSTEMS if name not in (DIFFUSION, "supernet", "random")])
def test_every_search_runs_in_the_studio(system, tmp_path):
    last = walked(tmp_path / "a.sqlite", system=system, objectives=("val_accuracy", "params"), budget=20)[-1]
    assert len(last.tokens) == 20


def test_an_unknown_system_and_budget_are_refused():
    with pytest.raises(ArgumentError, match="system must be one of"):
        Settings(system="magic")
    with pytest.raises(ArgumentError, match="budget"):
        Settings(budget=3)
