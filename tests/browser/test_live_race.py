"""The live race as a person meets it: started, stopped and resumed in JupyterLab."""

import pytest

from pages import faults

NOTEBOOK = "notebooks/race.ipynb"
POINTS = """() => document.querySelector('.js-plotly-plot').data
    .filter(trace => trace.showlegend).map(trace => trace.y.length)"""


@pytest.fixture
def race(open_notebook):
    """The notebook after all its cells have run in a kernel of its own."""
    opened = open_notebook(NOTEBOOK)
    opened.run_all()
    said(opened.page, "All have ended")
    yield opened
    opened.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")


def said(page, text):
    page.wait_for_function(
        "text => document.querySelector('.nagkit .announced')?.textContent.startsWith(text)", arg=text, timeout=120_000
    )


def button(page, name):
    return page.locator("button.jupyter-button", has_text=name)


def test_lines_grow_side_by_side_and_stop_and_resume_hold_them(race, outside):
    page = race.page
    page.wait_for_function(f"() => JSON.stringify(({POINTS})()) === JSON.stringify(Array(5).fill(96))", timeout=60_000)
    button(page, "Start").click()
    page.wait_for_function(
        f"() => {{ const n = ({POINTS})(); return n.length === 5 && n.every(x => 4 < x && x < 90); }}"
    )
    button(page, "Stop").click()
    said(page, "Stopped")
    held = page.evaluate(POINTS)
    assert len(set(held)) == 1
    assert held[0] < 96
    page.wait_for_timeout(500)
    assert page.evaluate(POINTS) == held
    assert "regret of test_accuracy" in page.locator(".nagkit table").first.inner_text()
    button(page, "Resume").click()
    said(page, "All have ended")
    page.wait_for_function(f"() => ({POINTS})().every(x => x === 96)")
    assert outside == []


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_the_live_race_has_no_serious_fault(race, theme):
    race.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    race.page.wait_for_timeout(500)
    assert faults(race.page, ".jp-OutputArea-output .jupyter-widgets") == []
