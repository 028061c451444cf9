"""What may befall a run: kills, a second writer, damage."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import closing
from dataclasses import asdict, replace

import numpy as np
import psutil
import pytest

from nagkit.errors import ArgumentError, DataDamagedError, DataMissingError
from nagkit.owner import Owner
from nagkit.run import Run
from nagkit.search import SEARCHES
from nursery import nursery
from runs import BATCH, BUDGET, OPTIONS, history, made, run, worth


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.sqlite"


# ------------------------------------------------------------------------------------------------------------ kills

WALK = f"""
    from pathlib import Path
    import numpy as np
    import torch
    import nagkit.search.latent  # now, as each child that is killed would else do it anew
    import nagkit.search.supernet
    import optuna
    from nagkit.checks.search import COUNT, symbols
    from nagkit.metrics import Objective
    from nagkit.run import Run
    from nagkit.search import search
    from nagkit.spaces.nas_bench_201 import NasBench201

    space = NasBench201()
    space.canonical(space.all(), "function")
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # the first loads much

    def worth(tokens):
        values = symbols(tokens)[:, None]
        return np.where(values % 7 == 0, np.nan, values)

    def work(path, name):
        options = {OPTIONS!r}.get(name, dict())
        mine = search(name, space, [Objective(COUNT, symbols)], seed=0, **options)
        for event in Run(path, mine, {BUDGET}, {BATCH}).walk(worth):
            if hasattr(event, "number"):
                print("evaluated", event.number, flush=True)
