"""Pictures as plain Plotly mappings, each with one sentence and a table that state the same facts.

Notation: n architectures, m on the front, k metrics, L slots, K symbols. ``axis`` "" or "2" names the pair of axes a
picture is drawn on, so that two pictures can share one figure. Nothing here needs Plotly: the front end draws.
"""

import html
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.layout import Layout, Point, layered
from nagkit.metrics import Front, Metric
from nagkit.space import UNDECIDED, Architecture, SearchSpace

if TYPE_CHECKING:
    import pandas

PLOTLY = "application/vnd.plotly.v1+json"
CONFIG = {"showSendToCloud": False, "displaylogo": False, "responsive": True}  # Plotly's upload button is off
GREY = "#808080"  # contrast 3.9 on white, 4.8 on the dark theme of JupyterLab
LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}  # in one line above the axes
GRID = "rgba(128,128,128,0.22)"
VERMILION, PURPLE = "#D55E00", "#CC79A7"  # Okabe & Ito (2008), like all colours here
BOX_WIDTH, BOX_HEIGHT, CORNER = 0.88, 0.58, 0.13  # in units of the layout
FAINT = 0.35


class Look(NamedTuple):
    """How an operation is told apart three times: by its label, its colour and its outline."""

    label: str
    colour: str | None
    dash: str
    width: float = 1.5


LOOKS = {
    "input": Look("input", None, "solid", 1.0),
    "output": Look("output", None, "solid", 1.0),
    "none": Look("none", None, "dot", 1.0),
    "skip_connect": Look("skip", "#E69F00", "dash"),
    "nor_conv_1x1": Look("conv 1×1", "#56B4E9", "solid"),
    "nor_conv_3x3": Look("conv 3×3", "#0072B2", "solid", 3.0),
    "avg_pool_3x3": Look("pool 3×3", "#009E73", "dashdot"),
}
_OTHERS = ("#F0E442", "#CC79A7", "#D55E00", "#56B4E9", "#E69F00")


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


def look(operation: str) -> Look:
    """The look of an operation; one that is not known gets a colour of its own name, always the same."""
    if operation in LOOKS:
        return LOOKS[operation]
    colour = _OTHERS[sum(operation.encode()) % len(_OTHERS)]
    return Look(safe(operation.replace("_", " ")), colour, "longdash")


# ---------------------------------------------------------------------------------------------- one architecture


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
        frame = _dag_axes(layout, axis) | {"shapes": shapes} | _title(title)
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
                ink.append(_ink(look(op).colour) if self.alive[node] else GREY)
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
        line = {"color": _darker(style.colour) if style.colour else GREY, "width": style.width, "dash": style.dash}
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


def _channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def _darker(colour: str) -> str:
    return "#" + "".join(f"{round(channel * 0.55):02x}" for channel in _channels(colour))


def _ink(colour: str | None) -> str:
    """Black or white, whichever reads better on the colour; mid-grey where the page shows through."""
    if colour is None:
        return GREY
    linear = [(c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in _channels(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]  # WCAG 2.2, relative luminance
    return "#ffffff" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#000000"


def _dag_axes(layout: Layout, axis: str) -> dict[str, Any]:
    """Invisible axes around everything drawn; the size is such that the labels fit into the boxes."""
    hidden = {"visible": False, "fixedrange": True}
    return _page() | {
        f"xaxis{axis}": {**hidden, "range": [-0.5, layout.columns + 0.5]},
        f"yaxis{axis}": {**hidden, "range": [-0.35, layout.layers + 0.35]},
        "width": round(130 * (layout.columns + 1)) + 20,
        "height": round(84 * (layout.layers + 0.7)) + 50,
        "margin": {"l": 10, "r": 10, "t": 40, "b": 10},
    }


# ------------------------------------------------------------------------------------------------ many architectures


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
    x, y = _dominated(front.values[:, :2], (up, right), reach)
    traces = [
        {**on_axes, "name": "dominated", "mode": "lines", "x": x, "y": y, "fill": "toself", "hoverinfo": "skip"}
        | {"fillcolor": "rgba(213,94,0,0.10)", "line": {"color": "rgba(213,94,0,0.45)", "width": 1}}
        | {"showlegend": False},
        {**on_axes, "name": "before", "mode": "markers", "x": earlier[:, 1].tolist(), "y": earlier[:, 0].tolist()}
        | {"marker": {"symbol": "x-thin", "size": 5, "line": {"width": 1, "color": GREY}}, "hoverinfo": "skip"}
        | {"opacity": 0.75, "showlegend": bool(len(earlier))},
        {**on_axes, "name": "generated", "mode": "markers", **shown, "hovertext": said, "hoverinfo": "text"}
        | {"marker": {"symbol": "circle", "size": 7, "color": "#0072B2", "opacity": 0.8}},
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


def _dominated(
    front: Float[np.ndarray, "m 2"], metrics: tuple[Metric, Metric], reach: Float[np.ndarray, "r 2"]
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
    return _page() | {
        f"xaxis{axis}": {**common, "title": {"text": safe(right.label)}},
        f"yaxis{axis}": {**common, "title": {"text": safe(up.label)}},
        "height": 430,
        "margin": {"l": 70, "r": 20, "t": 40, "b": 55},
    }


def _page() -> dict[str, Any]:
    """What reads on the light and the dark theme alike: a transparent page and mid-grey letters."""
    clear = "rgba(0,0,0,0)"
    return {"paper_bgcolor": clear, "plot_bgcolor": clear, "font": {"color": GREY, "size": 12}}


def _title(title: str | None) -> dict[str, Any]:
    return {} if title is None else {"title": {"text": safe(title), "font": {"size": 14}}}
