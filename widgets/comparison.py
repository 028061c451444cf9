"""Two settings side by side: what was shown is held, and walks again beside what comes, from the same noise."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, repeat

import ipywidgets as ipw
from nagkit_widgets.sampling import Snapshot


@dataclass
class _Held:
    """Work that is held: what is left of it, the snapshots of what was walked, and whether that is all."""

    work: Iterator[Snapshot]
    snapshots: list[Snapshot] = field(default_factory=list)
    whole: bool = False

    def walk(self, interrupted: Callable[[], bool]) -> None:
        """Walk what is left, or as much until interrupted; the next walk goes on from there."""
        for snapshot in self.work:
            self.snapshots.append(snapshot)
            if interrupted():
                return
        self.whole = True


class Comparison:
    """A box to tick; ``hold`` then gives the work to hold, or none where there is nothing to hold yet.

    The work is walked once, by whoever first draws something beside it, and to its end by a later one where the first
    is ``interrupted``.
    """

    def __init__(
        self, hold: Callable[[], Iterable[Snapshot] | None], interrupted: Callable[[], bool] = lambda: False
    ) -> None:
        self._hold, self._interrupted = hold, interrupted
        self._held: _Held | None = None
        self.box = ipw.Checkbox(description="Hold and compare", indent=False, layout=ipw.Layout(width="auto"))
        self.box.tooltip = "holds what is shown, and draws what comes beside it"
        self.box.observe(self._tick, "value")

    @property
    def holds(self) -> bool:
        """Whether the box is ticked."""
        return self.box.value

    @property
    def waits(self) -> bool:
        """Whether what is held has still to be walked, before anything is drawn beside it."""
        return self._held is not None and not self._held.whole

    @property
    def last(self) -> Snapshot | None:
        """The end of what is held, once it was walked."""
        return self._held.snapshots[-1] if self._held is not None and self._held.whole else None

    def beside(self, snapshots: Iterator[Snapshot]) -> Iterator[Snapshot]:
        """These, each with what is held as it was at the same moment."""
        held = self._held
        if held is None:
            yield from snapshots
            return
        try:
            held.walk(self._interrupted)
        except Exception:
            self._held = None  # what cannot be generated cannot be held
            raise
        if held.whole:
            others = chain(held.snapshots, repeat(held.snapshots[-1]))
            for snapshot, other in zip(snapshots, others, strict=False):
                yield replace(snapshot, beside=other)

    def _tick(self, _: object) -> None:
        self._held = None
        if self.box.value:
            work = self._hold()
            self._held = None if work is None else _Held(iter(work))
            self.box.value = work is not None
