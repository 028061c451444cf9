"""Reports: a notebook run with checked parameters, left as a page, as an executed notebook and as figures in JSON.

The cell tagged ``parameters`` declares what a reader may set, a line each, with its range or its choices:
``strength: float = 4.0  # 0 to 100: how strongly to guide`` or ``order: str = "up"  # up | down: which way to sort``.
A number that 0 switches off has a range such as ``0 or 1 to 100``.
"""

import ast
import copy
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nagkit import arguments
from nagkit.combinations import together
from nagkit.errors import ArgumentError, DataMissingError, NagkitError
from nagkit.figures import CONFIG, PLOTLY
from nagkit.files import writable, write_atomically
from nagkit.progress import followed

if TYPE_CHECKING:
    import nbformat
    import pandas

OUT = "out"  # the parameter through which a notebook learns its folder
WIDGET = "application/vnd.jupyter.widget-view+json"
_ON_PAPER = """<style>
@page { margin: 15mm; }
@media print {
  :root, body { color-scheme: light; color: #000 !important; background: #fff !important; }
  body, main { margin: 0 !important; padding: 0 !important; }
  figure, tr, img, pre { break-inside: avoid; }
  h1, h2, h3 { break-after: avoid; }
  figure { margin: 1em 0; }
  .jp-Cell, .jp-OutputArea-output, .jp-OutputArea-child { overflow: visible !important; }
  table.dataframe { font-size: 8pt; width: 100%; }
  table.dataframe th, table.dataframe td { white-space: normal !important; overflow-wrap: anywhere; padding: 1px 3px; }
}
</style>"""
_FIGURES_ON_PAPER = """<script>
{
  const wide = width => document.querySelectorAll("figure > div").forEach(each => Plotly.relayout(each, {width}));
  window.addEventListener("beforeprint", () => wide(660));
  window.addEventListener("afterprint", () => wide(undefined));
}
</script>"""  # a drawing is as wide as the window until it is told otherwise; 660 pixels fit A4 and Letter
_NUMBER = r"-?\d[\d.]*(?:e[+-]?\d+)?"
_RANGE = re.compile(rf"(?P<off>0 or )?(?P<low>{_NUMBER}) to (?P<high>{_NUMBER})")


# -------------------------------------------------------------------------------------------------- what may be set


@dataclass(frozen=True)
class Parameter:
    """One thing that a report lets its reader set: a number within [low, high], or a text, perhaps one of a few.

    ``off`` allows 0 besides the range, which then means that the number is not used.
    """

    name: str
    kind: type[int] | type[float] | type[str]
    default: int | float | str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    meaning: str = ""
    off: bool = False

    @classmethod
    def declared(cls, name: str, annotation: str, value: str, comment: str) -> "Parameter":
        """The parameter that one line of a parameter cell declares."""
        kinds = {"int": int, "float": float, "str": str}
        kind = kinds[arguments.one_of(f"the annotation of parameter {name}", annotation, kinds)]
        allowed, _, meaning = comment.partition(":")
        bounds = _RANGE.fullmatch(allowed.strip())
        if kind is not str and bounds is None:
            raise ArgumentError(
                f"Parameter {name} needs a range, as in `{name}: {annotation} = {value}  # 0 to 10: its meaning`."
            )
        low, high = (float(bounds["low"]), float(bounds["high"])) if bounds else (-math.inf, math.inf)
        choices = tuple(choice.strip() for choice in allowed.split("|")) if "|" in allowed else ()
        off = bool(bounds and bounds["off"])
        return cls(name, kind, kind(ast.literal_eval(value)), low, high, choices, meaning.strip(), off)

    def clean(self, value: object) -> int | float | str:
        """``value``, perhaps written as text, in this parameter's type and range; anything else is refused."""
        if self.kind is str:
            if self.choices:
                return arguments.one_of(self.name, value, self.choices)
            if not isinstance(value, str):
                raise ArgumentError(f"{self.name} must be a text; got {value!r} of type {type(value).__name__}.")
            return value
        if isinstance(value, str):
            value = _number(value, self.kind)
        if self.off and not isinstance(value, bool) and value == 0:
            return self.kind(0)
        if self.kind is int:
            return arguments.whole(self.name, value, int(self.low), int(self.high))
        return arguments.real(self.name, value, self.low, self.high)


def _number(text: str, kind: type) -> object:
    """The number that a text spells, or the text itself, for the range check to refuse by its name."""
    try:
        return kind(text)
    except ValueError:
        return text


