"""The one live figure of the studio: left a DAG coming into being, right all architectures and their front.

Where two settings are compared, the DAG of the held ones stands beside it, in the middle.

A Plotly widget carries five megabytes of script, hence one for both. Every change goes through one call a trace: a
``batch_update`` over several traces is broken in Plotly 7. Values of x and y are lists, as the page sends them back.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from nagkit_widgets.sampling import Snapshot

from nagkit.diffusion.masked import Frame
from nagkit.drawings import frame_figure
from nagkit.figures import CONFIG, VERMILION, Picture, front_figure, safe
from nagkit.metrics import Front
from nagkit.space import SearchSpace

BEFORE, GENERATED, CHOSEN, LABELS, HELD = 1, 2, 4, 5, 6  # places of traces: crosses, dots, ring, writing on the DAGs
Span = tuple[float, float]
ALONE = {"xaxis2": [0.0, 0.40], "xaxis3": [0.40, 0.41], "xaxis": [0.485, 1.0]}  # shares of the width
BESIDE = {"xaxis3": [0.0, 0.27], "xaxis2": [0.29, 0.56], "xaxis": [0.635, 1.0]}


class Stage:
    """Draws snapshots; ``busy`` while the page has not drawn the last one.

    ``clicked`` hears which row is wanted, ``brushed`` which rows lie within what was drawn around dots.
    """

    def __init__(
        self,
        front: Front,
        spans: Sequence[Span],
        dag: Picture,
        clicked: Callable[[int], None],
        brushed: Callable[[list[int]], None],
    ) -> None:
        empty, axes = front_figure(front, front.values), _axes(front, spans)
        ring = {"type": "scatter", "mode": "markers", "x": [], "y": [], "hoverinfo": "skip", "showlegend": False}
        ring["marker"] = {"symbol": "circle-open", "size": 17, "color": VERMILION, "line": {"width": 2.5}}
        held = {"type": "scatter", "mode": "text", "x": [], "y": [], "xaxis": "x3", "yaxis": "y3", "showlegend": False}
        held |= {"hoverinfo": "text", "textfont": {"size": 12}}
        self.figure = go.FigureWidget([*empty.data, ring, *dag.data, held], _shared(empty.layout, dag.layout, axes))
        self.figure._config = {**self.figure._config, **CONFIG}
        self.figure.data[GENERATED].on_click(self._point)
        self.figure.data[GENERATED].on_selection(self._brush)
        for writing in (LABELS, HELD):  # there is nothing to select in a DAG
            self.figure.data[writing].on_selection(self._withdraw)
        self._clicked, self._brushed = clicked, brushed
        self._rows: list[int] = []
        self._selected = False  # whether anything was drawn around
        self._beside: dict[str, Any] = {"shapes": [], "annotations": []}  # the DAG of the held settings

    def busy(self) -> bool:
        """Whether a page shows the figure and has not yet answered the last change."""
        return bool(self.figure._view_count and self.figure._trace_edit_in_process)

    def show_front(self, front: Front, values: np.ndarray, hover: Sequence[str], before: np.ndarray | None) -> None:
        """Draw all architectures and the front; the axes stay as ``set_axes`` has left them."""
        picture = front_figure(front, values, hover, before)
        self._rows = picture.data[GENERATED]["customdata"]
        for place, trace in enumerate(picture.data):
            change = {"x": [trace["x"]], "y": [trace["y"]], "showlegend": trace.get("showlegend", True)}
            if "hovertext" in trace:
                change["hovertext"] = [trace["hovertext"]]
            self.figure.plotly_restyle(change, place)
        self._resend()

    def show(self, picture: Picture, caption: str) -> None:
        """Draw a DAG, by one message: boxes, edges and caption are layout, the writing on the boxes is a trace."""
        layout = {
            "shapes": [*self._beside["shapes"], *picture.layout["shapes"]],
            "annotations": [*self._beside["annotations"], _caption(caption, self._left("xaxis2"))],
        }
        layout |= {f"{axis}.range": picture.layout[axis]["range"] for axis in ("xaxis2", "yaxis2")}
        self.figure.plotly_update(_written(picture), layout, LABELS)

    def show_held(self, space: SearchSpace, frame: Frame, caption: str) -> None:
        """Draw the first sample of the held settings; its boxes come with the next ``show``."""
        picture = frame_figure(space, frame.tokens[0], frame.probability[0], axis="3")
        self._beside = {
            "shapes": picture.layout["shapes"],
            "annotations": [_caption(caption, self._left("xaxis3"))],
        }
        ranges = {f"{axis}.range": picture.layout[axis]["range"] for axis in ("xaxis3", "yaxis3")}
        self.figure.plotly_update(_written(picture), ranges, HELD)

    def compare(self, comparing: bool) -> None:
        """Make room for a second DAG, or take it back."""
        self._beside = {"shapes": [], "annotations": []}
        shares = BESIDE if comparing else ALONE
        moved = {f"{axis}.domain": share for axis, share in shares.items()}
        self.figure.plotly_relayout(moved | {"legend.x": shares["xaxis"][0]})
        self.figure.plotly_restyle({"x": [[]], "y": [[]], "text": [[]], "visible": comparing}, HELD)
        self.figure.plotly_restyle({"name": "held" if comparing else "before"}, BEFORE)
        self._resend()

    def _left(self, axis: str) -> float:
        return self.figure.layout[axis].domain[0]

    def show_frame(self, snapshot: Snapshot, caption: str) -> str:
        """Draw the first sample of the present round as far as it is decided; the sentence says the same."""
        frame = snapshot.frame
        picture = frame_figure(snapshot.space, frame.tokens[0], frame.probability[0], axis="2")
        self.show(picture, caption)
        return picture.sentence

    def show_architecture(self, space: SearchSpace, row: np.ndarray, caption: str, ring: np.ndarray) -> str:
        """Draw a finished architecture as a frame in which all is decided, and a ring around its dot."""
        picture = frame_figure(space, row, np.eye(space.radices.max())[row], axis="2")
        self.show(picture, caption)
        x, y = ([ring[1]], [ring[0]]) if np.isfinite(ring).all() else ([], [])
        self.figure.plotly_restyle({"x": [x], "y": [y]}, CHOSEN)
        self._resend()
        return picture.sentence

    def clear(self) -> None:
        """No dot is chosen or selected any more."""
        if len(self.figure.data[CHOSEN].x or ()):
            self.figure.plotly_restyle({"x": [[]], "y": [[]]}, CHOSEN)
        if self._selected:
            self._unselect()

    def _unselect(self) -> None:
        self._selected = False
        self.figure.plotly_update({"selectedpoints": None}, {"selections": []})

    def set_axes(self, front: Front, spans: Sequence[Span]) -> None:
        """Name the axes and fix them over these spans, so that what moves is the architectures."""
        axes = _axes(front, spans)
        self.figure.plotly_relayout({f"{axis}.{key}": axes[axis][key] for axis in axes for key in axes[axis]})
        self._resend()

    def beyond(self, values: np.ndarray) -> int:
        """How many architectures lie outside the axes as they were set."""
        inside = np.ones(len(values), dtype=bool)
        for place, axis in enumerate((self.figure.layout.yaxis, self.figure.layout.xaxis)):
            inside &= ~((values[:, place] < axis.range[0]) | (values[:, place] > axis.range[1]))
        return int((~inside).sum())

    def _resend(self) -> None:
        """Send the whole figure: a page still loading Plotly's script misses changes, and draws this state later."""
        self.figure.send_state(["_widget_data", "_widget_layout"])

    def _brush(self, _: Any, points: Any, __: Any) -> None:
        self._selected = True
        self._brushed([self._rows[place] for place in points.point_inds])

    def _withdraw(self, _: Any, points: Any, __: Any) -> None:
        if points.point_inds:
            self._unselect()

    def _point(self, _: Any, points: Any, __: Any) -> None:
        if points.point_inds:
            self._clicked(self._rows[points.point_inds[0]])


