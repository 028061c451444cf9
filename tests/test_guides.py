"""The guides run as they are, and each ends with its part keeping the contract."""

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

from nagkit import checks

GUIDES = sorted((Path(__file__).parents[1] / "notebooks" / "guides").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Kernel is running over TCP")
@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_a_guide_ends_with_its_contract(path, tmp_path):
    notebook = nbformat.read(path, 4)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    last = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
    assert re.fullmatch(r"'\w+Contract: all \d\d promises are kept\.'", last.outputs[-1]["data"]["text/plain"])


class Promises:
    """A suite for numbers."""

    @pytest.fixture
    def number(self):
        raise NotImplementedError

    def test_it_is_even(self, number):
        assert number % 2 == 0

    @pytest.mark.parametrize("most", [10, 100])
    def test_it_is_small(self, number, most):
        assert number < most


def test_a_suite_says_how_many_promises_are_kept():
    assert checks.run(Promises, number=lambda: 4) == "Promises: all 3 promises are kept."


def test_broken_promises_are_told_by_name_and_nothing_of_a_run_stays_for_the_next():
    with pytest.raises(AssertionError, match=r"test_it_is_small\[10\][\s\S]*assert 14 < 10"):
        checks.run(Promises, number=lambda: 14)
    with pytest.raises(AssertionError, match="test_it_is_even"):
        checks.run(Promises, number=lambda: 3)


def test_a_suite_without_tests_is_no_proof():
    with pytest.raises(AssertionError, match="has run no test"):
        checks.run(object)
