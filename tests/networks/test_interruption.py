"""A build ends the same wherever its work is done and whoever is killed meanwhile."""

import os
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nagkit.errors import NagkitError
from nagkit.executors import executor
from nagkit.networks.builder import Build
from nagkit.networks.recipes import ImageRecipe
from nagkit.networks.training import TrainingRecipe
from nursery import nursery

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("interruption")]

CELLS = 18
TASKS = (
    ImageRecipe("tiny/odd", digits=(1, 3, 5, 7, 9), images=(60, 20, 20), ground="clouds"),
    ImageRecipe("tiny/few", digits=(3, 8), images=(60, 20, 20), seed=1),
)
TRAINING = TrainingRecipe(epochs=2, batch=20)
SEEDS = (0, 1)
KILLS = {0: 16, 2: 4}  # workers (0: the build's own process trains) -> how many kills


def tiny(path: Path) -> Build:
    return Build(TASKS, path, TRAINING, SEEDS, timed=False)


def rows(path: Path) -> dict[tuple, tuple]:
    """What a ledger holds: (task, cell, seed) -> everything else, the measured seconds last."""
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'trained'").fetchone():
            return {}
        found = db.execute("SELECT task, cell, seed, tokens, curves, versions, seconds FROM trained").fetchall()
    return {row[:3]: row[3:] for row in found}


