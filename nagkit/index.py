"""The index of a sweep: its cells, their figures, and means over seeds, as a page, as CSV and as JSON."""

import csv
import html
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from nagkit.grid import SEEDS, Cell
from nagkit.report import Estimate

if TYPE_CHECKING:
    from nagkit.sweep import Finished

_ABREAST = 4  # settings or cells beside each other in one table, so that it fits a printed page
_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --line: #767676; --head: #f0f0f0; --link: #0b57a4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececec; --paper: #161616; --line: #8a8a8a; --head: #2a2a2a; --link: #8cc2ff; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 75rem; padding: 0 1rem; }
a { color: var(--link); }
.wide { overflow-x: auto; margin: 1.5rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: bold; padding: .3rem 0; }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top; }
thead th { background: var(--head); }
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --line: #555; --head: #eee; --link: #000; }
  body { font-size: 9pt; margin: 0; max-width: none; padding: 0; }
  .wide { overflow: visible; }
  th, td { padding: .1rem .3rem; overflow-wrap: anywhere; }
  tr { break-inside: avoid; }
  caption, h1, h2 { break-after: avoid; }
}
"""


@dataclass(frozen=True)
class Index:
    """What is known of each cell of a sweep of this report; a cell that has not finished is not among ``known``."""

    name: str
    cells: Sequence[Cell]
    known: Mapping[str, "Finished"]

    def files(self) -> dict[str, str]:
        """The contents of the index, by file."""
        return {"index.html": self.page(), "index.csv": self.table(), "index.json": self.record()}

    def status(self, cell: Cell) -> str:
        """Whether a cell is complete, failed (and why), or waits."""
        found = self.known.get(cell.folder)
        return "waiting" if found is None else f"failed: {found.fault}" if found.fault else "complete"

    def sentence(self) -> str:
        """How many cells are complete, and how many failed."""
        failed = sum(bool(each.fault) for each in self.known.values())
        said = f"{len(self.known) - failed} of {len(self.cells)} cells complete"
        return f"{said}, {failed} failed." if failed else f"{said}."

    def figures(self, cell: Cell) -> Mapping[str, Estimate]:
        """The figures of a complete cell; none of another."""
        found = self.known.get(cell.folder)
        return {} if found is None else found.figures

    def over_seeds(self) -> list[tuple[dict[str, Any], dict[str, Estimate]]]:
        """For each setting of all else, the mean of every figure over the complete cells that differ by their seed.

        The interval is Student's and holds the true mean 95 times of 100. Nothing where no seed is varied.
        """
        varied = [key for key in SEEDS if len({cell.given.get(key) for cell in self.cells}) > 1]
        groups: dict[str, tuple[dict[str, Any], list[Mapping[str, Estimate]]]] = {}
        for cell in self.cells if varied else ():
            setting = {key: value for key, value in cell.given.items() if key not in varied}
            groups.setdefault(json.dumps(setting), (setting, []))[1].append(self.figures(cell))
        return [(setting, _means(found)) for setting, found in groups.values()]

    # ------------------------------------------------------------------------------------------------ as files

    def record(self) -> str:
        """The index as JSON."""
        cells = [
            {
                "cell": cell.folder,
                "parameters": dict(cell.values),
                "status": self.status(cell),
                "figures": {key: asdict(each) for key, each in self.figures(cell).items()},
            }
            for cell in self.cells
        ]
        means = [
            {"setting": setting, "figures": {key: asdict(each) for key, each in found.items()}}
            for setting, found in self.over_seeds()
        ]
        return json.dumps({"report": self.name, "cells": cells, "over seeds": means}, indent=2) + "\n"

    def table(self) -> str:
        """The index as CSV: a line for each cell, and a column for each figure in its unit."""
        names = list(dict.fromkeys((key, e.unit) for cell in self.cells for key, e in self.figures(cell).items()))
        written = io.StringIO()
        lines = csv.writer(written, lineterminator="\n")
        given = list(self.cells[0].given)
        lines.writerow(["cell", *given, "status", *(f"{key} ({unit})" for key, unit in names)])
        for cell in self.cells:
            found = {(key, each.unit): each.value for key, each in self.figures(cell).items()}
            values = (found.get(each, "") for each in names)
            lines.writerow([cell.folder, *cell.given.values(), self.status(cell), *values])
        return written.getvalue()

    # ------------------------------------------------------------------------------------------------- the page

    def page(self) -> str:
        """The index as one HTML page that asks the network for nothing."""
        title = f"Sweep of the report {self.name}"
        given = list(self.cells[0].given)
        rows = [[_link(cell), *map(_escaped, cell.given.values()), self._said(cell)] for cell in self.cells]
        parts = [_table("Cells", ["cell", *map(_escaped, given), "status"], rows)]
        means = self.over_seeds()
        if any(found for _, found in means):
            told = [(_escaped(_setting(setting)), found) for setting, found in means]
            parts += [
                "<h2>Over seeds</h2>\n<p>Means over the complete cells of a setting that differ by their seed, with "
                "the interval that holds the true mean 95 times of 100, and how many cells they are of.</p>",
                *_tables("Means over seeds", told, lambda each: f"{each} of {each.n}"),
            ]
        if any(self.figures(cell) for cell in self.cells):
            each = [(_link(cell), self.figures(cell)) for cell in self.cells if self.figures(cell)]
            parts += ["<h2>Figures of each cell</h2>", *_tables("Figures", each, str)]
        return (
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{_escaped(title)}</title>\n'
            f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{_escaped(title)}</h1>\n"
            f'<p>{_escaped(self.sentence())} The same as <a href="index.csv">CSV</a> and '
            f'<a href="index.json">JSON</a>.</p>\n' + "\n".join(parts) + "\n</main>\n</body>\n</html>\n"
        )

    def _said(self, cell: Cell) -> str:
        """The status, with a link to the page where there is one."""
        found = self.known.get(cell.folder)
        if found is None or found.fault:
            return _escaped(self.status(cell))
        return f'complete, {found.seconds:.0f} s: <a href="{quote(cell.folder)}/report.html">page</a>'


def _means(found: Sequence[Mapping[str, Estimate]]) -> dict[str, Estimate]:
    """The mean of each figure over the cells that have it, in the unit of the first of them."""
    units: dict[str, str] = {}
    for key, each in (item for figures in found for item in figures.items()):
        units.setdefault(key, each.unit)
    values = {key: [f[key].value for f in found if key in f and f[key].unit == unit] for key, unit in units.items()}
    return {key: Estimate.of(values[key], unit) for key, unit in units.items()}


def _setting(setting: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in setting.items()) or "all"


def _tables(
    caption: str, told: Sequence[tuple[str, Mapping[str, Estimate]]], shown: Callable[[Estimate], str]
) -> Iterator[str]:
    """Tables with a line for each figure, and a few of those who have them, named in HTML, beside each other."""
    names = list(dict.fromkeys(key for _, figures in told for key in figures))
    for start in range(0, len(told), _ABREAST):
        some = told[start : start + _ABREAST]
        rows = [
            [_escaped(key), *(_escaped(shown(found[key]) if key in found else "") for _, found in some)]
            for key in names
        ]
        which = f", {start + 1} to {start + len(some)} of {len(told)}" if len(told) > _ABREAST else ""
        yield _table(f"{caption}{which}", ["figure", *(name for name, _ in some)], rows)


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column names its rows; cells and heads are HTML."""
    top = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "\n".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>' for name, *cells in rows
    )
    return (
        f'<div class="wide" role="region" aria-label="{_escaped(caption)}" tabindex="0">\n<table>\n'
        f"<caption>{_escaped(caption)}</caption>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


def _link(cell: Cell) -> str:
    return f'<a href="{quote(cell.folder)}/">{_escaped(cell.folder)}</a>'


def _escaped(value: object) -> str:
    return html.escape(str(value))
