"""A sweep: what is refused before anything runs, what goes on after a kill, and what the index says."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import product

import nbformat
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import nagkit.sweep
from nagkit.cli import app
from nagkit.errors import ArgumentError, NagkitError
from nagkit.grid import Cell, grid, listed
from nagkit.index import Index
from nagkit.report import Estimate, Parameter, check
from nagkit.sweep import RECORD, Finished, Sweep

PARAMETERS = """\
strength: float = 4.0  # 0 to 100: how strongly to guide
order: str = "up"  # up | down: which way
title: str = "a title"  # any text
seeds: int = 5  # 1 to 1000: how many seeds, from the first on
seed: int = 0  # 0 to 1000: the first of the seeds
out: str = ""  # where the figures go"""
BODY = """\
import time
from pathlib import Path
from nagkit.report import Estimate, save_result
(Path(out) / "ran").open("a").write("x")
time.sleep(float(title) if title.isdecimal() else 0)
if seed == 13:
    raise ValueError("13 <brings> bad luck")
save_result({"worth": Estimate(strength * seed, "%"), "<seeds>": Estimate(seeds, "seeds")}, out)"""
WHOLE = Parameter("seed", int, 0, 0, 1000)
TEXT = Parameter("title", str, "")
CHOICE = Parameter("order", str, "up", choices=("up", "down"))


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A checkout with one report called "small"."""
    cells = [nbformat.v4.new_code_cell(source) for source in (PARAMETERS, BODY)]
    cells[0].metadata.tags = ["parameters"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    book = nbformat.v4.new_notebook(cells=cells, metadata=kernel | {"language_info": {"name": "python"}})
    (tmp_path / "notebooks" / "reports").mkdir(parents=True)
    nbformat.write(book, tmp_path / "notebooks" / "reports" / "small.ipynb")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "notebooks" / "reports" / "small.ipynb"


@pytest.fixture
def quick(small, monkeypatch):
    """The same, with a report that takes no time: which cells ran, and one that fails at seed 13."""
    ran = []

    def report(name, values, place):
        ran.append(values["seed"])
        place.mkdir(parents=True, exist_ok=True)
        if values["seed"] == 13:
            raise NagkitError("13 <brings> bad luck.")
        figures = {"worth": {"value": values["strength"] * values["seed"], "unit": "%"}}
        (place / "result.json").write_text(json.dumps(figures))
        for file in ("report.html", "report.ipynb"):
            (place / file).write_text(name)

    monkeypatch.setattr(nagkit.sweep, "report", report)
    return ran


# --------------------------------------------------------------------------------------------------------- the grid


@pytest.mark.parametrize(
    ("parameter", "text", "values"),
    [
        (WHOLE, "0..19", [*map(str, range(20))]),
        (WHOLE, "0..20..5", ["0", "5", "10", "15", "20"]),
        (WHOLE, "0..21..5, 96;7", ["0", "5", "10", "15", "20", "96", "7"]),
        (WHOLE, "-2..1", ["-2", "-1", "0", "1"]),
        (WHOLE, "7", ["7"]),
        (CHOICE, "up,down", ["up", "down"]),
        (TEXT, "bayesian, tpe; evolution", ["bayesian, tpe", "evolution"]),
        (TEXT, "0..3", ["0..3"]),
        (TEXT, ";a", ["", "a"]),
    ],
)
def test_values_are_written_with_commas_and_ranges_and_texts_with_semicolons(parameter, text, values):
    assert listed(parameter, text) == values


@given(st.integers(-50, 50), st.integers(0, 60), st.integers(1, 9))
def test_a_range_holds_both_ends_where_the_step_meets_them(first, length, step):
    counted, number = [], first
    while number <= first + length:
        counted.append(str(number))
        number += step
    assert listed(WHOLE, f"{first}..{first + length}..{step}") == counted


def test_the_grid_is_every_combination_with_all_parameters(small):
    cells = grid("small", {"strength": "2,3.5", "seed": [1, 4], "seeds": "3"})
    assert [tuple(cell.given.values()) for cell in cells] == [*product([2.0, 3.5], [3], [1, 4])]
    assert all(cell.values == check("small", cell.given) for cell in cells)
    assert len(grid("small", {})) == 1


def test_over_seeds_each_cell_makes_one_repetition_unless_told_otherwise(small):
    assert [cell.values["seeds"] for cell in grid("small", {"seed": "0..2"})] == [1, 1, 1]
    assert [cell.values["seeds"] for cell in grid("small", {"seed": "7"})] == [5]
    assert [cell.values["seeds"] for cell in grid("small", {"seed": "0..10..5", "seeds": "5"})] == [5, 5, 5]
    with pytest.raises(ArgumentError, match=r"seeds must be at most 1, .*got 5\. Let seed count in larger steps"):
        grid("small", {"seed": "0..2", "seeds": "5"})


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ({"strenght": "1"}, "Did you mean 'strength'"),
        ({"seed": "5..1"}, "seed must count up, as in 0..19 or 0..90..10; got '5..1'"),
        ({"seed": "0..5..0"}, "seed must count up"),
        ({"seed": "0..99999999999999999999"}, "seed must have at most 10,000 values"),
        ({"seed": "0..999", "strength": [*range(11)]}, "must make at most 10,000 combinations; these make 11,000"),
        ({"seed": "1,01"}, "seed must hold each value once; got 01 again"),
        ({"seed": []}, "seed must have a value at least"),
        ({"seed": 3}, "seed must be a list of values, or a text; got 3"),
        ({"strength": "0..3"}, "strength must be a number from 0 to 100; got '0..3'"),
        ({"order": "up,"}, "order must be one of 'up', 'down'; got ''"),
    ],
)
def test_values_that_cannot_be_are_refused(as_a_user, small, lists, said):
    with pytest.raises(ArgumentError, match=re.escape(said)):
        Sweep("small", lists)


def test_all_refusals_are_said_at_once_and_nothing_is_written(small, tmp_path):
    with pytest.raises(ArgumentError) as refusal:
        Sweep("small", {"strength": "-1,2,900", "order": "up,dwn"}, tmp_path / "out")
    assert len(str(refusal.value).splitlines()) == 3
    assert not (tmp_path / "out").exists()


def test_what_parameters_cannot_be_together_is_refused_with_its_cells(tmp_path):
    with pytest.raises(ArgumentError) as refusal:
        Sweep("race", {"cost": ";latency_raspi4", "budget": "12,24", "limit": "0,3"}, tmp_path / "out")
    said = str(refusal.value)
    assert "cost with the table 'digits/mid8' must be one of" in said
    assert "At cost latency_raspi4, limit 0.0, budget 12; at cost latency_raspi4, limit 0.0, budget 24" in said
    assert "cost must name a metric of 'digits/mid8' when there is a limit" in said


def test_the_race_goes_over_seeds_one_by_one():
    cells = grid("race", {"seed": "0..19", "budget": "96,192"})
    assert len(cells) == 40
    assert {cell.values["seeds"] for cell in cells} == {1}
    assert cells[0].folder == "budget-96_seeds-1_seed-0"


VALUES = st.one_of(st.text(max_size=120), st.integers(-(10**9), 10**9), st.floats(allow_nan=False))


@settings(max_examples=50)
@given(st.lists(VALUES, min_size=2, max_size=2, unique_by=repr))
def test_folders_are_safe_stable_and_differ_also_where_letters_do_not_count(values):
    one, other = (Cell({"title": value}, {}) for value in values)
    assert re.fullmatch(r"[a-z0-9_+.-]{1,100}", one.folder)
    assert ".." not in one.folder
    assert not one.folder.startswith((".", "-"))
    assert one.folder == Cell({"title": values[0]}, {"more": 1}).folder
    assert one.folder != other.folder or str(values[0]) == str(values[1])


# ------------------------------------------------------------------------------------------------------ the running


def test_a_sweep_that_is_left_goes_on_with_what_is_not_complete(quick, tmp_path):
    sweep = Sweep("small", {"seed": "1..4"}, tmp_path / "out")
    first = next(sweep.run())
    assert first.figures == {"worth": Estimate(4.0, "%")}
    assert "1 of 4 cells complete." in (tmp_path / "out" / "index.html").read_text()
    assert len([*Sweep("small", {"seed": "1..4"}, tmp_path / "out").run()]) == 3
    assert quick == [1, 2, 3, 4]
    assert not [*sweep.run()]
    assert "4 of 4 cells complete." in (tmp_path / "out" / "index.html").read_text()
    assert len([*Sweep("small", {"seed": "3..5"}, tmp_path / "out").run()]) == 1


def test_two_sweeps_do_not_work_in_one_folder_at_the_same_time(quick, tmp_path):
    one, other = (Sweep("small", {"seed": "1..4"}, tmp_path / "out") for _ in range(2))
    steps = one.run()
    next(steps)
    with pytest.raises(NagkitError, match=r"Another process runs a sweep in .* a folder of its own"):
        next(other.run())
    steps.close()
    assert len([*other.run()]) == 3
    assert quick == [1, 2, 3, 4]


def test_a_cell_is_run_again_when_what_it_was_made_from_has_changed(quick, small, tmp_path, monkeypatch):
    def again():
        quick.clear()
        return [each.cell.values["seed"] for each in Sweep("small", {"seed": "1,2"}, tmp_path / "out").run()]

    assert again() == [1, 2]
    small.write_text(small.read_text().replace("time.sleep", "time .sleep"))
    assert again() == [1, 2]
    monkeypatch.setattr(nagkit.sweep, "version", lambda name: "another")
    assert again() == [1, 2]
    (tmp_path / "out" / "seeds-1_seed-1" / "report.html").unlink()
    assert again() == [1]
    for damage in ("", "[]", "{}", '{"from": 3}', "null"):
        (tmp_path / "out" / "seeds-1_seed-2" / RECORD).write_text(damage)
        assert again() == [2]
    assert again() == []


def test_a_cell_that_fails_says_so_lets_others_go_on_and_is_run_again(quick, tmp_path):
    sweep = Sweep("small", {"seed": "12..14"}, tmp_path / "out")
    assert [each.fault for each in sweep.run()] == ["", "13 <brings> bad luck.", ""]
    shown = (tmp_path / "out" / "index.html").read_text()
    assert "2 of 3 cells complete, 1 failed." in shown
    assert "failed: 13 &lt;brings&gt; bad luck." in shown
    assert [each.cell.values["seed"] for each in sweep.run()] == [13]


def test_the_command_says_what_failed_and_ends_with_1(quick, tmp_path):
    words = ["sweep", "small", "-p", "seed", "12,13", "-p", "strength", "2", "--out", str(tmp_path / "out")]
    told = CliRunner().invoke(app, words, catch_exceptions=False)
    assert told.exit_code == 1
    assert told.stderr.splitlines() == [
        "strength 2.0, seeds 1, seed 13: 13 <brings> bad luck.",
        "1 of 2 cells failed. The same command runs them again.",
    ]
    assert told.stdout == f"{tmp_path / 'out' / 'index.html'}\n"
    words[4] = "12"
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0


def test_the_command_refuses_in_sentences(small):
    told = CliRunner().invoke(app, ["sweep", "small", "-p", "seed", "1", "-p", "seed", "2"], catch_exceptions=False)
    assert told.exit_code == 2
    assert "parameter seed is set 2 times" in told.stderr
    told = CliRunner().invoke(app, ["sweep", "small", "--out", "/proc/x"], catch_exceptions=False)
    assert told.exit_code == 2
    assert "out must be a folder that can be made" in told.stderr


# -------------------------------------------------------------------------------------------------------- the index


@pytest.fixture
def index(small):
    """Three seeds at two strengths: all complete at the first, one complete at the second."""
    cells = grid("small", {"strength": "2,3", "title": "<b>&", "seed": "1..3"})
    known = {}
    for cell in cells[:4]:
        figures = {"worth <i>": Estimate(cell.values["strength"] * cell.values["seed"], "%")}
        figures |= {"rare": Estimate(1.0, "s")} if cell.values["seed"] == 2 else {}
        known[cell.folder] = Finished(cell, 3.0, "", figures)
    known[cells[4].folder] = Finished(cells[4], 1.0, "<script>alert(1)</script>")
    return Index("small", cells, known)


def test_means_over_seeds_are_those_of_the_complete_cells(index):
    (first, at_two), (second, at_three) = index.over_seeds()
    assert (first["strength"], second["strength"]) == (2.0, 3.0)
    assert "seed" not in first
    assert at_two == {"worth <i>": Estimate.of(np.array([2.0, 4.0, 6.0]), "%"), "rare": Estimate(1.0, "s")}
    assert at_three == {"worth <i>": Estimate(3.0, "%")}
    assert replace(index, cells=index.cells[:1]).over_seeds() == []


def test_the_page_is_escaped_offline_and_says_each_fact_in_a_table(index):
    shown = index.page()
    assert "<script" not in shown
    assert "<b>" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "4 of 6 cells complete, 1 failed." in shown
    assert shown.count("waiting") == 1
    assert '<html lang="en">' in shown
    assert "prefers-color-scheme: dark" in shown
    assert "@media print" in shown
    assert not re.search(r"(src|href)=.(https?:)?//", shown)
    tables = re.findall("<table>.*?</table>", shown, re.DOTALL)
    assert len(tables) == 3
    assert all("<caption>" in each and '<th scope="col">' in each and '<th scope="row">' in each for each in tables)
    links = re.findall('href="([^"]+)/report.html"', shown)
    assert links == [cell.folder for cell in index.cells[:4]]


def test_the_files_hold_the_same_figures(index):
    told, lines = json.loads(index.record()), list(csv.DictReader(io.StringIO(index.table())))
    assert [each["status"] for each in told["cells"]] == [line["status"] for line in lines]
    for cell, each, line in zip(index.cells, told["cells"], lines, strict=True):
        assert each["parameters"] == cell.values
        found = each["figures"].get("worth <i>", {"value": ""})["value"]
        assert line["worth <i> (%)"] == str(found)
        assert line["title"] == "<b>&"
    assert told["over seeds"][0]["figures"]["worth <i>"]["n"] == 3


# ------------------------------------------------------------------------------------------------------- end to end


@pytest.mark.slow
def test_a_killed_sweep_in_processes_goes_on_where_it_was(small, tmp_path):
    words = [sys.executable, "-c", "from nagkit.cli import app; app()"]
    words += ["sweep", "small", "-p", "title", "1;600", "-p", "seed", "3", "--out", "out"]
    begun = subprocess.Popen([*words, "--workers", "2"], start_new_session=True, stderr=subprocess.PIPE)
    quick, slow = (tmp_path / "out" / f"title-{title}_seed-3" / "ran" for title in (1, 600))
    index = tmp_path / "out" / "index.json"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and begun.poll() is None:
        if slow.exists() and '"status": "complete"' in index.read_text():
            break
        time.sleep(0.1)
    os.killpg(begun.pid, signal.SIGKILL)
    said = begun.communicate()[1]
    assert slow.exists(), said
    assert [each["status"] for each in json.loads(index.read_text())["cells"]] == ["complete", "waiting"], said
    words[words.index("1;600")] = "1;2"
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert quick.read_text() == "x"  # it was not run again
    assert [each["status"] for each in json.loads(index.read_text())["cells"]] == ["complete", "complete"]