def parameters(name: str) -> dict[str, Parameter]:
    """What the report of this name lets its reader set."""
    import papermill

    found = papermill.inspect_notebook(str(source(name)))
    lines = {key: (line["inferred_type_name"], line["default"], line["help"]) for key, line in found.items()}
    return {key: Parameter.declared(key, *line) for key, line in lines.items() if key != OUT}


def check(name: str, values: Mapping[str, object]) -> dict[str, int | float | str]:
    """All parameters of the report, those of ``values`` replaced; unknown, mistyped or unallowed ones are refused."""
    known = parameters(name)
    for key in arguments.instance("parameters", values, Mapping, "{'seed': 1}"):
        arguments.one_of("parameter", key, known)
    clean = {key: parameter.clean(values.get(key, parameter.default)) for key, parameter in known.items()}
    return together(clean)


def names() -> list[str]:
    """The reports that can be run."""
    return sorted(path.stem for path in _folder().glob("*.ipynb"))


def _folder() -> Path:
    """The reports of the checkout that this runs in, or that nagkit was installed from."""
    places = [place / "notebooks" / "reports" for place in (Path.cwd(), Path(__file__).parents[1])]
    for place in places:
        if place.is_dir():
            return place
    raise DataMissingError(
        f"Reports are notebooks of a nagkit checkout, and {' and '.join(map(str, places))} do not exist. "
        f"Clone the repository and run this inside of it."
    )


def source(name: str) -> Path:
    """The notebook of a report."""
    return _folder() / f"{arguments.one_of('report', name, names())}.ipynb"


# --------------------------------------------------------------------------------------------------------- running


def report(
    name: str,
    parameters: Mapping[str, object] | None = None,
    out: str | os.PathLike[str] | None = None,
    shown: bool = False,
) -> Path:
    """The folder that now holds ``report.html``, ``report.ipynb`` and the ``result.json`` of the notebook.

    Without ``out`` it is ``runs/<name>``. Parameters are checked before a kernel starts. When a cell fails, the
    notebook so far stays as ``report.part.ipynb``, and a page of an earlier run stays as it was. With ``shown`` a bar
    in the terminal says how far its long loops are, and the time left.
    """
    import nbformat

    notebook, values = source(name), check(name, {} if parameters is None else parameters)
    if out is not None and not isinstance(out, str | os.PathLike):
        raise ArgumentError(f"out must be a folder; got {out!r:.80}.")
    folder = Path("runs", name) if out is None else Path(out)
    writable(folder)
    part = folder / "report.part.ipynb"
    with followed(folder, shown):
        _execute(name, notebook, part, {**values, OUT: str(folder.resolve())})
    write_atomically(folder / "report.html", page(nbformat.read(part, 4), name).encode())
    part.replace(folder / "report.ipynb")
    return folder


def _execute(name: str, notebook: Path, part: Path, values: Mapping[str, object]) -> None:
    import nbclient
    import papermill

    try:
        papermill.execute_notebook(
            str(notebook),
            str(part),
            parameters=dict(values),
            cwd=str(notebook.parent),
            progress_bar=False,
            store_widget_state=False,  # a live Plotly figure would add 5 MB
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # its routine messages would look like trouble
        )
    except papermill.PapermillExecutionError as fault:
        raise NagkitError(
            f"The report {name!r} stopped at cell {fault.exec_count}; the notebook so far is {part}. "
            f"{fault.ename}: {fault.evalue}"
        ) from None
    except nbclient.exceptions.DeadKernelError:
        raise NagkitError(
            f"The kernel of the report {name!r} died, most often for want of memory. The notebook so far is {part}."
        ) from None


# -------------------------------------------------------------------------------------------------------- the page


def page(notebook: "nbformat.NotebookNode", title: str) -> str:
    """One HTML file with the texts and results of an executed notebook that asks the network for nothing.

    Figures stay interactive and carry their sentence as a caption. Code and live controls are left out.
    """
    from nbconvert import HTMLExporter
    from plotly.offline import get_plotlyjs

    notebook, figures = illustrated(notebook)
    exporter = HTMLExporter(
        template_name="lab",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        **dict.fromkeys(("mathjax_url", "require_js_url", "jquery_url", "widget_renderer_url"), ""),
    )
    body, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    drawing = f"<script>{get_plotlyjs()}</script>{_FIGURES_ON_PAPER}" if figures else ""
    return body.replace("</head>", f"{_ON_PAPER}{drawing}</head>", 1)


