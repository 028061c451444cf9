"""The studio over spaces too large for a table: a surrogate's values, taken as they are and shown with their errors."""

import html
import re

import numpy as np
import pytest
from nagkit_widgets import LiveRace, Studio
from nagkit_widgets.settings import Settings, settings, stops
from nagkit_widgets.sources import EMBEDDED, available, benchmark, devices, ends, known, space_of
from nagkit_widgets.stage import CHOSEN, GENERATED, LABELS

from nagkit.errors import ArgumentError

MOBILE, CELLS = "mobilenet-v3/imagenet", "nas-bench-101/cifar10"
GOALS = {MOBILE: "accuracy", CELLS: "test_accuracy_surrogate"}

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def here(upstream, monkeypatch):
    """The public files are here, and what is done is done in place."""
    monkeypatch.delenv("NAGKIT_HEADLESS", raising=False)
    assert set(GOALS) <= set(available())


@pytest.fixture(params=GOALS)
def studio(request):
    return Studio(table=request.param, samples=16)


def limited(studio, share):
    """Limits the latency on the chosen device to a share of its slider, and says the limit."""
    slider = studio.panel.controls.latency
    slider.value = slider.min + share * (slider.max - slider.min)
    return slider.value


def test_generate_shows_the_surrogates_values_with_their_error(studio):
    studio.panel.generate.click()
    table = studio.panel.controls.table.value
    goal, about = GOALS[table], benchmark(table).metrics[GOALS[table]]
    trace = studio.panel.stage.figure.data[GENERATED]
    assert list(trace.y) == benchmark(table).look_up(studio.tokens, goal).tolist()
    assert about.error in studio.panel.stage.figure.layout.yaxis.title.text
    assert f"{goal.replace('_', ' ')} ({about.unit}; {about.error})" in html.unescape(studio.panel.best.value)
    assert studio.panel.stage.figure.data[CHOSEN].x
    assert "Generated 16 architectures" in studio.panel.status.value


def test_the_code_of_the_chosen_one_builds_its_network(studio):
    studio.panel.generate.click()
    names = {}
    exec(html.unescape(re.search(r"<pre[^>]*>(.*)</pre>", studio.panel.code.value, re.DOTALL)[1]), names)  # noqa: S102
    chosen, parameters = studio.chosen, sum(p.numel() for p in names["network"].parameters())
    assert parameters == benchmark(studio.panel.controls.table.value).space.params(np.array([chosen.tokens]))[0]
    assert chosen.text in html.unescape(studio.panel.code.value)


def test_only_what_every_architecture_has_is_offered(studio):
    table = studio.panel.controls.table.value
    rows = benchmark(table).space.sample(50, np.random.default_rng(5))
    assert studio.panel.controls.objectives.options[0] == GOALS[table]
    assert np.isfinite(benchmark(table).look_up(rows, list(studio.panel.controls.objectives.options))).all()
    assert not {"accuracy_measured", "accuracy_ofa", "test_accuracy"} & set(studio.panel.controls.objectives.options)
    assert studio.panel.controls.labels.disabled  # nothing is learned


def test_twelve_devices_can_be_limited_and_the_limit_holds():
    studio = Studio(table=MOBILE, samples=32)
    assert len(studio.panel.controls.device.options) == len(devices(MOBILE)) == 12
    studio.panel.controls.device.value = "latency_v100_32"
    limit = limited(studio, 0.2)
    assert studio.panel.controls.settings.limits == (("latency_v100_32", limit),)
    studio.panel.generate.click()
    assert benchmark(MOBILE).look_up(studio.tokens, "latency_v100_32").max() <= limit
    assert "NVIDIA Tesla V100" in studio.panel.controls.device.label


@pytest.mark.parametrize(("table", "metric"), [(MOBILE, "params"), (MOBILE, "latency_titan_xp_1"), (CELLS, "params")])
def test_the_lowest_stop_of_a_slider_can_be_met(table, metric):
    lowest, _, _ = stops(settings(table=table), metric)
    studio = Studio(table=table, samples=8, limits=((metric, lowest),))
    assert benchmark(table).look_up(studio.tokens, metric).max() <= lowest


@pytest.mark.parametrize("table", GOALS)
def test_axes_go_on_to_where_no_single_change_helps(table):
    low, high = ends(table, GOALS[table])
    assert low <= known(table, GOALS[table]).min()
    assert high >= known(table, GOALS[table]).max()
    if table == MOBILE:  # beyond all random ones, where guidance leads
        *_, last = Studio(table=table, samples=16, strength=12.0).panel.stage.figure.layout.yaxis.range
        assert known(table, "accuracy").max() < high < last


def test_guidance_leads_where_random_architectures_are_not():
    studio = Studio(table=MOBILE, samples=16, strength=12.0)
    assert benchmark(MOBILE).look_up(studio.tokens, "accuracy").min() > np.quantile(known(MOBILE, "accuracy"), 0.99)


def test_steps_go_up_to_the_slots_of_the_space(studio):
    table = studio.panel.controls.table.value
    count = len(benchmark(table).space.slots)
    steps = studio.panel.controls.steps
    assert (steps.value, steps.max) == (6, count) == (6, len(space_of(table).slots))
    assert Settings(table=table, objectives=(GOALS[table],), steps=count).steps == count
    with pytest.raises(ArgumentError, match=f"steps must be a whole number from 1 to {count}"):
        Settings(table=table, objectives=(GOALS[table],), steps=count + 1)


def test_the_drawing_changes_its_shape_with_the_table():
    studio = Studio(table="digits/mid8", samples=8, labels=20)
    figure = studio.panel.stage.figure
    shapes = {}
    for table in ("digits/mid8", MOBILE, CELLS):
        studio.panel.controls.table.value = table
        layout = figure.layout
        shapes[table] = (layout.xaxis2.range, layout.yaxis2.range, len(figure.data[LABELS].x))
        assert len(figure.data[LABELS].x) == len(figure.data[LABELS].y) == len(figure.data[LABELS].text)
        assert all("?" in text for text in figure.data[LABELS].text[2:-1])  # nothing was generated yet
    assert [nodes for _, _, nodes in shapes.values()] == [8, 23, 7]
    assert len({(across, down) for across, down, _ in shapes.values()}) == 3
    studio.panel.controls.steps.value = 20
    studio.panel.generate.click()
    studio.panel.controls.table.value = "digits/mid8"
    assert (figure.layout.xaxis2.range, figure.layout.yaxis2.range, len(figure.data[LABELS].x)) == shapes["digits/mid8"]
    assert studio.panel.controls.steps.value == 6
    assert studio.tokens.shape == (8, 6)


def test_a_race_has_no_lanes_for_a_surrogate():
    assert not set(GOALS) & set(LiveRace().table.options)
    with pytest.raises(ArgumentError, match="table must be a Table"):
        LiveRace(table=MOBILE)


def test_another_table_begins_with_what_its_searches_see(studio):
    table = studio.panel.controls.table.value
    for other in (EMBEDDED, table):
        studio.panel.controls.table.value = other
        assert studio.panel.controls.objectives.value == (benchmark(other).seen,)
    assert benchmark(table).seen == GOALS[table]
