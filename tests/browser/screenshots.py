"""Pictures of the live views for README and documentation: ``make screenshots`` writes notebooks/images/*.png.

Not a test, though it opens views as the tests here do, by the same fixtures: pytest runs it when it is named. A new
view is one more function that ends with ``shot``.
"""

from pathlib import Path

import pytest
from PIL import Image

from nagkit.report import report

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
    said = "() => document.querySelector('.nagkit .said')?.textContent.startsWith('All have ended')"
    page.wait_for_function(said, timeout=120_000)


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
