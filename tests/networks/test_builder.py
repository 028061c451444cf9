"""A build can be killed at any moment and ends where an undisturbed one ends."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from nagkit.benchmarks.columns import Columns
from nagkit.benchmarks.table import Table
from nagkit.errors import ArgumentError, DataDamagedError
from nagkit.networks import builder
from nagkit.networks.builder import ROUNDS, Build, build, order
from nagkit.networks.digits import ImageRecipe
from nagkit.networks.ledger import Training
from nagkit.networks.training import TrainingRecipe
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import MICRO

SPACE = NasBench201()
CELLS = 4
TINY = {"task": ImageRecipe("tiny", images=(40, 20, 20)), "training": TrainingRecipe(epochs=2, batch=20)}


def tiny(path: Path, **changes) -> Build:
    return Build(**{**TINY, "ledger": path, **changes})


def trained(path: Path) -> list[tuple]:
    """What a ledger holds about trainings, without the time they took."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT cell, seed, tokens, curves, versions FROM trained ORDER BY cell").fetchall()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("build") / "ledger.sqlite"
    return path, list(tiny(path).run(CELLS))


def test_every_cell_is_trained_once_and_timed_once_a_round(undisturbed):
    path, steps = undisturbed
    assert [step.stage for step in steps] == ["train"] * CELLS + ["time"] * CELLS * ROUNDS
    assert [step.done for step in steps] == [*range(1, CELLS + 1), *range(1, CELLS * ROUNDS + 1)]
    assert [row[0] for row in trained(path)] == sorted(SPACE.index(order()[:CELLS]).tolist())


def test_a_finished_build_has_nothing_left_to_do(undisturbed):
    path, _ = undisturbed
    assert list(tiny(path).run(CELLS)) == []


@pytest.mark.slow
def test_a_build_left_half_way_goes_on_where_it_was(undisturbed, tmp_path):
    path = tmp_path / "ledger.sqlite"
    assert len(list(islice(tiny(path).run(CELLS), 2))) == 2
    rest = [step for step in tiny(path).run(CELLS) if step.stage == "train"]
    assert [step.done for step in rest] == list(range(3, CELLS + 1))
    assert trained(path) == trained(undisturbed[0])


@pytest.mark.slow
def test_a_killed_build_ends_as_an_undisturbed_one(undisturbed, tmp_path):
    path = tmp_path / "ledger.sqlite"
    code = f"""
        from pathlib import Path
        from nagkit.networks.builder import Build
        from nagkit.networks.digits import ImageRecipe
        from nagkit.networks.training import TrainingRecipe
        for step in Build({TINY["task"]!r}, Path({str(path)!r}), {TINY["training"]!r}).run({CELLS}):
            print(step.done, flush=True)
    """
    for kill_after in (1, 2):  # finished cells; then somewhere within the next one
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE)
        with process:
            for _ in range(kill_after):
                assert process.stdout.readline()
            time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    assert len(trained(path)) >= 3
    list(tiny(path).run(CELLS))
    assert trained(path) == trained(undisturbed[0])


def test_a_prefix_of_the_order_is_a_sample_of_distinct_classes():
    cells = order()
    assert cells.shape == (5390, 6)
    assert len(np.unique(SPACE.index(SPACE.canonical(cells, "function")))) == 5390
    assert np.array_equal(cells, order())


def test_the_table_holds_what_the_ledger_holds(undisturbed, tmp_path):
    path, _ = undisturbed
    tiny(path).columns().write(tmp_path / "table.safetensors")
    table = Table(Columns.open(tmp_path / "table.safetensors"))
    for cell, _, tokens, curves, _ in trained(path):
        row = np.array([json.loads(tokens)])
        assert SPACE.index(row)[0] == cell
        for name, kept in (("val_accuracy", "validation_accuracy"), ("test_loss", "test_loss")):
            curve = np.float32(json.loads(curves)[kept])
            assert np.array_equal(table.curve(row, f"{name}_curve")[0], curve)
            assert table.look_up(row, name)[0] == curve[-1]
        assert table.look_up(row, "train_time")[0] > 0
        assert table.look_up(row, "latency_cpu")[0] > 0
        assert table.look_up(row, "latency_cpu_spread")[0] >= 0


def test_costs_are_known_and_exact_for_every_row(undisturbed):
    table = Table(tiny(undisturbed[0]).columns())
    rows = SPACE.all()
    np.testing.assert_allclose(table.look_up(rows, "params") * 1e6, SPACE.params(rows, 10, MICRO))
    np.testing.assert_allclose(table.look_up(rows, "flops") * 1e6, SPACE.flops(rows, 10, 8, MICRO))


def test_cells_of_one_class_share_a_training_and_others_are_unknown(undisturbed):
    table = Table(tiny(undisturbed[0]).columns())
    values = table.look_up(SPACE.all(), "test_accuracy")
    known = np.isin(SPACE.index(SPACE.canonical(SPACE.all(), "function")), SPACE.index(order()[:CELLS]))
    assert np.array_equal(np.isfinite(values), known)
    assert len(table.known("test_accuracy")) == len(table.known("latency_cpu")) == CELLS
    assert len(table.known("params")) == SPACE.size


