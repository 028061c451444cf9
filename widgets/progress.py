"""A bar that says how far work is, and how long what is left may take."""

import time

import ipywidgets as ipw
from nagkit_widgets.text import message

SURE = 1.0  # seconds of work before which no time is promised


class Progress(ipw.HBox):
    """``show`` moves the bar; ``end`` drops what it said of time."""

    def __init__(self) -> None:
        self.bar = ipw.IntProgress(0, min=0, max=1, layout=ipw.Layout(width="160px", margin="2px 8px"))
        self.bar.tooltip = "how much of the work is done"
        self.left = ipw.HTML()
        self._began, self._from = time.monotonic(), 0
        super().__init__([self.bar, self.left], layout=ipw.Layout(align_items="center"))

    def begin(self, total: int, done: int = 0) -> None:
        """Work of this size begins, or is found to be done so far."""
        self.bar.max, self.bar.value, self.left.value = max(total, 1), done, ""
        self._began, self._from = time.monotonic(), done

    def show(self, done: int, total: int) -> None:
        """So much of all is done; other work than before begins anew."""
        if total != self.bar.max or done < self.bar.value:
            self.begin(total, done)
        self.bar.value = done
        spent, gained = time.monotonic() - self._began, done - self._from
        if spent > SURE and gained and done < total:
            seconds = spent / gained * (total - done)
            self.left.value = message(f"{done} of {total}, about {_interval(seconds)} left", announced=False)

    def end(self) -> None:
        """Nothing is under way any more."""
        self.left.value = ""


def _interval(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