"""
KILLS = 200


@pytest.fixture(scope="module")
def begin():
    with nursery(WALK) as begun:
        yield begun


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_killed_at_random_moments_it_ends_the_same(begin, tmp_path, name):
    rng, kills, runs = np.random.default_rng(0), 0, 0
    clock = time.perf_counter()
    _, told = begin.work(tmp_path / name, name)
    longest = time.perf_counter() - clock
    assert told == [str(number) for number in range(BUDGET)]
    reference = history(tmp_path / name)
    while kills < KILLS / len(SEARCHES):
        file, killed, seen, patience = tmp_path / f"{runs}.sqlite", True, [], longest
        runs += 1
        while killed:
            killed, told = begin.work(file, name, patience=rng.uniform(0, patience))
            kills += killed
            patience *= 1.1  # taking up a run may last longer than a whole short one
            seen += told
            known = history(file) if file.exists() else []
            assert known == reference[: len(known)]
            kept = [str(content["number"]) for kind, content in known if kind == "evaluated"]
            assert seen == kept[: len(seen)]  # what was shown is kept, and was shown once
            seen = kept
        assert history(file) == reference


# --------------------------------------------------------------------------------------------------------- two writers


def test_a_second_writer_is_refused_and_told_who_writes(path):
    walk = run(path).walk(worth)
    next(walk)
    with pytest.raises(ArgumentError, match=rf"held by process {os.getpid()} on .*, since 20"):
        next(run(path).walk(worth))
    assert len(run(path).evaluations()) == 0  # reading is possible
    walk.close()
    assert len(list(run(path).walk(worth))) > BUDGET


def test_another_process_is_refused_until_it_has_ended(path):
    run(path)
    code = """
        import sys
        from nagkit.log import Log
        from pathlib import Path
        log = Log(Path(sys.argv[1]))
        log.take()
        print("taken", flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"taken\n"
        with pytest.raises(ArgumentError, match=f"held by process {other.pid}"):
            next(run(path).walk(worth))
        other.kill()
    assert len(list(run(path).walk(worth))) > BUDGET


def holder(path, owner):
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("REPLACE INTO owner VALUES (1, ?)", (json.dumps(asdict(owner)),))


def test_a_number_of_a_process_that_another_has_now_does_not_hold(path):
    run(path)
    holder(path, replace(Owner.me(), started=1.0))
    assert len(list(run(path).walk(worth))) > BUDGET


def test_a_process_from_before_the_machine_started_anew_does_not_hold(path):
    run(path)
    holder(path, replace(Owner.me(), boot="before"))
    assert len(list(run(path).walk(worth))) > BUDGET


def test_a_process_that_ended_holds_nothing_although_nobody_asked_how():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        taken = replace(Owner.me(), pid=other.pid, started=Owner.of(other.pid).started)
        assert not taken.gone()
        other.kill()
        while psutil.Process(other.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert taken.gone()


def test_one_that_seems_to_run_may_be_said_to_have_ended(path):
    run(path)
    holder(path, replace(Owner.me(), since="earlier"))
    with pytest.raises(ArgumentError, match=r"take_over=True"):
        next(run(path).walk(worth))
    assert len(list(run(path).walk(worth, take_over=True))) > BUDGET


def test_who_holds_it_may_be_damaged(path):
    run(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("REPLACE INTO owner VALUES (1, 'nobody')")
    with pytest.raises(DataDamagedError, match="who holds it is not what was written"):
        next(run(path).walk(worth))


@pytest.mark.slow
def test_a_reader_beside_a_writer_sees_a_whole_run(path):
    walk, opened, ended = Run(path, made(), 400).walk(worth), 0, threading.Event()

    def write():
        for _ in walk:
            pass
        ended.set()

    next(walk)
    writer = threading.Thread(target=write)
    writer.start()
    while not ended.is_set():
        Run.open(path).told()
        opened += 1
    writer.join()
    assert opened > 20


def test_a_file_that_may_only_be_read_is_read(path, monkeypatch):
    list(run(path).walk(worth))
    monkeypatch.setattr("nagkit.database._only_to_read", lambda file: True)
    again = Run.open(path)
    assert len(again.evaluations()) == BUDGET
    with pytest.raises(ArgumentError, match="can be read and written now"):
        next(Run(path, made(), BUDGET + 1, BATCH).walk(worth))


def test_a_process_of_another_machine_holds_until_it_is_said_to_have_ended(path):
    run(path)
    holder(path, replace(Owner.me(), host="elsewhere"))
    with pytest.raises(ArgumentError, match=r"on elsewhere.*take_over=True"):
        next(run(path).walk(worth))
    assert len(list(run(path).walk(worth, take_over=True))) > BUDGET


def test_a_walk_whose_file_was_taken_over_writes_no_more(path):
    walk = run(path).walk(worth)
    next(walk)
    holder(path, replace(Owner.me(), host="elsewhere"))
    with pytest.raises(ArgumentError, match="taken over by another process"):
        list(walk)
    list(run(path).walk(worth, take_over=True))
    assert [content["number"] for kind, content in history(path) if kind == "evaluated"] == list(range(BUDGET))


def test_a_walk_may_be_closed_by_another_thread(path):
    walk = run(path).walk(worth)
    next(walk)
    thread = threading.Thread(target=walk.close)
    thread.start()
    thread.join()
    assert len(list(run(path).walk(worth))) > BUDGET


# -------------------------------------------------------------------------------------------------------------- damage


def test_a_changed_entry_is_noticed(path):
    list(run(path).walk(worth))
    whole = path.with_name("whole.sqlite")
    shutil.copy(path, whole)
    changes = [
        "UPDATE log SET content = replace(content, '\"number\": 5', '\"number\": 6')",
        "UPDATE log SET kind = 'walk' WHERE number = 4",
        "UPDATE log SET digest = upper(digest) WHERE number = 9",
        "DELETE FROM log WHERE number = 3",
        "UPDATE log SET number = number + 1 WHERE number = (SELECT max(number) FROM log)",
        "UPDATE state SET content = replace(content, '1', '2')",
        "UPDATE state SET number = 0",
        "UPDATE state SET number = 1000",
        "DELETE FROM state",
        "CREATE TABLE more (x)",
        "CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM log; END",
        "CREATE VIEW v AS SELECT * FROM log",
        "ALTER TABLE log ADD COLUMN more",
    ]
    for change in changes:
        shutil.copy(whole, path)
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(change)
        with pytest.raises(DataDamagedError, match=r"run\.sqlite is no whole run: .*begin anew"):
            run(path)
    shutil.copy(whole, path)
    assert len(run(path).evaluations()) == BUDGET


@pytest.mark.parametrize("name", SEARCHES)
def test_entries_at_the_end_may_be_lost_and_the_run_goes_on(path, name):
    """As when the machine lost its power and the disk its last writes."""
    list(run(path, name).walk(worth))
    undisturbed = history(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM log WHERE number > (SELECT number FROM state)")
    list(run(path, name).walk(worth))
    assert history(path) == undisturbed


@pytest.mark.slow
def test_a_flipped_bit_is_noticed_or_does_not_matter(path):
    list(run(path).walk(worth))
    whole, wanted, rng, noticed = path.read_bytes(), history(path), np.random.default_rng(0), 0
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert history(path) == wanted
        except (ArgumentError, DataDamagedError):
            noticed += 1
        for rest in path.parent.glob("run.sqlite-*"):
            rest.unlink()
    assert noticed > 100


def left_open(path):
    """The bytes of file and write-ahead log as they lie when the power fails before SQLite has tidied up."""
    walk = run(path).walk(worth)
    for _ in range(BUDGET):
        next(walk)
    files = path.read_bytes(), path.with_name(path.name + "-wal").read_bytes()
    walk.close()
    return files


def put(path, main, log):
    """The files of a run, and none besides."""
    for rest in path.parent.glob("run.sqlite*"):
        rest.unlink()
    path.write_bytes(main)
    if log is not None:
        path.with_name(path.name + "-wal").write_bytes(log)


@pytest.mark.slow
def test_a_log_cut_anywhere_leaves_whole_events_and_the_run_ends_the_same(path):
    main, log = left_open(path)
    assert len(log) > 50_000
    list(run(path).walk(worth))
    wanted, rng, counts = history(path), np.random.default_rng(0), set()
    frame = 24 + 4096  # SQLite's: header and page, after 32 bytes at the head
    cuts = [*range(32, len(log), frame), *rng.integers(0, len(log), 60).tolist(), 0, 1, 31]
    for cut in cuts:
        put(path, main, log[:cut])
        kept = history(path)
        assert kept == wanted[: len(kept)]
        counts.add(len(kept))
        if cut % 7 == 0:
            with closing(sqlite3.connect(path)) as db, db:
                db.execute("DELETE FROM owner")  # it is this process, which lives on
            list(run(path).walk(worth))
            assert history(path) == wanted
    assert len(counts) > 10


@pytest.mark.slow
def test_a_flipped_bit_of_the_log_is_noticed_or_loses_the_end_only(path):
    main, log = left_open(path)
    list(run(path).walk(worth))
    wanted, rng = history(path), np.random.default_rng(1)
    for _ in range(200):
        damaged = bytearray(log)
        damaged[rng.integers(len(log))] ^= 1 << int(rng.integers(8))
        put(path, main, bytes(damaged))
        try:
            kept = history(path)
        except (ArgumentError, DataDamagedError):
            continue
        assert kept == wanted[: len(kept)]


def test_without_its_log_a_run_is_an_earlier_one(path):
    main, _ = left_open(path)
    put(path, main, None)
    list(run(path).walk(worth))
    assert len(run(path).evaluations()) == BUDGET


@pytest.mark.slow
def test_a_file_cut_at_any_page_is_refused_or_whole(path):
    list(run(path).walk(worth))
    whole, wanted = path.read_bytes(), history(path)
    for length in range(0, len(whole), 4096):
        put(path, whole[:length], None)
        try:
            kept = history(path)
        except (ArgumentError, DataDamagedError, DataMissingError):
            assert path.read_bytes() == whole[:length], "what is refused stays as it is"
        else:
            assert kept in (wanted, [])


@pytest.mark.parametrize("content", [b"no database" * 400, None, b""])
def test_what_is_no_run_is_refused_and_stays_as_it_is(path, content):
    if content is None:
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("CREATE TABLE trained (cell)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    if content == b"":  # SQLite takes an empty file for an empty database
        assert len(run(path).evaluations()) == 0
        return
    with pytest.raises(DataDamagedError, match=r"[Mm]ove it away"):
        run(path)
    assert path.read_bytes() == before


def test_a_run_that_is_not_there_is_not_made_by_opening_it(path):
    with pytest.raises(DataMissingError, match="no run at"):
        Run.open(path)
    assert not path.exists()
