"""A build goes on where it was left, wherever its work is done, and its tables hold what its ledger holds."""

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from nagkit.benchmarks.columns import Columns
from nagkit.benchmarks.table import Table
from nagkit.errors import ArgumentError, DataDamagedError
from nagkit.executors import InProcess
from nagkit.networks import builder, latency
from nagkit.networks.builder import BUILDS, Build, build, order, train_cell
from nagkit.networks.embedded import ROUNDS, trainings, versions
from nagkit.networks.ledger import Ledger
from nagkit.networks.recipes import WORLDS, ImageRecipe
from nagkit.networks.training import TrainingRecipe
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import MICRO

pytestmark = pytest.mark.slow

SPACE = NasBench201()
CELLS = 5
UP = ImageRecipe("tiny/up", images=(40, 20, 20))
DOWN = ImageRecipe("tiny/down", digits=tuple(range(9, -1, -1)), images=(40, 20, 20), ground="clouds")
FEW = ImageRecipe("tiny/few", digits=(3, 5, 8), images=(40, 20, 20))
TINY = {
    "tasks": (UP, DOWN),
    "training": TrainingRecipe(epochs=2, batch=20, shown=30, watched=10),
    "seeds": (0, 1),
}
TASKS = {"tiny/up": SPACE.index(order()[0:CELLS:2]).tolist(), "tiny/down": SPACE.index(order()[1:CELLS:2]).tolist()}


def tiny(path: Path, **changes) -> Build:
    return Build(**{**TINY, "ledger": path, **changes})