def _written(picture: Picture) -> dict[str, Any]:
    """The change of the trace that writes on the boxes of a DAG."""
    labels = picture.data[0]
    change = {key: [labels[key]] for key in ("text", "hovertext", "x", "y")}
    return change | {"textfont.color": [labels["textfont"]["color"]]}


def _caption(text: str, left: float = 0.0) -> dict[str, Any]:
    """What is written above a DAG."""
    place = {"xref": "paper", "yref": "paper", "x": left, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}
    return {**place, "text": safe(text), "showarrow": False, "font": {"size": 13}}


def _axes(front: Front, spans: Sequence[Span]) -> dict[str, dict[str, Any]]:
    """Title and fixed range of the two axes on the right, with a little room."""
    drawn, axes = front_figure(front, front.values).layout, {}
    for axis, (low, high) in zip(("yaxis", "xaxis"), spans, strict=False):
        room = (high - low or 1.0) * 0.04
        axes[axis] = {"title": drawn[axis]["title"], "range": [low - room, high + room], "autorange": False}
    return axes


def _shared(right: dict[str, Any], left: dict[str, Any], axes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One layout from two, side by side."""
    layout = {key: value for key, value in (left | right).items() if key != "width"}
    layout["xaxis"] = {**right["xaxis"], **axes["xaxis"], "domain": ALONE["xaxis"], "anchor": "y"}
    layout["yaxis"] = {**right["yaxis"], **axes["yaxis"], "anchor": "x"}
    for other in ("2", "3"):
        layout[f"xaxis{other}"] = {**left["xaxis2"], "domain": ALONE[f"xaxis{other}"], "anchor": f"y{other}"}
        layout[f"yaxis{other}"] = {**left["yaxis2"], "anchor": f"x{other}"}
    layout["legend"] = {**right["legend"], "x": ALONE["xaxis"][0]}
    margin = {"l": 8, "r": 16, "t": 36, "b": 52}
    return layout | {
        "autosize": True,
        "dragmode": "select",
        "height": 480,
        "margin": margin,
        "annotations": [_caption("")],
    }
