"""The live race: started, stopped, resumed, and drawn from what the race itself says."""

import asyncio

import ipywidgets as ipw
import numpy as np
import pytest
from nagkit_widgets import LiveRace
from nagkit_widgets.race import CHOICES

from nagkit.errors import ArgumentError
from nagkit.race import BASELINES
from waiting import until

pytestmark = pytest.mark.slow

TABLE = "digits/mid8"


def panel(**named):
    return LiveRace(**{"table": TABLE, "searches": ("evolution",), "budget": 12, "seeds": 2, **named})


@pytest.fixture
def live(monkeypatch):
    """A panel whose work is done in place, as there is no loop."""
    monkeypatch.delenv("NAGKIT_HEADLESS", raising=False)
    return panel()


def shown(live):
    """The lines in the figure: name to y."""
    return {trace.name: list(trace.y) for trace in live.figure.data if trace.showlegend}


def test_every_control_is_labelled_and_every_line_has_its_place(live):
    assert all(control.description for control in live._controls())
    assert len(live.figure.data) == 2 * (len(BASELINES) + len(CHOICES))
    assert shown(live) == {}


def test_start_draws_a_line_for_each_entrant_and_the_standings(live):
    live.start.click()
    lines = shown(live)
    assert list(lines) == [*BASELINES, "evolution"]
    for name, line in lines.items():
        np.testing.assert_allclose(line, live.standings.regret(name).mean(0))
    assert live.progress.bar.value == live.progress.bar.max == 4 * 2 * 12
    assert "All have ended" in live.status.value
    assert "regret of test_accuracy @12" in live.result.value
    assert live.sentence.value.count("at evaluations 12") == 4
    assert (live.start.disabled, live.stop.disabled, live.start.description) == (False, True, "Start")


def test_another_start_is_another_race_and_gives_the_same(live):
    live.start.click()
    first, race = shown(live), live._race
    live.start.click()
    assert live._race is not race
    assert shown(live) == first


def test_a_choice_that_changes_begins_anew_and_unused_lines_vanish(live):
    live.start.click()
    live.searches.value = ()
    live.start.click()
    assert list(shown(live)) == list(BASELINES)


def test_standings_run_the_race_where_none_has_begun(live):
    assert live.standings.entrants == (*BASELINES, "evolution")
    assert list(shown(live)) == [*BASELINES, "evolution"]


@pytest.mark.parametrize("wish", ["accuracy and parameters", "accuracy and latency"])
def test_with_two_wishes_hypervolumes_grow(wish):
    live = panel(wish=wish)
    live.start.click()
    assert live.figure.layout.yaxis.title.text == "hypervolume ratio (1, more is better)"
    for line in shown(live).values():
        assert (np.diff(line) >= -1e-9).all()
    assert "hypervolume ratio @12" in live.result.value


def test_stop_holds_the_race_and_resume_goes_on_to_the_same_end(live):
    live.start.click()
    expected = shown(live)

    async def stopped_and_resumed():
        other = panel()
        other.start.click()
        assert (other.start.disabled, other.stop.disabled, other.budget.disabled) == (True, False, True)
        await until(lambda: 0 < other.progress.bar.value < other.progress.bar.max)
        other.stop.click()
        await until(lambda: not other.start.disabled)
        assert other.start.description == "Resume"
        assert "Resume goes on" in other.status.value
        assert "regret of test_accuracy" in other.result.value
        held = len(other._race.heats[0])
        await asyncio.sleep(0.2)
        assert len(other._race.heats[0]) == held < 12
        other.start.click()
        await until(lambda: not other.start.disabled)
        return other

    assert shown(asyncio.run(stopped_and_resumed())) == expected


def test_what_fails_is_shown_and_another_try_is_allowed(live, monkeypatch):
    monkeypatch.setattr("nagkit_widgets.race._lap", lambda race: 1 / 0)
    live.start.click()
    assert "ZeroDivisionError" in live.status.value
    assert not live.start.disabled


def test_after_a_fault_start_goes_on_where_it_was(live, monkeypatch):
    live.start.click()
    expected, other, propose = shown(live), panel(), type(live._race._lanes[3].search)._propose
    failing = iter([None] * 5 + [OSError("no space")])

    def once(search):
        if (error := next(failing, None)) is not None:
            raise error
        return propose(search)

    monkeypatch.setattr(type(live._race._lanes[3].search), "_propose", once)
    other.start.click()
    assert "no space" in other.status.value
    other.start.click()
    assert "All have ended" in other.status.value
    assert shown(other) == expected


def test_a_control_that_changes_while_it_runs_changes_nothing(live):
    async def changed():
        other = panel()
        other.start.click()
        other.seeds.value = 3
        await until(lambda: not other.start.disabled)
        return other

    other = asyncio.run(changed())
    assert "All have ended" in other.status.value
    assert len(other._race.heats) == 8


def test_impossible_panels_are_refused(as_a_user):
    with pytest.raises(ArgumentError, match="each of searches must be one of"):
        panel(searches=("rnd",))
    with pytest.raises(ArgumentError, match="wish must be one of"):
        panel(wish="speed")
    with pytest.raises(ArgumentError, match="budget must be"):
        panel(budget=3)
    with pytest.raises(ArgumentError, match="put the one str into"):
        panel(searches="evolution")
    for table in ("nope", 3):
        with pytest.raises(ArgumentError, match="table must be one of"):
            panel(table=table)


def test_a_second_click_on_start_changes_nothing(monkeypatch):
    monkeypatch.delenv("NAGKIT_HEADLESS", raising=False)

    async def main():
        live = panel(budget=40, seeds=1)
        live.start.click()
        race = live._race
        live._begin()  # as the page sends it before it knows of the first
        assert live._race is race
        live.stop.click()
        await until(lambda: live.worker.state == "idle" and not live.start.disabled)

    asyncio.run(main())


def test_the_panel_has_one_button_to_start_and_one_to_stop(live):
    buttons = [box for child in live.children for box in getattr(child, "children", ()) if isinstance(box, ipw.Button)]
    assert buttons == [live.start, live.stop]
