"""What the studio shows when a run ends before it has finished a round."""

import asyncio

import pytest
from nagkit_widgets import Studio
from nagkit_widgets.stage import GENERATED

from waiting import until


def ended(studio):
    return studio.panel.worker.state == "idle" and studio.panel.stop.disabled and not studio.panel.generate.disabled


@pytest.fixture
def beside_a_loop(monkeypatch):
    monkeypatch.delenv("NAGKIT_HEADLESS", raising=False)


@pytest.mark.slow
@pytest.mark.usefixtures("beside_a_loop")
@pytest.mark.parametrize("control", ["strength", "objectives"])
def test_a_replay_stopped_before_its_first_round_leaves_the_picture_of_before(control):
    async def main():
        studio = Studio(samples=32, labels=60)
        studio.panel.generate.click()
        await until(lambda: "Generated 32" in studio.panel.status.value and ended(studio))
        axis, dots = (
            studio.panel.stage.figure.layout.yaxis.title.text,
            list(studio.panel.stage.figure.data[GENERATED].y),
        )
        if control == "strength":
            studio.panel.controls.strength.value = 0.5
        else:
            studio.panel.controls.objectives.value = ("test_accuracy",)
        studio.panel.stop.click()
        await until(lambda: ended(studio))
        assert "before the first round" in studio.panel.status.value
        assert "batch of before" in studio.panel.status.value
        assert studio.panel.stage.figure.layout.yaxis.title.text == axis
        assert list(studio.panel.stage.figure.data[GENERATED].y) == dots

    asyncio.run(main())


@pytest.mark.usefixtures("beside_a_loop")
def test_a_refusal_ends_what_runs_and_stays_to_be_read():
    async def main():
        studio = Studio(samples=96, labels=60)
        studio.panel.generate.click()
        studio.panel.controls.objectives.value = ()
        await until(lambda: ended(studio))
        await asyncio.sleep(0.1)
        assert "objectives must" in studio.panel.status.value

    asyncio.run(main())


@pytest.mark.usefixtures("beside_a_loop")
def test_the_stop_button_answers_at_once():
    async def main():
        studio = Studio(samples=96, labels=60)
        studio.panel.generate.click()
        assert not studio.panel.stop.disabled
        studio.panel.stop.click()
        assert studio.panel.stop.disabled
        await until(lambda: ended(studio))

    asyncio.run(main())
