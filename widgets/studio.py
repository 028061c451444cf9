"""The studio: set how strongly to guide and what a network may cost, and watch architectures come into being.

The controls hold the settings, a worker walks the snapshots that the settings stand for, the stage draws them. All
widgets are written on the kernel's loop.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as ipw
import numpy as np
from jaxtyping import Int
from nagkit_widgets import tables
from nagkit_widgets.controls import Controls
from nagkit_widgets.machine import Machine
from nagkit_widgets.sampling import Snapshot, snapshots, warm_up
from nagkit_widgets.settings import Settings, settings
from nagkit_widgets.sources import HERE, benchmark
from nagkit_widgets.stage import Stage
from nagkit_widgets.worker import Worker, kernel_loop
from scipy.special import softmax

from nagkit.diffusion.guidance import Guidance
from nagkit.drawings import frame_figure
from nagkit.errors import NagkitError
from nagkit.figures import Picture
from nagkit.metrics import Front
from nagkit.space import UNDECIDED, Architecture

PACE, REPLAY_PACE = 0.1, 0.04  # seconds between two frames, at least: to be followed by eye, to feel the slider
OFFERED = 8  # architectures in the list of the best


class Studio(ipw.VBox):
    """One panel: controls, a live figure, the best architectures, and the code of the one that is chosen.

    Start values are those of ``Settings``, the table a public one where there is one; change them as in
    ``Studio(table="nas-bench-201/cifar10", strength=8.0)``.
    ``value``, ``front``, ``tokens`` and ``chosen`` are for the cells that follow: they wait for what runs, and
    generate first where nothing has been generated yet.
    """

    def __init__(self, **start: Any) -> None:
        initial = settings(**start)
        self.controls = Controls(initial, self._changed, self._recant)
        front, spans = self._axes(initial)
        self.stage = Stage(front, spans, self._blank(), self._choose)
        self.worker: Worker[Snapshot] = Worker(self._draw, self._ended, self.stage.busy, PACE)
        self.machine = Machine(lambda: self.controls.table.value, self._timed)
        self.generate = ipw.Button(description="Generate", icon="play", button_style="primary")
        self.stop = ipw.Button(description="Stop", icon="stop", disabled=True)
        self.progress = ipw.IntProgress(0, min=0, max=1, layout=ipw.Layout(width="160px", margin="2px 8px"))
        self.status, self.sentence, self.best, self.code = (ipw.HTML() for _ in range(4))
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
        self.generate.on_click(lambda _: self._start())
        self.stop.on_click(lambda _: self._halt())
        self.picked.observe(self._pick, "value")
        self._say("Press Generate. Moving a control then replays the same noise under the new guidance.")
        super().__init__(self._panel())
        if kernel_loop() is not None:  # while a person looks at the controls, so that Generate answers at once
            threading.Thread(target=warm_up, args=(initial,), name="nagkit-warm-up", daemon=True).start()

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
            *_, last = snapshots(self._asked)
            self._draw(last)
            self._ended()
        return self._kept

    # ------------------------------------------------------------------------------------------- what a person does

    def _start(self) -> None:
        try:
            settings = self.controls.settings
            if self.worker.state == "idle":
                self._asked, self.worker.pace = settings, PACE
            self.worker.start(snapshots(settings))
        except NagkitError as refusal:
            self._refuse(refusal)
        else:
            self._begin()

    def _changed(self) -> None:
        """Replay the same noise under the new settings; before the first Generate, only make ready."""
        try:
            settings = self.controls.settings
            if self.worker.state == "idle" and self._kept is None:
                self.stage.set_axes(*self._axes(settings))
                self.stage.show(self._blank(), "")
                return
            self._asked, self.worker.pace = settings, REPLAY_PACE
            self.worker.replace(snapshots(settings))
        except NagkitError as refusal:
            self._recant(refusal)
        else:
            self._begin()

    def _timed(self, table: str) -> None:
        """The latency on this machine is known: it can be limited."""
        if table == self.controls.table.value:
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
            learning = "" if self.controls.labels.disabled else "Learning from the labels, then generating "
            self._say(f"{learning or 'Generating '}{self.controls.samples.value} architectures.")

    def _halt(self) -> None:
        """Stop what runs; the button answers at once, the worker within one step."""
        self.stop.disabled = True
        self.worker.stop()

    def _axes(self, settings: Settings) -> tuple[Front, list[tuple[float, float]]]:
        """An empty front in the metrics of these settings, and where their values lie."""
        space, metrics = benchmark(settings.table).space, settings.axes()
        nothing = np.empty((0, len(space.slots)), dtype=np.int64), np.empty((0, len(metrics)))
        return Front(space, metrics, *nothing), [settings.span(metric.name) for metric in metrics]

    def _blank(self) -> Picture:
        """A DAG of which nothing is decided."""
        space = benchmark(self.controls.settings.table).space
        nothing = np.full((1, len(space.slots)), UNDECIDED)
        belief = softmax(np.where(space.legal(nothing), space.belief(nothing), -np.inf)[0], axis=1)
        return frame_figure(space, nothing[0], belief, axis="2")

    def _draw(self, snapshot: Snapshot) -> None:
        if self._shown is None or snapshot.settings is not self._shown.settings:
            self._turn(snapshot)
        if self._row is None:
            step = f"step {snapshot.frame.step} of {snapshot.frame.steps}"
            caption = f"Round {snapshot.round + 1} of {snapshot.rounds}, first sample, {step}"
            self.sentence.value = tables.sentence(self.stage.show_frame(snapshot, caption))
        if self._shown is None or len(snapshot.tokens) != len(self._shown.tokens):
            self._show_all(snapshot)
        self._shown = snapshot

    def _turn(self, snapshot: Snapshot) -> None:
        """Another run begins: its axes, and the one before as faint crosses where it has the same axes."""
        self.stage.set_axes(*self._axes(snapshot.settings))
        kept, self._row, self._shown = self._kept, None, None
        if (
            kept is None
            or kept.front.metrics != snapshot.front.metrics
            or kept.settings.table != snapshot.settings.table
        ):
            self._before = None
        elif len(kept.tokens) == kept.settings.samples:
            self._before = kept.values
        self.stage.clear_ring()
        self.progress.max = snapshot.settings.samples

    def _show_all(self, snapshot: Snapshot) -> None:
        """The architectures of all finished rounds: dots, front, table of the best."""
        self.stage.show_front(snapshot.front, snapshot.values, tables.hover(snapshot), self._before)
        self.progress.value = len(snapshot.tokens)
        if not len(snapshot.tokens):
            return
        self._kept = snapshot
        self.best.value = tables.best(snapshot)
        self._offer([])
        self._say(f"Generating: {len(snapshot.tokens)} of {snapshot.settings.samples}. {self._result(snapshot)}")

    def _ended(self) -> None:
        """Nothing runs any more: say how it went, and show the best or what was there before."""
        self.generate.disabled, self.stop.disabled = False, True
        kept, fault = self._kept, self._refused or self.worker.fault
        self._refused = None
        if kept is not None and self._shown is not kept:
            if self._shown is not None and self._shown.settings is not kept.settings:
                self._before, self.progress.max = None, kept.settings.samples
                self.stage.set_axes(*self._axes(kept.settings))
            self._show_all(kept)
        if fault is not None:
            self._refuse(fault)
        elif kept is None or kept.settings is not self._asked:
            rest = " The picture shows the batch of before." if kept is not None else ""
            self._say(f"Stopped before the first round was finished.{rest}")
        else:
            how = "Stopped after" if self.worker.stopped else "Generated"
            self._say(f"{how} {len(kept.tokens)} architectures. {self._result(kept)}")
        if kept is not None:
            rows = kept.ranked()[:OFFERED].tolist()
            self._offer([(f"{i}. {kept.space.decode(kept.tokens[row]).text}", row) for i, row in enumerate(rows, 1)])
            self._show(kept, rows[0] if self._row is None else self._row)

    def _result(self, snapshot: Snapshot) -> str:
        """What the right picture shows, in words, and what lies beyond its axes."""
        beyond = self.stage.beyond(snapshot.values)
        rest = f" {beyond} lie outside the axes; a double click on the picture shows them." if beyond else ""
        return f"{snapshot.distinct} distinct. {snapshot.front.sentence()}{rest}"

    def _show(self, kept: Snapshot, row: int) -> None:
        """One architecture: its DAG, a ring around its dot, its notation and its code."""
        tokens, values = kept.tokens[row], kept.values[row]
        names = zip(kept.front.metrics, values, strict=True)
        caption = ", ".join(f"{metric.name.replace('_', ' ')} {value:.4g} {metric.unit}" for metric, value in names)
        self.sentence.value = tables.sentence(self.stage.show_architecture(kept.space, tokens, caption, values))
        self.code.value = tables.code(kept.settings.table, kept.space.decode(tokens))
        with self._hushed():
            self.picked.value = row if row in [value for _, value in self.picked.options] else None

    def _offer(self, options: list[tuple[str, int]]) -> None:
        with self._hushed():
            self.picked.options = options
            self.picked.disabled = not options

    def _recant(self, fault: Exception) -> None:
        """Refuse what the controls say; what runs is ended, as it is not what they say any more."""
        if self.worker.state != "idle":
            self._refused = fault
            self._halt()
        self._refuse(fault)

    def _refuse(self, fault: Exception) -> None:
        text = str(fault) if isinstance(fault, NagkitError) else f"{type(fault).__name__}: {fault}"
        self.status.value = tables.message(text, refused=True)

    def _say(self, text: str) -> None:
        self.status.value = tables.message(text)

    @contextmanager
    def _hushed(self) -> Iterator[None]:
        self._quiet = True
        yield
        self._quiet = False

    def _panel(self) -> list[ipw.Widget]:
        buttons = ipw.HBox([self.generate, self.stop, self.progress], layout=ipw.Layout(align_items="center"))
        return [
            *(ipw.HTML(tables.STYLE), self.controls.box(), buttons, self.status, self.machine.box()),
            *(self.stage.figure, self.sentence, self.best, self.picked, self.code),
        ]
