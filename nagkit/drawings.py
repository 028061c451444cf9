"""Pictures of one architecture: its DAG, finished or on the way.

Notation: L slots, K symbols. ``axis`` is the pair of axes as in ``figures``.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.figures import GREY, Picture, page, safe, titled
from nagkit.layout import Layout, Point, layered, placed
from nagkit.looks import PLAIN, Look, darker, ink_on, look
from nagkit.outlines import BOX_HEIGHT, BOX_WIDTH, CORNER, outline
from nagkit.sketch import Sketch
from nagkit.space import Architecture, SearchSpace

if TYPE_CHECKING:
    import pandas

FAINT, FAINTEST = 0.35, 0.1
STEP = 0.05  # of opacity, from one faint edge to the next
STRIP, FRAME = 0.08, 0.8  # height of a belief, and the line around each part of it in pixels
NOTHING = "rgba(0,0,0,0)"


def architecture_figure(architecture: Architecture, title: str | None = None, axis: str = "") -> Picture:
    """The DAG from input (above) to output (below); whatever no data reaches is faint."""
    arguments.instance("architecture", architecture, Architecture, "space.decode(row)")
    return _Dag(Sketch(architecture.ops, dict.fromkeys(architecture.edges, 1.0))).picture(title, axis)


def frame_figure(
    space: SearchSpace,
    row: Int[np.ndarray, "L"],
    probability: Float[np.ndarray, "L K"],
    title: str | None = None,
    axis: str = "",
) -> Picture:
    """One row of a generator's frame, as ``space.sketch`` has it; nodes stand still from frame to frame.

    What is undecided is a "?" with the belief, or an edge that is the fainter the less it is believed.
    """
    arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
    row, probability = arguments.array("row", row), arguments.array("probability", probability)
    if row.shape != (len(space.slots),) or probability.shape != (len(space.slots), space.radices.max()):
        raise ArgumentError(
            f"row must have shape ({len(space.slots)},) and probability ({len(space.slots)}, {space.radices.max()}) "
            f"for the space {space.name!r}; got {row.shape} and {probability.shape}."
        )
    if probability.dtype.kind not in "fiu" or not ((probability >= 0) & (probability <= 1 + 1e-6)).all():
        raise ArgumentError("probability must lie within 0 and 1 in every slot and symbol, without NaN.")
    return _Dag(space.sketch(row, probability)).picture(title, axis)


@dataclass(frozen=True, eq=False)
class _Dag:
    """A sketch to draw: for every node whether data flows through it."""

    sketch: Sketch

    @cached_property
    def edges(self) -> dict[tuple[int, int], float]:
        """Those that are not ruled out, with their probabilities."""
        return {edge: share for edge, share in sorted(self.sketch.edges.items()) if share > 0}

    @cached_property
    def layout(self) -> Layout:
        if self.sketch.places:
            return placed(self.sketch.places, self.sketch.edges)
        return layered(len(self.sketch.ops), self.sketch.edges)

    @cached_property
    def alive(self) -> list[bool]:
        """Whether data can flow from the input through each node to the output; doubt lets it through."""
        nodes, edges = range(len(self.sketch.ops)), list(self.edges)
        used = [op != "none" or node in self.sketch.belief for node, op in enumerate(self.sketch.ops)]
        sources, targets = {i for i, _ in edges}, {j for _, j in edges}
        reached = [used[node] and node not in targets for node in nodes]
        reaches = [used[node] and node not in sources for node in nodes]
        for i, j in edges:
            reached[j] |= reached[i] and used[j]
        for i, j in reversed(edges):
            reaches[i] |= reaches[j] and used[i]
        return [reached[node] and reaches[node] for node in nodes]

    def picture(self, title: str | None, axis: str) -> Picture:
        layout, alive, strokes = self.layout, self.alive, _Strokes()
        for edge, share in self.edges.items():
            _arrow(strokes, layout.routes[edge], alive[edge[0]] and alive[edge[1]], share)
        for node, op in enumerate(self.sketch.ops):
            _box(strokes, layout.places[node].tolist(), look(op), alive[node], self.sketch.belief.get(node))
        frame = _dag_axes(layout, axis) | {"shapes": strokes.shapes(axis)} | titled(title)
        return Picture([self.labels(axis)], frame, self.sentence(), self.table)

    def labels(self, axis: str) -> dict[str, Any]:
        """One trace that writes on the boxes and answers the pointer."""
        text, ink = [], []
        for node, op in enumerate(self.sketch.ops):
            if node in self.sketch.belief:
                best, share = max(self.sketch.belief[node].items(), key=lambda pair: pair[1])
                text.append(f"<b>?</b> {look(best).label}<br>{share:.0%}")
                ink.append(GREY)
            else:
                text.append(look(op).label)
                ink.append(ink_on(look(op).colour) if self.alive[node] else GREY)
        x, y = self.layout.places.T.tolist()
        return {
            "type": "scatter",
            "mode": "text",
            "x": x,
            "y": [height + (0.05 if node in self.sketch.belief else 0.0) for node, height in enumerate(y)],
            "text": text,
            "textfont": {"size": 12, "color": ink},
            "hovertext": [safe(f"node {node}: {operation}, {state}") for node, operation, state, _ in self.facts()],
            "hoverinfo": "text",
            "showlegend": False,
            "xaxis": f"x{axis}",
            "yaxis": f"y{axis}",
        }

    def facts(self) -> list[tuple[int, str, str, str]]:
        """One row a node: number, operation, state or belief, and the nodes it takes its input from."""
        rows = []
        for node, op in enumerate(self.sketch.ops):
            shares = sorted(self.sketch.belief.get(node, {}).items(), key=lambda pair: -pair[1])
            doubt = "undecided: " + ", ".join(f"{look(symbol).label} {share:.0%}" for symbol, share in shares)
            state = doubt if shares else "in use" if self.alive[node] else "carries no data"
            sources = " ".join(
                str(i) if share == 1 else f"{i} ({share:.0%})" for (i, j), share in self.edges.items() if j == node
            )
            rows.append((node, "?" if shares else op, state, sources))
        return rows

    def table(self) -> "pandas.DataFrame":
        import pandas as pd

        return pd.DataFrame(self.facts(), columns=["node", "operation", "state", "from"])

    def sentence(self) -> str:
        inner = [node for node, op in enumerate(self.sketch.ops) if op not in PLAIN]
        decided = [self.sketch.ops[node] for node in inner if node not in self.sketch.belief and self.alive[node]]
        kinds = Counter(look(op).label for op in decided)
        named = ", ".join(f"{count} × {label}" for label, count in sorted(kinds.items())) or "none yet"
        idle = sum(not self.alive[node] for node in inner)
        parts = [f"{len(inner)} operations from input to output", f"in use: {named}"]
        parts += [f"{idle} without data"] if idle else []
        parts += [f"{self.sketch.undecided} undecided"] if self.sketch.undecided else []
        return "; ".join(parts) + "."


class _Stroke(NamedTuple):
    """How a path looks; without a width it has no line."""

    fill: str = NOTHING
    colour: str = GREY
    width: float = 0.0
    dash: str = "solid"
    opacity: float = 1.0


class _Strokes:
    """Paths to draw, those that look alike as one: a page that draws many frames waits for every shape."""

    def __init__(self) -> None:
        self._paths: dict[_Stroke, dict[str, None]] = {}  # each path once, in order

    def add(self, path: str, stroke: _Stroke) -> None:
        """One more path; the heads of all edges into a node are the same one."""
        self._paths.setdefault(stroke, {})[path] = None

    def shapes(self, axis: str) -> list[dict[str, Any]]:
        """What Plotly draws, in the order in which each look came first, under the trace that writes on the boxes."""
        on_axes = {"type": "path", "xref": f"x{axis}", "yref": f"y{axis}", "layer": "below"}
        return [
            on_axes
            | {"path": " ".join(paths), "fillcolor": stroke.fill, "fillrule": "nonzero", "opacity": stroke.opacity}
            | {"line": {"color": stroke.colour, "width": stroke.width, "dash": stroke.dash}}
            for stroke, paths in self._paths.items()
        ]


def _arrow(strokes: _Strokes, route: Sequence[Point], alive: bool, share: float) -> None:
    """The curve of one edge and its head; between two layers it swings, beside a box it runs straight.

    An edge that is believed to be there with less than certainty is dashed, and as faint as that is little.
    """
    sideways = route[0][1] == route[-1][1]
    path, (x, y) = _line(route) if sideways else _swing(route)
    dash = "dot" if not alive else "dash" if share < 1 else "solid"
    opacity = round((1.0 if alive else FAINT) * max(round(share / STEP) * STEP, FAINTEST), 4)
    wings = ((x - 0.06, y + 0.05), (x - 0.06, y - 0.05)) if sideways else ((x - 0.035, y + 0.09), (x + 0.035, y + 0.09))
    head = f"M {x:g},{y:g} " + " ".join(f"L {to_x:g},{to_y:g}" for to_x, to_y in wings) + " Z"
    strokes.add(path, _Stroke(width=1.6 if alive else 1.2, dash=dash, opacity=opacity))
    strokes.add(head, _Stroke(GREY, opacity=opacity))


def _line(route: Sequence[Point]) -> tuple[str, Point]:
    """The path from the right side of one box to the left side of the next, and where it ends."""
    (x, y), (to_x, _) = route
    end = to_x - BOX_WIDTH / 2
    return f"M {x + BOX_WIDTH / 2:g},{y:g} L {end:g},{y:g}", (end, y)


def _swing(route: Sequence[Point]) -> tuple[str, Point]:
    """The path from the foot of one box to the top of another, and where it ends."""
    half = BOX_HEIGHT / 2
    (x, y), path = route[0], ""
    path = f"M {x:g},{y - half:g}"
    y -= half
    for step, (to_x, to_y) in enumerate(route[1:], start=2):
        above, middle = to_y + half, (y + to_y + half) / 2
        path += f" C {x:g},{middle:g} {to_x:g},{middle:g} {to_x:g},{above:g}"
        x, y = to_x, above
        if step < len(route):
            y = to_y - half
            path += f" L {x:g},{y:g}"
    return path, (x, y)


def _box(
    strokes: _Strokes, place: Sequence[float], style: Look, alive: bool, belief: Mapping[str, float] | None
) -> None:
    """The box of one node; for an undecided one the belief lies at its foot as a strip of colours."""
    x, y = place
    path = outline(style.kind, x, y)
    if belief is None:
        fill, colour = (style.colour, darker(style.colour)) if style.colour else ("rgba(128,128,128,0.10)", GREY)
        strokes.add(path, _Stroke(fill, colour, style.width, style.dash, 1.0 if alive else FAINT))
        return
    strokes.add(path, _Stroke("rgba(128,128,128,0.06)", GREY, 1.2, "dash"))
    left, bottom = x - BOX_WIDTH / 2 + CORNER, y - BOX_HEIGHT / 2 + 0.05
    for symbol, share in belief.items():
        right = left + share * (BOX_WIDTH - 2 * CORNER)
        strip = f"M {left:g},{bottom:g} H {right:g} V {bottom + STRIP:g} H {left:g} Z"
        strokes.add(strip, _Stroke(look(symbol).colour or "rgba(128,128,128,0.45)", width=FRAME))
        left = right


def _dag_axes(layout: Layout, axis: str) -> dict[str, Any]:
    """Invisible axes around everything drawn; the size is such that the labels fit into the boxes."""
    hidden = {"visible": False, "fixedrange": True}
    return page() | {
        f"xaxis{axis}": {**hidden, "range": [-0.5, layout.columns + 0.5]},
        f"yaxis{axis}": {**hidden, "range": [-0.35, layout.layers + 0.35]},
        "width": round(130 * (layout.columns + 1)) + 20,
        "height": round(84 * (layout.layers + 0.7)) + 50,
        "margin": {"l": 10, "r": 10, "t": 40, "b": 10},
    }
