"""Pictures of several fronts over the same two metrics, before the best front there is.

Notation: m architectures on a front.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from nagkit import arguments
from nagkit.curves import STROKES
from nagkit.errors import ArgumentError
from nagkit.figures import GREY, LEGEND, Picture, metric_axes, safe
from nagkit.metrics import Front, headings

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
        worst, best = np.quantile(up.sign * ground.values[:, 0], [BELOW, 1.0])
        room = ROOM * (best - worst)
        layout["yaxis"]["range"] = sorted((up.sign * np.array([worst - room, best + room])).tolist())
    return Picture(data, layout, sentence, lambda: pd.DataFrame(rows, columns=["front", *columns]))


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
            "shape": "hv" if front.metrics[1].sign < 0 else "vh",
        },
        "marker": {"symbol": symbol, "size": 8},
        "opacity": 0.6 if wide else 1.0,
        "hoverinfo": "name+x+y",
    }
