"""The documentation: it builds without a fault, all its links lead somewhere, and everybody can read it."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

import nagkit

CHECKOUT = Path(__file__).parents[2]
RUN = "[gc][al]*.ipynb"  # only the gallery and the claims are run here
PAGES = ("index.html", "gallery.html", "claims.html", "guides/add_a_space.html", "reference/predictors.html")
DRAWN = "() => [...document.querySelectorAll('figure')].every(figure => figure.querySelector('.main-svg'))"

pytestmark = pytest.mark.slow


class Anchors(HTMLParser):
    """What a page points to, and what can be pointed to in it."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.ids = set(), set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.ids.add(named.get("id"))
        self.targets |= {named[key] for key in ("href", "src") if named.get(key)}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NAGKIT_DOCS_EXECUTE": RUN, "NO_MKDOCS_2_WARNING": "1", "OMP_NUM_THREADS": "1"}
    built = subprocess.run(command, check=False, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-2000:]
    return folder


def test_every_link_within_the_site_leads_somewhere(site):
    found = {path: Anchors(path) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(found) > 20
    for path, anchors in found.items():
        for target in anchors.targets:
            parts = urlsplit(target)
            if parts.scheme in ("", "file"):
                there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
                assert there.is_file(), (path, target)
                assert not parts.fragment or unquote(parts.fragment) in found[there].ids, (path, target)


def test_every_notebook_is_a_page(site):
    notebooks = [path for name in ("lessons", "guides") for path in (CHECKOUT / "notebooks" / name).glob("*.ipynb")]
    assert len(notebooks) >= 4
    for path in notebooks:
        assert (site / path.parent.name / f"{path.stem}.html").is_file(), path


def test_every_public_name_is_in_the_reference(site):
    text = (site / "reference" / "index.html").read_text("utf-8")
    named = set(re.findall(r"nagkit\.(\w+)</code>", text))
    assert named >= set(nagkit.__all__)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_read_it_and_nothing_is_asked_of_the_network(site, page, outside, name, scheme):
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.emulate_media(color_scheme=scheme)
    page.goto((site / name).as_uri())
    page.wait_for_function(DRAWN, timeout=60_000)
    assert page.locator("figure").count() >= {"gallery.html": 20, "claims.html": 1}.get(name, 0)
    assert page.locator("main table").count() >= 5 * (name == "claims.html")
    assert page.locator("body").get_attribute("data-md-color-scheme") == {"light": "default", "dark": "slate"}[scheme]
    faults = [fault for fault in Axe().run(page).response["violations"] if fault["impact"] in ("serious", "critical")]
    assert [(fault["id"], [node["html"][:200] for node in fault["nodes"]][:3]) for fault in faults] == []
    assert outside == [] and complaints == []


def test_nothing_is_wider_than_a_narrow_screen(site, page):
    page.set_viewport_size({"width": 390, "height": 844})
    for name in PAGES:
        page.goto((site / name).as_uri())
        page.wait_for_function(DRAWN, timeout=60_000)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390, name


def test_search_works_in_pages_that_are_opened_as_files(site, page, outside):
    page.goto((site / "guides" / "add_a_space.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("hypervolume")
    page.locator(".md-search-result__link[href*='05_constraints_and_fronts']").first.wait_for(state="attached")
    assert outside == []
