"""Pictures of what happens while something grows: named curves of labelled points, or lines with intervals.

Notation: p points on a curve. The first eight curves differ in colour, dash and mark at once (colours:
Okabe & Ito, 2008).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.figures import Picture, metric_axes, safe
from nagkit.metrics import Metric

# The fifth and the sixth are those of Okabe & Ito, darker by what a line needs to read on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#C58700", "#499CCA", "#994F00", "#808080")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "2px,2px,8px,2px", "1px,5px")
_MARKS = ("circle", "diamond", "square", "triangle-up", "x", "cross", "star", "pentagon")
STROKES = tuple(  # beyond the eighth a colour comes again with another dash and mark
    (colour, _DASHES[(place + again) % 8], _MARKS[(place + 3 * again) % 8])
    for again in range(3)
    for place, colour in enumerate(_COLOURS)
)
SHADE = 0.15  # of the areas of bands


@dataclass(frozen=True)
class Curve:
    """Points (x, y) in order, each with what was set to get it; any array of numbers becomes a tuple."""

    name: str
    x: Any
    y: Any
    settings: Any

    def __post_init__(self) -> None:
        for name in ("x", "y", "settings"):
            values = arguments.finite(name, getattr(self, name), None if name == "x" else len(self.x))
            object.__setattr__(self, name, tuple(values.tolist()))


@dataclass(frozen=True)
class Band:
    """Numbers y over x in order, each somewhere within low and high; any array of numbers becomes a tuple."""

    name: str
    x: Any
    y: Any
    low: Any
    high: Any

    def __post_init__(self) -> None:
        for name in ("x", "y", "low", "high"):
            values = arguments.finite(name, getattr(self, name), None if name == "x" else len(self.x))
            object.__setattr__(self, name, tuple(values.tolist()))
        if not all(low <= y <= high for low, y, high in zip(self.low, self.y, self.high, strict=True)):
            raise ArgumentError("low, y and high must be in this order at every x.")


def curves_figure(curves: Sequence[Curve], right: Metric, up: Metric, setting: str) -> Picture:
    """The curves over common axes, each point labelled with its ``setting``."""
    import pandas as pd

    curves = _checked("curves", curves, Curve, right, up)
    layout = metric_axes(up, right) | {"showlegend": len(curves) > 1}
    data = [_trace(curve, stroke, setting) for curve, stroke in zip(curves, STROKES, strict=False)]
    rows = [(c.name, *row) for c in curves for row in zip(c.settings, c.x, c.y, strict=True)]
    sentence = " ".join(_sentence(curve, right, up, setting) for curve in curves)
    columns = ["curve", setting, right.name, up.name]
    return Picture(data, layout, sentence, lambda: pd.DataFrame(rows, columns=columns))


def bands_figure(bands: Sequence[Band], right: Metric, up: Metric) -> Picture:
    """The lines over common axes, each before the area of its intervals."""
    import pandas as pd

    bands = _checked("bands", bands, Band, right, up)
    data = [trace for band, stroke in zip(bands, STROKES, strict=False) for trace in _line(band, stroke)]
    rows = [(b.name, *row) for b in bands for row in zip(b.x, b.y, b.low, b.high, strict=True)]
    columns = ["line", right.name, up.name, "low", "high"]
    sentence = " ".join(
        f"{b.name}: {b.y[-1]:.3g} {up.unit} ({b.low[-1]:.3g} to {b.high[-1]:.3g}) at {right.name} {b.x[-1]:g}."
        for b in bands
    )
    sentence = f"{up.label[0].upper()}{up.label[1:]}. {sentence}"
    return Picture(data, metric_axes(up, right), sentence, lambda: pd.DataFrame(rows, columns=columns))


def _checked(name: str, given: Any, kind: type, right: Any, up: Any) -> tuple[Any, ...]:
    """The curves as a tuple; what cannot be drawn is refused."""
    curves = arguments.several(name, given, kind)
    for axis, metric in (("right", right), ("up", up)):
        arguments.instance(axis, metric, Metric, "table.metrics['val_accuracy']")
    if not 1 <= len(curves) <= len(STROKES):
        raise ArgumentError(f"{name} must hold 1 to {len(STROKES)} {name}; got {len(curves)}.")
    return curves


def _line(band: Band, stroke: tuple[str, str, str]) -> list[dict[str, Any]]:
    """The area of a band and its line, which the legend shows and hides together."""
    colour, dash, _ = stroke
    name = safe(band.name)
    common = {"type": "scatter", "mode": "lines", "name": name, "legendgroup": name}
    area = {
        "x": [*band.x, *reversed(band.x)],
        "y": [*band.high, *reversed(band.low)],
        "fill": "toself",
        "fillcolor": colour,
        "opacity": SHADE,
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    line = {"x": list(band.x), "y": list(band.y), "line": {"color": colour, "dash": dash, "width": 2}}
    return [common | area, common | line | {"hoverinfo": "name+x+y", "showlegend": True}]


def _trace(curve: Curve, stroke: tuple[str, str, str], setting: str) -> dict[str, Any]:
    colour, dash, symbol = stroke
    labels = [f"{value:g}" for value in curve.settings]
    return {
        "type": "scatter",
        "mode": "lines+markers+text",
        "name": safe(curve.name),
        "x": list(curve.x),
        "y": list(curve.y),
        "text": labels,
        "textposition": "top right",
        "hovertext": [safe(f"{curve.name}, {setting} {label}") for label in labels],
        "hoverinfo": "text+x+y",
        "line": {"color": colour, "dash": dash, "width": 2},
        "marker": {"symbol": symbol, "size": 8},
    }


def _sentence(curve: Curve, right: Metric, up: Metric, setting: str) -> str:
    if len(curve.x) == 1:
        return (
            f"{curve.name}: at {setting} {curve.settings[0]:g}, {right.name} is {curve.x[0]:.3g} {right.unit} and "
            f"{up.name} {curve.y[0]:.3g} {up.unit}."
        )
    return (
        f"{curve.name}: while {setting} goes from {curve.settings[0]:g} to {curve.settings[-1]:g}, "
        f"{right.name} goes from {curve.x[0]:.3g} to {curve.x[-1]:.3g} {right.unit} and "
        f"{up.name} from {curve.y[0]:.3g} to {curve.y[-1]:.3g} {up.unit}."
    )
