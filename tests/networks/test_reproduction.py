"""The embedded tables hold what a training gives today: random entries are trained again and compared bit for bit.

`make reproduce` does so with 50 entries, always the same; the whole test run with two. It needs the processor and the
version of PyTorch that the entry was made with, as rounding differs elsewhere.
"""

import os
from functools import cache

import numpy as np
import pytest

from nagkit.benchmarks.columns import Columns
from nagkit.networks import embedded
from nagkit.networks.builder import BUILDS, Job, build, shipped, train_cell

ASKED = os.environ.get("NAGKIT_REPRODUCE")
ENTRIES = int(ASKED or 2)
DECISIVE = ("torch", "instructions", "processor", "images")


@cache
def entries():
    """Random entries of the embedded tables that are here, no two the same: (build, task, place, versions)."""
    found = []
    for name, (tasks, *_) in BUILDS.items():
        for task in tasks:
            path = shipped() / f"{task.name}.safetensors"
            if path.is_file():
                listed = embedded.versions(Columns.open(path)).items()
                found += [(name, task, place, made_with) for place, made_with in listed]
    chosen = np.random.default_rng(0).permutation(len(found))[:ENTRIES]
    return [found[k] for k in chosen.tolist()]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(ENTRIES))
def test_an_entry_trained_again_is_the_same(number):
    if number >= len(entries()):
        pytest.fail("there are not as many entries: nagkit build digits/mid8")
    name, task, place, made_with = entries()[number]
    made, table = build(name), Columns.open(shipped() / f"{task.name}.safetensors")
    trainings = train_cell(Job(task, made.training, made.seeds, place))
    then, now = ({name: of[name] for name in DECISIVE} for of in (made_with, trainings[0].versions))
    if then != now:
        (pytest.fail if ASKED else pytest.skip)(f"{task.name} {place} was made with {then}; here are {now}")
    again = embedded.columns(made.about(task), trainings)
    row = np.searchsorted(table.rows[embedded.IDENTITY], place)
    compared = set(again.values) - {"train_time"}
    assert len(compared) == 2 * len(embedded.COLUMNS) * (1 if len(made.seeds) == 1 else 1 + len(made.seeds))
    for column in compared:
        assert np.array_equal(again.values[column][0], table.values[column][row]), column
