"""What a ledger has written stays, all of a batch or nothing of it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from nagkit.errors import ArgumentError
from nagkit.networks.ledger import Ledger, Training


def training(cell: int = 0, seed: int = 0, task: str = "a", loss: float = 1.0) -> Training:
    return Training(task, cell, seed, (0,) * 6, {"test_loss": [loss]}, 1.0, {"torch": "2"})


def opened(path: Path) -> closing:
    return closing(Ledger(path / "ledger.sqlite"))


def test_what_is_written_is_read_as_it_was(tmp_path):
    batch = [training(cell, seed, task) for task in "ab" for cell in (3, 1) for seed in (1, 0)]
    with opened(tmp_path) as ledger:
        ledger.add(batch)
    with opened(tmp_path) as ledger:
        assert ledger.trained("a") == [training(1, 0), training(1, 1), training(3, 0), training(3, 1)]
        assert ledger.trained("b") == [training(cell, seed, "b") for cell in (1, 3) for seed in (0, 1)]
        assert ledger.trained("c") == []


def test_what_is_there_stays_as_it_is(tmp_path):
    with opened(tmp_path) as ledger:
        ledger.add([training(loss=1.0)])
        ledger.add([training(loss=2.0), training(cell=1)])
        ledger.add_timing(0, 0, "A processor", 1.0)
        ledger.add_timing(0, 0, "A processor", 2.0)
        assert ledger.trained("a") == [training(loss=1.0), training(cell=1)]
        assert ledger.timings("A processor") == {0: {0: 1.0}}


def test_a_cell_is_trained_when_every_seed_is(tmp_path):
    with opened(tmp_path) as ledger:
        ledger.add([training(1, 0), training(1, 1), training(2, 0), training(3, 1), training(4, 0, "b")])
        assert ledger.cells("a", (0, 1)) == {1}
        assert ledger.cells("a", (0,)) == {1, 2}
        assert ledger.cells("b", (0,)) == {4}
        assert ledger.cells("c", (0,)) == set()


def test_timings_are_of_one_processor(tmp_path):
    with opened(tmp_path) as ledger:
        for cell, number, processor in ((2, 1, "A"), (2, 0, "A"), (1, 0, "A"), (2, 0, "B")):
            ledger.add_timing(cell, number, processor, 10.0 * cell + number)
        assert ledger.timings("A") == {1: {0: 10.0}, 2: {0: 20.0, 1: 21.0}}
        assert ledger.timings("B") == {2: {0: 20.0}}
        assert ledger.timings("C") == {}


def test_a_task_stays_what_it_was(tmp_path):
    with opened(tmp_path) as ledger:
        ledger.agree("a", {"seeds": [0], "task": {"noise": 0.5}})
        ledger.agree("a", {"seeds": [0], "task": {"noise": 0.5}})
        ledger.agree("b", {"seeds": [1]})
        with pytest.raises(ArgumentError, match=r"ledger must hold a as it is now, with seeds = \[1\]; .* with \[0\]"):
            ledger.agree("a", {"seeds": [1]})


def test_a_ledger_in_use_is_not_called_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr("nagkit.database._PATIENCE", 0.01)
    with opened(tmp_path) as ledger, closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writes = (
            lambda: ledger.add([training()]),
            lambda: ledger.add_timing(0, 0, "A processor", 1.0),
            lambda: ledger.agree("a", {"seeds": [0]}),
        )
        for write in writes:
            with pytest.raises(ArgumentError, match=r"locked.*wait until no other process"):
                write()
        other.execute("ROLLBACK")
        ledger.add([training()])
        assert ledger.trained("a") == [training()]


def test_on_a_full_disk_all_of_a_batch_is_written_or_nothing(tmp_path):
    batch = [Training("a", cell, 0, (0,) * 6, {"test_loss": [0.5] * 500}, 1.0, {}) for cell in range(100)]
    with opened(tmp_path) as ledger:
        ledger._db.execute("PRAGMA max_page_count = 1")  # as many as there are
        with pytest.raises(ArgumentError, match="full"):
            ledger.add(batch)
        assert ledger.trained("a") == []
        ledger._db.execute("PRAGMA max_page_count = 100000")
        ledger.add(batch)
        assert ledger.trained("a") == batch


def test_of_trainings_that_fail_half_way_nothing_is_written(tmp_path):
    def interrupted():
        yield training()
        raise KeyboardInterrupt

    with opened(tmp_path) as ledger:
        with pytest.raises(KeyboardInterrupt):
            ledger.add(interrupted())
        assert ledger.trained("a") == []
        ledger.add([training()])  # no transaction was left open
