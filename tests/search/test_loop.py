"""The loop evaluates anywhere, waits for nobody longer than it must, and writes down what went wrong."""

import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from nagkit.checks.search import COUNT, symbols
from nagkit.errors import ArgumentError, NagkitError
from nagkit.executors import InProcess, executor
from nagkit.metrics import Objective
from nagkit.search import Asked, Evaluated, Left, run, search
from nagkit.spaces.nas_bench_201 import NasBench201

pytestmark = pytest.mark.slow

SPACE = NasBench201()


def made(name="random", seed=0):
    return search(name, SPACE, [Objective(COUNT, symbols)], seed=seed)


def odd(row):
    return bool(row.sum() % 2)


def troubled(trouble, tokens):
    """One value an architecture, and trouble where the sum of symbols is odd."""
    if odd(tokens[0]):
        if trouble == "error":
            raise RuntimeError("no such operation")
        if trouble == "death":
            os.kill(os.getpid(), signal.SIGKILL)
        if trouble == "hang":
            time.sleep(600)
        if trouble == "shape":
            return np.zeros((len(tokens), 3))
        return np.full((len(tokens), 1), float(trouble))
    return symbols(tokens)[:, None]


def slow_first(first, tokens):
    time.sleep(2.0 if np.array_equal(tokens[0], first) else 0.01)
    return symbols(tokens)[:, None]


def slow(seconds, tokens):
    time.sleep(seconds)
    return symbols(tokens)[:, None]


def evaluated(events):
    return [event for event in events if isinstance(event, Evaluated)]


@pytest.fixture(scope="module")
def processes():
    with executor(2) as two:
        list(run(made(), 2, executor=two))  # they have started
        yield two


@pytest.mark.parametrize("batch", [1, 3, 40])
def test_everything_asked_for_is_evaluated_once(batch):
    events = list(run(made(), 20, batch=batch))
    asked = np.concatenate([event.tokens for event in events if isinstance(event, Asked)])
    told = evaluated(events)
    assert [event.number for event in told] == list(range(20))
    np.testing.assert_array_equal(asked, [event.tokens for event in told])
    np.testing.assert_array_equal(symbols(asked), [event.values[0] for event in told])
    assert [event.first for event in events if isinstance(event, Asked)] == list(range(0, 20, batch))


def test_the_objectives_say_what_an_architecture_is_worth_unless_another_does():
    for event in evaluated(run(made(), 5, lambda tokens: -symbols(tokens)[:, None])):
        assert event.values[0] == -symbols(event.tokens[None])[0]


def test_other_processes_evaluate_the_same(processes):
    here, there = (evaluated(run(made(), 20, executor=place)) for place in (None, processes))
    assert {e.number: e.values[0] for e in here} == {e.number: e.values[0] for e in there}


@pytest.mark.slow
def test_a_cluster_evaluates_the_same():
    distributed = pytest.importorskip("distributed")
    local = {"n_workers": 1, "threads_per_worker": 2, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(**local, silence_logs=50) as cluster, executor(cluster.scheduler_address) as calls:
        there = evaluated(run(made(), 20, executor=calls))
    assert {e.number: e.values[0] for e in evaluated(run(made(), 20))} == {e.number: e.values[0] for e in there}


def test_a_slow_evaluation_holds_up_no_other(processes):
    first = made().ask(1)[0]
    told = evaluated(run(made(), 30, partial(slow_first, first), processes))
    assert [event.number for event in told if event.number] == list(range(1, 30))  # the other process goes on alone
    assert [event.number for event in told].index(0) > 10
    assert told[-1].seconds < 1 or told[-1].number == 0


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [("error", "RuntimeError: no such operation"), ("nan", "not finite"), ("inf", "not finite"), ("shape", "shape")],
)
@pytest.mark.parametrize("name", ["random", "local", "evolution"])
def test_what_fails_is_told_with_its_reason_and_the_search_goes_on(trouble, reason, name):
    told = evaluated(run(made(name), 60, partial(troubled, trouble)))
    assert len(told) == 60
    for event in told:
        assert (event.fault is not None) == np.isnan(event.values[0]) == odd(event.tokens)
        assert event.fault is None or reason in event.fault


def test_an_evaluation_that_ends_its_process_has_failed_alone(processes):
    told = evaluated(run(made(), 8, partial(troubled, "death"), processes))
    assert sorted(event.number for event in told) == list(range(8))
    for event in told:
        assert (event.fault is not None) == odd(event.tokens)
        assert event.fault is None or "ProcessExpired" in event.fault


