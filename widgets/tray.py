"""The tray: architectures put aside while others are generated, and the files that they and fronts leave in."""

import base64
from collections.abc import Callable, Iterator, Sequence

import ipywidgets as ipw
from nagkit_widgets.exports import KINDS, Kept, exported
from nagkit_widgets.text import message
from nagkit_widgets.worker import Worker

from nagkit.errors import NagkitError
from nagkit.figures import safe

TRAY, FRONT = "the tray", "the front"
MIME = {"csv": "text/csv", "json": "application/json", "py": "text/x-python", "zip": "application/zip"}
_AUTO = ipw.Layout(width="auto")


class Tray(ipw.VBox):
    """What is kept, as a list from which entries can be taken out, and a button that makes files of it.

    Args:
        chosen: the architecture that is shown, as a list of one, or none
        selected: those selected in the picture
        front: those of the present front
    """

    def __init__(
        self,
        chosen: Callable[[], Sequence[Kept]],
        selected: Callable[[], Sequence[Kept]],
        front: Callable[[], Sequence[Kept]],
    ) -> None:
        self._front = front
        self.keep = _button("Keep the chosen", "plus", lambda: self.add(chosen()))
        self.keep_selected = _button("Keep the selected", "object-group", lambda: self.add(selected()))
        self.keep_front = _button("Keep the front", "star", lambda: self.add(front()))
        self.remove = _button("Remove", "trash", self._remove)
        wide = ipw.Layout(width="auto", margin="2px 4px")
        self.list = ipw.SelectMultiple(description="Tray", rows=5, layout=wide, style={"description_width": "44px"})
        self.what = ipw.Dropdown(options=[TRAY, FRONT], description="Export", layout=_AUTO)
        self.kind = ipw.Dropdown(options=list(KINDS), description="as", layout=_AUTO)
        self.export = _button("Make the file", "download", self._export)
        self.said = ipw.HTML()
        self.worker: Worker[tuple[str, bytes]] = Worker(self._offer, self._ended)
        self.kept: tuple[Kept, ...] = ()
        self._list()
        line = ipw.Layout(flex_flow="row wrap", align_items="center")
        adding = ipw.HBox([self.keep, self.keep_selected, self.keep_front, self.remove], layout=line)
        exporting = ipw.HBox([self.what, self.kind, self.export], layout=line)
        super().__init__([adding, self.list, exporting, self.said])

    def add(self, kept: Sequence[Kept]) -> None:
        """Put these into the tray, each once."""
        before = len(self.kept)
        self.fill(list(dict.fromkeys([*self.kept, *kept])))
        count = len(self.kept) - before
        self._say(f"{count} more in the tray." if count else "Nothing new to keep: choose or select some first.")

    def fill(self, kept: Sequence[Kept]) -> None:
        """The tray now holds these."""
        self.kept = tuple(kept)
        self._list()

    def _remove(self) -> None:
        out = set(self.list.value)
        self.fill([each for place, each in enumerate(self.kept) if place not in out])
        self._say(f"{len(out)} taken out of the tray." if out else "Choose entries of the tray to take out.")

    def _list(self) -> None:
        self.list.options = [(_line(each), place) for place, each in enumerate(self.kept)]
        self.remove.disabled = not self.kept

    def _export(self) -> None:
        kept, kind = self.kept if self.what.value == TRAY else tuple(self._front()), self.kind.value
        try:
            self.worker.start(_files(kept, kind))
        except NagkitError as refusal:
            self._say(str(refusal), refused=True)
            return
        if self.worker.state != "idle":
            self.export.disabled = True
            self._say(f"Writing {len(kept)} architectures of {self.what.value} as {kind}.")

    def _offer(self, file: tuple[str, bytes]) -> None:
        """A link that holds the file itself, so that it works wherever the page is looked at."""
        name, content = file
        mime = MIME.get(name.rpartition(".")[2], "application/octet-stream")
        address = f"data:{mime};base64,{base64.b64encode(content).decode()}"
        link = f"<a download='{safe(name)}' href='{address}'>Download {safe(name)}</a>"
        self.said.value = f"<div class='nagkit'><div class='said announced'>{link}, {len(content):,} bytes.</div></div>"

    def _ended(self) -> None:
        self.export.disabled = False
        fault = self.worker.fault
        if fault is not None:
            self._say(
                str(fault) if isinstance(fault, NagkitError) else f"{type(fault).__name__}: {fault}", refused=True
            )

    def _say(self, text: str, refused: bool = False) -> None:
        self.said.value = message(text, refused)


def _files(kept: Sequence[Kept], kind: str) -> Iterator[tuple[str, bytes]]:
    """One file; writing networks takes a while, so a worker does it."""
    yield exported(kept, kind)


def _line(kept: Kept) -> str:
    values = ", ".join(f"{name.replace('_', ' ')} {value:.4g} {unit}" for name, value, unit in kept.values)
    return f"{kept.text}  ({kept.ground}: {values}{'' if kept.evaluated else ', predicted'})"


def _button(text: str, icon: str, act: Callable[[], None]) -> ipw.Button:
    button = ipw.Button(description=text, icon=icon, layout=_AUTO)
    button.on_click(lambda _: act())
    return button
