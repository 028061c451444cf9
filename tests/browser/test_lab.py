"""The helpers of this folder: what they must notice, they notice."""

import nbformat
import pytest


def notebook(folder, *sources):
    path = folder / "notebook.ipynb"
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(book, path)
    return path


def test_a_notebook_runs_and_is_saved_as_a_copy(open_notebook, outside, tmp_path):
    original = notebook(tmp_path, "number = 6 * 7", "number")
    opened = open_notebook(original)
    opened.run_all()
    saved = nbformat.read(opened.save(), 4)
    assert saved.cells[1].outputs[0].data["text/plain"] == "42"
    assert not nbformat.read(original, 4).cells[1].outputs
    assert outside == []


def test_a_failing_cell_fails_the_test(open_notebook, tmp_path):
    opened = open_notebook(notebook(tmp_path, "1 / 0"))
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        opened.run_all()


def test_a_request_that_leaves_the_machine_is_noted(page, outside):
    page.goto("data:text/html,<img src='http://203.0.113.1/picture.png'>")
    assert outside == ["http://203.0.113.1/picture.png"]
