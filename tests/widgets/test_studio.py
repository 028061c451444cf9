import asyncio
import html
import time

import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
import pytest
from nagkit_widgets import Studio
from nagkit_widgets.stage import CHOSEN, GENERATED, LABELS
from nagkit_widgets.text import message, sentence

from nagkit.diffusion.guidance import Guidance
from nagkit.errors import ArgumentError, UnsatisfiableError
from waiting import until


def widgets(parent):
    yield parent
    for child in getattr(parent, "children", ()):
        yield from widgets(child)


def click_on_dot(studio, place):
    """What the page sends when a dot is clicked."""
    trace = studio.panel.stage.figure.data[GENERATED]
    studio.panel.stage.figure._js2py_pointsCallback = {
        "event_type": "plotly_click",
        "points": {
            "trace_indexes": [GENERATED],
            "point_indexes": [place],
            "xs": [trace.x[place]],
            "ys": [trace.y[place]],
        },
        "device_state": {"alt": False, "ctrl": False, "meta": False, "shift": False, "button": 0, "buttons": 1},
        "selector": None,
    }


def test_there_is_one_plotly_widget_and_its_upload_button_is_off(studio):
    figures = [widget for widget in widgets(studio) if isinstance(widget, go.FigureWidget)]
    assert figures == [studio.panel.stage.figure]
    assert figures[0]._config["showSendToCloud"] is False


def test_every_control_is_native_and_labelled(studio):
    kinds = (
        ipw.Dropdown,
        ipw.SelectMultiple,
        ipw.FloatSlider,
        ipw.FloatLogSlider,
        ipw.IntSlider,
        ipw.Checkbox,
        ipw.BoundedIntText,
        ipw.Button,
    )
    controls = [widget for widget in widgets(studio) if isinstance(widget, kinds)]
    assert len(controls) >= 16
    assert all(control.description for control in controls)


def test_before_generate_the_dag_is_a_question_and_nothing_is_drawn(studio):
    assert sum(text.startswith("<b>?</b>") for text in studio.panel.stage.figure.data[LABELS].text) == 6
    assert not studio.panel.stage.figure.data[GENERATED].x
    assert "Press Generate" in studio.panel.status.value


def test_generate_shows_dots_front_table_dag_and_code(studio):
    studio.panel.generate.click()
    figure = studio.panel.stage.figure
    assert len(figure.data[GENERATED].x) == 32
    assert studio.tokens.shape == (32, 6)
    assert sorted(figure.data[3].x) == sorted(studio.front.values[:, 1])
    assert studio.panel.best.value.count("<tr>") == 1 + min(8, len(np.unique(studio.tokens, axis=0)))
    assert studio.chosen.text in studio.panel.code.value
    assert "class Network" in studio.panel.code.value
    assert "Generated 32 architectures" in studio.panel.status.value
    assert studio.panel.sentence.value.count("operations from input to output") == 1
    assert (studio.panel.generate.disabled, studio.panel.stop.disabled) == (False, True)


def test_the_table_shows_predicted_and_looked_up_values(studio):
    studio.panel.generate.click()
    assert "val accuracy, predicted (%)" in studio.panel.best.value
    assert "val accuracy, looked up (%)" in studio.panel.best.value
    best = studio.panel.controls.settings.wish("val_accuracy").values(studio.tokens).max()
    assert f"<td>{best:.2f} ± " in studio.panel.best.value


def test_moving_the_strength_replays_the_same_noise(studio):
    studio.panel.generate.click()
    first = studio.tokens
    studio.panel.controls.strength.value = 0
    assert (studio.tokens != first).any()
    assert len(studio.panel.stage.figure.data[1].x) == 32  # the batch of before, as crosses
    studio.panel.controls.strength.value = 4
    assert (studio.tokens == first).all()


def test_the_axes_stay_while_the_guidance_changes(studio):
    studio.panel.generate.click()
    axes = studio.panel.stage.figure.layout.xaxis.range, studio.panel.stage.figure.layout.yaxis.range
    studio.panel.controls.strength.value = 12
    assert (studio.panel.stage.figure.layout.xaxis.range, studio.panel.stage.figure.layout.yaxis.range) == axes


