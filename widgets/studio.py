"""The studio: set how strongly to guide and what a network may cost, and watch architectures come into being.

This module loads nothing heavy: a line of text is on the page before the packages behind the panel are.
"""

import threading
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw
from nagkit_widgets.text import STYLE, message
from nagkit_widgets.worker import kernel_loop

from nagkit.errors import ArgumentError

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Int
    from nagkit_widgets.panel import Panel

    from nagkit.diffusion.guidance import Guidance
    from nagkit.metrics import Front
    from nagkit.space import Architecture


class Studio(ipw.VBox):
    """One panel: controls, a live figure, the best architectures, the code of the one that is chosen, and a tray.

    Start values are those of ``Settings``, the table a public one where there is one; change them as in
    ``Studio(table="nas-bench-201/cifar10", strength=8.0)``. ``folder`` is where what gets a name is saved.
    ``value``, ``front``, ``tokens`` and ``chosen`` are for the cells that follow: they wait for what runs, and
    generate first where nothing has been generated yet.
    """

    def __init__(self, folder: str | PathLike[str] = "runs/studio", **start: Any) -> None:
        if not isinstance(folder, str | PathLike):
            raise ArgumentError(f"folder must be the path of a folder, such as 'runs/studio'; got {folder!r:.80}.")
        self._folder, self._start = Path(folder), start
        self._panel: Panel | None = None
        self._fault: Exception | None = None
        super().__init__([ipw.HTML(STYLE), ipw.HTML(message("Opening the studio: tables and packages are loading."))])
        loop = kernel_loop()
        if loop is None:
            _ = self.panel
            return
        self._loading = threading.Thread(target=self._load, args=(loop,), name="nagkit-studio", daemon=True)
        self._loading.start()

    @property
    def panel(self) -> "Panel":
        """What is shown, once everything is loaded; this waits for it."""
        if self._panel is None and self._fault is None:
            try:
                initial = import_module("nagkit_widgets.settings").settings(**self._start)
                self._panel = import_module("nagkit_widgets.panel").Panel(initial, self._folder)
                self.children = [self._panel]
            except Exception as fault:
                self._fault = fault
                self.children = [ipw.HTML(STYLE), ipw.HTML(message(str(fault), refused=True))]
        if self._panel is None:
            assert self._fault is not None  # noqa: S101 (for the reader and mypy)
            raise self._fault
        return self._panel

    @property
    def value(self) -> "Guidance":
        """The guidance at the present position of the controls."""
        return self.panel.value

    @property
    def front(self) -> "Front":
        """The Pareto front of what was generated."""
        return self.panel.front

    @property
    def tokens(self) -> "Int[np.ndarray, 'n L']":
        """All architectures that were generated."""
        return self.panel.tokens

    @property
    def chosen(self) -> "Architecture":
        """The architecture that was clicked, else the best one generated."""
        return self.panel.chosen

    @property
    def tray(self) -> "tuple[Architecture, ...]":
        """The architectures in the tray."""
        return tuple(each.architecture for each in self.panel.tray.kept)

    def __repr__(self) -> str:
        return repr(self._panel) if self._panel is not None else "Studio: loading."

    def _load(self, loop: Any) -> None:
        """In a thread of its own what takes long; the panel itself is made on the kernel's loop."""
        try:
            import_module("nagkit_widgets.panel")
            initial = import_module("nagkit_widgets.settings").settings(**self._start)
            import_module("nagkit_widgets.sources").benchmark(initial.table)
        except Exception:  # told where the panel is made
            initial = None
        loop.call_soon_threadsafe(self._fill)
        if initial is not None:  # while a person looks at the controls, so that Generate answers at once
            import_module("nagkit_widgets.sampling").warm_up(initial)

    def _fill(self) -> None:
        try:
            _ = self.panel
        except Exception:  # shown where the panel would be
            return
