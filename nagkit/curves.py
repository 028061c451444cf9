"""Pictures of what happens while something is turned up: named curves of labelled points, as plain mappings.

Notation: p points on a curve. Curves differ in colour, dash and mark at once (colours: Okabe & Ito, 2008).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.figures import Picture, metric_axes, safe
from nagkit.metrics import Metric

STROKES = (
    ("#0072B2", "solid", "circle"),
    ("#D55E00", "dash", "diamond"),
    ("#009E73", "dot", "square"),
    ("#CC79A7", "dashdot", "triangle-up"),
    ("#E69F00", "longdash", "x"),
)


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


def curves_figure(curves: Sequence[Curve], right: Metric, up: Metric, setting: str) -> Picture:
    """The curves over common axes, each point labelled with its ``setting``."""
    import pandas as pd

    curves = arguments.several("curves", curves, Curve)
    for name, metric in (("right", right), ("up", up)):
        arguments.instance(name, metric, Metric, "table.metrics['val_accuracy']")
    if not 1 <= len(curves) <= len(STROKES):
        raise ArgumentError(f"curves must hold 1 to {len(STROKES)} curves; got {len(curves)}.")
    layout = metric_axes(up, right) | {"showlegend": len(curves) > 1}
    data = [_trace(curve, stroke, setting) for curve, stroke in zip(curves, STROKES, strict=False)]
    rows = [(c.name, *row) for c in curves for row in zip(c.settings, c.x, c.y, strict=True)]
    sentence = " ".join(_sentence(curve, right, up, setting) for curve in curves)
    columns = ["curve", setting, right.name, up.name]
    return Picture(data, layout, sentence, lambda: pd.DataFrame(rows, columns=columns))


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
    return (
        f"{curve.name}: while {setting} goes from {curve.settings[0]:g} to {curve.settings[-1]:g}, "
        f"{right.name} goes from {curve.x[0]:.3g} to {curve.x[-1]:.3g} {right.unit} and "
        f"{up.name} from {curve.y[0]:.3g} to {curve.y[-1]:.3g} {up.unit}."
    )