def test_an_evaluation_that_hangs_has_failed_when_patience_ends(processes):
    # less than a process takes to start: only its own time counts for an evaluation
    told = evaluated(run(made(), 6, partial(troubled, "hang"), processes, patience=0.3))
    assert sorted(event.number for event in told) == list(range(6))
    assert {event.fault for event in told if odd(event.tokens)} == {"no answer within 0.3 s"}
    assert all(event.fault is None for event in told if not odd(event.tokens))
    assert len(evaluated(run(made(), 4, executor=processes))) == 4  # and the processes serve on


def test_time_in_a_queue_does_not_count():
    with ThreadPoolExecutor(1) as threads:
        told = evaluated(run(made(), 4, partial(slow, 0.2), threads, patience=0.35))
    assert [event.fault for event in told] == [None] * 4


def test_a_lost_executor_ends_the_walk_and_loses_nothing():
    class Lost(InProcess):
        def submit(self, *given, **named):
            future = Future()
            future.cancel()
            future.set_running_or_notify_cancel()  # tells those who wait
            return future

    search = made()
    walk = run(search, 10, executor=Lost())
    (asked,) = [event for event in [next(walk)] if isinstance(event, Asked)]
    with pytest.raises(NagkitError, match="was cancelled before it ended"):
        list(walk)
    again = evaluated(run(search, 10, left=Left(1, {0: asked.tokens[0]})))
    assert [event.number for event in again] == list(range(10))
    assert not any(event.fault for event in again)


def test_an_error_that_cannot_be_sent_home_is_a_failure_too(processes):
    told = evaluated(run(made(), 3, lambda tokens: symbols(tokens)[:, None], processes))  # no function of a module
    assert len(told) == 3
    assert all(event.fault for event in told)


def test_it_goes_on_where_another_walk_was_left():
    reference = evaluated(run(made("evolution"), 40, batch=4))
    first, events = made("evolution"), []
    for event in run(first, 40, batch=4):
        events.append(event)
        if isinstance(event, Evaluated) and event.number == 17:
            break
    asked = [row for event in events if isinstance(event, Asked) for row in event.tokens]
    again = made("evolution", seed=5).from_state(first.state())
    events += run(again, 40, batch=4, left=Left(20, {number: asked[number] for number in (18, 19)}))
    for one, other in zip(reference, evaluated(events), strict=True):
        assert (one.number, one.values[0]) == (other.number, other.values[0])
        np.testing.assert_array_equal(one.tokens, other.tokens)


def test_an_interrupt_passes_through():
    def interrupted(tokens):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run(made(), 3, interrupted))


def test_leaving_cancels_what_is_being_evaluated(processes):
    walk = run(made(), 10, partial(troubled, "hang"), processes)
    for event in walk:
        if isinstance(event, Evaluated):
            break
    walk.close()
    assert len(evaluated(run(made(), 4, executor=processes))) == 4


def test_a_stopped_walk_tells_what_has_finished_and_begins_nothing_more():
    begun, stop = [], False

    def evaluate(tokens):
        nonlocal stop
        begun.append(tokens[0])
        stop = len(begun) == 7
        return symbols(tokens)[:, None]

    search = made()
    events = list(run(search, 20, evaluate, batch=4, stopped=lambda: stop))
    assert [event.number for event in evaluated(events)] == list(range(7))
    np.testing.assert_array_equal(begun, [event.tokens for event in evaluated(events)])
    asked = [row for event in events if isinstance(event, Asked) for row in event.tokens]
    rest = evaluated(run(search, 20, batch=4, left=Left(8, {7: asked[7]})))
    whole = evaluated(run(made(), 20, batch=4))
    np.testing.assert_array_equal([event.tokens for event in rest], [event.tokens for event in whole[7:]])


def test_a_stop_is_heard_at_once_while_other_processes_evaluate(processes):
    at = time.monotonic() + 0.5
    told = evaluated(run(made(), 40, partial(slow, 600), processes, stopped=lambda: time.monotonic() > at))
    assert time.monotonic() - at < 1.0  # not the ten minutes that an evaluation takes
    assert told == []
    assert len(evaluated(run(made(), 4, executor=processes))) == 4  # what was given up blocks no process


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"budget": 0}, "budget must be"),
        ({"batch": 0}, "batch must be"),
        ({"patience": -1.0}, "patience must be"),
        ({"patience": 1.0}, "patience needs an executor"),
        ({"patience": 1.0, "executor": InProcess()}, "patience needs an executor"),
    ],
)
def test_impossible_walks_are_refused_at_once(wrong, message, as_a_user):
    with pytest.raises(ArgumentError, match=message):
        run(made(), **{"budget": 4, **wrong})
