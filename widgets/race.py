"""The live race: searches side by side over one table, their regret falling while you watch.

Stop is heard after the step that runs, and Resume goes on from there. Whatever is chosen anew begins a new race.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ipywidgets as ipw
import plotly.graph_objects as go
from nagkit_widgets import tables
from nagkit_widgets.page import Page
from nagkit_widgets.progress import Progress
from nagkit_widgets.sources import available, benchmark, check_name, devices
from nagkit_widgets.text import STYLE, message, sentence
from nagkit_widgets.worker import Worker

from nagkit import arguments
from nagkit.benchmarks import TABLES, Table
from nagkit.curves import Band, bands_figure
from nagkit.errors import ArgumentError, NagkitError
from nagkit.figures import CONFIG, Picture
from nagkit.race import BASELINES, Course, Race
from nagkit.search import SEARCHES
from nagkit.standings import EVALUATIONS, HYPERVOLUME, Standings

PACE = 0.08  # seconds between two pictures, at least
STEPS = 2  # evaluations of every search between two pictures
BUDGET, SEEDS = (10, 1000), (1, 50)
CHOICES = tuple(name for name in SEARCHES if name not in BASELINES)
WISHES = {"accuracy": (), "accuracy and parameters": ("params",), "accuracy and latency": ("latency",)}
_LOOK: dict[str, Any] = {"style": {"description_width": "80px"}, "layout": ipw.Layout(width="auto", margin="2px 4px")}


@dataclass(frozen=True)
class Lap:
    """The race after a lap: how many evaluations of all are done, and its picture."""

    done: int
    picture: Picture


class LiveRace(ipw.VBox):
    """One panel: what to race over, who races, a live figure, and the standings at the end.

    Random search, local search and enumeration always run with the chosen ones. ``standings`` is for the cells that
    follow: it waits for what runs, and runs the race first where none has begun.

    Args:
        table: a benchmark; a public one where there is one when None
        wish: one of ``WISHES``
        searches: names among ``CHOICES``
        budget: evaluations of each search with each seed
        seeds: how many, from 0 on
    """

    def __init__(
        self,
        table: str | None = None,
        wish: str = "accuracy",
        searches: tuple[str, ...] = ("evolution", "bayesian"),
        budget: int = 96,
        seeds: int = 5,
    ) -> None:
        offered = [name for name in available() if name in TABLES]
        if table is not None:
            arguments.instance("table", benchmark(check_name(table)), Table, "nagkit.benchmark('digits/mid8')")
            offered = list(dict.fromkeys([table, *offered]))
        for name in arguments.several("searches", searches, str):
            arguments.one_of("each of searches", name, CHOICES)
        self.table = ipw.Dropdown(options=offered, description="Table", **_LOOK)
        self.wish = ipw.Dropdown(
            options=list(WISHES), value=arguments.one_of("wish", wish, WISHES), description="Wish", **_LOOK
        )
        chosen = {"value": tuple(searches), "description": "Searches", "rows": len(CHOICES)}
        self.searches = ipw.SelectMultiple(options=CHOICES, **chosen, **_LOOK)
        self.budget = _whole("Budget", "budget", budget, BUDGET)
        self.seeds = _whole("Seeds", "seeds", seeds, SEEDS)
        self.start = ipw.Button(description="Start", icon="play", button_style="primary")
        self.stop = ipw.Button(description="Stop", icon="stop", disabled=True)
        self.progress = Progress()
        self.status, self.sentence, self.result = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self.figure = go.FigureWidget(_empty())
        self.figure._config = {**self.figure._config, **CONFIG}
        self.worker: Worker[Lap] = Worker(self._draw, self._ended, self._busy, PACE)
        self._race: Race | None = None
        self.start.on_click(lambda _: self._begin())
        self.stop.on_click(lambda _: self._halt())
        for control in self._controls():
            control.observe(self._forget, "value")
        self._say("Choose who races against random search, local search and enumeration, and press Start.")
        super().__init__(self._panel())
        self.add_class("nagkit-panel")

    @property
    def standings(self) -> Standings:
        """What the race has shown so far."""
        self.worker.wait()
        if self._race is None:
            self._race = self._made()
            for _ in self._race.run():
                pass
            self._draw(_lap(self._race))
            self._ended()
        return Standings(self._race.course, self._race.heats)

    # ------------------------------------------------------------------------------------------- what a person does

    def _begin(self) -> None:
        if self.worker.state != "idle":
            return  # a second click, sent before the page knew of the first
        if self._race is None or self._race.ended:
            try:
                self._race, self.result.value = self._made(), ""
            except NagkitError as refusal:
                self._say(str(refusal), refused=True)
                return
        race = self._race
        self.progress.begin(len(race.heats) * race.budget, sum(map(len, race.heats)))
        self.worker.start(_laps(race, lambda: self.worker.state == "stopping"))
        if self.worker.state != "idle":  # in place, all is done by now
            self._allow(False)
            self._say(f"{len(race.entrants)} searches with {len(race.seeds)} seeds, {race.budget} evaluations each.")

    def _halt(self) -> None:
        self.stop.disabled = True
        self.worker.stop()

    def _forget(self, _: Any) -> None:
        """Something else is chosen: the next Start begins a new race. What runs already is not changed by it."""
        if self.worker.state == "idle":
            self._race, self.start.description = None, "Start"

    def _made(self) -> Race:
        table = benchmark(self.table.value)
        costs = [self._device() if cost == "latency" else cost for cost in WISHES[self.wish.value]]
        others = [table.objective(cost, exact=cost == "params") for cost in costs]
        seen, judged = ([table.objective(name), *others] for name in (table.seen, table.judged))
        course = Course(table.space, seen, (), judged)
        return Race(course, {name: {} for name in self.searches.value}, self.budget.value, range(self.seeds.value))

    def _device(self) -> str:
        """The first latency of the table."""
        for name in devices(self.table.value).values():
            return name
        raise ArgumentError(f"{self.table.value} holds no latency; choose another table or wish.")

    # ------------------------------------------------------------------------------------------- what is then shown

    def _busy(self) -> bool:
        return bool(self.figure._view_count and self.figure._trace_edit_in_process)

    def _draw(self, lap: Lap) -> None:
        """One message for all lines: plotly.js takes a list of values, one for each trace."""
        drawn, layout = lap.picture.data, lap.picture.layout
        change = {key: [trace[key] for trace in drawn] for key in ("x", "y", "name", "legendgroup", "showlegend")}
        hidden = len(self.figure.data) - len(drawn)
        for key, nothing in (("x", []), ("y", []), ("name", ""), ("legendgroup", ""), ("showlegend", False)):
            change[key] += [nothing] * hidden
        axes = {f"{axis}.title.text": layout[axis]["title"]["text"] for axis in ("xaxis", "yaxis")}
        axes["xaxis.range"] = [0, self._race.budget if self._race else 1]
        axes["yaxis.range"] = layout["yaxis"].get("range", [0, 1])
        self.figure.plotly_update(change, axes, list(range(len(self.figure.data))))
        self.figure.send_state(["_widget_data", "_widget_layout"])  # for a page that still loads Plotly's script
        self.sentence.value = sentence(lap.picture.sentence)
        self.progress.show(lap.done, self.progress.bar.max)

    def _ended(self) -> None:
        """Nothing runs any more: say how it went, and show the standings."""
        self._allow(True)
        self.progress.end()
        race, fault = self._race, self.worker.fault
        if fault is not None:
            text = str(fault) if isinstance(fault, NagkitError) else f"{type(fault).__name__}: {fault}"
            self._say(text, refused=True)
        elif race is not None:
            self.start.description = "Start" if race.ended else "Resume"
            self._say("All have ended." if race.ended else "Stopped; Resume goes on from here.")
            if count := min(map(len, race.heats)):
                self.result.value = tables.standings(Standings(race.course, race.heats).figures([count]))

    def _allow(self, choosing: bool) -> None:
        """Let a person choose and start, or only stop."""
        self.start.disabled, self.stop.disabled = not choosing, choosing
        for control in self._controls():
            control.disabled = not choosing

    def _say(self, text: str, refused: bool = False) -> None:
        self.status.value = message(text, refused)

    def _controls(self) -> list[Any]:
        return [self.table, self.wish, self.searches, self.budget, self.seeds]

    def _panel(self) -> list[ipw.Widget]:
        course, field = ipw.VBox([self.table, self.wish]), ipw.VBox([self.budget, self.seeds])
        chosen = ipw.HBox([course, self.searches, field], layout=ipw.Layout(flex_flow="row wrap"))
        buttons = ipw.HBox([self.start, self.stop, self.progress], layout=ipw.Layout(align_items="center"))
        return [ipw.HTML(STYLE), Page(), chosen, buttons, self.status, self.figure, self.sentence, self.result]


def _laps(race: Race, stopped: Callable[[], bool]) -> Iterator[Lap]:
    for _ in race.laps(STEPS, stopped):
        yield _lap(race)


def _lap(race: Race) -> Lap:
    return Lap(sum(map(len, race.heats)), Standings(race.course, race.heats).figure())


def _empty() -> dict[str, Any]:
    """A figure with a line for each that may race, all still without points."""
    bands = [Band("", [0], [0], [0], [0]) for _ in (*BASELINES, *CHOICES)]
    picture = bands_figure(bands, EVALUATIONS, HYPERVOLUME)
    data = [trace | {"x": [], "y": [], "showlegend": False} for trace in picture.data]
    layout = picture.layout | {"autosize": True, "showlegend": True}
    return {"data": data, "layout": layout}


def _whole(description: str, argument: str, value: int, bounds: tuple[int, int]) -> ipw.BoundedIntText:
    low, high = bounds
    arguments.whole(argument, value, low=low, high=high)
    return ipw.BoundedIntText(value, min=low, max=high, description=description, **_LOOK)
