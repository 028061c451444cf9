"""Pictures of the live views for README and documentation: ``make screenshots`` writes notebooks/images/*.png.

Not a test, though it opens views as the tests here do, by the same fixtures: pytest runs it when it is named. A new
view is one more function that ends with ``shot``.
"""

from pathlib import Path

import pytest
from PIL import Image

from nagkit.report import report
from pages import PICTURE, button, choose, handle, said

FOLDER = Path(__file__).parents[2] / "notebooks" / "images"
DRAWN = "() => [...document.querySelectorAll('figure')].every(figure => figure.querySelector('.main-svg'))"
COLOURS = 200  # are enough for charts, and make files a third as large


@pytest.fixture
def shot(page):
    """Writes what a locator shows, or the window, into the folder of pictures."""

    def write(name, what=None):
        file = FOLDER / f"{name}.png"
        (what or page).screenshot(path=file)
        Image.open(file).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
        assert file.stat().st_size < 300_000, file

    return write


def ended(page):
    """The live view says that everything has ended."""
    said = "() => document.querySelector('.nagkit .announced')?.textContent.startsWith('All have ended')"
    page.wait_for_function(said, timeout=120_000)


@pytest.fixture
def window(studio):
    """The page of the studio, large enough for all of it."""
    studio.page.set_viewport_size({"width": 1500, "height": 2050})
    studio.page.keyboard.press("Control+b")  # without the list of files
    return studio.page


def panel(page):
    """What the first cell of the studio shows."""
    return page.locator(".jp-Cell-outputArea").first


def test_studio(window, shot):
    button(window, "Generate").click()
    said(window, "Generating")
    said(window, "Generated")
    button(window, "Keep the front").click()
    window.wait_for_timeout(1000)
    shot("studio", panel(window))


def test_comparison(window, shot):
    window.get_by_label("Hold and compare").check()
    said(window, "Held")
    handle(window, "Strength").focus()
    window.keyboard.press("PageUp")
    window.get_by_text("Held and present settings, with the same noise").wait_for()
    window.wait_for_timeout(1000)
    shot("comparison", panel(window))


def test_search_in_the_dark_theme(window, shot):
    theme = "JupyterLab Dark"
    window.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    choose(window, "System", "AG-Net: latent variables")
    said(window, "Press Search")
    button(window, "Search").click()
    said(window, "Evaluated 60")
    window.wait_for_timeout(1000)
    shot("search", panel(window))


def test_app(app, page, shot):
    page.set_viewport_size({"width": 1300, "height": 1850})
    page.goto(app)
    page.wait_for_selector(f"{PICTURE} .scatterlayer .point", timeout=120_000)
    said(page, "Generated")
    page.get_by_label("Objectives", exact=True).select_option(["val_accuracy", "params", "flops"])
    page.get_by_text("over 3 axes").wait_for()
    page.wait_for_timeout(1000)
    shot("app")


def test_race(open_notebook, shot):
    opened = open_notebook("notebooks/race.ipynb")
    opened.page.set_viewport_size({"width": 1500, "height": 1600})
    opened.run_all()
    ended(opened.page)
    shot("race", opened.page.locator(".jp-Cell-outputArea").first)


def test_report(page, shot, tmp_path):
    folder = report("generation", out=tmp_path)
    page.set_viewport_size({"width": 1000, "height": 1250})
    page.goto((folder / "report.html").as_uri())
    page.wait_for_function(DRAWN, timeout=60_000)
    page.locator("h2", has_text="The trade-off").evaluate("heading => heading.scrollIntoView()")
    shot("report")
