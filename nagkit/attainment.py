"""Pictures of how surely searches reach what they reach: attainment surfaces over runs with two objectives.

Notation: m architectures on a front, c corners of a surface. The surface of a level is the front of all that at least
so many percent of the runs attain, where a run attains what some architecture on its front is at least as good as in
both metrics (Fonseca & Fonseca, 2010; López-Ibáñez et al., 2010; computed by ``moocore``, as Fonseca et al., 2011).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from nagkit import arguments
from nagkit.curves import SHADE, STROKES
from nagkit.errors import ArgumentError
from nagkit.figures import LEGEND, Picture, dominated, metric_axes, safe
from nagkit.fronts import turn, zoomed
from nagkit.metrics import Front, Metric, headings

LEVELS = (25.0, 50.0, 75.0)  # percent of the runs: the better end of a band, its line, and the worse end


@dataclass(frozen=True, eq=False)
class Attainment:
    """The surfaces of one search, each by its level and as corners ``(c, 2)``, from the least of the second metric on.

    ``runs`` is how many there were. A surface has no corner where fewer runs have a front at all.
    """

    name: str
    runs: int
    metrics: tuple[Metric, ...]
    surfaces: Mapping[float, Float[np.ndarray, "c 2"]]

    @classmethod
    def of(cls, name: str, fronts: Sequence[Front], levels: Sequence[float] = LEVELS) -> "Attainment":
        """The surfaces of runs that ended with these fronts; an empty one attains nothing."""
        fronts = arguments.several(f"runs[{name!r}]", fronts, Front)
        if not fronts:
            raise ArgumentError(f"runs[{name!r}] must hold the front of one run or more; got none.")
        if len({front.metrics for front in fronts}) > 1 or len(fronts[0].metrics) != 2:
            given = sorted({tuple(metric.name for metric in front.metrics) for front in fronts})
            raise ArgumentError(f"runs[{name!r}] must hold fronts of the same two metrics; got {given}.")
        levels = [arguments.real("level", level, 0.0, 100.0) for level in levels]
        metrics = fronts[0].metrics
        return cls(name, len(fronts), metrics, {level: _surface(fronts, level) for level in levels})

    def at(self, level: float, right: float) -> float:
        """What the first metric is on a surface where the second is no worse than this; NaN where nothing is."""
        up, second = self.metrics
        corners = self.surfaces[level]
        within = corners[second.sign * corners[:, 1] >= second.sign * right, 0]
        return float(up.sign * (up.sign * within).max()) if len(within) else np.nan

    def told(self, level: float, right: float) -> str:
        """The same in words."""
        value = self.at(level, right)
        return f"{'nothing' if np.isnan(value) else f'{value:.4g} {self.metrics[0].unit}'} in {level:g} %"


def attainment_figure(runs: Mapping[str, Sequence[Front]], levels: Sequence[float] = LEVELS) -> Picture:
    """For each search the middle surface as stairs, before the band between the two other ones.

    The first metric goes up, the second to the right; the worst quarter of all corners lies beyond the axis.

    Args:
        runs: by name of the search the front of each run, one a seed, all of the same two metrics
        levels: three percentages of runs, rising: 25, 50, 75 for quartiles; 0.1, 50, 100 for the best and the worst run
    """
    import pandas as pd

    found = _checked(runs, levels)
    up, right = found[0].metrics
    every = np.concatenate([corners for each in found for corners in each.surfaces.values()])
    data = [trace for each, stroke in zip(found, STROKES, strict=False) for trace in _traces(each, stroke, every)]
    layout = metric_axes(up, right) | {"legend": LEGEND, "hovermode": "closest"}
    if len(every):
        layout["yaxis"]["range"] = zoomed(up, every[:, 0])
    rows = [
        (each.name, each.runs, level, *corner)
        for each in found
        for level, corners in each.surfaces.items()
        for corner in corners.tolist()
    ]
    columns = ["search", "runs", "attained by at least (% of runs)", *headings((up, right))]
    return Picture(data, layout, _sentence(found), lambda: pd.DataFrame(rows, columns=columns))


def _checked(runs: Mapping[str, Sequence[Front]], levels: Sequence[float]) -> list[Attainment]:
    arguments.instance("runs", runs, Mapping, "{'nsga-ii': [Front.of(…), Front.of(…)]}")
    if not 1 <= len(runs) <= len(STROKES):
        raise ArgumentError(f"runs must hold 1 to {len(STROKES)} searches; got {len(runs)}.")
    if len(levels) != 3 or list(levels) != sorted(set(levels)):
        raise ArgumentError(f"levels must be three rising percentages, as (25, 50, 75); got {tuple(levels)}.")
    found = [Attainment.of(name, fronts, levels) for name, fronts in runs.items()]
    for each in found:
        if each.metrics != found[0].metrics:
            names = [metric.name for metric in each.metrics]
            raise ArgumentError(f"runs must all have the same two metrics; {each.name!r} has {names}.")
    return found


def _surface(fronts: Sequence[Front], level: float) -> Float[np.ndarray, "c 2"]:
    """The corners of one surface; ``moocore`` minimises, and knows only runs that have a front."""
    import moocore

    some = [front for front in fronts if len(front)]
    needed = max(int(np.ceil(level * len(fronts) / 100 - 1e-9)), 1)  # runs; division may leave a little too much
    if needed > len(some):
        return np.empty((0, 2))
    signs = np.array([metric.sign for metric in fronts[0].metrics])
    points = np.concatenate([-signs * front.values for front in some])
    runs = np.repeat(np.arange(len(some)), [len(front) for front in some])
    share = 100 * (needed - 0.5) / len(some)  # the library rounds up to whole runs
    corners = -signs * moocore.eaf(points, runs, percentiles=[share])[:, :2]
    return corners[corners[:, 1].argsort(kind="stable")]


def _traces(found: Attainment, stroke: tuple[str, str, str], every: Float[np.ndarray, "c 2"]) -> list[dict[str, Any]]:
    """The band and the line of one search, which the legend shows and hides together."""
    colour, dash, symbol = stroke
    best, middle, last = found.surfaces.values()
    outer, inner = (dominated(corners, found.metrics, every) for corners in (best, last))
    name = safe(found.name)
    common = {"type": "scatter", "name": name, "legendgroup": name}
    area = {"mode": "lines", "fill": "toself", "fillcolor": colour, "opacity": SHADE, "line": {"width": 0}}
    area |= {axis: [*out, *reversed(within)] for axis, out, within in zip("xy", outer, inner, strict=True)}
    line = {"mode": "lines+markers", "x": middle[:, 1].tolist(), "y": middle[:, 0].tolist()}
    line |= {"line": {"color": colour, "dash": dash, "width": 2, "shape": turn(found.metrics[1])}}
    return [
        common | area | {"hoverinfo": "skip", "showlegend": False},
        common | line | {"marker": {"symbol": symbol, "size": 6}, "hoverinfo": "name+x+y"},
    ]


def _sentence(found: Sequence[Attainment]) -> str:
    """What each search reaches in how many of its runs, within one and the same amount of the second metric."""
    up, right = found[0].metrics
    middles = np.concatenate([list(each.surfaces.values())[1][:, 1] for each in found])
    if not len(middles):
        return "No surface of the middle level has an architecture."
    limit = float(np.quantile(middles, 0.5, method="nearest"))
    told = [
        f"{each.name} reaches {', '.join(each.told(level, limit) for level in each.surfaces)} of {each.runs} "
        f"run{'s' * (each.runs > 1)}"
        for each in found
    ]
    bound = "at most" if right.sign < 0 else "at least"
    return f"{up.label}, with {right.name} {bound} {limit:.4g} {right.unit}: {'; '.join(told)}."
