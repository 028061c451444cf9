"""`nagkit runs`: lists, shows and exports searches in files."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from nagkit.benchmarks import benchmark
from nagkit.cli import app
from nagkit.run import Run
from nagkit.search import search
from runs import BUDGET, history, worth
from runs import run as small


def nagkit(*words):
    return CliRunner().invoke(app, ["runs", *map(str, words)], prog_name="nagkit", catch_exceptions=False)


@pytest.fixture
def path(tmp_path):
    """A run on the embedded table that was left in the middle."""
    table = benchmark("digits/mid8")
    made = search("local", table.space, [table.objective("val_accuracy")], seed=0)
    run = Run(tmp_path / "runs" / "first.sqlite", made, 12)
    for event in run.walk():
        if getattr(event, "number", 0) == 6:
            break
    return run.path


def test_list_says_what_there_is_and_how_far_it_is(path):
    list(small(path.with_name("deep.sqlite")).walk(worth))
    (path.parent / "else.sqlite").write_bytes(b"something else")
    (path.parent / "empty").mkdir()
    lines = nagkit("list", path.parent).stdout.splitlines()
    assert len(lines) == 3
    assert "evolution" in lines[1] and f"{BUDGET} of {BUDGET}" in lines[1]
    assert "local" in lines[2] and "nas-bench-201" in lines[2] and "7 of 12" in lines[2]


def test_list_names_what_is_damaged(path):
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE log SET kind = 'x' WHERE number = 2")
    assert "damaged" in nagkit("list", path.parent).stdout
    shown = nagkit("show", path)
    assert shown.exit_code == 2
    assert "entry 2 is not what was written" in shown.stderr


def test_nothing_to_list_is_said(tmp_path):
    told = nagkit("list", tmp_path)
    assert told.exit_code == 2
    assert "holds none" in told.stderr


def test_show_says_what_was_found(path):
    shown = nagkit("show", path).stdout
    assert "local search for val_accuracy in nas-bench-201; 7 of 12 evaluations" in shown
    assert Run.open(path).front().table()["architecture"][0] in shown


def test_show_counts_what_failed(path):
    list(small(path.with_name("deep.sqlite")).walk(worth))
    shown = nagkit("show", path.with_name("deep.sqlite")).stdout
    assert "failed: not finite: [nan]" in shown


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_export_writes_every_evaluation(path, kind):
    file = path.with_suffix(f".{kind}")
    assert nagkit("export", path, "--to", kind).stdout == f"{file}\n"
    table = pd.read_csv(file) if kind == "csv" else pd.DataFrame(json.loads(file.read_text()))
    expected = Run.open(path).evaluations()
    assert list(table.columns) == list(expected.columns)
    assert table["architecture"].tolist() == expected["architecture"].tolist()
    assert table["val_accuracy (%)"].tolist() == pytest.approx(expected["val_accuracy (%)"].tolist(), rel=1e-9)


def test_export_writes_a_study(path, tmp_path):
    import optuna

    out = tmp_path / "study.db"
    assert nagkit("export", path, "--to", "optuna", "--out", out).stdout == f"{out}\n"
    (name,) = optuna.get_all_study_names(f"sqlite:///{out}")
    assert name == "first"


def test_a_run_is_never_written_over(path):
    other = path.with_suffix(".json")
    path.rename(other)
    told = CliRunner().invoke(app, ["runs", "export", str(other), "--to", "json"], prog_name="nagkit")
    assert told.exit_code == 2
    assert "out must be another file than a run" in told.stderr
    assert len(Run.open(other).evaluations())
    other.rename(path)


def test_reading_a_run_changes_nothing(path):
    before = history(path)
    for words in (("list", path.parent), ("show", path), ("export", path)):
        nagkit(*words)
    assert history(path) == before
