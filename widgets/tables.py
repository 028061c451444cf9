"""What the studio and the race show as plain text: the best architectures, code, standings and messages.

Everything is escaped; colours are those of the page.
"""

import html
from collections.abc import Mapping

import numpy as np
from nagkit_widgets.sampling import Snapshot
from nagkit_widgets.settings import fitted
from nagkit_widgets.sources import HERE, benchmark, learned

from nagkit.benchmarks import TABLES
from nagkit.figures import safe
from nagkit.metrics import headings
from nagkit.report import Estimate
from nagkit.space import Architecture
from nagkit.spaces.skeleton import MICRO

STYLE = """<style>
.nagkit, .nagkit * { color: var(--jp-ui-font-color1, inherit); font-size: 13px; line-height: 1.45; }
.nagkit table { border-collapse: collapse; width: 100%; }
.nagkit caption { text-align: left; font-weight: bold; padding: 2px 0 6px; }
.nagkit th, .nagkit td { padding: 2px 14px 2px 0; text-align: right; border-bottom: 1px solid rgba(128,128,128,.35);
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.nagkit th:last-child, .nagkit td:last-child { text-align: left; width: 100%; }
.nagkit th:first-child { min-width: 0; }
.nagkit code, .nagkit pre { font-family: var(--jp-code-font-family, monospace); font-size: 12px; }
.nagkit td code { font-size: 11px; }
.nagkit pre { margin: 0; padding: 8px; max-height: 240px; overflow: auto; border: 1px solid rgba(128,128,128,.35);
  border-radius: 4px; white-space: pre; }
.nagkit .said { min-height: 1.5em; }
.nagkit .refused { border-left: 4px solid #D55E00; padding: 2px 8px; white-space: pre-wrap; }
.nagkit th { white-space: normal; min-width: 105px; vertical-align: bottom; line-height: 1.2; }
.nagkit .scroll { overflow-x: auto; }
</style>"""


def message(text: str, refused: bool = False) -> str:
    """A sentence that screen readers announce; a refusal interrupts."""
    kind = "class='refused' role='alert'" if refused else "class='said' role='status' aria-live='polite'"
    return f"<div class='nagkit'><div {kind}>{html.escape(text)}</div></div>"


def best(snapshot: Snapshot, count: int = 8) -> str:
    """A table of the best distinct architectures: predicted value and spread, and what the table knows."""
    places = snapshot.ranked()[:count]
    if not len(places):
        return ""
    tokens, settings = snapshot.tokens[places], snapshot.settings
    heads, columns = ["rank"], [[str(rank) for rank in range(1, len(places) + 1)]]
    for metric, values in zip(snapshot.front.metrics, snapshot.values[places].T, strict=True):
        name, unit = safe(metric.name.replace("_", " ")), safe(metric.unit)
        if learned(settings.table, metric.name):
            spread = fitted(settings.table, metric.name, settings.labels, settings.seed).predict(tokens)[1]
            heads.append(f"{name}, predicted ({unit})")
            columns.append([f"{value:.2f} ± {doubt:.2f}" for value, doubt in zip(values, spread, strict=True)])
            if metric.name != HERE:  # which no table knows
                looked_up = benchmark(settings.table).look_up(tokens, metric.name)
                heads.append(f"{name}, looked up ({unit})")
                columns.append([f"{value:.2f}" if np.isfinite(value) else "unknown" for value in looked_up])
        else:
            heads.append(safe(headings([metric])[0].replace("_", " ")))
            columns.append([f"{value:.4g}" for value in values])
    heads.append("architecture")
    columns.append([_code(snapshot.space.decode(row).text) for row in tokens])
    head = "".join(f"<th scope='col'>{text}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in zip(*columns, strict=True))
    caption = f"The best {len(places)} of {snapshot.distinct} distinct architectures"
    table = f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class='nagkit scroll'>{table}</div>"


def standings(figures: Mapping[tuple[str, str], Estimate]) -> str:
    """A table of a race: a row for each figure, a column for each entrant."""
    entrants = list(dict.fromkeys(entrant for entrant, _ in figures))
    names = list(dict.fromkeys(name for _, name in figures))
    head = "".join(f"<th scope='col'>{safe(text)}</th>" for text in ["", *entrants])
    rows = [
        [safe(name), *(safe(figures[key]) if (key := (each, name)) in figures else "" for each in entrants)]
        for name in names
    ]
    body = "".join(
        f"<tr><th scope='row'>{row[0]}</th>{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>" for row in rows
    )
    return f"<div class='nagkit scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def hover(snapshot: Snapshot) -> list[str]:
    """What the pointer finds on each dot."""
    metrics = snapshot.front.metrics
    return [
        f"{snapshot.space.decode(row).text}: "
        + ", ".join(
            f"{m.name.replace('_', ' ')} {value:.4g} {m.unit}" for m, value in zip(metrics, values, strict=True)
        )
        for row, values in zip(snapshot.tokens, snapshot.values, strict=True)
    ]


def sentence(text: str) -> str:
    """What a picture shows, in words."""
    return f"<div class='nagkit'>{html.escape(text)}</div>"


def code(table: str, architecture: Architecture) -> str:
    """The notation of an architecture, and the Python module of the network that the table is about.

    Where networks are no modules of their own, the lines that build it.
    """
    notation = f"<b>Chosen</b> {_code(architecture.text)}"
    scrolled = "tabindex='0' aria-label='Python code of the chosen network'"
    return f"<div class='nagkit'>{notation}<pre {scrolled}>{html.escape(_source(table, architecture))}</pre></div>"


def _source(table: str, architecture: Architecture) -> str:
    from nagkit.benchmarks.nas_bench_201 import DATASETS
    from nagkit.networks import to_python

    if table not in TABLES:
        classes = 1000 if architecture.space == "mobilenet-v3" else 10
        return (
            "import nagkit\nfrom nagkit.networks import build\n\n"
            f"space = nagkit.space({architecture.space!r})\n"
            f"row = space.encode([{architecture.text!r}])[0]\n"
            f"network = build(space.decode(row), classes={classes})\n"
        )
    dataset = DATASETS.get(table.removeprefix("nas-bench-201/"))
    return to_python(architecture, dataset.classes) if dataset else to_python(architecture, skeleton=MICRO)


def _code(text: str) -> str:
    return f"<code>{safe(text)}</code>"
