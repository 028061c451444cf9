"""This machine as a device: a button that times networks of the table here, beside what else the studio does.

A worker of its own walks the timings, so that its Stop and its progress are its own; finished timings are on disk.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import ipywidgets as ipw
from nagkit_widgets.progress import Progress
from nagkit_widgets.settings import timed_anew
from nagkit_widgets.sources import here, workload
from nagkit_widgets.text import message
from nagkit_widgets.worker import Worker

from nagkit.errors import NagkitError

if TYPE_CHECKING:
    from nagkit.networks.timing import Timed


class Machine:
    """A button, how many networks to time at most, a Stop, a bar and a sentence.

    ``table`` says which networks to time; ``known`` is called when their latency here is known, or known better.
    """

    def __init__(self, table: Callable[[], str], known: Callable[[str], None]) -> None:
        self._table, self._known = table, known
        self._timed = table()  # the table whose networks are timed, or were
        self.worker: Worker[Timed] = Worker(self._draw, self._ended)
        self.time = ipw.Button(description="Time this machine", icon="clock-o", layout=ipw.Layout(width="auto"))
        self.time.tooltip = "times networks of the table here, in a minute and a half at most"
        self.networks = ipw.BoundedIntText(60, min=20, max=60, description="Networks", layout=ipw.Layout(width="160px"))
        self.stop = ipw.Button(description="Stop timing", icon="stop", disabled=True, layout=ipw.Layout(width="auto"))
        self.progress = Progress()
        self.said = ipw.HTML()
        self.time.on_click(lambda _: self._start())
        self.stop.on_click(lambda _: self._halt())

    def box(self) -> ipw.Widget:
        """The row, its sentence below."""
        row = ipw.HBox([self.time, self.networks, self.stop, self.progress], layout=ipw.Layout(align_items="center"))
        return ipw.VBox([row, self.said])

    def _start(self) -> None:
        self._timed = self._table()
        try:
            self.worker.start(_timings(self._timed, self.networks.value))
        except NagkitError as refusal:
            self.said.value = message(str(refusal), refused=True)
            return
        if self.worker.state != "idle":  # in place, all is done by now
            self.time.disabled, self.stop.disabled = True, False
            self.said.value = message(f"Timing networks of {self._timed} on this machine.")

    def _halt(self) -> None:
        self.stop.disabled = True
        self.worker.stop()

    def _draw(self, step: "Timed") -> None:
        self.progress.show(step.done, step.total)

    def _ended(self) -> None:
        """Say how it went; what is known by now can be a limit at once, also when it was stopped."""
        self.time.disabled, self.stop.disabled = False, True
        self.progress.end()
        timed_anew()
        predictor = here(self._timed)
        if predictor is not None:
            self._known(self._timed)
        how = "Stopped. " if self.worker.stopped else ""
        if self.worker.fault is not None:
            self.said.value = message(str(self.worker.fault), refused=True)
        elif predictor is None:
            self.said.value = message(f"{how}Too few networks are timed yet. Press again to go on.")
        else:
            self.said.value = message(f"{how}{predictor.metric.device}: {predictor.metric.source}")


def _timings(table: str, networks: int) -> "Iterator[Timed]":
    """The timings of a table's networks; PyTorch loads in the thread that walks them."""
    from nagkit.networks.timing import time_networks

    yield from time_networks(workload(table), networks)
