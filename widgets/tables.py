"""What the studio and the race show as plain text: the best architectures, code, comparisons and standings.

Everything is escaped; colours are those of the page.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from jaxtyping import Float
from nagkit_widgets.sampling import Snapshot
from nagkit_widgets.settings import DIFFUSION, fitted
from nagkit_widgets.sources import HERE, OWN, benchmark, learned, parts

from nagkit.benchmarks import TABLES
from nagkit.figures import safe
from nagkit.metrics import Metric, headings
from nagkit.report import Estimate
from nagkit.space import Architecture
from nagkit.spaces.skeleton import MICRO


def best(snapshot: Snapshot, count: int = 8) -> str:
    """A table of the best distinct architectures: predicted value and spread, and what the table knows."""
    places = snapshot.ranked()[:count]
    if not len(places):
        return ""
    tokens, settings = snapshot.tokens[places], snapshot.settings
    heads, columns = ["rank"], [[str(rank) for rank in range(1, len(places) + 1)]]
    for metric, column in zip(snapshot.front.metrics, snapshot.values[places].T, strict=True):
        name, unit = safe(metric.name.replace("_", " ")), safe(metric.unit)
        if learned(settings.table, metric.name) and not snapshot.evaluated:
            spread = fitted(settings.table, metric.name, settings.labels, settings.seed).predict(tokens)[1]
            heads.append(f"{name}, predicted ({unit})")
            columns.append([f"{value:.2f} ± {doubt:.2f}" for value, doubt in zip(column, spread, strict=True)])
            if metric.name != HERE and not settings.table.startswith(OWN):  # which no table knows
                looked_up = benchmark(settings.table).look_up(tokens, metric.name)
                heads.append(f"{name}, looked up ({unit})")
                columns.append([f"{value:.2f}" if np.isfinite(value) else "unknown" for value in looked_up])
        else:
            heads.append(safe(headings([metric])[0].replace("_", " ")))
            columns.append([f"{value:.4g}" for value in column])
    heads.append("architecture")
    columns.append([_code(snapshot.space.decode(row).text) for row in tokens])
    head = "".join(f"<th scope='col'>{text}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in zip(*columns, strict=True))
    beyond = snapshot.within is not None and not snapshot.within[places].all()
    caption = f"The best {len(places)} of {snapshot.distinct} distinct architectures"
    caption += ", those within the limits first" if beyond else ""
    table = f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class='nagkit scroll'>{table}</div>"


def comparison(held: Snapshot, now: Snapshot) -> str:
    """Two batches side by side: what differs in their settings, and what came of it."""
    both = asdict(held.settings), asdict(now.settings)
    rows = [
        (name.replace("_", " "), *(each[name] for each in both)) for name in both[0] if both[0][name] != both[1][name]
    ]
    rows.append(("architectures", *(len(each.tokens) for each in (held, now))))
    rows.append(("distinct", *(each.distinct for each in (held, now))))
    for metric in held.front.metrics:
        if metric not in now.front.metrics:
            continue
        columns = [each.met[:, each.front.metrics.index(metric)] for each in (held, now)]
        for said, of in (("mean", np.nanmean), ("best", np.nanmax if metric.sign > 0 else np.nanmin)):
            told = [f"{of(column):.4g}" if np.isfinite(column).any() else "" for column in columns]
            rows.append((f"{said} {metric.name.replace('_', ' ')} ({metric.unit})", *told))
    head = "".join(f"<th scope='col'>{text}</th>" for text in ("", "held", "now"))
    body = "".join(f"<tr><th scope='row'>{safe(a)}</th><td>{safe(b)}</td><td>{safe(c)}</td></tr>" for a, b, c in rows)
    caption = f"Held and present settings{', with the same noise' if _same_noise(held, now) else ''}"
    table = f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class='nagkit scroll'>{table}</div>"


def _same_noise(held: Snapshot, now: Snapshot) -> bool:
    """Whether two batches were drawn by the same random numbers; searches draw as they go."""
    one, other = held.settings, now.settings
    drawn = [(each.space.name, each.settings.seed, each.settings.samples, each.settings.steps) for each in (held, now)]
    return one.system == other.system == DIFFUSION and drawn[0] == drawn[1]


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


def values(metrics: Sequence[Metric], of: Sequence[float] | Float[np.ndarray, "k"]) -> str:
    """The values of one architecture, each with its name and unit."""
    pairs = zip(metrics, of, strict=True)
    return ", ".join(f"{metric.name.replace('_', ' ')} {value:.4g} {metric.unit}" for metric, value in pairs)


def hover(snapshot: Snapshot, first: int = 0) -> list[str]:
    """What the pointer finds on each dot, from the first of these on."""
    rows = zip(snapshot.tokens[first:], snapshot.values[first:], strict=True)
    return [f"{snapshot.space.decode(row).text}: {values(snapshot.front.metrics, of)}" for row, of in rows]


def code(table: str, architecture: Architecture) -> str:
    """The notation of an architecture, and the Python module of the network that the table is about.

    Where networks are no modules of their own, the lines that build it.
    """
    notation = f"<b>Chosen</b> {_code(architecture.text)}"
    scrolled = "tabindex='0' aria-label='Python code of the chosen network'"
    return f"<div class='nagkit'>{notation}<pre {scrolled}>{html.escape(source(table, architecture))}</pre></div>"


def source(table: str, architecture: Architecture) -> str:
    """Python code: the module of the network that a table is about, or the lines that build it."""
    from nagkit.benchmarks.nas_bench_201 import DATASETS
    from nagkit.networks import to_python

    if table.startswith(OWN):
        space, path = parts(table)
        return (
            "import nagkit\nfrom nagkit.networks.images import ImageFile\n"
            "from nagkit.networks.trainer import Trainer\n\n"
            f"space = nagkit.space({space!r})\n"
            f"row = space.encode([{architecture.text!r}])[0]\n"
            f"trainer = Trainer(space, ImageFile({str(path)!r}))\n"
            "network, task = trainer.trained(row, seed=0)\n"
        )
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
