"""What the studio shows when a run ends before it has finished a round."""

import asyncio
import time

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


@pytest.mark.usefixtures("beside_a_loop")
def test_what_is_chosen_while_another_batch_begins_is_not_mistaken_for_one_of_that():
    async def main():
        studio = Studio(samples=200, labels=60)
        panel = studio.panel
        panel.generate.click()
        await until(lambda: "Generated 200" in panel.status.value and ended(studio))
        panel.controls.strength.value = 0.5
        await until(lambda: panel._shown.settings is not panel._kept.settings)
        panel.picked.value = max(row for _, row in panel.picked.options)
        panel._brush([199])
        panel.tray.keep.click()
        assert panel._kept.space.decode(panel._kept.tokens[panel.picked.value]).text == panel.tray.kept[0].text
        await until(lambda: panel._kept.settings is panel._shown.settings)
        assert panel._row is None
        assert panel._selected() == []
        panel.stop.click()
        await until(lambda: ended(studio))
        assert "architectures. " in panel.status.value
        assert panel.worker.fault is None

    asyncio.run(main())


@pytest.mark.usefixtures("beside_a_loop")
def test_stop_is_heard_while_what_is_held_walks_again():
    async def main():
        studio = Studio(samples=96, labels=60)
        panel = studio.panel
        panel.generate.click()
        await until(lambda: "Generated 96" in panel.status.value and ended(studio))
        walked, kept = [], panel._kept

        def held():
            for number in range(1000):
                walked.append(number)
                time.sleep(0.02)
                yield kept

        panel.comparison._hold = held
        panel.comparison.box.value = True
        panel.generate.click()
        await until(lambda: len(walked) > 5)
        panel.stop.click()
        heard = len(walked)
        await until(lambda: panel.worker.state == "idle")
        assert len(walked) <= heard + 2
        await until(lambda: ended(studio))
        assert panel.comparison.last is None
        assert panel.compared.value == ""

    asyncio.run(main())
