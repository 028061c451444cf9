"""Work is done anywhere alike, an error or a lost worker is told, and nothing outlives the process that asked."""

import math
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import chain, count
from operator import call
from pathlib import Path

import pytest

from nagkit import executors
from nagkit.errors import ArgumentError, NagkitError, PackageMissingError
from nagkit.executors import Cluster, InProcess, Processes, executor, results

pytestmark = pytest.mark.slow

SQUARES = [float(k * k) for k in range(30)]
LOCAL = {
    "n_workers": 2,
    "threads_per_worker": 1,
    "processes": True,
    "dashboard_address": "127.0.0.1:0",
    "silence_logs": 50,
    "scheduler_kwargs": {"allowed_failures": 0},  # one worker that dies of a call is enough, and spares time
}


@pytest.fixture(scope="module")
def cluster():
    """A Dask cluster of two separate processes on this machine."""
    from distributed import LocalCluster

    with LocalCluster(**LOCAL) as local:
        yield local


@pytest.fixture(scope="module", params=[None, 2, pytest.param("cluster", marks=pytest.mark.slow)])
def calls(request):
    """Every kind of executor, with two workers where it has workers."""
    workers = request.param
    if workers == "cluster":
        workers = request.getfixturevalue("cluster").scheduler_address
    with executor(workers) as made:
        yield made


def test_a_number_an_address_or_nothing_says_where(calls):
    assert isinstance(calls, InProcess | Processes | Cluster)
    assert getattr(calls, "workers", 2) == 2
    pid = calls.submit(os.getpid).result()
    assert (pid == os.getpid()) == isinstance(calls, InProcess)


def test_every_result_is_given_once(calls):
    given = list(chain(*results(calls, math.sqrt, SQUARES)))
    assert sorted(given) == list(range(30))
    assert list(results(calls, math.sqrt, [])) == []


def test_the_same_call_is_done_as_often_as_it_is_given(calls):
    assert list(chain(*results(calls, math.sqrt, [4.0] * 10))) == [2.0] * 10


def test_arguments_reach_the_function_as_they_are(calls):
    assert calls.submit(int, "11", base=2).result() == 3
    assert calls.submit(dict, key="k", workers=1, retries=2, pure=True, priority=3).result()["key"] == "k"


def test_an_error_of_a_call_is_raised_here(calls):
    given = []
    with pytest.raises(ValueError, match="math domain error"):
        for some in results(calls, math.sqrt, [1.0, -1.0, *SQUARES], ahead=2):
            given += some
    assert set(given) <= {*range(30)}
    assert list(results(calls, math.sqrt, [4.0])) == [[2.0]]  # it goes on with other work


def test_the_good_results_come_before_the_error_that_finished_with_them():
    given = []
    with pytest.raises(ValueError, match="math domain error"):
        for some in results(InProcess(), math.sqrt, [1.0, -1.0, 4.0, 9.0], ahead=3):
            given += some
    assert sorted(given) == [1.0, 2.0]  # and the fourth was never begun


@pytest.mark.parametrize("ahead", [1, 3, None])
def test_no_more_is_taken_than_can_be_begun_soon(calls, ahead):
    taken, most, given = [], 0, 0
    jobs = (taken.append(k) or float(k) for k in range(40))
    for some in results(calls, math.sqrt, jobs, ahead):
        most = max(most, len(taken) - given)
        given += len(some)
    assert given == 40
    limit = ahead or (1 if isinstance(calls, InProcess) else 8)
    assert most <= limit
    assert most == limit or not isinstance(calls, InProcess)


def test_endless_work_can_be_left(calls):
    work = results(calls, math.sqrt, count(1))
    assert min(next(work)) >= 1
    work.close()


def test_what_has_not_begun_when_left_never_begins(calls, tmp_path):
    """A worker may have one call at hand beside the one that it is in."""
    files = [tmp_path / str(k) for k in range(20)]
    jobs = chain.from_iterable((partial(time.sleep, 0.1), partial(Path.touch, file)) for file in files)
    work = results(calls, call, jobs, ahead=30)
    next(work)
    work.close()
    time.sleep(1)
    begun = len(list(tmp_path.iterdir()))
    assert begun <= 4 if not isinstance(calls, InProcess) else begun == 15  # there a call is done when it is handed on


