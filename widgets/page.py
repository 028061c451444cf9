"""The page that shows a panel: screen readers get names and sentences, and it is known whether motion is unwelcome."""

from pathlib import Path

import anywidget
import traitlets


class Page(anywidget.AnyWidget):
    """Nothing to see; ``calm`` is true where the reader's system asks for less motion."""

    _esm = Path(__file__).parent / "page.js"
    calm = traitlets.Bool(False).tag(sync=True)
