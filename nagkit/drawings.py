"""Pictures of one architecture: its DAG, finished or on the way.

Notation: L slots, K symbols. ``axis`` is the pair of axes as in ``figures``.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.figures import GREY, Picture, page, safe, titled
from nagkit.layout import Layout, Point, layered, placed
from nagkit.looks import PLAIN, darker, ink_on, look
from nagkit.sketch import Sketch
from nagkit.space import Architecture, SearchSpace

if TYPE_CHECKING:
    import pandas

BOX_WIDTH, BOX_HEIGHT, CORNER = 0.88, 0.58, 0.13  # in units of the layout
FAINT, FAINTEST = 0.35, 0.1


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
        layout, alive, shapes = self.layout, self.alive, []
        for edge, share in self.edges.items():
            shapes += _arrow(layout.routes[edge], alive[edge[0]] and alive[edge[1]], share)
        for node, op in enumerate(self.sketch.ops):
            shapes += _box(layout.places[node], op, alive[node], self.sketch.belief.get(node))
        for shape in shapes:
            shape.update(xref=f"x{axis}", yref=f"y{axis}", layer="below")  # under the trace that writes on the boxes
        frame = _dag_axes(layout, axis) | {"shapes": shapes} | titled(title)
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


def _arrow(route: Sequence[Point], alive: bool, share: float) -> list[dict[str, Any]]:
    """The curve of one edge and its head; between two layers it swings, beside a box it runs straight.

    An edge that is believed to be there with less than certainty is dashed, and as faint as that is little.
    """
    sideways = route[0][1] == route[-1][1]
    path, (x, y) = _line(route) if sideways else _swing(route)
    dash = "dot" if not alive else "dash" if share < 1 else "solid"
    line = {"color": GREY, "width": 1.6 if alive else 1.2, "dash": dash}
    common = {"type": "path", "opacity": (1.0 if alive else FAINT) * max(share, FAINTEST)}
    wings = ((x - 0.06, y + 0.05), (x - 0.06, y - 0.05)) if sideways else ((x - 0.035, y + 0.09), (x + 0.035, y + 0.09))
    head = f"M {x:g},{y:g} " + " ".join(f"L {to_x:g},{to_y:g}" for to_x, to_y in wings) + " Z"
    return [
        {**common, "path": path, "line": line},
        {**common, "path": head, "fillcolor": GREY, "line": {"width": 0}},
    ]


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
    place: Float[np.ndarray, "2"], op: str, alive: bool, belief: Mapping[str, float] | None
) -> list[dict[str, Any]]:
    """The box of one node; for an undecided one the belief lies at its foot as a strip of colours."""
    x, y = place.tolist()
    if belief is None:
        style = look(op)
        fill = style.colour or "rgba(128,128,128,0.10)"
        line = {"color": darker(style.colour) if style.colour else GREY, "width": style.width, "dash": style.dash}
        opacity = 1.0 if alive else FAINT
        return [{"type": "path", "path": _rounded(x, y), "fillcolor": fill, "line": line, "opacity": opacity}]
    line = {"color": GREY, "width": 1.2, "dash": "dash"}
    shapes = [{"type": "path", "path": _rounded(x, y), "fillcolor": "rgba(128,128,128,0.06)", "line": line}]
    left, bottom = x - BOX_WIDTH / 2 + CORNER / 2, y - BOX_HEIGHT / 2 + 0.05
    for symbol, share in belief.items():
        right = left + share * (BOX_WIDTH - CORNER)
        fill = look(symbol).colour or "rgba(128,128,128,0.45)"
        corners = {"x0": left, "x1": right, "y0": bottom, "y1": bottom + 0.08}
        shapes.append({"type": "rect", **corners, "fillcolor": fill, "line": {"width": 0}})
        left = right
    return shapes


def _rounded(x: float, y: float) -> str:
    """The path of a box with round corners around (x, y)."""
    l, r, b, t = x - BOX_WIDTH / 2, x + BOX_WIDTH / 2, y - BOX_HEIGHT / 2, y + BOX_HEIGHT / 2
    c = CORNER
    return (
        f"M {l + c:g},{b:g} L {r - c:g},{b:g} Q {r:g},{b:g} {r:g},{b + c:g} L {r:g},{t - c:g} Q {r:g},{t:g} "
        f"{r - c:g},{t:g} L {l + c:g},{t:g} Q {l:g},{t:g} {l:g},{t - c:g} L {l:g},{b + c:g} Q {l:g},{b:g} "
        f"{l + c:g},{b:g} Z"
    )


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
