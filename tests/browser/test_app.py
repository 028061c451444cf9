"""The studio as an app: its notebook, unchanged, served by Voilà to two visitors at the same time."""

import time

from pages import DOTS, PICTURE, button, faults, handle, said

CONTROLS = "() => document.querySelectorAll('button.jupyter-button').length"
READ = "() => ['.announced', 'pre'].map(kind => document.querySelector(`.nagkit ${kind}`).textContent)"


def visit(page, address):
    """Open the app; say what is there at its first sentence."""
    page.goto(address, wait_until="commit")
    said(page, "Opening the studio")
    return page.evaluate(CONTROLS)


def seen(page):
    """The values drawn, what is said of them, and the code of the chosen one."""
    return page.evaluate(DOTS), page.evaluate(READ)


def test_two_visitors_see_a_sentence_before_the_controls_and_do_not_disturb_each_other(app, new_page, outside):
    one, other = new_page(), new_page()
    began = time.monotonic()
    assert [visit(page, app) for page in (one, other)] == [0, 0]  # nothing to press is there yet
    print(f"s to the first sentences of two visitors: {time.monotonic() - began:.2f}")
    for page in (one, other):
        page.wait_for_selector(f"{PICTURE} .scatterlayer .point", timeout=120_000)
        said(page, "Generated")
        assert page.locator(".jp-CodeCell .jp-InputArea-editor").count() == 0  # the code of the cells is not shown
    before = seen(other)
    assert seen(one) == before  # the same seed for everybody
    handle(one, "Strength").focus()
    one.keyboard.press("PageUp")
    one.wait_for_function(f"before => JSON.stringify(({DOTS})()) !== JSON.stringify(before)", arg=before[0])
    said(one, "Generated")
    button(one, "Keep the front").click()
    one.wait_for_function("() => document.querySelectorAll('select[multiple]')[1].options.length > 0")
    assert seen(other) == before
    assert other.get_by_label("Tray", exact=True).locator("option").count() == 0
    handle(other, "Strength").focus()
    other.keyboard.press("PageUp")
    other.wait_for_function(f"before => JSON.stringify(({DOTS})()) !== JSON.stringify(before)", arg=before[0])
    said(other, "Generated")
    assert seen(other)[0] == seen(one)[0]
    assert faults(one, "body") == []
    assert outside == []
