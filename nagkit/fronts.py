"""Pictures of several fronts over the same two metrics, before the best front there is.

Notation: m architectures on a front.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from nagkit import arguments
from nagkit.curves import STROKES
from nagkit.errors import ArgumentError
from nagkit.figures import GREY, LEGEND, Picture, metric_axes, safe
from nagkit.metrics import Front, Metric, headings

BEST = "the best there is"
BELOW, ROOM = 0.25, 0.06  # the part of the ground beyond the axis, and the room at its ends


def fronts_figure(fronts: Mapping[str, Front], ground: Front, named: str = BEST) -> Picture:
    """The fronts as stairs, each with its own colour, dash and mark; the first metric goes up, the second to the right.

    Args:
        fronts: by name, each of the same two metrics as the ground
        ground: the front of all architectures; the worst quarter by the first metric lies beyond the axis, as fronts
            would else be apart by less than a line
        named: what the ground is called
    """
    import pandas as pd

    arguments.instance("fronts", fronts, Mapping, "{'latent': Front.of(space, metrics, tokens, values)}")
    if not 1 <= len(fronts) <= len(STROKES):
        raise ArgumentError(f"fronts must hold 1 to {len(STROKES)}; got {len(fronts)}.")
    every = {named: ground, **fronts}
    for name, front in every.items():
        arguments.instance(f"fronts[{name!r}]", front, Front, "Front.of(space, metrics, tokens, values)")
        if front.metrics != ground.metrics or len(front.metrics) != 2:
            raise ArgumentError(
                f"fronts must all have the same two metrics; {name!r} has {[m.name for m in front.metrics]}."
            )
    strokes = [(GREY, "solid", "circle-open"), *STROKES]
    pairs = zip(every.items(), strokes, strict=False)
    data = [_stairs(name, front, stroke, wide=name == named) for (name, front), stroke in pairs]
    up, right = ground.metrics
    sentence = " ".join(f"{name}: {front.sentence()}" for name, front in every.items())
    columns = headings(ground.metrics)
    rows = [(name, *row) for name, front in every.items() for row in front.values.tolist()]
    layout = metric_axes(up, right) | {"legend": LEGEND, "hovermode": "closest"}
    if len(ground):
        layout["yaxis"]["range"] = zoomed(up, ground.values[:, 0])
    return Picture(data, layout, sentence, lambda: pd.DataFrame(rows, columns=["front", *columns]))


def zoomed(up: Metric, values: Float[np.ndarray, "m"]) -> list[float]:
    """The range of an upward axis that leaves the worst quarter of these values out, with a little room."""
    worst, best = np.quantile(up.sign * values, [BELOW, 1.0])
    room = ROOM * (best - worst)
    return sorted((up.sign * np.array([worst - room, best + room])).tolist())


def turn(right: Metric) -> str:
    """How stairs go from an architecture to its next one on the right, level towards what is worse."""
    return "hv" if right.sign < 0 else "vh"


def _stairs(name: str, front: Front, stroke: tuple[str, str, str], wide: bool) -> dict[str, Any]:
    """A line that goes on level towards what is worse, to the next architecture that is better."""
    colour, dash, symbol = stroke
    values = front.values[front.values[:, 1].argsort(kind="stable")]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": safe(name),
        "x": values[:, 1].tolist(),
        "y": values[:, 0].tolist(),
        "line": {
            "color": colour,
            "dash": dash,
            "width": 5 if wide else 1.5,
            "shape": turn(front.metrics[1]),
        },
        "marker": {"symbol": symbol, "size": 8},
        "opacity": 0.9 if wide else 1.0,
        "hoverinfo": "name+x+y",
    }