def illustrated(notebook: "nbformat.NotebookNode") -> tuple["nbformat.NotebookNode", int]:
    """A copy without live controls whose figures are HTML that Plotly draws, and how many there are.

    The page that shows them has to load plotly.js before the first.
    """
    notebook, figures = copy.deepcopy(notebook), 0
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _only_a_control(output)]
            for output in cell.outputs:
                if PLOTLY in output.get("data", {}):
                    figures += 1
                    output["data"] = {"text/html": _drawn(output["data"], f"figure-{figures}")}
    return notebook, figures


def _only_a_control(output: Mapping[str, Any]) -> bool:
    data = set(output.get("data", {}))
    return WIDGET in data and data <= {WIDGET, "text/plain"}


def _drawn(data: Mapping[str, Any], identity: str) -> str:
    """The element that draws a figure, with the first paragraph of its text as caption."""
    import html

    figure, caption = data[PLOTLY], data.get("text/plain", "").split("\n\n")[0]
    settings = {key: value for key, value in figure.get("config", {}).items() if key != "plotlyServerURL"} | CONFIG
    parts = (figure["data"], figure["layout"], settings)
    call = ", ".join(json.dumps(part).replace("</", "<\\/") for part in parts)
    shown = f"<figcaption>{html.escape(caption)}</figcaption>" if not caption.startswith("Figure(") else ""
    height = figure["layout"].get("height", 420)
    return (
        f'<figure tabindex="0"><div id="{identity}" style="height:{height}px"></div>{shown}</figure>'
        f'<script>Plotly.newPlot("{identity}", {call});</script>'
    )


# ----------------------------------------------------------------------------------------------------- the figures


@dataclass(frozen=True)
class Estimate:
    """A measured figure: the mean of n repetitions and the interval that holds the true mean 95 times of 100."""

    value: float
    unit: str
    n: int = 1
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, values: Any, unit: str) -> "Estimate":
        """The mean of these repetitions with its 95 % interval by Student's t; of one value, the value alone."""
        from scipy import stats

        values = arguments.finite("values", values)
        n, mean = len(values), float(values.mean())
        if n == 1:
            return cls(mean, unit)
        reach = float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n))
        return cls(mean, unit, n, mean - reach, mean + reach)

    @classmethod
    def share(cls, hits: Any) -> "Estimate":
        """How many percent of these are true, with the 95 % interval of Wilson (1927), which stays within 0 and 100."""
        from scipy import stats

        hits = arguments.array("hits", hits)
        if hits.dtype != bool or hits.ndim != 1 or not len(hits):
            raise ArgumentError(
                f"hits must be an array of truth values of shape (n,) with n at least 1, such as values >= 3; "
                f"got {hits.dtype} of shape {hits.shape}."
            )
        interval = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
        return cls(100 * float(hits.mean()), "%", len(hits), 100 * float(interval.low), 100 * float(interval.high))

    def __str__(self) -> str:
        within = "" if self.low is None else f" ({self.low:.4g} to {self.high:.4g})"
        return f"{self.value:.4g} {self.unit}{within}"

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if name == "value" or number is not None:
                if isinstance(number, float) and not math.isfinite(number):
                    raise ArgumentError(f"{name} must be finite; got {number}. Leave unknown figures out.")
                object.__setattr__(self, name, arguments.real(name, number))
        arguments.instance("unit", self.unit, str, "'%'")
        object.__setattr__(self, "n", arguments.whole("n", self.n))
        if (self.low is None) != (self.high is None) or (self.low or 0.0) > (self.high or 0.0):
            raise ArgumentError(f"low and high must be given in order or not at all; got {self.low} and {self.high}.")


def save_result(estimates: Mapping[str, Any], out: str | os.PathLike[str]) -> "pandas.DataFrame":
    """The figures as a table; ``out/result.json`` now holds them too, unless ``out`` is empty."""
    import pandas as pd

    arguments.instance("estimates", estimates, Mapping, "{'accuracy': Estimate(93.2, '%')}")
    if not isinstance(out, str | os.PathLike):
        raise ArgumentError(f"out must be a folder, or empty to write nothing; got {out!r:.80}.")
    for name, estimate in estimates.items():
        if not isinstance(estimate, Estimate):
            raise ArgumentError(f"estimates[{name!r}] must be an Estimate; got {estimate!r:.80}.")
    rows = {name: asdict(estimate) for name, estimate in estimates.items()}
    if str(out):
        write_atomically(Path(out) / "result.json", (json.dumps(rows, indent=2) + "\n").encode())
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "unit", "n"])
