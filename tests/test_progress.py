"""Progress: a bar where a person looks, lines where a process follows, and nothing elsewhere."""

import io
import json
import os
import pty
import re
import subprocess
import sys
import termios
import time
from contextlib import redirect_stderr
from pathlib import Path

import nbformat
import pytest

from nagkit.progress import FILE, Progress, followed, progress

LOOP = """\
import time
from nagkit.progress import progress
for _ in progress(range(15), "long loop", out=out):
    time.sleep(0.1)"""


class Terminal(io.StringIO):
    """What a person sees."""

    def isatty(self):
        return True


def test_a_bar_says_how_far_it_is_and_the_time_left():
    with redirect_stderr(Terminal()) as terminal:
        for _ in progress(range(4), "trainings"):
            time.sleep(0.12)
    assert re.search(r"trainings: +\d+%.*\| [123]/4 \[00:0\d<00:0\d", terminal.getvalue())
    assert terminal.getvalue().endswith("\r")  # it went


def test_what_was_done_before_does_not_make_it_look_quick():
    with redirect_stderr(Terminal()) as terminal, Progress("stage", 1000) as bar:
        time.sleep(0.2)
        bar.tell(991, note="12.5 ms")
        time.sleep(0.2)
        bar.tell(992)
    rates = [float(rate) for rate in re.findall(r"([\d.]+)step/s", terminal.getvalue())]
    assert rates
    assert max(rates) < 20
    assert "12.5 ms" in terminal.getvalue()


def test_where_nobody_looks_nothing_is_shown(capsys):
    assert [*progress(iter("abc"), "letters")] == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_followed_work_leaves_its_bar_to_the_follower(tmp_path):
    with redirect_stderr(Terminal()) as terminal, followed(tmp_path, shown=False):
        for _ in progress(range(3), "samples", out=tmp_path):
            pass
        told = [*map(json.loads, (tmp_path / FILE).read_text().splitlines())]
    assert (told[0]["done"], told[-1]["done"], told[-1]["total"]) == (0, 3, 3)
    assert terminal.getvalue() == ""
    assert not (tmp_path / FILE).exists()


def test_a_folder_that_nobody_follows_is_left_alone(tmp_path):
    for _ in progress(range(3), "samples", out=tmp_path):
        pass
    assert not [*tmp_path.iterdir()]


def test_the_follower_draws_loop_after_loop(tmp_path):
    with redirect_stderr(Terminal()) as terminal, followed(tmp_path, shown=True):
        for what in ("first", "second"):
            for _ in progress(range(4), what, out=tmp_path):
                time.sleep(0.12)
    for what in ("first", "second"):
        assert re.search(rf"{what}: +\d+%.*/4 \[", terminal.getvalue())


@pytest.mark.slow
def test_a_report_shows_its_loops_in_the_terminal_and_not_in_its_page(tmp_path):
    cells = [nbformat.v4.new_code_cell(each) for each in ('out: str = ""  # where the figures go', LOOP)]
    cells[0].metadata.tags = ["parameters"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    folder = tmp_path / "notebooks" / "reports"
    folder.mkdir(parents=True)
    book = nbformat.v4.new_notebook(cells=cells, metadata=kernel | {"language_info": {"name": "python"}})
    nbformat.write(book, folder / "small.ipynb")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    words = [sys.executable, "-c", "from nagkit.cli import app; app()", "report", "small", "--out", "out"]
    ran = subprocess.run(words, cwd=tmp_path, stderr=theirs, stdout=subprocess.PIPE, check=True)
    os.close(theirs)
    shown = _all(ours)
    assert re.search(r"long loop: +\d+%.*\d+/15 \[\d\d:\d\d<\d\d:\d\d", shown), shown
    assert ran.stdout.decode().endswith("report.html\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.ipynb"]
    saved = nbformat.read(tmp_path / "out" / "report.ipynb", 4)
    assert not any(cell.outputs for cell in saved.cells)


def _all(descriptor):
    """All that was written to a terminal."""
    found = b""
    while True:
        try:
            found += os.read(descriptor, 65536)
        except OSError:  # nobody writes any more
            os.close(descriptor)
            return found.decode(errors="replace")


def test_the_file_is_in_no_folder_of_the_work_afterwards_also_when_it_fails(tmp_path):
    with pytest.raises(ValueError, match="bad"), followed(tmp_path, shown=True):
        raise ValueError("bad")
    assert not Path(tmp_path, FILE).exists()
