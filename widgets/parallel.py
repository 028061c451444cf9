"""Parallel coordinates under the picture of the front, for more metrics than a picture has axes."""

import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
from nagkit_widgets.sampling import Snapshot
from nagkit_widgets.text import sentence

from nagkit.parallel import parallel_figure


class Parallel(ipw.VBox):
    """Nothing for two metrics; for more, one upright axis for each and a line for each architecture."""

    def __init__(self) -> None:
        self._drawn: list[ipw.Widget] = []
        super().__init__()

    def show(self, snapshot: Snapshot) -> None:
        """Draw what was generated; what was drawn before goes."""
        for each in self._drawn:
            each.close()
        self._drawn = self._pictures(snapshot)
        self.children = self._drawn

    @staticmethod
    def _pictures(snapshot: Snapshot) -> list[ipw.Widget]:
        front = snapshot.front
        if len(front.metrics) < 3 or not np.isfinite(snapshot.values).all(1).any():
            return []
        picture = parallel_figure(front, snapshot.values)
        return [go.FigureWidget(picture.data, picture.layout), ipw.HTML(sentence(picture.sentence))]
