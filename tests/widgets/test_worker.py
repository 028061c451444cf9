import asyncio
import threading
import time

import pytest
from nagkit_widgets import Worker

from nagkit.errors import NagkitError
from waiting import until


@pytest.fixture(autouse=True)
def interactive(monkeypatch):
    monkeypatch.delenv("NAGKIT_HEADLESS", raising=False)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "nagkit-worker"]


class Steps:
    """Work of many steps that counts those it has begun."""

    def __init__(self, count, seconds=0.0, fault=None):
        self.count, self.seconds, self.fault, self.begun = count, seconds, fault, 0

    def __iter__(self):
        for number in range(self.count):
            self.begun += 1
            time.sleep(self.seconds)
            yield number
        if self.fault is not None:
            raise self.fault


class Record:
    """What a worker has drawn, on which threads, and how often it has finished."""

    def __init__(self, busy=lambda: False, pace=0.0):
        self.drawn, self.threads, self.finished = [], set(), 0
        self.worker = Worker(self.draw, self.finish, busy, pace)

    def draw(self, item):
        self.drawn.append(item)
        self.threads.add(threading.current_thread())

    def finish(self):
        self.finished += 1
        self.threads.add(threading.current_thread())


def test_all_is_walked_and_the_last_item_is_drawn():
    async def main():
        record = Record()
        record.worker.start(iter(Steps(500)))
        await until(lambda: record.finished)
        assert record.drawn[-1] == record.worker.last == 499
        assert record.drawn == sorted(record.drawn)
        assert record.worker.state == "idle"
        assert not record.worker.stopped

    asyncio.run(main())


def test_only_the_loop_draws():
    async def main():
        record = Record()
        record.worker.start(iter(Steps(20, 0.005)))
        await until(lambda: record.finished)
        assert record.threads == {threading.current_thread()}

    asyncio.run(main())


def test_stop_is_heard_within_one_step():
    async def main():
        record, steps = Record(), Steps(1000, 0.02)
        record.worker.start(iter(steps))
        await until(lambda: steps.begun >= 3)
        begun, clock = steps.begun, time.monotonic()
        record.worker.stop()
        record.worker.wait()
        assert time.monotonic() - clock < 0.25
        assert steps.begun <= begun + 1
        await until(lambda: record.finished)
        assert record.worker.stopped
        assert record.drawn[-1] == record.worker.last == steps.begun - 1  # what was done stays

    asyncio.run(main())


def test_stop_does_not_wait_for_the_pace():
    async def main():
        record = Record(pace=60.0)
        record.worker.start(iter(Steps(3)))
        await until(lambda: record.drawn)
        clock = time.monotonic()
        record.worker.stop()
        await until(lambda: record.finished)
        assert time.monotonic() - clock < 1

    asyncio.run(main())


def test_the_pace_is_kept():
    async def main():
        record, clock = Record(pace=0.05), time.monotonic()
        record.worker.start(iter(Steps(6)))
        await until(lambda: record.finished)
        assert time.monotonic() - clock >= 6 * 0.05
        assert record.drawn == list(range(6))

    asyncio.run(main())


def test_a_second_start_is_refused_and_the_first_goes_on():
    async def main():
        record = Record()
        record.worker.start(iter(Steps(10, 0.01)))
        with pytest.raises(NagkitError, match="running"):
            record.worker.start(iter(Steps(1)))
        await until(lambda: record.finished)
        assert record.worker.last == 9

    asyncio.run(main())


def test_the_newest_work_wins_and_what_lies_between_is_dropped():
    async def main():
        record = Record()
        works = [Steps(5, 0.01) for _ in range(1000)]
        for work in works:
            record.worker.replace(iter(work))
        await until(lambda: record.finished)
        assert works[-1].begun == 5
        assert sum(work.begun > 0 for work in works) < 50
        assert record.worker.last == record.drawn[-1] == 4

    asyncio.run(main())


def test_a_fault_is_kept_with_what_was_done_before():
    async def main():
        record = Record()
        record.worker.start(iter(Steps(3, fault=NagkitError("no such table"))))
        await until(lambda: record.finished)
        assert str(record.worker.fault) == "no such table"
        assert record.drawn[-1] == 2
        record.worker.start(iter(Steps(1)))
        await until(lambda: record.finished == 2)
        assert record.worker.fault is None

    asyncio.run(main())


def test_a_fault_in_drawing_stops_the_work_and_is_kept():
    async def main():
        faults = []
        worker = Worker(lambda item: item / 0, lambda: faults.append(worker.fault))
        worker.start(iter(Steps(1000, 0.01)))
        await until(lambda: faults)
        assert isinstance(faults[0], ZeroDivisionError)
        assert worker.last < 999

    asyncio.run(main())


def test_one_drawing_is_under_way_at_most_and_the_last_is_not_lost():
    async def main():
        record = Record(busy=lambda: under_way)
        under_way = True
        record.worker.start(iter(Steps(50)))
        await asyncio.sleep(0.2)
        assert len(record.drawn) <= 1
        under_way = False
        await until(lambda: record.finished)
        assert record.drawn[-1] == 49

    asyncio.run(main())