def assert_same_tables(path: Path, expected: Path) -> None:
    """Bit for bit, but for the time that it took."""
    tables, others = tiny(path).columns(), tiny(expected).columns()
    assert [*tables] == [*others] == [task.name for task in TASKS]
    for name, table in tables.items():
        other = others[name]
        assert (table.rows.keys(), table.identity, table.metrics) == (other.rows.keys(), other.identity, other.metrics)
        assert table.details == other.details
        assert np.array_equal(table.rows["function"], other.rows["function"])
        assert {"train_time", "val_accuracy_seed1", "test_loss_curve"} < {*table.values} == {*other.values}
        for column in {*table.values} - {"train_time"}:
            assert table.values[column].tobytes() == other.values[column].tobytes(), column
    assert {key: row[:-1] for key, row in rows(path).items()} == {key: row[:-1] for key, row in rows(expected).items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("undisturbed") / "ledger.sqlite"
    assert len(list(tiny(path).run(CELLS))) == CELLS
    assert len(rows(path)) == CELLS * len(SEEDS)
    return path


def test_processes_build_the_same_tables(undisturbed, tmp_path):
    path = tmp_path / "ledger.sqlite"
    with executor(2) as processes:
        steps = list(tiny(path).run(CELLS, processes))
    assert [step.done for step in steps] == list(range(1, CELLS + 1))
    assert_same_tables(path, undisturbed)


def test_a_cluster_builds_the_same_tables_although_a_worker_is_killed_mid_way(undisturbed, tmp_path):
    distributed = pytest.importorskip("distributed")
    path, killed = tmp_path / "ledger.sqlite", 0
    local = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(**local, silence_logs=50) as cluster, executor(cluster.scheduler_address) as calls:
        for step in tiny(path).run(CELLS, calls):
            if step.done >= 3 and not killed:
                killed = victim(cluster)
                os.kill(killed, signal.SIGKILL)
                assert len(rows(path)) < CELLS * len(SEEDS)
        assert killed
        assert killed not in [nanny.pid for nanny in cluster.workers.values()]
    assert step.done == CELLS
    assert_same_tables(path, undisturbed)


def victim(cluster) -> int:
    """The process of a worker that has something to do."""
    busy = {address for address, worker in cluster.scheduler.workers.items() if worker.processing}
    return next(nanny.pid for nanny in cluster.workers.values() if nanny.worker_address in busy)


def test_when_worker_processes_are_killed_the_error_says_so_and_a_second_run_ends_the_build(undisturbed, tmp_path):
    path, done = tmp_path / "ledger.sqlite", 0
    with executor(2) as processes, pytest.raises(NagkitError, match="What was finished is kept: call again"):
        for step in tiny(path).run(CELLS, processes):
            done = step.done
            if done == 3:
                for worker in workers():
                    os.kill(worker, signal.SIGKILL)
    kept = rows(path)
    assert 3 <= done < CELLS
    assert len(kept) >= 2 * done
    rest = list(tiny(path).run(CELLS))
    assert len(rest) == CELLS - len(kept) / 2
    assert kept.items() <= rows(path).items()
    assert_same_tables(path, undisturbed)


def workers() -> list[int]:
    """The worker processes of this process; on a busy machine one of them may not have begun yet."""
    import psutil

    return [child.pid for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


BUILD = f"""
    from pathlib import Path
    from nagkit.executors import executor
    from nagkit.networks.builder import Build
    from nagkit.networks.recipes import ImageRecipe
    from nagkit.networks.training import TrainingRecipe

    def work(path, workers):
        build = Build({TASKS!r}, Path(path), {TRAINING!r}, {SEEDS!r}, timed=False)
        with executor(int(workers) or None) as calls:
            for step in build.run({CELLS}, calls):
                print("step", step.cell, flush=True)
"""


TIMED = f"""
    from pathlib import Path
    from nagkit.networks.builder import Build
    from nagkit.networks.recipes import ImageRecipe
    from nagkit.networks.training import TrainingRecipe

    def work(path):
        build = Build({TASKS[:1]!r}, Path(path), {TRAINING!r}, shipped=Path(path).parent / "shipped")
        for step in build.run(8):
            print("step", f"{{step.stage}}-{{step.done}}", flush=True)
"""


def test_timing_killed_at_random_moments_goes_on_where_it_was(tmp_path):
    task = replace(TASKS[0], digits=tuple(range(10)))
    source, rng, steps, kills = TIMED.replace(repr(TASKS[:1]), repr((task,))), np.random.default_rng(0), [], 0
    with nursery(source) as begin:
        killed = True
        while killed:
            killed, told = begin.work(tmp_path / "ledger.sqlite", patience=rng.uniform(0, 0.2) if kills < 5 else None)
            kills += killed
            steps += told
    ledger = Build((task,), tmp_path / "ledger.sqlite", TRAINING)
    assert kills == 5
    assert len(steps) == len(set(steps))
    assert list(ledger.run(8)) == []
    assert np.isfinite(ledger.columns()[task.name].values["latency_cpu"]).sum() == 8


@pytest.mark.parametrize("workers", KILLS)
def test_builds_killed_at_random_moments_end_as_an_undisturbed_one(undisturbed, tmp_path, workers):
    rng, kills, builds = np.random.default_rng(workers), 0, 0
    with nursery(BUILD) as begin:
        start = time.perf_counter()
        assert len(begin.work(tmp_path / "measured.sqlite", 0)[1]) == CELLS
        longest = (time.perf_counter() - start) / (8 if workers else 2)
        while kills < KILLS[workers]:
            builds += 1
            path, finished, killed = tmp_path / f"{builds}.sqlite", [], True
            while killed and kills < KILLS[workers]:
                before = rows(path)
                # a build with workers, which take seconds to start, is killed some time after its first cell
                killed, steps = begin.work(path, workers, patience=rng.uniform(0, longest), started=not workers)
                after = rows(path)
                kills += killed
                finished += steps
                assert before.items() <= after.items()  # none was lost, none was trained again
                assert len(after) >= len(SEEDS) * len(finished)
                assert all(len([key for key in after if key[1] == cell]) == len(SEEDS) for _, cell, _ in after)
            assert len(finished) == len(set(finished))
            left = CELLS - len(rows(path)) // len(SEEDS)
            assert [step.stage for step in tiny(path).run(CELLS)] == ["train"] * left
            assert_same_tables(path, undisturbed)
    assert kills == KILLS[workers]
