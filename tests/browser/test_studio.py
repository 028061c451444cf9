"""The studio as a person meets it: JupyterLab in Chromium, a mouse and a keyboard."""

import shutil
import time

import pytest
from playwright.sync_api import expect

from nagkit.benchmarks.registry import cache_folder
from pages import DOTS, PICTURE, SENTENCES, button, choose, handle, options, said

LONELIEST_DOT = f"""() => {{
    const plot = document.querySelector('{PICTURE}'), box = plot.getBoundingClientRect();
    const {{xaxis, yaxis}} = plot._fullLayout, {{x, y, hovertext}} = plot.data[2];
    const dots = hovertext.map((text, i) => ({{
        x: box.x + xaxis._offset + xaxis.d2p(x[i]),
        y: box.y + yaxis._offset + yaxis.d2p(y[i]),
        text: text.split(':')[0],
    }}));
    const others = dot => dots.filter(other => other.text !== dot.text);
    const room = dot => Math.min(...others(dot).map(other => Math.hypot(other.x - dot.x, other.y - dot.y)));
    return dots.sort((a, b) => room(b) - room(a))[0];
}}"""
TIMED = """() => {
    const bar = [...document.querySelectorAll('.widget-hprogress .progress-bar')].at(-1);
    return parseFloat(bar.style.width) / 100;
}"""
NAMELESS = """() => [...document.querySelectorAll('.jp-OutputArea-output')]
    .flatMap(area => [...area.querySelectorAll('select, button, input:not([type=hidden])')])
    .filter(e => !(e.labels?.length || e.innerText?.trim() || e.title || e.ariaLabel))
    .map(e => e.outerHTML.slice(0, 200))"""


@pytest.fixture
def untimed(jupyter_root):
    """No network was timed here before, as the kernels' cache says."""
    shutil.rmtree(cache_folder() / "timings", ignore_errors=True)


def test_a_slider_moves_the_picture_and_a_click_shows_the_architecture(studio, outside):
    page = studio.page
    dots = page.evaluate(DOTS)
    drawn = page.locator(f"{PICTURE} .scatterlayer").first.inner_html()
    handle(page, "Strength").focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(f"before => JSON.stringify(({DOTS})()) !== JSON.stringify(before)", arg=dots, timeout=60_000)
    said(page, "Generated")
    assert page.locator(f"{PICTURE} .scatterlayer").first.inner_html() != drawn
    assert sum(page.evaluate(DOTS)) / len(page.evaluate(DOTS)) > sum(dots) / len(dots)  # stronger guidance, better dots

    page.locator(PICTURE).first.scroll_into_view_if_needed()
    dot = page.evaluate(LONELIEST_DOT)
    page.mouse.move(dot["x"], dot["y"])
    page.mouse.click(dot["x"], dot["y"])
    page.wait_for_function(
        "text => document.querySelector('.nagkit pre').parentElement.innerText.includes(text)", arg=dot["text"]
    )
    assert page.evaluate(NAMELESS) == []
    assert studio.save().stat().st_size < 1_000_000
    assert outside == []


def test_the_dag_denoises_frame_by_frame_and_stop_is_heard(studio, outside):
    page = studio.page
    button(page, "Generate").click()
    page.wait_for_function(f"() => document.querySelector('{PICTURE}').data[5].text.some(t => t.includes('?'))")
    said(page, "Generating")
    page.wait_for_function(  # on a busy machine a round may pass unseen
        f"() => /^Round [2-9]/.test(document.querySelector('{PICTURE}').layout.annotations[0].text)"
    )
    clock = time.monotonic()
    button(page, "Stop").click()
    said(page, "Stopped after")
    waited = time.monotonic() - clock
    print(f"Stop was seen after {waited:.3f} s")
    assert waited < 3  # alone on a machine about 0.2 s; this one may be busy
    assert 0 < len(page.evaluate(DOTS)) < 200
    assert outside == []


@pytest.mark.usefixtures("untimed")
def test_this_machine_is_timed_and_becomes_a_limit(studio, outside):
    page = studio.page
    assert "This machine" not in options(page, "Device")
    networks = page.get_by_label("Networks", exact=True)
    networks.fill("20")
    networks.press("Tab")
    time_it, stop = button(page, "Time this machine"), button(page, "Stop timing")
    time_it.focus()
    page.keyboard.press("Enter")
    stop.click(timeout=120_000)  # as soon as it can be pressed
    page.wait_for_function(f"() => ({SENTENCES})().some(text => text.startsWith('Stopped.'))", timeout=120_000)
    time_it.click(timeout=120_000)
    page.wait_for_function(f"() => 0 < ({TIMED})() && ({TIMED})() < 1", timeout=120_000)  # the bar grows
    said_there = f"() => ({SENTENCES})().some(text => text.includes('Predicted from 20 networks'))"
    page.wait_for_function(said_there, timeout=240_000)
    assert page.evaluate(TIMED) == 1
    assert options(page, "Device", ":checked") == ["This machine"]

    dots = page.evaluate(DOTS)
    slider = page.locator(".widget-slider", has_text="≤ (ms)").locator(".noUi-handle")
    slider.focus()
    for _ in range(12):
        page.keyboard.press("PageDown")
    page.wait_for_function(f"before => JSON.stringify(({DOTS})()) !== JSON.stringify(before)", arg=dots, timeout=60_000)
    said(page, "Generated")
    limit = float(slider.get_attribute("aria-valuetext") or slider.get_attribute("aria-valuenow"))
    assert page.evaluate(f"() => document.querySelector('{PICTURE}').layout.xaxis.title.text").startswith(
        "latency here"
    )
    assert max(page.evaluate(f"() => document.querySelector('{PICTURE}').data[2].x.map(Number)")) <= limit
    assert page.evaluate(NAMELESS) == []
    assert outside == []


def test_networks_of_a_space_too_large_for_a_table_keep_a_limit_on_a_device(studio, outside):
    page = studio.page
    if "mobilenet-v3/imagenet" not in options(page, "Table"):
        pytest.skip("needs the public files of mobilenet-v3/imagenet")
    choose(page, "Table", "mobilenet-v3/imagenet")
    page.wait_for_function(
        f"() => document.querySelector('{PICTURE}').data[5].text.some(text => /k\\de\\d/.test(text))", timeout=120_000
    )
    said(page, "Generated")
    assert page.evaluate(f"() => document.querySelector('{PICTURE}').data[5].x.length") == 23  # 20 blocks and the ends
    axis = f"() => document.querySelector('{PICTURE}').layout.xaxis.title.text"
    assert page.evaluate(axis).startswith("latency 2080ti")  # and not params, by a limit from where its slider stood
    slider = page.locator(".widget-slider", has_text="≤ (ms)").locator(".noUi-handle")
    highest = slider.get_attribute("aria-valuemax")
    choose(page, "Device", "NVIDIA Tesla V100, batch 1")
    expect(slider).not_to_have_attribute("aria-valuemax", highest, timeout=60_000)
    slider.focus()
    for _ in range(6):
        page.keyboard.press("PageDown")
    page.wait_for_function(f"() => ({axis})().startsWith('latency v100')", timeout=60_000)
    said(page, "Generated")
    limit = float(slider.get_attribute("aria-valuetext"))
    assert max(page.evaluate(f"() => document.querySelector('{PICTURE}').data[2].x.map(Number)")) <= limit
    assert "surrogate ±" in page.evaluate(axis)
    assert page.locator(".nagkit pre").inner_text().startswith("import nagkit")
    assert page.evaluate(NAMELESS) == []
    assert outside == []
