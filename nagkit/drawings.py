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
from nagkit.layout import Layout, Point, layered
from nagkit.looks import darker, ink_on, look
from nagkit.space import UNDECIDED, Architecture, SearchSpace

if TYPE_CHECKING:
    import pandas

BOX_WIDTH, BOX_HEIGHT, CORNER = 0.88, 0.58, 0.13  # in units of the layout
FAINT = 0.35


def architecture_figure(architecture: Architecture, title: str | None = None, axis: str = "") -> Picture:
    """The DAG from input (above) to output (below); whatever no data reaches is faint."""
    arguments.instance("architecture", architecture, Architecture, "space.decode(row)")
    return _Dag(architecture, {}).picture(title, axis)


def frame_figure(
    space: SearchSpace,
    row: Int[np.ndarray, "L"],
    probability: Float[np.ndarray, "L K"],
    title: str | None = None,
    axis: str = "",
) -> Picture:
    """One row of a generator's frame: decided slots as in ``architecture_figure``, the others "?" with the belief.

    Holds for spaces whose slot ``l`` is node ``l + 1`` of the decoded DAG; nodes stand still from frame to frame.
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
    likely = np.where(row == UNDECIDED, probability.argmax(1), row)
    belief = {
        l + 1: dict(zip(slot.symbols, probability[l].tolist(), strict=False))
        for l, slot in enumerate(space.slots)
        if row[l] == UNDECIDED
    }
    return _Dag(space.decode(likely), belief).picture(title, axis)


@dataclass(frozen=True, eq=False)
class _Dag:
    """A DAG to draw: for every node whether data flows through it, and the belief about those undecided."""

    architecture: Architecture
    belief: Mapping[int, Mapping[str, float]]

    @cached_property
    def layout(self) -> Layout:
        return layered(len(self.architecture.ops), self.architecture.edges)

    @cached_property
    def alive(self) -> list[bool]:
        """Whether data can flow from the input through each node to the output; doubt lets it through."""
        nodes, edges = range(len(self.architecture.ops)), sorted(self.architecture.edges)
        used = [op != "none" or node in self.belief for node, op in enumerate(self.architecture.ops)]
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
        for edge in sorted(self.architecture.edges):
            shapes += _arrow(layout.routes[edge], alive[edge[0]] and alive[edge[1]])
        for node, op in enumerate(self.architecture.ops):
            shapes += _box(layout.places[node], op, alive[node], self.belief.get(node))
        for shape in shapes:
            shape.update(xref=f"x{axis}", yref=f"y{axis}", layer="below")  # under the trace that writes on the boxes
        frame = _dag_axes(layout, axis) | {"shapes": shapes} | titled(title)
        return Picture([self.labels(axis)], frame, self.sentence(), self.table)

    def labels(self, axis: str) -> dict[str, Any]:
        """One trace that writes on the boxes and answers the pointer."""
        text, ink = [], []
        for node, op in enumerate(self.architecture.ops):
            if node in self.belief:
                best, share = max(self.belief[node].items(), key=lambda pair: pair[1])
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
            "y": [height + (0.05 if node in self.belief else 0.0) for node, height in enumerate(y)],
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
        for node, op in enumerate(self.architecture.ops):
            shares = sorted(self.belief.get(node, {}).items(), key=lambda pair: -pair[1])
            doubt = "undecided: " + ", ".join(f"{look(symbol).label} {share:.0%}" for symbol, share in shares)
            state = doubt if shares else "in use" if self.alive[node] else "carries no data"
            sources = " ".join(str(i) for i, j in sorted(self.architecture.edges) if j == node)
            rows.append((node, "?" if shares else op, state, sources))
        return rows

    def table(self) -> "pandas.DataFrame":
        import pandas as pd

        return pd.DataFrame(self.facts(), columns=["node", "operation", "state", "from"])

    def sentence(self) -> str:
        inner = [node for node, op in enumerate(self.architecture.ops) if op not in ("input", "output")]
        decided = [self.architecture.ops[node] for node in inner if node not in self.belief and self.alive[node]]
        kinds = Counter(look(op).label for op in decided)
        named = ", ".join(f"{count} × {label}" for label, count in sorted(kinds.items())) or "none yet"
        idle = sum(not self.alive[node] for node in inner)
        parts = [f"{len(inner)} operations from input to output", f"in use: {named}"]
        parts += [f"{idle} without data"] if idle else []
        parts += [f"{len(self.belief)} undecided"] if self.belief else []
        return "; ".join(parts) + "."


def _arrow(route: Sequence[Point], alive: bool) -> list[dict[str, Any]]:
    """The curve of one edge and its head; between two layers it swings, beside a box it runs straight."""
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
    line = {"color": GREY, "width": 1.6 if alive else 1.2, "dash": "solid" if alive else "dot"}
    common = {"type": "path", "opacity": 1.0 if alive else FAINT}
    head = f"M {x:g},{y:g} L {x - 0.035:g},{y + 0.09:g} L {x + 0.035:g},{y + 0.09:g} Z"
    return [
        {**common, "path": path, "line": line},
        {**common, "path": head, "fillcolor": GREY, "line": {"width": 0}},
    ]


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