def test_in_process_an_interrupt_passes_through():
    work = results(InProcess(), signal.raise_signal, [signal.SIGINT])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            next(work)
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_executors_serve_too():
    with ThreadPoolExecutor(2) as threads:
        assert sorted(chain(*results(threads, math.sqrt, SQUARES))) == list(range(30))


def test_a_killed_process_is_told_after_what_was_finished():
    with Processes(2) as processes:
        given = list(chain(*results(processes, math.sqrt, [4.0])))
        with pytest.raises(NagkitError, match=r"worker process ended before its work .*fewer workers"):
            list(results(processes, signal.raise_signal, [signal.SIGKILL]))
        given += chain(*results(processes, math.sqrt, [9.0]))  # another process takes its place
    assert given == [2.0, 3.0]


def test_a_call_that_hangs_is_ended_by_cancelling_it():
    with Processes(1) as processes:
        hanging = processes.submit(time.sleep, 600)
        time.sleep(0.5)
        assert hanging.cancel()
        assert processes.submit(math.sqrt, 4.0).result(60) == 2.0


@pytest.mark.parametrize("how", [{"wait": False}, {"wait": True, "cancel_futures": True}])
def test_an_end_at_once_cancels_what_runs_and_what_waits(how):
    place = Processes(1)
    calls = [place.submit(time.sleep, 600) for _ in range(4)]
    began = time.monotonic()
    place.shutdown(**how)
    assert wait(calls, 60).not_done == set()
    assert all(call.cancelled() for call in calls)
    assert time.monotonic() - began < 60


def test_processes_leave_an_interrupt_to_the_one_that_began_them():
    with Processes(1) as processes:
        process = processes.submit(os.getpid).result()
        os.kill(process, signal.SIGINT)
        assert processes.submit(os.getpid).result() == process


