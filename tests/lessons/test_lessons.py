"""Lessons are short, ask before they tell, show one thing at a time, and run offline with their own solutions.

A lesson asks through ``nagkit.lesson``: a guess and then ``reveal``; an exercise in a cell tagged ``exercise``, one
tagged ``check`` that looks at it, and right after it the ``solution``, whose code is put into the exercise here.
"""

import ast
import html
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from nagkit.benchmarks import available

LESSONS = sorted((Path(__file__).parents[2] / "notebooks" / "lessons").glob("*.ipynb"))
MINUTES, WORDS_A_MINUTE, MINUTES_A_CELL = 25, 200, 0.5  # a code cell is read, run, and its result looked at
FENCED = re.compile(r"\n\n```python\n(.*?)\n```\n\n", re.DOTALL)  # blank lines, or JupyterLab shows the fence as text
SECONDS = 90  # of the processor, for a whole lesson
LONGEST, ENDS = 6, ("summary", "next", "sources")
OFFLINE = """
import sys
def refuse(event, found, near=("127.0.0.1", "::1", "localhost")):
    if event == "socket.connect" and isinstance(found[1], tuple) and found[1][0] not in near:
        raise OSError(f"A lesson asks the network for {found[1]}.")
sys.addaudithook(refuse)
"""


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def lesson(path):
    return nbformat.read(path, 4)


def of_kind(lesson, kind):
    return [cell for cell in lesson.cells if cell.cell_type == kind]


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


def asks(cell):
    """Whether a code cell is the reader's: an exercise, its check, or a guess still to be made."""
    return tagged(cell, "exercise") or tagged(cell, "check") or re.match(r"guess\w* = None\b", cell.source)


def lines(cell):
    return [line for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#")]


def called(cell, name):
    """The calls of a function in a code cell."""
    nodes = ast.walk(ast.parse(cell.source))
    return [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name]


def minutes(lesson):
    """How long a lesson takes to read, with its solutions and without the time that exercises take."""
    texts = " ".join(re.sub(r"<[^>]+>|[#*`|]|\(http\S+\)", " ", cell.source) for cell in of_kind(lesson, "markdown"))
    return len(texts.split()) / WORDS_A_MINUTE + len(of_kind(lesson, "code")) * MINUTES_A_CELL


def test_there_is_more_text_than_code(lesson):
    assert len(of_kind(lesson, "markdown")) > len(of_kind(lesson, "code"))


def test_code_comes_in_two_to_six_lines(lesson):
    """One line is enough where it only shows one thing, as the name of a picture or a call that makes it."""
    for cell in of_kind(lesson, "code"):
        if not asks(cell):
            (*_, last) = ast.parse(cell.source).body
            shows_one_thing = len(lines(cell)) == 1 and isinstance(last, ast.Expr)
            assert shows_one_thing or 2 <= len(lines(cell)) <= LONGEST, cell.source


def test_a_reader_has_at_most_25_minutes_and_is_told_how_many(lesson):
    said = re.search(r"(\d+) minutes", lesson.cells[0].source)
    assert said, "The first cell must say how many minutes the lesson takes."
    assert minutes(lesson) <= MINUTES and int(said[1]) <= MINUTES
    assert abs(minutes(lesson) - int(said[1])) <= 5, f"it takes {minutes(lesson):.0f} minutes by its length"


def test_the_first_code_shows_versions(lesson):
    assert "__version__" in of_kind(lesson, "code")[0].source


def test_a_lesson_ends_with_a_summary_what_comes_next_and_sources(lesson):
    """In this order, as headings or at the beginning of a line; the last thing said is where it comes from."""
    end = "\n".join(cell.source.lower() for cell in of_kind(lesson, "markdown")[-3:])
    places = [re.search(rf"^\W*(?:\w+ ){{0,3}}{word}\b", end, re.MULTILINE) for word in ENDS]
    assert all(places), f"the last texts must have {ENDS}"
    assert sorted(place.start() for place in places) == [place.start() for place in places]


def test_guesses_are_asked_for_before_they_are_compared(lesson):
    code, told = of_kind(lesson, "code"), 0
    for place, cell in enumerate(code):
        for call in called(cell, "reveal"):
            name = call.args[0].id
            asked = [re.match(rf"{name} = None  # \w", before.source) is not None for before in code[:place]]
            assert any(asked), f"{name} is compared and was not asked for"
            told += 1
    assert 1 <= told <= 3


def test_exercises_are_checked_and_solved_at_once(lesson):
    cells, places = lesson.cells, [i for i, cell in enumerate(lesson.cells) if tagged(cell, "exercise")]
    assert 2 <= len(places) <= 4
    assert sum(tagged(cell, "check") for cell in cells) == sum(tagged(cell, "solution") for cell in cells)
    assert sum(tagged(cell, "check") for cell in cells) == len(places)
    for place in places:
        task, exercise, check, solution = cells[place - 1 : place + 3]
        assert task.cell_type == "markdown" and solution.cell_type == "markdown"
        assert tagged(check, "check") and tagged(solution, "solution")
        (name,) = re.findall(r"^(\w+) = None\b", exercise.source, re.MULTILINE)
        (*_, last) = ast.parse(check.source).body
        assert last.value.func.id == "check" and last.value.args[0].id == name
        assert re.search(rf"^\s*(def {name}\(|{name} = )", solved(solution), re.MULTILINE)


def test_solutions_are_folded_away(lesson):
    for cell in lesson.cells:
        if tagged(cell, "solution"):
            assert cell.source.startswith("<details><summary>Solution</summary>\n\n```python\n")
            assert cell.source.rstrip().endswith("</details>")


def test_a_lesson_names_no_public_table(lesson):
    """They are not on every machine, and a lesson must run on any."""
    public = {name for name in available() if not name.startswith("digits/")}
    code = [cell.source for cell in of_kind(lesson, "code")]
    code += [solved(cell) for cell in lesson.cells if tagged(cell, "solution")]
    named = {node.value for text in code for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    assert not named & public


def test_a_lesson_is_a_small_file(path):
    assert path.stat().st_size < 200_000


def solved(solution):
    """The code of a solution, of which there is one block."""
    (code,) = FENCED.findall(solution.source)
    return html.unescape(code)


@pytest.mark.slow
def test_a_lesson_runs_offline_and_its_solutions_solve_its_exercises(lesson, tmp_path, monkeypatch):
    monkeypatch.delenv("NAGKIT_UPSTREAM", raising=False)
    for name in ("NAGKIT_CACHE", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("NAGKIT_HEADLESS", "1")
    for place, cell in enumerate(lesson.cells):
        if tagged(cell, "exercise"):
            cell.source = solved(lesson.cells[place + 2])
    lesson.cells.insert(0, nbformat.v4.new_code_cell(OFFLINE))
    lesson.cells.append(nbformat.v4.new_code_cell("import time; time.process_time()"))  # whatever else runs here
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(lesson, timeout=SECONDS, kernel_name="python3", store_widget_state=False, resources=where).execute()
    assert float(lesson.cells.pop().outputs[0].data["text/plain"]) < SECONDS
    for cell in of_kind(lesson, "code"):
        assert len(cell.outputs) <= 1, f"more than one thing to see: {cell.source}"
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr", output
        if tagged(cell, "check"):
            assert cell.outputs[0].data["text/plain"] == "Solved.", cell.outputs[0].data["text/plain"]
    assert len(nbformat.writes(lesson)) < 1_000_000
