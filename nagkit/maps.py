"""Maps of a latent space: two directions of it, along which architectures differ most in how good they are.

Notation: n architectures, d latent variables, m proposals, q questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from nagkit import arguments
from nagkit.curves import STROKES
from nagkit.errors import ArgumentError
from nagkit.figures import GREY, GRID, LEGEND, VERMILION, Picture, page, safe
from nagkit.metrics import Metric

NEIGHBOURS, FOLDS = 20, 5  # what a place on the map tells of an architecture is the mean of its nearest others
LEAST = 100  # architectures that a map needs
COLUMNS = 2  # of panels
PANEL, HEADING, GAP = 350, 22, 38  # pixels: a panel from above its heading, and the ticks between two
SCALE = "Cividis"  # from dark to light without a turn, so that it reads in grey
DIRECTION = "latent direction {} (z, standard deviations{})"
IN_BEST = "in the best tenth (%)"
WORST = 0.05  # this part would take most of the scale
BLACK = "#000000"
FILLS = ("#ffffff", "#E69F00", "#CC79A7", "#56B4E9", "#009E73", VERMILION)  # the first source asks most


@dataclass(frozen=True, eq=False)
class Map:
    """A plane in a latent space: z - ``centre (d,)`` by the orthonormal ``directions (d, 2)``.

    ``told`` is the share of the variance of ranks that the nearest others on the map tell of an architecture that they
    were not told of, and ``kept`` the share of the variance of z that lies in the plane.
    """

    centre: Float[np.ndarray, "d"]
    directions: Float[np.ndarray, "d 2"]
    told: float
    kept: float

    @classmethod
    def of(cls, z: Float[np.ndarray, "n d"], values: Float[np.ndarray, "n"], metric: Metric) -> "Map":
        """The plane by partial least squares (Wold et al., 1984) of ranks on z; better lies to the right.

        Args:
            values: one for each z, in the unit of the metric; architectures whose value is unknown are left out
        """
        from scipy import stats
        from sklearn.cross_decomposition import PLSRegression

        arguments.instance("metric", metric, Metric, "table.metrics['val_accuracy']")
        z, values = _checked(z, values)
        rank = stats.rankdata(metric.sign * values) / len(values)
        fitted = PLSRegression(2, scale=False).fit(z, rank)
        directions = fitted.x_weights_ * np.where(fitted.y_loadings_[0] < 0, -1.0, 1.0)  # orthonormal; the sign is free
        plane = cls(z.mean(0), directions, 0.0, 0.0)
        at = plane.places(z)
        return cls(plane.centre, directions, _told(at, rank), float(at.var(0).sum() / z.var(0).sum()))

    def places(self, z: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m 2"]:
        """Where these lie on the map; what is far apart there is at least as far apart in the latent space."""
        return (z - self.centre) @ self.directions

    def sentence(self) -> str:
        """What the map shows of accuracy and of the space, in words."""
        return (
            f"The map holds {self.kept:.0%} of the variance of z. A place on it tells {self.told:.0%} of the variance "
            "of the rank of an architecture, by its nearest neighbours there."
        )


def _checked(z: object, values: object) -> tuple[np.ndarray, np.ndarray]:
    """Those of which the value is known."""
    at, value = arguments.array("z", z), arguments.array("values", values)
    if at.ndim != 2 or at.shape[1] < 2 or value.shape != at.shape[:1]:
        raise ArgumentError(
            f"z and values must have shapes (n, d) and (n,) with d at least 2; got {at.shape} and {value.shape}."
        )
    known = np.isfinite(value)
    if known.sum() < LEAST or np.ptp(value[known]) == 0 or not np.isfinite(at).all():
        raise ArgumentError(
            f"values must be known of at least {LEAST} architectures, not all be the same, and z must be finite; "
            f"{known.sum()} are known."
        )
    return at[known].astype(np.float64), value[known].astype(np.float64)


def _told(at: Float[np.ndarray, "n 2"], rank: Float[np.ndarray, "n"]) -> float:
    """1 - the mean squared error by the variance, each rank said by neighbours of other folds."""
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.neighbors import KNeighborsRegressor

    folds = KFold(FOLDS, shuffle=True, random_state=0)
    said = cross_val_predict(KNeighborsRegressor(NEIGHBOURS), at, rank, cv=folds)
    return float(1 - ((said - rank) ** 2).mean() / rank.var())


@dataclass(frozen=True, eq=False)
class Panel:
    """What one panel shows: ``proposed (m, 2)``, worth ``worth (m,)``, and ``asked (q, 2)`` of these ``sources``."""

    name: str
    proposed: Float[np.ndarray, "m 2"]
    worth: Float[np.ndarray, "m"]
    asked: Float[np.ndarray, "q 2"]
    sources: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.proposed) != len(self.worth) or len(self.asked) != len(self.sources):
            raise ArgumentError(
                f"proposed and worth must be as many, and so must asked and sources; got {len(self.proposed)} and "
                f"{len(self.worth)}, {len(self.asked)} and {len(self.sources)}."
            )
        if not np.isfinite(self.worth).any():
            raise ArgumentError("worth must be known of at least one that is proposed.")


def map_figure(
    places: Float[np.ndarray, "n 2"], values: Float[np.ndarray, "n"], metric: Metric, panels: Sequence[Panel]
) -> Picture:
    """The same map once a panel: architectures by their true values, what is proposed (rings), and what is asked.

    Args:
        places: of the architectures that are the ground of every panel
        values: theirs, in the unit of the metric; those that are unknown are not drawn
    """
    import pandas as pd

    arguments.instance("metric", metric, Metric, "table.metrics['val_accuracy']")
    panels = arguments.several("panels", panels, Panel)
    if not panels or len(places) != len(values) or not np.isfinite(values).any():
        raise ArgumentError(
            f"panels must hold at least one, and places and values be as many and some known; got {len(panels)} "
            f"panels, {len(places)} places and {len(values)} values."
        )
    known = np.isfinite(values)
    sheet = _Sheet(places[known], values[known], metric, panels)
    rows = [sheet.facts(panel) for panel in panels]
    sentence = " ".join(
        f"{row['panel']}: {row['proposed']} proposals with a median of {row[sheet.median]:.4g} {metric.unit}, "
        f"{row[IN_BEST]:.0f} % of them in the best tenth."
        for row in rows
    )
    traces = [trace for number in range(len(panels)) for trace in sheet.traces(number)]
    return Picture(traces, sheet.layout(), sentence, lambda: pd.DataFrame(rows))


@dataclass(frozen=True, eq=False)
class _Sheet:
    """The panels of one picture, before the same ground."""

    places: Float[np.ndarray, "n 2"]
    values: Float[np.ndarray, "n"]
    metric: Metric
    panels: tuple[Panel, ...]

    @property
    def median(self) -> str:
        """A heading."""
        return f"median {self.metric.name} of these ({self.metric.unit})"

    def facts(self, panel: Panel) -> dict[str, Any]:
        """A row of the table."""
        sign = self.metric.sign
        worth, bar = panel.worth[np.isfinite(panel.worth)], np.quantile(sign * self.values, 0.9)
        x, y = np.median(panel.proposed, axis=0).round(2).tolist()
        sources = list(panel.sources)
        return {
            "panel": panel.name,
            "proposed": len(panel.worth),
            self.median: float(np.median(worth)),
            IN_BEST: 100 * float((sign * worth >= bar).mean()),
            "median direction 1": x,
            "median direction 2": y,
            "asked": ", ".join(f"{sources.count(name)} {name}" for name in dict.fromkeys(sources)),
        }

    def traces(self, number: int) -> list[dict[str, Any]]:
        """Of one panel the ground, the proposals, and the questions of each source; the legend names each once."""
        panel, axis = self.panels[number], _axis(number)
        common = {"type": "scatter", "mode": "markers", "xaxis": f"x{axis}", "yaxis": f"y{axis}"}
        shades = self.values.round(2).tolist()
        ground = {"size": 4, "color": shades, "coloraxis": "coloraxis", "opacity": 0.55}
        ring = {"symbol": "circle-open", "size": 6, "color": VERMILION, "opacity": 0.9, "line": {"width": 1}}
        named = np.array(panel.sources, dtype=object)
        marks = [
            (f"asked: {safe(source)}", panel.asked[named == source], {"symbol": symbol, "color": fill})
            for source, (_, _, symbol), fill in zip(self._sources, STROKES, FILLS * 4, strict=False)
        ]
        outlined = {"size": 11, "line": {"width": 1.5, "color": BLACK}}
        several = [("proposed", panel.proposed, ring), *((name, at, mark | outlined) for name, at, mark in marks)]
        tip = f"{safe(self.metric.name)} %{{marker.color}} {safe(self.metric.unit)}<extra></extra>"
        return [
            common | _at(self.places) | {"name": "all", "marker": ground, "hovertemplate": tip, "showlegend": False}
        ] + [
            common
            | _at(at)
            | {"name": name, "marker": mark, "hoverinfo": "name", "legendgroup": name}
            | {"showlegend": number == 0}
            for name, at, mark in several
        ]

    @property
    def _sources(self) -> list[str]:
        return list(dict.fromkeys(source for panel in self.panels for source in panel.sources))

    def layout(self) -> dict[str, Any]:
        """Panels side by side and below each other over the same axes."""
        rows = -(-len(self.panels) // COLUMNS)
        whole = rows * PANEL + (rows - 1) * GAP  # pixels
        layout: dict[str, Any] = page() | {"annotations": []}
        for number, panel in enumerate(self.panels):
            row, column = divmod(number, COLUMNS)
            x = [column / COLUMNS + 0.03 * column, (column + 1) / COLUMNS - 0.03 * (1 - column)]
            top = 1 - row * (PANEL + GAP) / whole
            y = [max(top - PANEL / whole, 0.0), top - HEADING / whole]
            layout |= self._axes(number, x, y)
            note = {"text": f"<b>{safe(panel.name)}</b>", "x": x[0], "y": y[1], "xref": "paper", "yref": "paper"}
            note |= {"xanchor": "left", "yanchor": "bottom", "showarrow": False, "font": {"size": 13}}
            layout["annotations"].append(note)
        low, high = np.quantile(self.values, [WORST, 1.0] if self.metric.sign > 0 else [0.0, 1 - WORST]).tolist()
        bar = {"title": {"text": safe(self.metric.label), "side": "right"}, "thickness": 14, "len": 0.8}
        return layout | {
            "coloraxis": {"colorscale": SCALE, "cmin": low, "cmax": high, "colorbar": bar},
            "legend": LEGEND | {"itemsizing": "constant"},
            "height": 115 + whole,
            "margin": {"l": 70, "r": 20, "t": 60, "b": 55},
            "hovermode": "closest",
        }

    def _axes(self, number: int, x: list[float], y: list[float]) -> dict[str, Any]:
        """The two axes of one panel within these parts of the page; only outer ones have a title."""
        axis, common = _axis(number), {"gridcolor": GRID, "zeroline": False, "linecolor": GREY, "ticks": "outside"}
        ends = np.array([self.places.min(0), self.places.max(0)])
        (left, bottom), (right, top) = (ends + 0.04 * np.array([[-1], [1]]) * np.ptp(ends, axis=0)).tolist()
        right_of: dict[str, Any] = {"domain": x, "anchor": f"y{axis}", "range": [left, right], "tickcolor": GREY}
        up: dict[str, Any] = {"domain": y, "anchor": f"x{axis}", "range": [bottom, top], "tickcolor": GREY}
        if number + COLUMNS >= len(self.panels):
            right_of["title"] = {"text": DIRECTION.format(1, "; better to the right")}
        if number % COLUMNS == 0:
            up["title"] = {"text": DIRECTION.format(2, "")}
        return {f"xaxis{axis}": common | right_of, f"yaxis{axis}": common | up}


def _axis(number: int) -> str:
    return "" if number == 0 else str(number + 1)


def _at(places: Float[np.ndarray, "m 2"]) -> dict[str, Any]:
    """As short as a screen can show, since a ground comes again in every panel; a legend needs a point at least."""
    x, y = places.round(2).T.tolist()
    return {"x": x or [None], "y": y or [None]}
