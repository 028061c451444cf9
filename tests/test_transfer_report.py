"""The report on data sets never seen: every method on tables that hold all cells, and on tasks held out."""

import json

import pytest

from nagkit.errors import ArgumentError
from nagkit.report import report
from reports import executed

SMALL = {"trainings": 5, "samples": 40, "draws": 2, "repeats": 1, "anew": 0}


def test_more_trainings_than_samples_cannot_be_asked_for(tmp_path):
    with pytest.raises(ArgumentError, match="trainings must be a whole number from 5 to 80"):
        report("transfer", {**SMALL, "trainings": 81}, tmp_path / "out")


@pytest.mark.slow
def test_the_best_of_more_trainings_is_no_worse_and_methods_are_compared_on_the_same_tasks(tmp_path):
    figures = json.loads((executed("transfer", SMALL, tmp_path) / "result.json").read_text())
    for task in ("digits/mid8", "digits/hard8", "held out"):
        few, many = (figures[f"{task}: transfer, 40 samples, best of {count}"]["value"] for count in (1, 5))
        assert many >= few
        less = figures[f"{task}: transfer less filter after 1, 40 samples"]
        assert less["low"] <= less["value"] <= less["high"]
    assert figures["held out: transfer less filter after 1, 40 samples"]["n"] == 15
