"""Pictures as plain Plotly mappings, each with one sentence and a table that state the same facts.

Notation: n architectures, m on the front, k metrics. ``axis`` "" or "2" names the pair of axes a
picture is drawn on, so that two pictures can share one figure. Nothing here needs Plotly: the front end draws.
"""

import html
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.metrics import Front, Metric

if TYPE_CHECKING:
    import pandas

PLOTLY = "application/vnd.plotly.v1+json"
CONFIG = {"showSendToCloud": False, "displaylogo": False, "responsive": True}  # Plotly's upload button is off
GREY = "#808080"  # contrast 3.9 on white, 4.8 on the dark theme of JupyterLab
LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}  # in one line above the axes
GRID = "rgba(128,128,128,0.22)"
VERMILION, PURPLE = "#D55E00", "#CC79A7"  # Okabe & Ito (2008), like all colours here


@dataclass(frozen=True, eq=False)
class Picture:
    """What a notebook shows: traces and layout for Plotly, and the same facts in a sentence and a table."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    sentence: str
    tabulate: Callable[[], "pandas.DataFrame"]

    @property
    def table(self) -> "pandas.DataFrame":
        """The same facts in rows and columns; made when asked for, as a live picture changes many times a second."""
        return self.tabulate()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        figure = {"data": self.data, "layout": self.layout, "config": CONFIG}
        return {PLOTLY: figure, "text/plain": f"{self.sentence}\n\n{self.table.to_string(index=False)}"}


def safe(text: object) -> str:
    """Text that shows as it is and nothing more: no markup, no formula, no invisible or turning characters."""
    visible = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] == "C" else c for c in str(text))
    return html.escape(visible, quote=False).replace("$", "&#36;")


def front_figure(
    front: Front,
    values: Float[np.ndarray, "n k"],
    hover: Sequence[str] = (),
    before: Float[np.ndarray, "b k"] | None = None,
    axis: str = "",
) -> Picture:
    """All architectures as dots, the Pareto front as diamonds, and the area that the front dominates.

    The first metric of the front goes up, the second to the right. Architectures with an unknown value are not
    drawn. ``hover`` says what the pointer finds, one text a row of ``values``; ``before`` are the values of an
    earlier batch, shown as crosses for comparison.
    """
    values = _two_metrics(front, values, "values")
    if len(hover) not in (0, len(values)):
        raise ArgumentError(f"hover must hold one text for each of the {len(values)} architectures; got {len(hover)}.")
    up, right = front.metrics[:2]
    earlier = np.empty((0, 2)) if before is None else _two_metrics(front, before, "before")[:, :2]
    known = np.flatnonzero(np.isfinite(values[:, :2]).all(1))
    on_axes = {"xaxis": f"x{axis}", "yaxis": f"y{axis}", "type": "scatter"}
    shown = {"x": values[known, 1].tolist(), "y": values[known, 0].tolist(), "customdata": known.tolist()}
    said = [safe(hover[i]) for i in known.tolist()] if len(hover) else None
    reach = np.concatenate([values[known, :2], earlier[np.isfinite(earlier).all(1)], front.values[:, :2]])
    x, y = dominated(front.values[:, :2], (up, right), reach)
    traces = [
        {**on_axes, "name": "dominated", "mode": "lines", "x": x, "y": y, "fill": "toself", "hoverinfo": "skip"}
        | {"fillcolor": "rgba(213,94,0,0.10)", "line": {"color": "rgba(213,94,0,0.45)", "width": 1}}
        | {"showlegend": False},
        {**on_axes, "name": "before", "mode": "markers", "x": earlier[:, 1].tolist(), "y": earlier[:, 0].tolist()}
        | {"marker": {"symbol": "x-thin", "size": 5, "line": {"width": 1, "color": GREY}}, "hoverinfo": "skip"}
        | {"opacity": 0.9, "showlegend": bool(len(earlier))},
        {**on_axes, "name": "generated", "mode": "markers", **shown, "hovertext": said, "hoverinfo": "text"}
        | {"marker": {"symbol": "circle", "size": 7, "color": "#0072B2", "opacity": 0.9}},
        {**on_axes, "name": "Pareto front", "mode": "markers", "hoverinfo": "skip"}
        | {"x": front.values[:, 1].tolist(), "y": front.values[:, 0].tolist()}
        | {"marker": {"symbol": "diamond", "size": 11, "color": VERMILION, "line": {"width": 1, "color": "#ffffff"}}},
    ]
    sentence = f"{len(known)} architectures with known values. {front.sentence()}"
    layout = metric_axes(up, right, axis) | {"legend": LEGEND, "hovermode": "closest"}
    return Picture(traces, layout, sentence, front.table)


def _two_metrics(front: Front, values: Any, argument: str) -> np.ndarray:
    arguments.instance("front", front, Front, "Front.of(space, metrics, tokens, values)")
    if len(front.metrics) < 2:
        raise ArgumentError(f"front must have two metrics or more, one for each axis; got {len(front.metrics)}.")
    array = arguments.array(argument, values)
    if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] != len(front.metrics):
        raise ArgumentError(f"{argument} must have shape (n, {len(front.metrics)}); got {array.shape}.")
    return array.astype(np.float64)


def dominated(
    front: Float[np.ndarray, "m 2"], metrics: Sequence[Metric], reach: Float[np.ndarray, "r 2"]
) -> tuple[list[float], list[float]]:
    """The outline of what the front dominates, as far as anything is drawn: a staircase and two sides."""
    if not len(front):
        return [], []
    sign = np.array([metric.sign for metric in metrics])
    gain = front * sign  # more is better in both columns
    gain = gain[np.argsort(-gain[:, 1], kind="stable")]
    low = (reach * sign).min(0)
    stairs, height = [(low[0], gain[0, 1])], -np.inf  # (up, right), from the best on the right to the best above
    for up, right in gain:
        if up > height:
            stairs += [(max(height, low[0]), right), (up, right)]
            height = up
    stairs += [(height, low[1]), (low[0], low[1]), stairs[0]]
    outline = np.array(stairs) * sign
    return outline[:, 1].tolist(), outline[:, 0].tolist()


def metric_axes(up: Metric, right: Metric, axis: str = "") -> dict[str, Any]:
    """A page with one metric upwards and one to the right."""
    common = {"gridcolor": GRID, "zeroline": False, "linecolor": GREY, "ticks": "outside", "tickcolor": GREY}
    return page() | {
        f"xaxis{axis}": {**common, "title": {"text": safe(right.label)}},
        f"yaxis{axis}": {**common, "title": {"text": safe(up.label)}},
        "height": 430,
        "margin": {"l": 70, "r": 20, "t": 40, "b": 55},
    }


def page() -> dict[str, Any]:
    """What reads on the light and the dark theme alike: a transparent page and mid-grey letters."""
    clear = "rgba(0,0,0,0)"
    return {"paper_bgcolor": clear, "plot_bgcolor": clear, "font": {"color": GREY, "size": 12}}


def titled(title: str | None) -> dict[str, Any]:
    """The part of a layout that names the picture."""
    return {} if title is None else {"title": {"text": safe(title), "font": {"size": 14}}}
