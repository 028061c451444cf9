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
    panel.controls.strength.value = 0.0
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
