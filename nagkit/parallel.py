"""Pictures of a front over any number of metrics: one upright axis for each, and one line for each architecture.

Notation: n architectures, m on the front, k metrics. Heights on the page go from 0, the worst of a metric, to 1, its
best. The lines are ordinary ones: Plotly's own parallel coordinates tell lines apart by colour alone, write ticks that
a dark page makes unreadable, and need WebGL.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.figures import GREY, LEGEND, VERMILION, Picture, page, safe
from nagkit.metrics import Constraint, Front, Metric

TICKS = 6  # on an axis, about
APART = "\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}"  # between a tick and its axis
FORBIDDEN, HALF = "rgba(128,128,128,0.30)", 0.03  # what a limit forbids: a bar along the axis, so wide to each side


class Style(NamedTuple):
    """How lines of one kind look, and what stands where they meet an axis."""

    name: str
    colour: str
    width: float
    dash: str
    opacity: float
    symbol: str | None


OTHERS = Style("others", GREY, 1.0, "solid", 0.25, None)
BEYOND = Style("front, beyond a limit", VERMILION, 1.0, "dot", 0.9, "diamond-open")
FRONT = Style("Pareto front", VERMILION, 2.0, "solid", 1.0, "diamond")


def parallel_figure(
    front: Front, values: Float[np.ndarray, "n k"], limits: Sequence[Constraint] = (), hover: Sequence[str] = ()
) -> Picture:
    """All architectures as faint lines over an axis for each metric, the front as strong ones with diamonds.

    Every axis has its best at the top and ticks in its own unit. A limit greys what it forbids on the axis of its
    metric; lines of the front that break it are dotted, so that limits also serve to look at a part of a front.

    Args:
        values: of all architectures by the metrics of the front; those with an unknown value are not drawn
        limits: bounds on metrics of the front
        hover: what the pointer finds on the lines of the front, one text for each; their notation when empty
    """
    values, limits = _checked(front, values, limits, hover)
    known, within = values[np.isfinite(values).all(1)], np.ones(len(front), dtype=bool)
    for limit in limits:
        within &= limit.met(front.values[:, front.metrics.index(limit.metric)])
    axes = _Axes(front.metrics, np.vstack([known, front.values]), limits)
    texts = list(hover) or [front.space.decode(row).text for row in front.tokens]
    first, second = ([text for text, met in zip(texts, within, strict=True) if met == which] for which in (False, True))
    data = [
        axes.lines(OTHERS, known),
        axes.lines(BEYOND, front.values[~within], first),
        axes.lines(FRONT, front.values[within], second),
        axes.ticks(),
    ]
    bounds = f" {within.sum()} of them meet {' and '.join(map(str, limits))}." if limits else ""
    sentence = (
        f"{len(known)} architectures with known values over {len(front.metrics)} axes, each with its best at the top. "
        f"{front.sentence()}{bounds}"
    )
    return Picture(data, axes.layout(), sentence, front.table)


def _checked(
    front: Front, values: Any, limits: Sequence[Constraint], hover: Sequence[str]
) -> tuple[np.ndarray, tuple[Constraint, ...]]:
    arguments.instance("front", front, Front, "Front.of(space, metrics, tokens, values)")
    array, limits = arguments.array("values", values), arguments.several("limits", limits, Constraint)
    if len(front.metrics) < 2:
        raise ArgumentError(f"front must have two metrics or more, one for each axis; got {len(front.metrics)}.")
    if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] != len(front.metrics):
        raise ArgumentError(f"values must have shape (n, {len(front.metrics)}); got {array.shape}.")
    if not np.isfinite(array).all(1).any():
        raise ArgumentError("values must be known of at least one architecture.")
    for limit in limits:
        if limit.metric not in front.metrics:
            names = ", ".join(repr(metric.name) for metric in front.metrics)
            raise ArgumentError(f"limits must be on metrics of the front, {names}; got {limit.metric.name!r}.")
    if len(hover) not in (0, len(front)):
        raise ArgumentError(f"hover must hold one text for each of the {len(front)} on the front; got {len(hover)}.")
    return array.astype(np.float64), limits


class _Axes:
    """Upright axes beside each other, each from the worst of its metric to the best, limits included."""

    def __init__(
        self, metrics: Sequence[Metric], values: Float[np.ndarray, "n k"], limits: Sequence[Constraint]
    ) -> None:
        self.metrics, self.limits = metrics, limits
        self.signs = np.array([metric.sign for metric in metrics])
        ends = [
            [bound for limit in limits if limit.metric == metric for bound in (limit.low, limit.high)]
            for metric in metrics
        ]
        every = [np.array([*column, *filter(np.isfinite, more)]) for column, more in zip(values.T, ends, strict=True)]
        self.worst, self.best = np.array(
            [np.sort(s * e)[[0, -1]] * s for s, e in zip(self.signs, every, strict=True)]
        ).T

    def heights(self, values: Float[np.ndarray, "*n k"]) -> Float[np.ndarray, "*n k"]:
        """Where values stand on their axes; in the middle where all are the same."""
        span = self.best - self.worst
        return np.where(span == 0, 0.5, (values - self.worst) / np.where(span == 0, 1.0, span))

    def _height(self, axis: int, value: float) -> float:
        return float(self.heights(np.where(np.arange(len(self.metrics)) == axis, value, self.worst))[axis])

    def lines(self, style: Style, values: Float[np.ndarray, "n k"], texts: Sequence[str] = ()) -> dict[str, Any]:
        """One trace for all lines of a style, with a gap after each."""
        n, k = values.shape
        gap = np.full((n, 1), np.nan)
        y = np.hstack([self.heights(values), gap]).ravel()
        said = (
            [
                text
                for line, row in zip(texts, values, strict=True)
                for text in [*(f"{safe(line)}<br>{self._said(j, value)}" for j, value in enumerate(row)), ""]
            ]
            if len(texts)
            else None
        )
        marks = {"marker": {"symbol": style.symbol, "size": 8}} if style.symbol else {}
        return marks | {
            "type": "scatter",
            "mode": "lines+markers" if style.symbol else "lines",
            "name": style.name,
            "x": [*range(k), None] * n,
            "y": [None if np.isnan(value) else value for value in y.tolist()],
            "line": {"color": style.colour, "width": style.width, "dash": style.dash},
            "opacity": style.opacity,
            "hovertext": said,
            "hoverinfo": "text" if said else "skip",
            "showlegend": bool(n),
        }

    def _said(self, axis: int, value: float) -> str:
        return safe(f"{self.metrics[axis].name} {value:.4g} {self.metrics[axis].unit}")

    def ticks(self) -> dict[str, Any]:
        """What is written beside the axes, in the unit of each."""
        found = [
            (axis, self._height(axis, value), f"{text}{APART}")
            for axis, (worst, best) in enumerate(zip(self.worst.tolist(), self.best.tolist(), strict=True))
            for value, text in _round(worst, best)
        ]
        x, y, text = map(list, zip(*found, strict=True))
        plain = {"type": "scatter", "mode": "text", "textposition": "middle left", "textfont": {"color": GREY}}
        return plain | {"x": x, "y": y, "text": text, "hoverinfo": "skip", "showlegend": False}

    def layout(self) -> dict[str, Any]:
        """The page with the axes, and on them what limits forbid."""
        k = len(self.metrics)
        upright = {"type": "line", "y0": 0, "y1": 1, "layer": "below", "line": {"color": GREY, "width": 1.5}}
        shapes: list[dict[str, Any]] = [{**upright, "x0": axis, "x1": axis} for axis in range(k)]
        for limit in self.limits:
            axis = self.metrics.index(limit.metric)
            for bound, end in ((limit.low, -np.inf), (limit.high, np.inf)):
                if np.isfinite(bound):
                    shapes += self._forbidden(axis, bound, end)
        labels = [safe(metric.label).replace(" (", "<br>(", 1).replace("; ", "<br>") for metric in self.metrics]
        return page() | {
            "shapes": shapes,
            "xaxis": {"tickvals": list(range(k)), "ticktext": labels, "side": "bottom", "range": [-0.3, k - 0.8]}
            | {"showgrid": False, "zeroline": False, "fixedrange": True},
            "yaxis": {"title": {"text": "worse → better"}, "range": [-0.04, 1.04], "showticklabels": False}
            | {"showgrid": False, "zeroline": False, "fixedrange": True},
            "legend": LEGEND,
            "hovermode": "closest",
            "height": 460,
            "margin": {"l": 50, "r": 20, "t": 40, "b": 75},
        }

    def _forbidden(self, axis: int, bound: float, end: float) -> list[dict[str, Any]]:
        """The bar over what lies beyond a bound of one metric, and the line where it begins."""
        height = self._height(axis, bound)
        far = 1.0 if np.sign(end) == self.signs[axis] else 0.0
        across = {"x0": axis - HALF, "x1": axis + HALF, "layer": "below"}
        return [
            {"type": "rect", **across, "y0": height, "y1": far, "fillcolor": FORBIDDEN, "line": {"width": 0}},
            {"type": "line", **across, "y0": height, "y1": height, "line": {"color": GREY, "width": 3}},
        ]


def _round(worst: float, best: float) -> list[tuple[float, str]]:
    """Round numbers between two ends, about so many as ``TICKS``, and how they are written."""
    low, high = sorted((worst, best))
    if low == high:
        return [(low, f"{low:.4g}")]
    rough = (high - low) / TICKS
    scale = 10.0 ** np.floor(np.log10(rough))
    step = scale * next(factor for factor in (1, 2, 5, 10) if factor * scale >= rough * (1 - 1e-9))
    counts = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1)
    return [(float(count * step), f"{count * step:.6g}") for count in counts + 0.0]  # -0 would be written with its sign