def test_the_status_says_what_the_picture_shows_and_what_lies_outside(studio):
    studio.panel.controls.strength.value = 0
    studio.panel.generate.click()
    trace, layout = studio.panel.stage.figure.data[GENERATED], studio.panel.stage.figure.layout
    layout.yaxis.range = [sorted(trace.y)[len(trace.y) // 2], max(trace.y) + 1]  # whatever the table, some lie below
    studio.panel._ended()
    below = sum(y < layout.yaxis.range[0] or y > layout.yaxis.range[1] for y in trace.y)
    assert studio.front.sentence() in html.unescape(studio.panel.status.value)
    assert below > 0
    assert f"{below} lie outside the axes" in studio.panel.status.value


def test_another_objective_changes_the_axes(studio):
    studio.panel.generate.click()
    studio.panel.controls.objectives.value = ("val_accuracy", "flops")
    assert studio.panel.stage.figure.layout.xaxis.title.text == "flops (M, less is better)"
    assert [metric.name for metric in studio.front.metrics] == ["val_accuracy", "flops"]


def test_value_is_the_guidance_of_the_controls(studio):
    studio.panel.controls.strength.value = 2.5
    studio.panel.controls.sizes["params"].value = 0.5 * (
        studio.panel.controls.sizes["params"].min + studio.panel.controls.sizes["params"].max
    )
    assert isinstance(studio.value, Guidance)
    assert studio.value.strength == 2.5
    assert [constraint.metric.name for constraint in studio.value.constraints] == ["params"]


def test_automatic_strength_takes_the_place_of_the_slider(studio):
    studio.panel.controls.automatic.value = True
    assert studio.panel.controls.strength.disabled
    studio.panel.controls.effective.value = 50
    assert (studio.value.strength, studio.value.effective) == (0.0, 50.0)


def test_a_limit_in_the_panel_holds_for_all(studio):
    slider = studio.panel.controls.sizes["flops"]
    slider.value = limit = slider.min + 0.3 * (slider.max - slider.min)
    table = studio.panel.controls.settings.wish("flops")
    assert (table.values(studio.tokens) <= limit).all()


@pytest.mark.parametrize("name", ["params", "flops"])
def test_the_lowest_limit_of_a_slider_can_be_met(studio, name):
    slider = studio.panel.controls.sizes[name]
    slider.value = slider.min
    assert studio.panel.controls.settings.limits == ((name, slider.min),)
    studio.panel.generate.click()
    assert (studio.panel.controls.settings.wish(name).values(studio.tokens) <= slider.min).all()


def test_an_unsatisfiable_limit_shows_its_sentence_and_nothing_is_lost(studio):
    studio.panel.generate.click()
    kept = studio.tokens
    slider = studio.panel.controls.sizes["params"]
    slider.min = slider.value = -1  # beyond what the panel offers
    assert "role='alert'" in studio.panel.status.value
    assert "params" in studio.panel.status.value
    assert (studio.tokens == kept).all()
    assert len(studio.panel.stage.figure.data[GENERATED].x) == 32
    slider.value = slider.max
    assert "Generated 32" in studio.panel.status.value


def test_where_nothing_was_generated_a_cell_sees_the_refusal(studio):
    slider = studio.panel.controls.sizes["params"]
    slider.min = slider.value = -1  # beyond what the panel offers
    with pytest.raises(UnsatisfiableError):
        studio.front.table()


def test_no_objective_is_a_sentence_in_the_panel(studio):
    studio.panel.controls.objectives.value = ()
    assert "objectives must name at least one metric" in studio.panel.status.value


def test_a_click_on_a_dot_shows_its_architecture(studio):
    studio.panel.generate.click()
    click_on_dot(studio, 5)
    row = studio.tokens[5]
    assert studio.chosen.tokens == tuple(row.tolist())
    assert studio.chosen.text in studio.panel.code.value
    ring = studio.panel.stage.figure.data[CHOSEN]
    assert (ring.x[0], ring.y[0]) == (
        studio.panel.stage.figure.data[GENERATED].x[5],
        studio.panel.stage.figure.data[GENERATED].y[5],
    )


def test_the_list_of_the_best_does_what_a_click_does(studio):
    studio.panel.generate.click()
    label, row = studio.panel.picked.options[1]
    studio.panel.picked.value = row
    assert studio.chosen.text == label.removeprefix("2. ")


def test_cells_that_run_before_generate_are_served(studio):
    assert len(studio.tokens) == 32
    assert len(studio.panel.stage.figure.data[GENERATED].x) == 32
    assert not studio.panel.stage.figure.data[1].x  # no batch was before
    assert repr(studio).startswith("Studio: ")


def test_what_is_shown_stays_text():
    attack = "<img src=x onerror=alert(1)>"
    assert "<img" not in message(attack) + sentence(attack)


@pytest.mark.parametrize("folder", [3, None, b"runs"])
def test_a_folder_that_is_no_path_is_refused(folder, as_a_user):
    with pytest.raises(ArgumentError, match=r"folder must be the path of a folder, such as 'runs/studio'; got"):
        Studio(folder=folder)


def test_an_unknown_table_is_refused_by_name():
    with pytest.raises(ArgumentError, match="table must be one of"):
        Studio(table="nas-bench-2001/cifar10")


# ------------------------------------------------------------------------------------------------- beside a loop


def test_stop_keeps_what_was_finished(monkeypatch):
    async def main():
        studio = Studio(samples=96, labels=60)
        studio.panel.generate.click()
        await until(lambda: studio.panel.worker.last is not None and len(studio.panel.worker.last.tokens) >= 16)
        clock = time.monotonic()
        studio.panel.stop.click()
        await until(lambda: studio.panel.worker.state == "idle")
        assert time.monotonic() - clock < 1.0
        await until(lambda: "Stopped after" in studio.panel.status.value)
        assert 16 <= len(studio.tokens) < 96
        assert len(studio.panel.stage.figure.data[GENERATED].x) == len(studio.tokens)

    monkeypatch.delenv("NAGKIT_HEADLESS", raising=False)
    asyncio.run(main())


@pytest.mark.slow
def test_of_many_slider_events_the_last_is_honoured(monkeypatch):
    async def main():
        studio = Studio(samples=16, labels=60)
        studio.panel.generate.click()
        await until(lambda: studio.panel.worker.state == "idle")
        for place in range(1000):
            studio.panel.controls.strength.value = (place % 39 + 1) / 2
        studio.panel.controls.strength.value = 7.5
        await until(lambda: "Generated" in studio.panel.status.value and studio.panel.worker.state == "idle")
        assert studio.panel.worker.last.settings.strength == 7.5
        assert len(studio.tokens) == 16

    monkeypatch.delenv("NAGKIT_HEADLESS", raising=False)
    asyncio.run(main())


@pytest.mark.slow
def test_a_cell_that_asks_while_work_runs_gets_its_end_and_never_a_row_of_before(monkeypatch):
    async def main():
        studio = Studio(samples=32, labels=60)
        studio.panel.generate.click()
        before = studio.tokens
        await until(lambda: "Generated" in studio.panel.status.value)
        click_on_dot(studio, 5)
        studio.panel.controls.strength.value = 0
        assert len(studio.tokens) == 32
        assert (studio.tokens != before).any()
        assert studio.chosen.tokens == tuple(studio.tokens[studio.panel.worker.last.ranked()[0]].tolist())
        await until(lambda: studio.panel.worker.state == "idle" and "Generated" in studio.panel.status.value)

    monkeypatch.delenv("NAGKIT_HEADLESS", raising=False)
    asyncio.run(main())


def test_more_than_two_objectives_are_drawn_on_an_axis_each_and_two_are_not():
    panel = Studio(objectives=("val_accuracy", "params", "flops"), samples=16).panel
    panel.generate.click()
    drawn, said = panel.parallel.children
    names = [text.split("<br>")[0] for text in drawn.layout.xaxis.ticktext]
    assert names == ["val accuracy", "params", "flops"]
    assert "16 architectures" in said.value and "3 axes" in said.value
    panel.controls.objectives.value = ("val_accuracy", "params")
    assert panel.parallel.children == ()
