"""The tray, the files that architectures leave in, names, and two settings side by side."""

import base64
import io
import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from nagkit_widgets import Studio
from nagkit_widgets.exports import Kept, exported
from nagkit_widgets.names import Saved
from nagkit_widgets.stage import BEFORE, HELD

import nagkit
from nagkit.errors import ArgumentError, DataDamagedError


@pytest.fixture
def panel(studio, tmp_path):
    """The panel after a batch was generated; what it saves lies in a folder of the test."""
    studio.panel.names._folder = tmp_path
    studio.panel.generate.click()
    return studio.panel


def downloaded(panel):
    """What the link in the panel holds."""
    name, content = re.search(r"download='([^']*)' href='data:[^,]*,([^']*)'", panel.tray.said.value).groups()
    return name, base64.b64decode(content)


def test_what_is_chosen_selected_and_on_the_front_can_be_kept_once(panel):
    panel.tray.keep.click()
    panel.tray.keep.click()
    assert len(panel.tray.kept) == 1
    panel._brush([0, 1, 2])
    panel.tray.keep_selected.click()
    front = len(panel._kept.front)
    panel.tray.keep_front.click()
    texts = [each.text for each in panel.tray.kept]
    assert len(texts) == len(set(texts)) >= max(3, front)
    panel.tray.list.value = (0, 1)
    panel.tray.remove.click()
    assert [each.text for each in panel.tray.kept] == texts[2:]


def test_the_front_leaves_as_a_table_that_pandas_reads(panel):
    panel.tray.what.value, panel.tray.kind.value = "the front", "CSV"
    panel.tray.export.click()
    name, content = downloaded(panel)
    table = pd.read_csv(io.BytesIO(content))
    assert name == "architectures.csv"
    assert len(table) == len(panel._kept.front)
    space = nagkit.space(table["space"][0])
    assert (space.encode(table["architecture"].tolist()) == panel._kept.front.tokens).all()
    column = next(heading for heading in table if heading.startswith(panel._kept.front.metrics[0].name))
    assert np.allclose(table[column], panel._kept.front.values[:, 0], rtol=1e-12)


def test_json_holds_what_python_gives_back(panel):
    kept = panel._front()
    _, content = exported(kept, "JSON")
    assert [Kept.told(each) for each in json.loads(content)] == kept


def test_python_modules_run_and_several_come_as_an_archive(panel):
    name, content = exported(panel._front()[:1], "Python module")
    scope = {}
    exec(compile(content, name, "exec"), scope)  # noqa: S102 (our own source)
    assert sum(p.numel() for p in scope["Network"]().parameters()) > 0
    name, content = exported(panel._front()[:2], "Python module")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert len(archive.namelist()) == min(2, len(panel._front()))


@pytest.mark.slow
def test_onnx_leaves_the_studio(panel):
    onnx = pytest.importorskip("onnx")
    _, content = exported(panel._chosen(), "ONNX")
    onnx.checker.check_model(onnx.load_from_string(content))


def test_nothing_to_export_is_said(studio):
    studio.panel.tray.export.click()
    assert "nothing to export yet" in studio.panel.tray.said.value


def test_what_is_saved_opens_again_with_its_settings_and_tray(panel, tmp_path, monkeypatch):
    panel.tray.keep_front.click()
    panel.controls.strength.value = 7.0
    panel.names.name.value = "first try"
    panel.names.save.click()
    assert (tmp_path / "first try.json").is_file()
    other = Studio(folder=str(tmp_path)).panel
    assert "first try" in other.names.name.options
    other.names.name.value = "first try"
    other.names.load.click()
    assert other.controls.settings == panel._kept.settings
    assert other.tray.kept == panel.tray.kept
    assert np.array_equal(other.tokens, panel.tokens)
    assert len(other.stage.figure.data[2].x) == 32


def test_a_search_under_a_name_is_in_a_file_and_goes_on_in_another_studio(studio, tmp_path):
    panel = studio.panel
    panel.names._folder = tmp_path
    panel.controls.system.value = "evolution"
    panel.controls.budget.value = 20
    assert panel.generate.description == "Search"
    panel.names.name.value = "mine"
    panel.generate.click()
    panel.names.save.click()
    assert len(nagkit.Run.open(tmp_path / "mine.sqlite").told()) == 20
    other = Studio(folder=str(tmp_path)).panel
    other.names.name.value = "mine"
    other.names.load.click()
    assert len(other.tokens) == 20
    other.controls.budget.value = 30
    other.generate.click()
    assert len(other.tokens) == 30
    assert np.array_equal(other.tokens[:20], panel.tokens)


def sought(folder, system, name="", **changes):
    """A panel after a search, under a name or none."""
    panel = Studio(folder=str(folder), system=system, budget=12, **changes).panel
    panel.names.name.value = name
    panel.generate.click()
    return panel


def test_a_search_that_has_a_name_is_not_replaced_by_another(tmp_path):
    first = sought(tmp_path, "random", "mine")
    other = sought(tmp_path, "evolution")
    other.names.name.value = "mine"
    other.names.save.click()
    assert "holds the run of another search" in other.names.said.value
    assert [*tmp_path.glob("*.json")] == []
    told = nagkit.Run.open(tmp_path / "mine.sqlite").told()
    assert np.array_equal([each.tokens for each in told], first.tokens)


