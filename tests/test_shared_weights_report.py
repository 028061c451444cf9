"""The report of a search with shared weights: what it refuses, that it goes on, and what its figures are."""

import json

import numpy as np
import pytest

from nagkit.errors import ArgumentError
from nagkit.networks.ledger import Ledger
from nagkit.report import check, report
from reports import executed

SMALL = {"channels": 2, "lessons": 4, "looks": 2, "budget": 20, "epochs": 1, "shown": 64, "judged": 40}
SMALL |= {"candidates": 4, "seeds": 2, "rivals": "random"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rivals": "random, supernet"}, "each of rivals must be one of"),
        ({"candidates": 30, "budget": 20}, "candidates must be at most budget, 20"),
        ({"images": "digits/mid9"}, "images must be a task of digits"),
        ({"side": 8}, "side must be 0 for digits"),
        ({"policy": "adam"}, "policy must be one of"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_a_kernel_starts(tmp_path, given, said):
    with pytest.raises(ArgumentError, match=said):
        report("shared_weights", given, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert check("shared_weights", {"rivals": ""})["rivals"] == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "more", [{"equals": 2}, {"space": "darts", "latency": "yes", "policy": "reinforce", "shrinking": "count"}]
)
def test_its_figures_are_those_of_its_trainings(tmp_path, more):
    folder = executed("shared_weights", SMALL | more, tmp_path / "out")
    figures = json.loads((folder / "result.json").read_text("utf-8"))
    page = (folder / "report.html").read_text("utf-8")
    assert "supernet: hypervolume" in page
    assert figures["supernet: trainings"]["value"] == 20
    ledger = Ledger(folder / "finals.sqlite")
    trained = ledger.trained("mid8")
    ledger.close()
    assert len({each.cell for each in trained}) <= 8
    assert {each.seed for each in trained} == {2000, 2001}
    assert 0 <= figures["supernet: hypervolume"]["value"] <= 1 + 1e-9
    assert np.isfinite(figures["look: least entropy of a slot"]["value"])
    assert ("front above random networks of its sizes" in figures) == ("equals" in more)
    again = report("shared_weights", SMALL | more, folder)  # everything is kept
    assert "look: least entropy of a slot" not in (again / "result.json").read_text("utf-8")