def test_without_a_loop_the_work_is_done_in_place():
    record = Record(pace=60.0)
    record.worker.start(iter(Steps(7)))
    assert (record.drawn, record.finished, record.worker.state) == ([6], 1, "idle")
    assert record.threads == {threading.current_thread()}


def test_headless_the_work_is_done_in_place_even_in_a_loop(monkeypatch):
    async def main():
        monkeypatch.setenv("NAGKIT_HEADLESS", "1")
        record = Record()
        record.worker.start(iter(Steps(7, fault=NagkitError("late"))))
        assert (record.drawn, record.finished) == ([6], 1)
        assert str(record.worker.fault) == "late"

    asyncio.run(main())


def test_a_second_stop_changes_nothing():
    async def main():
        record, steps = Record(), Steps(1000, 0.01)
        record.worker.start(iter(steps))
        await until(lambda: steps.begun >= 2)
        record.worker.stop()
        await until(lambda: record.finished)
        record.worker.stop()
        assert record.worker.stopped

    asyncio.run(main())


def test_a_stop_after_the_end_does_not_make_it_stopped():
    async def main():
        record = Record()
        record.worker.start(iter(Steps(2)))
        await until(lambda: record.finished)
        record.worker.stop()
        assert not record.worker.stopped

    asyncio.run(main())


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_place_reaches_the_cell_and_leaves_a_worker_that_works(end):
    record = Record(pace=60.0)
    with pytest.raises(end):
        record.worker.start(iter(Steps(2, fault=end())))
    assert (record.worker.state, record.worker.pace, record.worker.stopped) == ("idle", 60.0, True)
    record.worker.start(iter(Steps(3)))
    assert (record.drawn, record.worker.stopped) == ([2], False)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the log tells of it
def test_an_exit_in_the_thread_leaves_a_worker_that_works():
    async def main():
        record = Record()
        record.worker.start(iter(Steps(2, fault=SystemExit())))
        await until(lambda: record.finished)
        assert (record.worker.state, record.worker.stopped) == ("idle", True)
        record.worker.start(iter(Steps(4)))
        await until(lambda: record.finished == 2)
        assert record.drawn[-1] == 3

    asyncio.run(main())


def test_a_fault_in_asking_the_page_stops_the_work_and_is_kept():
    async def main():
        record = Record(busy=lambda: 1 / divisor)
        divisor = 0
        record.worker.start(iter(Steps(1000, 0.01)))
        await until(lambda: record.finished)
        assert isinstance(record.worker.fault, ZeroDivisionError)
        assert record.worker.last < 999
        record.worker.start(iter(Steps(3)))
        await until(lambda: record.finished == 2)  # the pump works again

    asyncio.run(main())


def test_a_fault_in_finishing_is_kept_and_the_next_work_is_drawn():
    async def main():
        drawn = []
        worker = Worker(drawn.append, lambda: 1 / 0)
        worker.start(iter(Steps(3)))
        await until(lambda: worker.fault is not None)
        assert isinstance(worker.fault, ZeroDivisionError)
        worker.start(iter(Steps(5)))
        await until(lambda: drawn[-1] == 4)

    asyncio.run(main())


def test_a_worker_outlives_its_loop():
    record = Record()

    async def first():
        record.worker.start(iter(Steps(3, 0.1)))
        await until(lambda: record.drawn)

    async def second():
        record.worker.wait()
        record.worker.start(iter(Steps(6)))
        await until(lambda: record.finished)

    asyncio.run(first())
    asyncio.run(second())
    assert record.drawn[-1] == 5


def test_clicks_from_four_threads_leave_a_worker_that_works():
    """Start and Stop as fast as threads can, which is worse than what any front end does."""

    async def main():
        record, states = Record(), set()
        loop = asyncio.get_running_loop()

        def click():
            for _ in range(500):
                asyncio.run_coroutine_threadsafe(start(), loop)
                record.worker.stop()
                states.add(record.worker.state)

        async def start():
            record.worker.replace(iter(Steps(3)))

        threads = [threading.Thread(target=click) for _ in range(4)]
        for thread in threads:
            thread.start()
        await until(lambda: not any(thread.is_alive() for thread in threads), 60)
        await until(lambda: record.worker.state == "idle")
        finished = record.finished
        record.worker.start(iter(Steps(3)))
        await until(lambda: record.finished > finished and record.worker.state == "idle")
        assert record.worker.last == 2
        assert states <= {"idle", "running", "stopping"}
        assert threading.active_count() < 10

    asyncio.run(main())


def test_what_was_done_is_forgotten_when_asked_but_not_while_it_is_done():
    async def main():
        record = Record()
        record.worker.start(iter(Steps(1000, 0.01)))
        await until(lambda: record.worker.last is not None)
        assert not record.worker.interrupted()
        with pytest.raises(NagkitError, match="Stop it first"):
            record.worker.forget()
        record.worker.stop()
        assert record.worker.interrupted()
        await until(lambda: record.finished)
        record.worker.forget()
        assert (record.worker.last, record.worker.fault, record.worker.stopped) == (None, None, False)

    asyncio.run(main())
