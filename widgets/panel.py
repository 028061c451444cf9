"""What the studio shows: controls, a live figure, the best architectures, a tray, and names to save under.

The controls hold the settings, a worker walks the snapshots that the settings stand for, the stage draws them. All
widgets are written on the kernel's loop.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import numpy as np
from jaxtyping import Int
from nagkit_widgets import tables
from nagkit_widgets.comparison import Comparison
from nagkit_widgets.controls import Controls
from nagkit_widgets.exports import Kept
from nagkit_widgets.machine import Machine
from nagkit_widgets.names import Names, Saved
from nagkit_widgets.page import Page
from nagkit_widgets.parallel import Parallel
from nagkit_widgets.progress import Progress
from nagkit_widgets.sampling import Snapshot, blank, generated
from nagkit_widgets.searching import searched
from nagkit_widgets.settings import DIFFUSION, Settings
from nagkit_widgets.sources import HERE, benchmark
from nagkit_widgets.stage import Stage
from nagkit_widgets.text import STYLE, message, sentence
from nagkit_widgets.tray import Tray
from nagkit_widgets.worker import Worker

from nagkit.diffusion.guidance import Guidance
from nagkit.drawings import frame_figure
from nagkit.errors import NagkitError
from nagkit.figures import Picture
from nagkit.metrics import Front
from nagkit.space import Architecture

PACE, REPLAY_PACE, SEARCH_PACE = 0.1, 0.04, 0.02  # seconds between two frames, at least: for eyes, and for the slider
RANKED = 1.0  # seconds between two lists of the best while work goes on, at least
OFFERED = 8  # architectures in the list of the best


class Panel(ipw.VBox):
    """Everything in the studio, for settings to begin with; ``Studio`` says what it offers to the cells that follow."""

    def __init__(self, initial: Settings, folder: Path) -> None:
        self.controls = Controls(initial, self._changed, self._recant)
        front, spans = self._axes(initial)
        self.stage = Stage(front, spans, self._blank(), self._choose, self._brush)
        self.worker: Worker[Snapshot] = Worker(self._draw, self._ended, self.stage.busy, PACE)
        self.page, self.parallel = Page(), Parallel()
        self.machine = Machine(lambda: self.controls.ground, self._timed)
        self.tray = Tray(self._chosen, self._selected, self._front)
        self.names = Names(folder, self._saved, self._reopen)
        self.comparison = Comparison(self._hold, self.worker.interrupted)
        self.generate = ipw.Button(description="Generate", icon="play", button_style="primary")
        self.stop = ipw.Button(description="Stop", icon="stop", disabled=True)
        self.progress = Progress()
        self.status, self.sentence, self.best, self.compared, self.code = (ipw.HTML() for _ in range(5))
        self.picked = ipw.Dropdown(
            description="Show", layout=ipw.Layout(width="auto"), style={"description_width": "44px"}
        )
        self._asked: Settings | None = None  # what the newest run is of
        self._refused: Exception | None = None  # why a run was ended before its time
        self._shown: Snapshot | None = None  # what the figure shows
        self._kept: Snapshot | None = None  # the newest with finished architectures
        self._quiet = False
        self._before: np.ndarray | None = None
        self._row: int | None = None
        self._brushed: list[int] = []
        self._hover: list[str] = []  # what the pointer finds on each dot
        self._ranked = -RANKED  # when the best were last listed
        self.generate.on_click(lambda _: self._start())
        self.stop.on_click(lambda _: self._halt())
        self.comparison.box.observe(self._compare, "value")
        self.picked.observe(self._pick, "value")
        self._say("Press Generate. Moving a control then replays the same noise under the new guidance.")
        super().__init__(self._panel())
        self.add_class("nagkit-panel")

    # ------------------------------------------------------------------------------------ for the cells that follow

    @property
    def value(self) -> Guidance:
        """The guidance at the present position of the controls."""
        return self.controls.settings.guidance()

    @property
    def front(self) -> Front:
        """The Pareto front of what was generated."""
        return self._answer().front

    @property
    def tokens(self) -> Int[np.ndarray, "n L"]:
        """All architectures that were generated."""
        return self._answer().tokens

    @property
    def chosen(self) -> Architecture:
        """The architecture that was clicked, else the best one generated."""
        snapshot = self._answer()
        clicked = self._row is not None and self._kept is not None and self._kept.settings is snapshot.settings
        return snapshot.space.decode(snapshot.tokens[self._row if clicked else snapshot.ranked()[0]])

    def __repr__(self) -> str:
        return "Studio: nothing generated yet." if self._kept is None else f"Studio: {self._kept.front.sentence()}"

    def _answer(self) -> Snapshot:
        """What the last finished rounds gave; generated now where there is nothing yet."""
        self.worker.wait()
        if self.worker.last is not None and len(self.worker.last.tokens):
            return self.worker.last
        if self._kept is None:
            if self.worker.fault is not None:
                raise self.worker.fault
            self._asked = self.controls.settings
            *_, last = self._work(self._asked)
            self._draw(last)
            self._ended()
        return self._kept

    # ------------------------------------------------------------------------------------------- what a person does

    def _start(self) -> None:
        try:
            settings = self.controls.settings
            if self.worker.state == "idle":
                self._asked, self.worker.pace = settings, PACE if settings.system == DIFFUSION else SEARCH_PACE
            self.worker.start(self._work(settings))
        except NagkitError as refusal:
            self._refuse(refusal)
        else:
            self._begin()

    def _changed(self) -> None:
        """Replay the same noise under the new settings; before any was, and for searches, only make ready."""
        try:
            settings = self.controls.settings
            if settings.system != DIFFUSION or (self.worker.state == "idle" and self._kept is None):
                self._make_ready(settings)
                return
            self._asked, self.worker.pace = settings, REPLAY_PACE
            self.worker.replace(self._work(settings))
        except NagkitError as refusal:
            self._recant(refusal)
        else:
            self._begin()

    def _make_ready(self, settings: Settings) -> None:
        """A search is begun by its button alone: each position of a slider would be another one."""
        self.generate.description = "Generate" if settings.system == DIFFUSION else "Search"
        if self.worker.state == "idle":
            self.stage.set_axes(*self._axes(settings))
            if self._kept is None or settings.table != self._kept.settings.table:
                self.stage.show(self._blank(), "")
            if settings.system != DIFFUSION:
                self._say(f"Press Search: {settings.budget} evaluations, seed {settings.seed}.")

    def _work(self, settings: Settings) -> Iterator[Snapshot]:
        """What the settings stand for, beside what is held."""
        if settings.system == DIFFUSION:
            return self.comparison.beside(generated(settings))
        return self.comparison.beside(searched(settings, self.names.run(settings), self.worker.interrupted))

    def _hold(self) -> Iterable[Snapshot] | None:
        """What the controls say now is held, or of a search what it has found, to be compared with what comes."""
        settings, kept = self.controls.settings, self._kept
        if kept is None or (settings.system != DIFFUSION and kept.settings != settings):
            self._say("Generate or search first: what is shown then is held.")
            return None
        noise = ", from the same noise" if settings.system == DIFFUSION else ""
        self._say(f"Held. What comes next is drawn beside it{noise}.")
        return generated(settings) if settings.system == DIFFUSION else [kept]

    def _compare(self, _: Any) -> None:
        """Make room for what is held, or take it back."""
        self.stage.compare(self.comparison.holds)
        self.compared.value = ""
        if self.comparison.holds and self._kept is not None:
            self._show_held(self._kept)

    def _timed(self, table: str) -> None:
        """The latency on this machine is known: it can be limited."""
        if table == self.controls.ground:
            limited = HERE in dict(self.controls.settings.limits)
            self.controls.offer_here()
            if limited:  # by what was known before
                self._changed()

    def _pick(self, change: Any) -> None:
        if not self._quiet and change.new is not None:
            self._choose(change.new)

    def _choose(self, row: int) -> None:
        """Show the architecture of this row, and keep it shown while others are generated."""
        if self._kept is not None and row < len(self._kept.tokens):
            self._row = row
            self._show(self._kept, row)

    # ------------------------------------------------------------------------------------------- what is then shown

    def _begin(self) -> None:
        if self.worker.state != "idle":  # in place, all is done by now
            self.generate.disabled, self.stop.disabled = True, False
            first = "" if self.controls.labels.disabled else "Learning from the labels, then generating "
            first = "Generating what is held, then " if self.comparison.waits else first
            self._say(f"{first or 'Generating '}{self.controls.samples.value} architectures.")
            if self._asked is not None and self._asked.system != DIFFUSION:
                self._say(f"Searching: {self._asked.budget} evaluations.")

    def _halt(self) -> None:
        """Stop what runs; the button answers at once, the worker within one step."""
        self.stop.disabled = True
        self._say("Stopping.")
        self.worker.stop()

    def _axes(self, settings: Settings) -> tuple[Front, list[tuple[float, float]]]:
        """An empty front in the metrics of these settings, and where their values lie."""
        space, metrics = benchmark(settings.table).space, settings.axes()
        nothing = np.empty((0, len(space.slots)), dtype=np.int64), np.empty((0, len(metrics)))
        return Front(space, metrics, *nothing), [settings.span(metric.name) for metric in metrics]

    def _blank(self) -> Picture:
        """A DAG of which nothing is decided."""
        frame = blank(space := self.controls.settings.space)
        return frame_figure(space, frame.tokens[0], frame.probability[0], axis="2")

    def _draw(self, snapshot: Snapshot) -> None:
        if self._shown is None or snapshot.settings is not self._shown.settings:
            self._turn(snapshot)
        if self.comparison.holds and snapshot.beside is not None:
            self._show_held(snapshot.beside)
        moving = snapshot.frame.step < snapshot.frame.steps
        if self._row is None and not (moving and self.page.calm):
            self.sentence.value = sentence(self.stage.show_frame(snapshot, snapshot.caption))
        if self._shown is None or len(snapshot.tokens) != len(self._shown.tokens):
            self._show_all(snapshot)
        self.progress.show(snapshot.done, snapshot.total)
        self._shown = snapshot

    def _show_held(self, held: Snapshot) -> None:
        row = held.ranked()[0] if held.done >= held.total and len(held.tokens) else None
        frame = held.frame if row is None else held.decided(int(row))
        self.stage.show_held(held.space, frame, "held" if row is None else "held: its best")

    def _turn(self, snapshot: Snapshot) -> None:
        """Another run begins: its axes, and the one before as faint crosses where it has the same axes."""
        self.stage.set_axes(*self._axes(snapshot.settings))
        kept, self._row, self._shown, self._brushed, self._hover = self._kept, None, None, [], []
        if self.comparison.holds:
            held = self.comparison.last
            self._before = held.values if held is not None and self._alike(held, snapshot) else None
        elif kept is None or not self._alike(kept, snapshot):
            self._before = None
        elif kept.done == kept.total:
            self._before = kept.values
        self.stage.clear()
        self.progress.begin(snapshot.total, snapshot.done)

    @staticmethod
    def _alike(before: Snapshot, now: Snapshot) -> bool:
        """Whether two batches can be drawn on the same axes."""
        return before.front.metrics == now.front.metrics and before.settings.table == now.settings.table

    def _show_all(self, snapshot: Snapshot) -> None:
        """The architectures of all finished rounds: dots, front, table of the best."""
        self._hover += tables.hover(snapshot, len(self._hover))
        self.stage.show_front(snapshot.front, snapshot.values, self._hover, self._before)
        if not len(snapshot.tokens):
            return
        if self._kept is None or self._kept.settings is not snapshot.settings:
            self._row, self._brushed = None, []  # what was chosen since this run began is of the one before
        self._kept = snapshot
        if time.monotonic() >= self._ranked + RANKED:
            self.best.value, self._ranked = tables.best(snapshot), time.monotonic()
        self._offer([])
        doing = "Evaluated" if snapshot.evaluated else "Generating"
        if not self.stop.disabled:
            self._say(f"{doing}: {len(snapshot.tokens)} of {snapshot.total}. {self._result(snapshot)}")

    def _ended(self) -> None:
        """Nothing runs any more: say how it went, and show the best or what was there before."""
        self.generate.disabled, self.stop.disabled = False, True
        self.progress.end()
        kept, fault = self._kept, self._refused or self.worker.fault
        self._refused = None
        if kept is not None and self._shown is not kept:
            if self._shown is not None and self._shown.settings is not kept.settings:
                self._before = None
                self.progress.begin(kept.total, kept.done)
                self.stage.set_axes(*self._axes(kept.settings))
            self._show_all(kept)
        if fault is not None:
            self._refuse(fault)
        elif kept is None or kept.settings is not self._asked:
            rest = " The picture shows the batch of before." if kept is not None else ""
            self._say(f"Stopped before the first round was finished.{rest}")
        else:
            did = "Evaluated" if kept.evaluated else "Generated"
            how = "Stopped after" if self.worker.stopped or kept.done < kept.total else did
            self._say(f"{how} {len(kept.tokens)} architectures. {self._result(kept)}")
        if kept is not None:
            self.parallel.show(kept)
            self.best.value, held = tables.best(kept), self.comparison.last
            self.compared.value = "" if held is None else tables.comparison(held, kept)
            rows = kept.ranked()[:OFFERED].tolist()
            self._offer([(f"{i}. {kept.space.decode(kept.tokens[row]).text}", row) for i, row in enumerate(rows, 1)])
            self._show(kept, rows[0] if self._row is None else self._row)

    def _result(self, snapshot: Snapshot) -> str:
        """What the right picture shows, in words, and what lies beyond its axes."""
        beyond = self.stage.beyond(snapshot.values)
        rest = f" {beyond} lie outside the axes; Autoscale, above the picture, shows them." if beyond else ""
        return f"{snapshot.distinct} distinct. {snapshot.front.sentence()}{rest} {snapshot.failed}".rstrip()

    def _show(self, kept: Snapshot, row: int) -> None:
        """One architecture: its DAG, a ring around its dot, its notation and its code."""
        tokens, values = kept.tokens[row], kept.values[row]
        caption = tables.values(kept.front.metrics, values)
        self.sentence.value = sentence(self.stage.show_architecture(kept.space, tokens, caption, values))
        self.code.value = tables.code(kept.settings.table, kept.space.decode(tokens))
        with self._hushed():
            self.picked.value = row if row in [value for _, value in self.picked.options] else None

    def _offer(self, options: list[tuple[str, int]]) -> None:
        with self._hushed():
            self.picked.options, self.picked.disabled = options, not options

    def _recant(self, fault: Exception) -> None:
        """Refuse what the controls say; what runs is ended, as it is not what they say any more."""
        if self.worker.state != "idle":
            self._refused = fault
            self._halt()
        self._refuse(fault)

    def _refuse(self, fault: Exception) -> None:
        text = str(fault) if isinstance(fault, NagkitError) else f"{type(fault).__name__}: {fault}"
        self.status.value = message(text, refused=True)

    def _say(self, text: str) -> None:
        self.status.value = message(text)

    @contextmanager
    def _hushed(self) -> Iterator[None]:
        self._quiet = True
        yield
        self._quiet = False

    # ----------------------------------------------------------------------------------------- what is kept and saved
    def _brush(self, rows: list[int]) -> None:
        """What was drawn around in the picture can be kept together."""
        self._brushed = rows
        self._say(f"{len(rows)} architectures selected; the tray keeps them.")

    def _chosen(self) -> list[Kept]:
        kept = self._kept
        return [] if kept is None else Kept.of(kept, kept.ranked()[:1] if self._row is None else [self._row])

    def _selected(self) -> list[Kept]:
        return [] if self._kept is None else Kept.of(self._kept, self._brushed)

    def _front(self) -> list[Kept]:
        if self._kept is None:
            return []
        front = self._kept.front
        return Kept.of(replace(self._kept, tokens=front.tokens, values=front.values), range(len(front)))

    def _saved(self) -> Saved:
        if self.worker.state != "idle":
            raise NagkitError("Stop first, or let it end: a run is saved as a whole.")
        if self._kept is None:
            raise NagkitError("There is nothing to save yet. Generate architectures first.")
        return Saved(self._kept.settings, self._kept.tokens, self._kept.values, self.tray.kept, self._kept.run)

    def _reopen(self, saved: Saved) -> None:
        if self.worker.state != "idle":
            raise NagkitError("Stop first, or let it end, before another one is opened.")
        self.controls.show(saved.settings)
        self.worker.forget()
        self.tray.fill(saved.tray)
        self._make_ready(saved.settings)
        self._asked, self._shown, self._kept = saved.settings, None, None
        if len(saved.tokens):
            self._draw(saved.snapshot())
            self._ended()

    def _panel(self) -> list[ipw.Widget]:
        line = ipw.Layout(align_items="center", flex_flow="row wrap")
        buttons = ipw.HBox([self.generate, self.stop, self.comparison.box, self.progress], layout=line)
        steered = [self.controls.box(), buttons, self.status, self.machine.box()]
        drawn = [self.stage.figure, self.sentence, self.parallel, self.compared, self.best, self.picked, self.code]
        return [ipw.HTML(STYLE), self.page, *steered, *drawn, self.tray, self.names]
