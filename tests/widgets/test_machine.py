"""The studio times this machine by a button; its latency is then a limit like any other, here and in later sessions."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from nagkit_widgets import Settings, Studio
from nagkit_widgets.settings import settings, stops, timed_anew
from nagkit_widgets.sources import EMBEDDED, HERE, devices, here, known, workload

from nagkit.benchmarks.registry import CACHE
from nagkit.errors import ArgumentError, UnsatisfiableError
from nagkit.networks import timing
from nagkit.networks.timing import LEAST, place
from nagkit.networks.workload import Workload
from ticking import SECONDS, ticking
from waiting import until

pytestmark = pytest.mark.slow

MID8 = Workload.of(EMBEDDED)


@pytest.fixture(autouse=True)
def clock(tmp_path, monkeypatch):
    """Layers move the clock, nothing was timed here yet, and there are two rounds of timing."""
    monkeypatch.delenv("NAGKIT_HEADLESS", raising=False)
    monkeypatch.setenv(CACHE, str(tmp_path))
    monkeypatch.setattr(timing, "ROUNDS", 2)
    timed_anew()
    with ticking() as clock:
        yield clock
    timed_anew()


def opened(**start):
    """A studio that times few networks."""
    studio = Studio(**{"table": EMBEDDED, "samples": 32, "labels": 60, **start})
    studio.panel.machine.networks.value = LEAST
    return studio


def limited(studio, share=0.3):
    """Limits the latency on this machine to a share of its slider, and says the limit."""
    slider = studio.panel.controls.latency
    slider.value = slider.min + share * (slider.max - slider.min)
    return slider.value


def test_before_it_is_timed_this_machine_is_no_device():
    studio = opened()
    assert list(studio.panel.controls.device.options) == list(devices(EMBEDDED).items())
    assert HERE not in studio.panel.controls.objectives.options
    with pytest.raises(ArgumentError, match=f"each metric in limits must be one of .* got '{HERE}'"):
        Settings(table=EMBEDDED, limits=((HERE, 1.0),))


def test_after_the_button_its_latency_is_a_limit_that_holds():
    studio = opened()
    studio.panel.machine.time.click()
    assert studio.panel.controls.device.label == "This machine"
    assert (studio.panel.machine.progress.bar.value, studio.panel.machine.progress.bar.max) == (2 * LEAST, 2 * LEAST)
    assert f"Predicted from {LEAST} networks" in studio.panel.machine.said.value
    assert (studio.panel.machine.time.disabled, studio.panel.machine.stop.disabled) == (False, True)
    limit = limited(studio)
    assert studio.panel.controls.settings.limits == ((HERE, limit),)
    studio.panel.generate.click()
    assert len(studio.tokens) == 32
    assert max(MID8.milliseconds(row) for row in studio.tokens) <= limit * (1 + 1e-9)  # as the clock says, not the fit
    assert [metric.name for metric in studio.front.metrics] == ["val_accuracy", HERE]
    assert "class Network" in studio.panel.code.value


def test_the_table_of_the_best_shows_the_latency_as_predicted():
    studio = opened()
    studio.panel.machine.time.click()
    studio.panel.controls.objectives.value = ("val_accuracy", HERE)
    studio.panel.generate.click()
    assert "latency here, predicted (ms)" in studio.panel.best.value
    assert "latency here, looked up" not in studio.panel.best.value
    assert "val accuracy, looked up (%)" in studio.panel.best.value


def test_an_unmet_limit_is_told():
    studio = opened()
    studio.panel.machine.time.click()
    slider = studio.panel.controls.latency
    slider.min = slider.value = 0  # beyond what the panel offers
    with pytest.raises(UnsatisfiableError, match=HERE):
        studio.front.table()


def test_the_slider_runs_over_all_cells():
    studio = opened()
    studio.panel.machine.time.click()
    bottom, top, _ = stops(studio.panel.controls.settings, HERE)
    values = known(EMBEDDED, HERE)
    assert len(values) == MID8.searched.size
    assert bottom >= values.min() and top >= values.max()
    assert (studio.panel.controls.latency.min, studio.panel.controls.latency.max) == (bottom, top)


def test_a_later_studio_finds_what_was_timed():
    opened().panel.machine.time.click()
    timed_anew()  # as in a new process
    for table in (EMBEDDED, "digits/hard8"):  # of the same networks
        assert "This machine" in dict(Studio(table=table).panel.controls.device.options)
    low, high = settings(table=EMBEDDED).span(HERE)
    again = Studio(table=EMBEDDED, limits=((HERE, (low + high) / 2),))
    assert again.panel.controls.device.value == HERE
    assert dict(again.panel.controls.settings.limits).keys() == {HERE}


def test_the_limit_on_another_device_stays_when_this_machine_becomes_known():
    studio = opened()
    name = studio.panel.controls.device.value
    limit = limited(studio)
    studio.panel.machine.time.click()
    assert studio.panel.controls.settings.limits == ((name, limit),)
    assert "This machine" in dict(studio.panel.controls.device.options)


def test_timed_again_the_limit_stays_and_the_new_fit_counts(monkeypatch):
    studio = opened()
    studio.panel.machine.time.click()
    limit = limited(studio, 0.5)
    studio.panel.generate.click()
    before = studio.panel.controls.settings.wish(HERE).values(studio.tokens)
    monkeypatch.setattr("ticking.SECONDS", {kind: 1.5 * cost for kind, cost in SECONDS.items()})
    studio.panel.machine.time.click()
    assert studio.panel.controls.settings.limits == ((HERE, limit),)
    now = studio.panel.controls.settings.wish(HERE).values
    assert now(studio.tokens).max() <= limit < 1.5 * before.max()


def test_a_damaged_file_is_told_by_the_button_and_hinders_nothing_else():
    place(MID8).parent.mkdir()
    place(MID8).write_text("{")
    studio = opened()
    assert here(EMBEDDED) is None
    studio.panel.machine.time.click()
    assert "role='alert'" in studio.panel.machine.said.value
    assert "Delete it, and time anew" in studio.panel.machine.said.value
    studio.panel.generate.click()
    assert len(studio.tokens) == 32


def test_stop_is_heard_and_what_was_timed_is_kept():
    async def main():
        studio = opened(samples=16)
        studio.panel.machine.time.click()
        assert studio.panel.machine.time.disabled and not studio.panel.machine.stop.disabled
        await until(lambda: studio.panel.machine.progress.bar.value >= 2)
        studio.panel.machine.stop.click()
        await until(lambda: not studio.panel.machine.time.disabled)
        assert studio.panel.machine.worker.stopped
        count = studio.panel.machine.worker.last.done
        assert timing.stored(MID8).known == min(count, LEAST)
        assert "Stopped. " in studio.panel.machine.said.value
        studio.panel.machine.time.click()
        await until(lambda: not studio.panel.machine.time.disabled)
        assert timing.stored(MID8).complete
        assert studio.panel.controls.device.label == "This machine"

    asyncio.run(main())


def test_while_it_is_timed_architectures_can_be_generated():
    async def main():
        studio = opened(samples=16)
        studio.panel.machine.time.click()
        studio.panel.generate.click()
        await until(lambda: "Generated 16" in studio.panel.status.value and not studio.panel.machine.time.disabled)
        assert studio.panel.controls.device.label == "This machine"

    asyncio.run(main())


def test_settings_with_the_limit_can_be_copied():
    opened().panel.machine.time.click()
    low, high = settings(table=EMBEDDED).span(HERE)
    given = Settings(table=EMBEDDED, limits=((HERE, (low + high) / 2),))
    assert str(replace(given, seed=3).guidance().constraints[0]).startswith(f"{HERE} ≤ ")


def test_networks_for_images_of_your_own_are_timed_as_they_are_trained(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, x=np.random.default_rng(0).normal(size=(60, 8, 8)).astype(np.float32), y=np.arange(60) % 3)
    studio = opened(table=f"own:nas-bench-201:{path}", strength=2.0)
    studio.panel.machine.time.click()
    timed = workload(studio.panel.controls.settings.table)
    assert (timed.classes, timed.image_size, timed.image_shape(studio.tokens[0])) == (3, 8, (1, 8, 8))
    limit = limited(studio)
    studio.panel.generate.click()
    assert here(studio.panel.controls.settings.table).mean(studio.tokens).max() <= limit
