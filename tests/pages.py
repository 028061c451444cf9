"""What browser tests of panels do again and again: press, choose, and wait for what is said."""

import re

from axe_playwright_python.sync_playwright import Axe

SERIOUS = {"serious", "critical"}
PICTURE = ".js-plotly-plot"
DOTS = f"() => document.querySelector('{PICTURE}').data[2].y.map(Number)"
SENTENCES = "() => [...document.querySelectorAll('.nagkit .announced')].map(e => e.textContent)"


def said(page, text, seconds=120):
    """Wait until the panel's first sentence begins so."""
    page.wait_for_function(
        "text => document.querySelector('.nagkit .announced, .nagkit .refused')?.textContent.startsWith(text)",
        arg=text,
        timeout=1000 * seconds,
    )


def said_anywhere(page, text, seconds=120):
    """Wait until any sentence of the panel begins so."""
    page.wait_for_function(
        f"text => ({SENTENCES})().some(found => found.startsWith(text))", arg=text, timeout=1000 * seconds
    )


def button(page, name):
    """The button of this name."""
    return page.locator("button.jupyter-button", has_text=re.compile(rf"^\s*{name}\s*$"))


def options(page, name, which=""):
    """What a list offers."""
    found = page.get_by_label(name, exact=True).locator(f"option{which}").all_inner_texts()
    return [text.replace("\N{NO-BREAK SPACE}", " ") for text in found]


def choose(page, name, option):
    """Choose in a list."""
    page.get_by_label(name, exact=True).select_option(index=options(page, name).index(option))


def handle(page, name):
    """The handle of a slider."""
    return page.locator(".widget-slider", has=page.get_by_text(name, exact=True)).locator(".noUi-handle")


def faults(page, where):
    """The serious faults that axe-core finds within an element."""
    found = Axe().run(page, context={"include": [[where]]}).response["violations"]
    return [(each["id"], each["nodes"][0]["html"][:300]) for each in found if each["impact"] in SERIOUS]
