"""The page that a report leaves, opened from its file, as someone who was sent it would."""

import pytest

from pages import faults
from reports import executed

DRAWN = "() => [...document.querySelectorAll('figure')].every(figure => figure.querySelector('.main-svg'))"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The default report."""
    return executed("generation", None, tmp_path_factory.mktemp("generation"))


@pytest.mark.slow
def test_the_page_draws_its_figures_and_asks_for_nothing(folder, page, outside):
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((folder / "report.html").as_uri())
    page.wait_for_function(DRAWN, timeout=60_000)
    assert page.locator("figure").count() == 3
    assert page.locator("figure figcaption").count() == 3
    assert page.locator(".modebar-btn[data-title*='hare']").count() == 0
    assert page.locator(".jp-InputArea-editor").count() == 0
    assert faults(page, "body") == []
    assert outside == []
    assert complaints == []


@pytest.mark.slow
def test_a_figure_answers_the_pointer(folder, page):
    page.goto((folder / "report.html").as_uri())
    page.wait_for_function(DRAWN, timeout=60_000)
    point = page.locator("figure .scatterlayer .point").first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("figure .hoverlayer .hovertext", timeout=10_000)


@pytest.mark.slow
def test_the_page_is_small_and_legible_in_print_also_for_a_reader_in_the_dark(folder, page):
    page.emulate_media(color_scheme="dark")
    page.goto((folder / "report.html").as_uri())
    page.wait_for_function(DRAWN, timeout=60_000)
    page.emulate_media(media="print", color_scheme="dark")
    looks = page.evaluate("(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))")
    assert looks == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    kept = page.evaluate("[...document.querySelectorAll('figure')].map(f => getComputedStyle(f).breakInside)")
    assert kept == ["avoid"] * 3
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function("[...document.querySelectorAll('.main-svg')].every(svg => svg.clientWidth <= 660)")
