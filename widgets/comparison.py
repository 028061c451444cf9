"""Two settings side by side: what was shown is held, and walks again beside what comes, from the same noise."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, repeat

import ipywidgets as ipw
from nagkit_widgets.sampling import Snapshot


class Comparison:
    """A box to tick; ``hold`` then gives the work to hold, or none where there is nothing to hold yet.

    The work is walked once, by whoever first draws something beside it.
    """

    def __init__(self, hold: Callable[[], Iterable[Snapshot] | None]) -> None:
        self._hold = hold
        self._work: Iterable[Snapshot] | None = None
        self._held: list[Snapshot] = []
        self.box = ipw.Checkbox(description="Hold and compare", indent=False, layout=ipw.Layout(width="auto"))
        self.box.tooltip = "holds what is shown, and draws what comes beside it"
        self.box.observe(self._tick, "value")

    @property
    def holds(self) -> bool:
        """Whether the box is ticked."""
        return self.box.value

    @property
    def last(self) -> Snapshot | None:
        """The end of what is held, once it was walked."""
        return self._held[-1] if self._held else None

    def beside(self, snapshots: Iterator[Snapshot]) -> Iterator[Snapshot]:
        """These, each with what is held as it was at the same moment."""
        work, self._work = self._work, None
        if work is not None:
            self._held = [*work]
        if not self._held:
            yield from snapshots
            return
        held = chain(self._held, repeat(self._held[-1]))
        for snapshot, other in zip(snapshots, held, strict=False):
            yield replace(snapshot, beside=other)

    def _tick(self, _: object) -> None:
        self._held, self._work = [], None
        if self.box.value:
            self._work = self._hold()
            self.box.value = self._work is not None