def test_another_name_gets_the_run_too(tmp_path):
    panel = sought(tmp_path, "random", "mine")
    panel.names.name.value = "copy"
    panel.names.save.click()
    told = nagkit.Run.open(tmp_path / "copy.sqlite").told()
    assert np.array_equal([each.tokens for each in told], panel.tokens)
    other = Studio(folder=str(tmp_path)).panel
    for press, name in ((other.names.load, "copy"), (other.names.save, "third")):
        other.names.name.value = name
        press.click()
    assert len(nagkit.Run.open(tmp_path / "third.sqlite").told()) == 12


def test_what_another_visitor_saved_is_replaced_at_the_second_press_alone(panel, tmp_path):
    other = Studio(folder=str(tmp_path), samples=16, labels=60).panel
    other.generate.click()
    for each in (panel, other):
        each.names.name.value = "first"
        each.names.save.click()
    assert "Press Save again" in other.names.said.value
    assert len(Saved.read(tmp_path / "first.json").tokens) == 32
    other.names.save.click()
    assert len(Saved.read(tmp_path / "first.json").tokens) == 16
    panel.names.save.click()  # replaced meanwhile
    assert "Press Save again" in panel.names.said.value


def test_a_search_that_was_not_saved_is_told_when_it_is_to_be_opened(tmp_path):
    sought(tmp_path, "random", "mine")
    other = Studio(folder=str(tmp_path)).panel
    other.names.name.value = "mine"
    other.names.load.click()
    assert "press Search to go on" in other.names.said.value
    assert "random search for" in other.names.said.value


def test_the_cells_that_follow_get_what_was_opened(panel, tmp_path):
    panel.names.name.value = "first"
    panel.names.save.click()
    first, panel.controls.seed.value = panel.tokens, 7
    assert not np.array_equal(panel.tokens, first)
    panel.worker.fault = RuntimeError("an earlier run failed")
    panel.names.load.click()
    assert np.array_equal(panel.tokens, first)
    assert "Generated 32 architectures" in panel.status.value


def test_names_that_were_saved_meanwhile_are_told(panel, tmp_path):
    other = Studio(folder=str(tmp_path)).panel
    panel.names.name.value = "new"
    panel.names.save.click()
    other.names.name.value = "newer"
    other.names.load.click()
    assert "Saved names: new." in other.names.said.value
    assert other.names.name.options == ("new",)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    panel = sought(tmp_path / "file", "random", "mine")
    assert "cannot" in panel.status.value
    panel = sought(tmp_path / "file", "random")
    panel.names.name.value = "mine"
    panel.names.save.click()
    assert "folder must be one that can be read and written" in panel.names.said.value


def test_a_name_of_another_search_is_refused_with_a_way_out(tmp_path):
    sought(tmp_path, "random", "mine")
    panel = sought(tmp_path, "random", "mine", seed=3)
    assert "under another name" in panel.status.value


def test_what_opens_again_keeps_to_its_limits(tmp_path):
    table = nagkit.benchmark("digits/mid8")
    high = float(np.quantile(table.look_up(table.space.all(), "latency_cpu"), 0.4))
    panel = sought(tmp_path, "random", table="digits/mid8", limits=(("latency_cpu", high),))
    panel.names.name.value = "limited"
    panel.names.save.click()
    other = Studio(folder=str(tmp_path)).panel
    other.names.name.value = "limited"
    other.names.load.click()
    found = [(each._kept.front.tokens.tolist(), each.chosen.text) for each in (panel, other)]
    assert found[0] == found[1]
    assert (other._kept.values[:, 1] > high).any()
    assert (other._kept.front.values[:, 1] <= high).all()
    assert table.look_up(table.space.encode([other.chosen.text]), "latency_cpu")[0] <= high


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 80])
def test_names_that_are_no_file_names_are_refused(panel, name, tmp_path):
    panel.names.name.value = name
    panel.names.save.click()
    assert "A name begins with" in panel.names.said.value
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", '{"settings": {}}', '{"settings": {"table": 3}}', "[" * 5000])
def test_a_file_that_the_studio_did_not_write_is_refused(content, tmp_path):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises((DataDamagedError, ArgumentError)):
        Saved.read(tmp_path / "a.json")


def test_held_settings_walk_again_beside_the_present_ones(panel):
    held = panel._kept.values
    panel.comparison.box.value = True
    assert panel.stage.figure.layout.xaxis3.domain == (0.0, 0.27)
    assert panel.comparison.waits
    panel.controls.strength.value = 0.0
    assert not panel.comparison.waits
    figure = panel.stage.figure
    assert np.array_equal(np.array(figure.data[BEFORE].y), held[:, 0])
    assert len(figure.data[HELD].text) > 2
    assert "<td>4.0</td><td>0.0</td>" in panel.compared.value
    panel.comparison.box.value = False
    assert panel.compared.value == ""
    assert not figure.data[HELD].visible


def test_there_is_nothing_to_hold_before_the_first_batch(studio):
    studio.panel.comparison.box.value = True
    assert not studio.panel.comparison.box.value
    assert "Generate or search first" in studio.panel.status.value