@pytest.mark.slow
def test_a_new_ledger_goes_on_from_the_shipped_table(undisturbed, tmp_path):
    shipped = tmp_path / "table.safetensors"
    done = tiny(undisturbed[0]).columns()
    done.write(shipped)
    heir = tiny(tmp_path / "ledger.sqlite", shipped=shipped)
    steps = list(heir.run(CELLS + 1))
    assert [step.stage for step in steps].count("train") == 1  # but this machine has to time them all
    assert [step.stage for step in steps].count("time") == ROUNDS * (CELLS + 1)
    again, place = heir.columns(), SPACE.index(order()[:CELLS])
    for name in ("val_loss_curve", "test_accuracy", "train_time"):
        assert np.array_equal(again.values[name][place], done.values[name][place])
    assert again.details["versions"] == done.details["versions"]


def test_a_ledger_that_was_begun_without_the_shipped_table_takes_it_over(undisturbed, tmp_path):
    shipped = tmp_path / "table.safetensors"
    done = tiny(undisturbed[0]).columns()
    done.write(shipped)
    path = tmp_path / "ledger.sqlite"
    list(islice(tiny(path).run(1), 1))  # one cell of its own
    kept = trained(path)
    again = tiny(path, shipped=shipped).columns()
    for name in ("val_loss_curve", "test_accuracy"):
        assert np.array_equal(again.values[name], done.values[name], equal_nan=True)
    assert len(trained(path)) == CELLS
    assert kept[0] in trained(path)


def test_latencies_come_from_the_shipped_table_until_this_machine_has_timed_as_many(undisturbed, tmp_path, monkeypatch):
    shipped = tmp_path / "table.safetensors"
    done = tiny(undisturbed[0]).columns()
    done.write(shipped)
    monkeypatch.setattr(builder, "processor", lambda: "Another processor")
    heir = tiny(tmp_path / "ledger.sqlite", shipped=shipped)
    work = heir.run(CELLS)  # every cell is there; only to be timed
    list(islice(work, CELLS - 1))
    assert np.array_equal(heir.columns().values["latency_cpu"], done.values["latency_cpu"], equal_nan=True)
    list(islice(work, 1))
    assert heir.columns().metrics["latency_cpu"].device == "Another processor, one thread"


@pytest.mark.parametrize("changes", [{"seed": 1}, {"training": TrainingRecipe(epochs=1)}])
def test_a_shipped_table_of_another_build_is_not_mixed_in(undisturbed, tmp_path, changes):
    shipped = tmp_path / "table.safetensors"
    tiny(undisturbed[0]).columns().write(shipped)
    with closing(tiny(tmp_path / "ledger.sqlite", shipped=shipped, **changes).open()) as ledger:
        assert ledger.trained(changes.get("seed", 0)) == {}


def test_seeds_are_rows_of_their_own(undisturbed, tmp_path):
    path = tmp_path / "ledger.sqlite"
    for seed in (0, 1):
        list(islice(tiny(path, seed=seed).run(2), 2))
    with closing(tiny(path).open()) as ledger:
        first, second = ledger.trained(0), ledger.trained(1)
    assert first.keys() == second.keys()
    assert all(first[cell].curves != second[cell].curves for cell in first)


def test_a_ledger_of_another_recipe_is_refused(undisturbed):
    other = replace(TINY["task"], noise=0.5)
    with pytest.raises(ArgumentError, match=r"0\.5.*Give another path"):
        list(tiny(undisturbed[0], task=other).run(1))


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"This is a letter, not a database. " * 100)
    with pytest.raises(DataDamagedError, match="Move it away"):
        list(tiny(path).run(1))


def test_a_path_that_cannot_be_written_is_not_called_damaged(tmp_path):
    (tmp_path / "file").write_text("A file, no folder.")
    for path in (tmp_path, tmp_path / "file" / "ledger.sqlite"):
        with pytest.raises(ArgumentError, match="Give another path"):
            tiny(path).open()


def test_a_ledger_in_use_is_not_called_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr("nagkit.networks.ledger._PATIENCE", 0.01)
    path = tmp_path / "ledger.sqlite"
    training = Training(0, 0, (0,) * 6, {"test_loss": [1.0]}, 1.0, {})
    with closing(tiny(path).open()) as ledger, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for write in (lambda: ledger.add([training]), lambda: ledger.add_timing(0, 0, "A processor", 1.0)):
            with pytest.raises(ArgumentError, match=r"locked.*wait until no other process"):
                write()
        other.execute("ROLLBACK")
        ledger.add([training])
        assert ledger.trained(0) == {0: training}


def test_on_a_full_disk_all_of_a_batch_is_written_or_nothing(tmp_path):
    batch = [Training(cell, 0, (0,) * 6, {"test_loss": [0.5] * 500}, 1.0, {}) for cell in range(100)]
    with closing(tiny(tmp_path / "ledger.sqlite").open()) as ledger:
        ledger._db.execute("PRAGMA max_page_count = 1")  # as many as there are
        with pytest.raises(ArgumentError, match="full"):
            ledger.add(batch)
        assert ledger.trained(0) == {}
        ledger._db.execute("PRAGMA max_page_count = 100000")
        ledger.add(batch)
        assert list(ledger.trained(0).values()) == batch


def test_wrong_arguments_are_refused_before_any_work(tmp_path):
    with pytest.raises(ArgumentError, match="'mid8'"):
        build("mid9")
    with pytest.raises(ArgumentError, match="limit must be a whole number from 1 to 5390"):
        tiny(tmp_path / "ledger.sqlite").run(0)
    with pytest.raises(ArgumentError, match="seed must be a whole number from 0"):
        build("mid8", seed=2**70)
    assert not list(tmp_path.iterdir())


def test_the_build_of_mid8_goes_to_its_own_ledger_and_table():
    assert build("mid8").ledger == Path("runs/build/digits-mid8.sqlite")
    assert builder.shipped("mid8").parts[-2:] == ("digits", "mid8.safetensors")
