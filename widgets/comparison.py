"""Two settings side by side: what was shown is held, and walks again beside what comes, from the same noise."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, repeat

import ipywidgets as ipw
from nagkit_widgets.sampling import Snapshot


class Comparison:
    """A box to tick; ``hold`` then gives the snapshots to hold, or none where there is nothing to hold yet."""

    def __init__(self, hold: Callable[[], list[Snapshot] | None]) -> None:
        self._hold, self._held = hold, list[Snapshot]()
        self.box = ipw.Checkbox(description="Hold and compare", indent=False, layout=ipw.Layout(width="auto"))
        self.box.tooltip = "holds what is shown, and draws what comes beside it"
        self.box.observe(self._tick, "value")

    @property
    def holds(self) -> bool:
        """Whether the box is ticked."""
        return self.box.value

    @property
    def last(self) -> Snapshot | None:
        """What is held, finished."""
        return self._held[-1] if self._held else None

    def beside(self, snapshots: Iterator[Snapshot]) -> Iterator[Snapshot]:
        """These, each with what is held as it was at the same moment."""
        held = self._held
        if not held:
            yield from snapshots
            return
        for snapshot, other in zip(snapshots, chain(held, repeat(held[-1])), strict=False):
            yield replace(snapshot, beside=other)

    def _tick(self, _: object) -> None:
        self._held = []
        found = self._hold()
        if found is None and self.box.value:
            self.box.value = False
        self._held = found or []
