"""Notebooks as they are committed: small, without results, and ready to run anywhere."""

import re

import nbformat
import pytest

PICTURE = re.compile(r"^def ([a-z]\w*_figure)\(", re.MULTILINE)


@pytest.fixture
def notebooks(checkout):
    found = {path: nbformat.read(path, 4) for path in sorted((checkout / "notebooks").rglob("*.ipynb"))}
    found = {path: book for path, book in found.items() if ".ipynb_checkpoints" not in path.parts}
    assert found
    return found


def test_notebooks_hold_no_results(notebooks):
    for path, book in notebooks.items():
        for cell in book.cells:
            assert not cell.get("outputs"), path
            assert cell.get("execution_count") is None, path
        assert "widgets" not in book.metadata, path


def test_notebooks_name_their_kernel_and_are_valid(notebooks):
    for path, book in notebooks.items():
        assert book.metadata.kernelspec.name == "python3", path
        nbformat.validate(book)


def test_notebooks_begin_with_a_heading(notebooks):
    for path, book in notebooks.items():
        assert book.cells[0].cell_type == "markdown", path
        assert book.cells[0].source.startswith("# "), path


def test_reports_declare_their_parameters_in_one_cell(notebooks):
    for path, book in notebooks.items():
        tagged = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])]
        assert len(tagged) == (path.parent.name == "reports"), path
        for cell in tagged:
            assert '\nout: str = ""' in cell.source, path


def test_the_gallery_shows_every_kind_of_picture_and_the_reference_has_it(notebooks, checkout):
    (gallery,) = (book for path, book in notebooks.items() if path.name == "gallery.ipynb")
    code = "\n".join(cell.source for cell in gallery.cells if cell.cell_type == "code")
    reference = "".join(path.read_text("utf-8") for path in (checkout / "notebooks" / "reference").glob("*.md"))
    drawing = {path.stem: path.read_text("utf-8") for path in (checkout / "nagkit").glob("*.py")}
    kinds = {name: part for part, text in drawing.items() for name in PICTURE.findall(text)}
    assert len(kinds) > 10
    assert [name for name in kinds if f"{name}(" not in code] == []
    assert [part for part in kinds.values() if f"\n::: nagkit.{part}\n" not in reference] == []


def test_every_report_is_executed_by_a_test(checkout):
    tests = "".join(path.read_text() for path in (checkout / "tests").rglob("test_*.py"))
    for notebook in (checkout / "notebooks" / "reports").glob("*.ipynb"):
        assert f'executed("{notebook.stem}"' in tests, notebook