def test_processes_end_when_the_one_that_began_them_is_killed():
    code = """
        import time
        from nagkit.executors import Processes
        processes = Processes(2)
        busy = [processes.submit(time.sleep, k) for k in (0, 0, 600, 600)]
        busy[0].result(), busy[1].result()
        print("busy", flush=True)
        time.sleep(600)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert parent.stdout.readline() == b"busy\n"
    assert len(children(parent.pid)) >= 2
    parent.kill()
    rest, _ = parent.communicate(timeout=30)  # comes back when every process that holds the pipe has ended
    assert rest == b""
    assert parent.returncode == -signal.SIGKILL


def children(process: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(process).children(recursive=True)]


@pytest.mark.parametrize("workers", [0, -1, 1025, 2.5, True, "0", "1025", "-1", "two", "", "http://127.0.0.1:1", b"2"])
def test_what_is_neither_a_number_nor_an_address_is_refused(workers, as_a_user):
    with pytest.raises(ArgumentError, match="workers must be"):
        executor(workers)


def test_where_nobody_answers_no_client_is_left_to_the_garbage_collector(monkeypatch):
    monkeypatch.setattr("distributed.Client", lambda *given, **named: pytest.fail("a client was made"))
    monkeypatch.setattr(executors, "_PATIENCE", 1)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for address in ("two", "http://127.0.0.1:1", f"tcp://127.0.0.1:{port}"):
        with pytest.raises(ArgumentError, match="workers must be"):
            executor(address)


def test_a_number_may_be_a_text():
    with executor("3") as processes:
        assert processes.workers == 3


def test_without_dask_an_address_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(PackageMissingError, match=r"nagkit\[dask\]"):
        executor("tcp://127.0.0.1:8786")


@pytest.mark.slow
def test_where_no_scheduler_answers_the_address_is_refused_without_noise():
    assert executors._PATIENCE == 10
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, socket.create_server(("127.0.0.1", 0)) as closed:
        ports = {"silent": silent.getsockname()[1], "closed": closed.getsockname()[1]}
        closed.close()
        code = f"""
            import time
            from nagkit import executors
            from nagkit.errors import ArgumentError
            executors._PATIENCE = 1
            for port in {[*ports.values()]}:
                start = time.monotonic()
                try:
                    executors.executor(f"tcp://127.0.0.1:{{port}}")
                except ArgumentError as error:
                    assert time.monotonic() - start < 5
                    print(error)
        """
        command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ran.stderr == ""
    assert ran.returncode == 0
    for port, line in zip(ports.values(), ran.stdout.splitlines(), strict=True):
        assert f"'tcp://127.0.0.1:{port}'" in line
        assert "the address of a running Dask scheduler" in line


@pytest.mark.slow
def test_the_end_waits_for_the_calls_and_disconnects_but_leaves_the_cluster_as_it_was(cluster):
    with executor(cluster.scheduler_address) as calls:
        client = calls._client
        waiting = [calls.submit(time.sleep, 0.2) for _ in range(4)]
        assert client.status == "running"
        assert not wait(waiting, timeout=0).done
    assert all(future.done() and future.result() is None for future in waiting)
    assert client.status == "closed"
    with executor(cluster.scheduler_address) as calls:
        assert calls.submit(math.sqrt, 4.0).result() == 2.0


@pytest.mark.slow
def test_all_workers_are_on_this_machine_and_speak_to_nobody_else(cluster):
    import psutil

    with executor(cluster.scheduler_address) as calls:
        assert list(results(calls, math.sqrt, [4.0])) == [[2.0]]
        processes = [psutil.Process(), *(psutil.Process(nanny.pid) for nanny in cluster.workers.values())]
        assert len({process.pid for process in processes}) == 3
        ends = [end for p in processes for c in p.net_connections("inet") for end in (c.laddr, c.raddr) if end]
        assert len(ends) > 4
        assert {end.ip for end in ends} == {"127.0.0.1"}


@pytest.mark.slow
def test_a_call_under_which_dask_loses_every_worker_is_told(cluster):
    with executor(cluster.scheduler_address) as calls:
        with pytest.raises(NagkitError, match=r"worker process ended before its work .*different workers"):
            list(results(calls, signal.raise_signal, [signal.SIGKILL]))
        assert sorted(chain(*results(calls, math.sqrt, SQUARES))) == list(range(30))  # it has begun new ones


@pytest.mark.slow
def test_a_lost_scheduler_is_told(tmp_path):
    code = f"""
        import time, sys
        from distributed import LocalCluster
        if __name__ == "__main__":
            with LocalCluster(**{LOCAL}) as cluster:
                print(cluster.scheduler_address, flush=True)
                time.sleep(600)
    """
    script = tmp_path / "cluster.py"
    script.write_text(textwrap.dedent(code))
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with process:
        try:
            with executor(process.stdout.readline().strip()) as calls:
                work = results(calls, time.sleep, [0.02] * 1000)
                assert next(work)
                process.kill()
                with pytest.raises(NagkitError, match="as when the scheduler of a cluster ends"):
                    list(work)
        finally:
            process.kill()  # else its end would be waited for


class Lost:
    """A Dask future whose result is lost once, as with its worker, before another worker gives it."""

    status, waited = "finished", None

    def __init__(self, value):
        self.values = iter([TimeoutError(), value])

    def result(self, seconds):
        assert 0 < seconds < 60
        value = next(self.values)
        if isinstance(value, Exception):
            raise value
        return value

    def add_done_callback(self, function):
        self.waited = function


def test_a_result_that_is_lost_keeps_nobody_waiting_and_comes_later():
    call, future = Lost(2.0), Future()
    executors._pass_on(future, call)
    assert not future.done()
    call.waited(call)
    assert future.result(0) == 2.0


def test_nothing_is_fetched_for_whom_nobody_waits():
    call, future = Lost(2.0), Future()
    future.cancel()
    executors._pass_on(future, call)
    assert isinstance(next(call.values), TimeoutError)


@pytest.mark.parametrize("how", [{"wait": False}, {"wait": True, "cancel_futures": True}])
def test_an_end_at_once_leaves_nobody_waiting_for_a_cluster(how, cluster):
    place = executor(cluster.scheduler_address)
    waiting = [place.submit(time.sleep, 1) for _ in range(8)]
    began = time.monotonic()
    place.shutdown(**how)
    assert wait(waiting, 60).not_done == set()
    assert time.monotonic() - began < 30
    with executor(cluster.scheduler_address) as calls:  # another client of this process is served all the same
        assert calls.submit(math.sqrt, 4.0).result(60) == 2.0


def test_what_serves_as_an_executor_is_one():
    assert all(issubclass(kind, Executor) for kind in (InProcess, Processes, Cluster))
    assert isinstance(InProcess().submit(math.sqrt, 4.0), Future)
