"""Notebooks as they are committed: small, without results, and ready to run anywhere."""

import nbformat
import pytest


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