def trained(path: Path, task: str | None = None) -> list[tuple]:
    """What a ledger holds about trainings, without the time they took."""
    query = "SELECT task, cell, seed, tokens, curves, versions FROM trained ORDER BY task, cell, seed"
    with closing(sqlite3.connect(path)) as db:
        return [row for row in db.execute(query) if task in (None, row[0])]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A finished build of two tasks by turns with two seeds, and its steps."""
    path = tmp_path_factory.mktemp("build") / "ledger.sqlite"
    return path, list(tiny(path).run(CELLS))


@pytest.fixture(scope="module")
def tables(undisturbed):
    return tiny(undisturbed[0]).columns()


@pytest.fixture(scope="module")
def shipped(undisturbed, tmp_path_factory):
    """The folder of the tables of the finished build."""
    folder = tmp_path_factory.mktemp("shipped")
    tiny(undisturbed[0]).write(folder)
    return folder


def test_every_cell_is_trained_once_with_every_seed_on_its_task_and_timed_once_a_round(undisturbed):
    path, steps = undisturbed
    assert [step.stage for step in steps] == ["train"] * CELLS + ["time"] * CELLS * ROUNDS
    assert [step.done for step in steps] == [*range(1, CELLS + 1), *range(1, CELLS * ROUNDS + 1)]
    assert {step.total for step in steps} == {CELLS, CELLS * ROUNDS}
    rows = [row[:3] for row in trained(path)]
    assert rows == sorted((task, cell, seed) for task, cells in TASKS.items() for cell in cells for seed in (0, 1))


def test_a_step_says_which_cell_it_was_and_what_came_out(undisturbed):
    path, steps = undisturbed
    reached = {row[1]: json.loads(row[4])["validation_accuracy"][-1] for row in trained(path) if row[2] == 0}
    for step, row in zip(steps, order()[:CELLS], strict=False):
        assert step.cell == SPACE.decode(row).text
        assert step.value == reached[SPACE.index(row[None])[0]]
    timed = steps[CELLS:]
    assert {step.cell for step in timed} == {SPACE.decode(row).text for row in order()[:CELLS]}
    assert all(step.value > 0 for step in timed)


def test_a_finished_build_has_nothing_left_to_do(undisturbed):
    path, _ = undisturbed
    assert list(tiny(path).run(CELLS)) == []


def test_a_build_left_half_way_goes_on_where_it_was(undisturbed, tmp_path):
    path = tmp_path / "ledger.sqlite"
    assert len(list(islice(tiny(path, timed=False).run(CELLS), 2))) == 2
    assert len(trained(path)) == 4
    rest = list(tiny(path, timed=False).run(CELLS))
    assert [step.done for step in rest] == list(range(3, CELLS + 1))
    assert trained(path) == trained(undisturbed[0])


def test_a_longer_build_begins_with_the_shorter_one(undisturbed, tmp_path):
    path = tmp_path / "ledger.sqlite"
    for limit in (2, 3, CELLS):
        list(tiny(path, timed=False).run(limit, InProcess()))
        assert len(trained(path)) == 2 * limit
    assert trained(path) == trained(undisturbed[0])


def test_a_prefix_of_the_order_is_a_sample_of_distinct_classes():
    cells = order()
    assert cells.shape == (5390, 6)
    assert len(np.unique(SPACE.index(SPACE.canonical(cells, "function")))) == 5390
    assert np.array_equal(cells, order())


def test_a_job_gives_the_trainings_of_its_cell_alone():
    place = int(SPACE.index(order()[:1])[0])
    jobs = [builder.Job(UP, TINY["training"], seeds, place) for seeds in ((0, 1), (0, 1), (0,))]
    first, again, alone = ([(t.cell, t.seed, t.curves) for t in train_cell(job)] for job in jobs)
    assert first == again
    assert [(cell, seed) for cell, seed, _ in first] == [(place, 0), (place, 1)]
    assert first[0][2] != first[1][2]
    for name, curve in alone[0][2].items():
        if name.endswith("loss"):  # what lies side by side decides about roundings only
            assert curve == pytest.approx(first[0][2][name], rel=1e-2)


def test_the_tables_hold_what_the_ledger_holds(undisturbed, shipped):
    path, _ = undisturbed
    seen = 0
    for name in TASKS:
        table = Table(Columns.open(shipped / f"{name}.safetensors"))
        for _, cell, seed, tokens, curves, _ in trained(path, name):
            row = np.array([json.loads(tokens)])
            assert SPACE.index(row)[0] == cell
            for column, kept in (("val_accuracy", "validation_accuracy"), ("test_loss", "test_loss")):
                curve = np.float32(json.loads(curves)[kept])
                assert np.array_equal(table.curve(row, f"{column}_seed{seed}_curve")[0], curve)
                assert table.look_up(row, f"{column}_seed{seed}")[0] == curve[-1]
            each = table.look_up(row, ["val_loss_seed0", "val_loss_seed1"])[0]
            assert table.look_up(row, "val_loss")[0] == pytest.approx(each.mean(), rel=1e-6)
            assert table.look_up(row, "train_time")[0] > 0
            assert table.look_up(row, "latency_cpu")[0] > 0
            assert table.look_up(row, "latency_cpu_spread")[0] >= 0
            seen += 1
    assert seen == 2 * CELLS


def test_a_table_says_what_was_built(tables):
    assert [*tables] == [*TASKS]
    for task in (UP, DOWN):
        table = tables[task.name]
        assert table.name == f"digits/{task.name}"
        assert table.details["task"] == json.loads(json.dumps(asdict(task)))
        assert table.details["training"]["shown"] == 30
        assert table.details["seeds"] == [0, 1]
        assert table.details["trained"] == len(TASKS[task.name])
        (versions,) = table.details["versions"]
        assert {"torch", "numpy", "python", "instructions", "processor", "images"} == set(versions)
    assert tables["tiny/up"].details["versions"] != tables["tiny/down"].details["versions"]  # other images


def test_tasks_of_which_nothing_is_trained_have_no_table(tmp_path):
    work = tiny(tmp_path / "ledger.sqlite", timed=False)
    assert work.columns() == {}
    list(work.run(1))
    assert [*work.columns()] == ["tiny/up"]
    assert [path.name for path in work.write(tmp_path)] == ["up.safetensors"]


def test_a_small_table_has_neither_latencies_nor_costs(undisturbed, tables):
    small = tiny(undisturbed[0], timed=False).columns()
    assert [*small] == [*tables]
    for name, table in small.items():
        assert not {"params", "flops", "latency_cpu", "latency_cpu_spread"} & {*table.values}
        assert [*table.rows] == ["function"]
        assert np.isfinite(table.values["val_loss"]).sum() == len(TASKS[name])
        assert len(table.values["val_loss"]) <= CELLS


def test_costs_are_known_and_exact_for_every_row(tables):
    table = Table(tables["tiny/down"])
    rows = SPACE.all()
    np.testing.assert_allclose(table.look_up(rows, "params") * 1e6, SPACE.params(rows, 10, MICRO))
    np.testing.assert_allclose(table.look_up(rows, "flops") * 1e6, SPACE.flops(rows, 10, 8, MICRO))


def test_cells_of_one_class_share_a_training_and_others_are_unknown(tables):
    for name, places in TASKS.items():
        table = Table(tables[name])
        values = table.look_up(SPACE.all(), "test_accuracy")
        known = np.isin(SPACE.index(SPACE.canonical(SPACE.all(), "function")), places)
        assert np.array_equal(np.isfinite(values), known)
        assert len(table.known("test_accuracy")) == len(places)
        assert len(table.known("latency_cpu")) == CELLS  # a latency is of the network, whatever the task
        assert len(table.known("params")) == SPACE.size


def test_equal_ledgers_give_equal_bytes(undisturbed, shipped, tmp_path):
    for path in tiny(undisturbed[0]).write(tmp_path):
        assert path.read_bytes() == (shipped / path.relative_to(tmp_path)).read_bytes()


def test_a_new_ledger_goes_on_from_the_shipped_tables(tables, shipped, tmp_path):
    heir = tiny(tmp_path / "ledger.sqlite", shipped=shipped)
    (step,) = [step for step in islice(heir.run(CELLS + 1), 2) if step.stage == "train"]
    assert step.done == CELLS + 1
    again = heir.columns()
    for name, places in TASKS.items():
        new, old = Table(again[name]), Table(tables[name])
        cells = SPACE.at(np.array(places))
        assert np.array_equal(new.curve(cells, "val_loss_seed1_curve"), old.curve(cells, "val_loss_seed1_curve"))
        for column in ("test_accuracy_seed0", "test_loss_seed1", "train_time"):
            assert np.array_equal(new.look_up(cells, column), old.look_up(cells, column))
        assert new.details["versions"] == old.details["versions"]


def test_a_ledger_that_was_begun_without_the_shipped_tables_takes_them_over(undisturbed, tables, shipped, tmp_path):
    path = tmp_path / "ledger.sqlite"
    list(islice(tiny(path).run(1), 1))  # one cell of its own
    kept = trained(path)
    again = tiny(path, shipped=shipped).columns()
    for name in TASKS:
        new, old = again[name].values, tables[name].values
        for column in ("val_loss", "val_loss_seed0_curve", "test_accuracy_seed1", "latency_cpu"):
            assert np.array_equal(new[column], old[column], equal_nan=True)
    assert [row[:3] for row in trained(path)] == [row[:3] for row in trained(undisturbed[0])]
    assert {*kept} <= {*trained(path)}


def test_latencies_come_from_the_shipped_table_until_this_machine_has_timed_more(
    tables, shipped, tmp_path, monkeypatch
):
    monkeypatch.setattr(latency, "processor", lambda: "Another processor")
    heir = tiny(tmp_path / "ledger.sqlite", shipped=shipped)
    work = heir.run(CELLS + 1)  # one cell is new, so all have to be timed
    list(islice(work, 1 + (CELLS + 1) * ROUNDS - 1))
    for name, table in heir.columns().items():
        cells = SPACE.at(np.array(TASKS[name]))
        then, now = (Table(columns).look_up(cells, "latency_cpu") for columns in (tables[name], table))
        assert np.array_equal(then, now)
        assert table.metrics["latency_cpu"].device == tables[name].metrics["latency_cpu"].device
    list(islice(work, 1))
    for table in heir.columns().values():
        assert table.metrics["latency_cpu"].device.startswith("Another processor, PyTorch ")


@pytest.mark.parametrize(
    "changes", [{"seeds": (0,)}, {"seeds": (1, 2)}, {"training": replace(TINY["training"], epochs=1)}]
)
def test_a_shipped_table_of_another_build_is_not_mixed_in(shipped, tmp_path, changes):
    with closing(tiny(tmp_path / "ledger.sqlite", shipped=shipped, **changes).open()) as ledger:
        assert all(ledger.trained(task) == [] for task in TASKS)


def test_timing_left_half_way_goes_on_where_it_was(shipped, tmp_path):
    heir = tiny(tmp_path / "ledger.sqlite", shipped=shipped)
    before = [step.done for step in islice(heir.run(CELLS + 1), 1 + 2 * CELLS)]
    after = [step.done for step in heir.run(CELLS + 1)]
    assert before[1:] + after == list(range(1, (CELLS + 1) * ROUNDS + 1))


def test_what_the_shipped_tables_hold_is_neither_trained_nor_timed_again(shipped, tmp_path):
    heir = tiny(tmp_path / "ledger.sqlite", shipped=shipped)
    assert list(heir.run(CELLS)) == []
    for path in heir.write(tmp_path):
        assert path.read_bytes() == (shipped / path.relative_to(tmp_path)).read_bytes()


def test_a_table_made_in_two_places_tells_which_training_was_made_where(undisturbed, tmp_path):
    path, elsewhere = tmp_path / "ledger.sqlite", json.dumps({"processor": "Another"})
    with closing(sqlite3.connect(undisturbed[0])) as db, closing(sqlite3.connect(path)) as copy:
        db.backup(copy)
        first = TASKS["tiny/up"][0]
        copy.execute("UPDATE trained SET versions = ? WHERE cell = ?", (elsewhere, first))
        copy.commit()
    table = tiny(path).columns()["tiny/up"]
    table.write(tmp_path / "table.safetensors")
    for kept in (table, Columns.open(tmp_path / "table.safetensors")):
        found = versions(kept)
        assert sorted(found) == sorted(TASKS["tiny/up"])
        assert [place for place, made_with in found.items() if made_with == {"processor": "Another"}] == [first]
    about = tiny(path).about(UP)
    assert {t.cell for t in trainings(table, about) if t.versions == {"processor": "Another"}} == {first}


def test_one_ledger_holds_several_builds(undisturbed, tmp_path):
    path = tmp_path / "ledger.sqlite"
    one = Build((FEW,), path, TINY["training"], timed=False)
    for work in (tiny(path, timed=False), one):
        list(work.run(2))
    list(tiny(path, timed=False).run(CELLS))
    assert [row for row in trained(path) if row[0] in TASKS] == trained(undisturbed[0])
    assert [*one.columns()] == ["tiny/few"]
    assert len(trained(path, "tiny/few")) == 2
    assert "val_loss_seed0" not in one.columns()["tiny/few"].values  # of one seed there is no mean


def test_a_ledger_of_another_recipe_is_refused(undisturbed):
    other = replace(UP, noise=0.5)
    with pytest.raises(ArgumentError, match=r"ledger must hold tiny/up .*0\.5.*give another ledger"):
        list(tiny(undisturbed[0], tasks=(other,)).run(1))
    with pytest.raises(ArgumentError, match=r"ledger must hold tiny/up as it is now, with seeds = \[0\]"):
        list(tiny(undisturbed[0], seeds=(0,)).run(1))


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"This is a letter, not a database. " * 100)
    with pytest.raises(DataDamagedError, match="Move it away"):
        list(tiny(path).run(1))


def test_a_path_that_cannot_be_written_is_not_called_damaged(tmp_path):
    (tmp_path / "file").write_text("A file, no folder.")
    for path in (tmp_path, tmp_path / "file" / "ledger.sqlite"):
        with pytest.raises(ArgumentError, match="Give another path"):
            tiny(path).open()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": (-1,)}, "seeds must be a whole number from 0"),
        ({"seeds": (2**70,)}, "seeds must be a whole number from 0"),
        ({"seeds": (1, 1)}, "seeds must hold one or more, strictly ascending"),
        ({"seeds": (1, 0)}, "seeds must hold one or more, strictly ascending"),
        ({"seeds": ()}, "seeds must hold one or more"),
        ({"seeds": 3}, "seeds must be a list"),
        ({"tasks": ()}, "tasks must hold one or more"),
        ({"tasks": (UP, UP)}, "tasks must hold one or more, each name once"),
        ({"tasks": ("mid8",)}, "tasks must hold ImageRecipe"),
        ({"training": None}, "training must be a TrainingRecipe"),
        ({"tasks": (UP, FEW)}, "timed must be False"),
        ({"tasks": (replace(UP, side=9),)}, "timed must be False"),
    ],
)
def test_a_build_that_makes_no_sense_is_refused(tmp_path, as_a_user, changes, words):
    with pytest.raises(ArgumentError, match=words):
        tiny(tmp_path / "ledger.sqlite", **changes)


@pytest.mark.parametrize("limit", [0, -1, 5391, 1.5, True])
def test_a_wrong_limit_is_refused_before_any_work(tmp_path, limit, as_a_user):
    with pytest.raises(ArgumentError, match="limit must be a whole number from 1 to 5390"):
        tiny(tmp_path / "ledger.sqlite").run(limit)
    assert not list(tmp_path.iterdir())


def test_a_build_of_nagkit_is_known_by_its_name():
    assert {name: [*map(str, seeds)] for name, (_, _, seeds, _) in BUILDS.items()} == {
        "digits/mid8": ["0", "1", "2"],
        "digits/hard8": ["0"],
        "digits/worlds": ["0"],
    }
    works = [build(name) for name in BUILDS]
    assert {work.ledger for work in works} == {Path("runs/build/digits.sqlite")}
    assert works[2].tasks == WORLDS
    assert all(work.shipped == builder.shipped() for work in works)
    assert builder.shipped().parts[-2:] == ("data", "digits")
    assert build("digits/hard8", "other.sqlite").ledger == Path("other.sqlite")
    with pytest.raises(ArgumentError, match="'digits/mid8'"):
        build("digits/mid9")


def test_the_builds_of_nagkit_agree_about_their_ledger(tmp_path):
    path = tmp_path / "ledger.sqlite"
    for name in BUILDS:
        replace(build(name, path), shipped=None).open().close()
    tasks = [task for name in BUILDS for task in BUILDS[name][0]]
    assert len({task.name for task in tasks}) == len(tasks) == 66
    with closing(Ledger(path)) as ledger:
        assert all(ledger.cells(task.name, (0,)) == set() for task in tasks)
