"""What four papers claim, beside what is measured here: a row for each headline, and a verdict by rule.

The headlines are ``claims/claims.toml`` in ``nagkit_data``; beside it ``measured.json`` holds what
``nagkit report claims -p keep yes`` measured last, and ``earlier.toml`` what other commands of nagkit did before.
"""

import json
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nagkit import arguments
from nagkit.benchmarks import NAMES
from nagkit.errors import ArgumentError, DataDamagedError
from nagkit.figures import GREY, Picture, metric_axes, safe
from nagkit.files import write_atomically
from nagkit.metrics import Metric
from nagkit.report import Estimate

if TYPE_CHECKING:
    import pandas

SYSTEMS = ("DiffusionNAG", "AG-Net", "GraphPNAS", "TND-NAS")
EVIDENCE = {  # where a published figure was read
    "abstract": "read in the abstract",
    "log": "worked out from the published logs",
    "reviews": "told in the public reviews",
    "second hand": "as another work prints it",
    "recalled": "recalled, not checked against the paper",
}
REACHED, MISSED, OPEN, UNMEASURED = "reached", "not reached", "not decided", "not measured here"
MARKS = {REACHED: "✓", MISSED: "✗", OPEN: "?", UNMEASURED: "–"}  # so that no colour is needed
NO_COMMAND = "no command repeats it"
POINTS = "%"  # the unit whose differences are drawn
FOLDER = "claims"
COLUMNS = ("claim", "published", "measured here", "verdict", "how to repeat it, or why not")
BLUE = "#0072B2"


# ------------------------------------------------------------------------------------------------- what is claimed


@dataclass(frozen=True)
class Claim:
    """One headline of a paper.

    Args:
        says: the claim in words of our own
        metric: what was published, with its unit and direction
        source: paper, table or section
        evidence: one of ``EVIDENCE``
        setting: under which conditions it holds
        published: the figure; None where the claim has none, or none that is known here
        rounding: half of its last printed digit
        spread: its standard deviation over ``runs``, as published
        beyond: whether the figure has to be exceeded, as 0 has by a difference, and not only met
        measured: the name of the figure that measures the same here, or of what was measured instead
        command: what measures it at full size
        reason: why the same cannot be measured on two cores; empty where it can
        instead: what was measured instead, in words
        needs: benchmarks that the command opens
        note: what else a reader has to know to compare
    """

    name: str
    system: str
    says: str
    metric: Metric
    source: str
    evidence: str
    setting: str
    published: float | None = None
    rounding: float = 0.0
    spread: float | None = None
    runs: int | None = None
    beyond: bool = False
    measured: str = ""
    command: str = ""
    reason: str = ""
    instead: str = ""
    needs: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        arguments.one_of("system", self.system, SYSTEMS)
        arguments.one_of("evidence", self.evidence, EVIDENCE)
        for field in ("says", "source", "setting"):
            if not arguments.instance(field, getattr(self, field), str, "'NAS-Bench-201, 192 evaluations'"):
                raise ArgumentError(f"{field} must not be empty. Say it in a few words.")
        arguments.real("rounding", self.rounding, 0.0)
        for field in ("published", "spread"):
            if getattr(self, field) is not None:
                arguments.real(field, getattr(self, field))
        object.__setattr__(self, "needs", arguments.several("needs", self.needs, str))
        for name in self.needs:
            arguments.one_of("each of needs", name, NAMES)
        self._check_measured()

    def _check_measured(self) -> None:
        if bool(self.reason) != bool(self.instead):
            raise ArgumentError("reason and instead must be given together: why not, and what was measured instead.")
        if not self.reason and not (self.measured and self.command and self.published is not None):
            raise ArgumentError("published, measured and command must be given where there is no reason why not.")
        if self.command and self.command != NO_COMMAND and self.command.split()[0] not in {"nagkit", "make"}:
            raise ArgumentError(
                f"command must begin with nagkit or make, or be {NO_COMMAND!r}; got {self.command!r:.80}."
            )

    def verdict(self, estimate: Estimate | None) -> str:
        """Whether what was measured here is as good as what was published, by the 95 % interval.

        Reached when all of the interval is, not reached when none of it is, not decided in between or without an
        interval. The published figure is taken as it stands; one that its rounding would allow is met.
        """
        if self.reason or self.published is None or estimate is None:
            return UNMEASURED
        if estimate.low is None or estimate.high is None:
            return OPEN
        sign, least = self.metric.sign, self.metric.sign * self.published - self.rounding
        worst, best = sorted((sign * estimate.low, sign * estimate.high))
        if worst > least or (worst == least and not self.beyond):
            return REACHED
        return MISSED if best < least or (best == least and self.beyond) else OPEN

    @property
    def figure(self) -> str:
        """The published figure as a text."""
        if self.published is None:
            return "no figure known here"
        if self.beyond:
            return f"{'more' if self.metric.sign > 0 else 'less'} than {self.published:g} {self.metric.unit}"
        spread = "" if self.spread is None else f" ± {self.spread:g}"
        runs = "" if self.runs is None else f", {self.runs} runs"
        return f"{self.published:g}{spread} {self.metric.unit}{runs}"


def read(path: Path | None = None) -> tuple[Claim, ...]:
    """All claims of the file in their order, those of nagkit without a path; what is wrong is said by its entry."""
    found = _toml(_place("claims.toml") if path is None else path)
    return tuple(_claim(name, entry) for name, entry in found.items())


def _claim(name: str, entry: Any) -> Claim:
    try:
        fields = dict(arguments.instance("the entry", entry, dict, "[name]"))
        metric = Metric(*(fields.pop(key) for key in ("quantity", "unit", "direction")))
        return Claim(name, metric=metric, **{**fields, "needs": tuple(fields.get("needs", ()))})
    except KeyError as fault:
        raise DataDamagedError(f"Claim {name!r} lacks {fault.args[0]!r}. Correct the file of claims.") from None
    except (ArgumentError, TypeError) as fault:  # a TypeError names a field that there is not, or one that is missing
        raise DataDamagedError(f"Claim {name!r}: {fault} Correct the file of claims.") from None


# ------------------------------------------------------------------------------------------------ what is measured


@dataclass(frozen=True)
class Measurement:
    """A figure measured here: by which command, on which day (empty: just now), with which version and seeds."""

    estimate: Estimate
    command: str
    seeds: str
    date: str = ""
    version: str = ""

    @property
    def when(self) -> str:
        """When it was measured, in words."""
        return f"on {self.date} with nagkit {self.version}" if self.date else "by this report"


def kept(folder: Path | None = None) -> dict[str, Measurement]:
    """What was measured before, by the name of the figure; where two files have one, what the report kept."""
    place = _place if folder is None else folder.joinpath
    measured = place("measured.json")
    found = _toml(earlier) if (earlier := place("earlier.toml")).is_file() else {}
    found |= _json(measured) if measured.is_file() else {}
    return {name: _measurement(name, entry) for name, entry in found.items()}


def _measurement(name: str, entry: Any) -> Measurement:
    try:
        about = {key: entry[key] for key in ("command", "seeds", "date", "version") if key in entry}
        return Measurement(Estimate(**{key: entry[key] for key in entry if key not in about}), **about)
    except (ArgumentError, TypeError) as fault:
        raise DataDamagedError(f"Measurement {name!r}: {fault} Correct its file, or measure again.") from None


def keep(measured: Mapping[str, Measurement], date: str, folder: Path | None = None) -> Path:
    """The file that now holds these measurements too, each in the place of an earlier one of its name."""
    path = _place("measured.json") if folder is None else folder / "measured.json"
    found = _json(path) if path.is_file() else {}
    about = {"date": date, "version": version("nagkit")}
    for name, each in measured.items():
        found[name] = asdict(each.estimate) | {"command": each.command, "seeds": each.seeds} | about
    write_atomically(path, (json.dumps(dict(sorted(found.items())), indent=2, ensure_ascii=False) + "\n").encode())
    return path


def _place(name: str) -> Path:
    return Path(str(files("nagkit_data"))) / FOLDER / name


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise DataDamagedError(f"{path} is no TOML file: {fault}. Correct it.") from None


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(arguments.instance("the file", json.loads(path.read_text("utf-8")), dict, "{}"))
    except (ArgumentError, ValueError) as fault:
        raise DataDamagedError(f"{path} holds no measurements: {fault}. Move it away, and measure again.") from None


# ------------------------------------------------------------------------------------------------------ the ledger


@dataclass(frozen=True)
class Ledger:
    """Claims beside measurements; ``missing`` says by benchmark which public sources are not on this machine."""

    claims: Sequence[Claim]
    measured: Mapping[str, Measurement]
    missing: Mapping[str, Collection[str]]

    def of(self, system: str) -> "Ledger":
        """The rows of one system."""
        arguments.one_of("system", system, SYSTEMS)
        return Ledger([claim for claim in self.claims if claim.system == system], self.measured, self.missing)

    def verdict(self, claim: Claim) -> str:
        """That of a claim by what was measured."""
        found = self.measured.get(claim.measured)
        return claim.verdict(found.estimate if found else None)

    def counts(self) -> "pandas.DataFrame":
        """How often each verdict is given, a row for each system."""
        import pandas as pd

        each = [(claim.system, self.verdict(claim)) for claim in self.claims]
        rows = {system: [each.count((system, verdict)) for verdict in MARKS] for system in dict(each)}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(MARKS))

    def sentence(self) -> str:
        """The counts in words."""
        given = [self.verdict(claim) for claim in self.claims]
        told = ", ".join(f"{given.count(verdict)} {verdict}" for verdict in MARKS)
        judged = [claim for claim, verdict in zip(self.claims, given, strict=True) if verdict != UNMEASURED]
        recalled = sum(claim.evidence == "recalled" for claim in judged)
        return (
            f"{len(given)} claims: {told}. Of the {len(judged)} that were measured, {recalled} have a published figure "
            f"that is {EVIDENCE['recalled']}."
        )

    def table(self) -> "pandas.DataFrame":
        """A row for each claim, all as texts."""
        import pandas as pd

        rows = [[" ".join(cell) for cell in self._row(claim)] for claim in self.claims]
        return pd.DataFrame(
            rows, columns=list(COLUMNS), index=pd.Index([claim.name for claim in self.claims], name="name")
        )

    def _repr_html_(self) -> str:
        """The table with headings that a screen reader tells, and no mark-up from any text."""
        head = "".join(f'<th scope="col" style="text-align:left">{name}</th>' for name in COLUMNS)
        body = "".join(map(self._html_row, self.claims))
        caption = f'<caption style="text-align:left">{safe(self.sentence())}</caption>'
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _html_row(self, claim: Claim) -> str:
        command, style = self._command(claim), "text-align:left;vertical-align:top"
        (first, *about), *others = (
            [f"<code>{safe(line)}</code>" if line == command != NO_COMMAND else safe(line) for line in cell]
            for cell in self._row(claim)
        )
        cells = "".join(f'<td style="{style}">{"<br>".join(cell)}</td>' for cell in others)
        says = "<br>".join([f"<b>{first}</b>", *about])
        return f'<tr><th scope="row" style="{style};font-weight:normal">{says}</th>{cells}</tr>'

    def _row(self, claim: Claim) -> list[list[str]]:
        """The five cells of a claim, each as its lines."""
        found = self.measured.get(claim.measured)
        verdict = self.verdict(claim)
        here = [f"{found.estimate}, n = {found.estimate.n}", f"{found.seeds}; measured {found.when}"] if found else []
        if claim.reason:
            here = [f"Instead: {claim.instead}", *here]
        how = [line for line in (claim.reason, self._command(claim), *self._fetch(claim)) if line]
        published = [claim.figure, f"{claim.source} ({EVIDENCE[claim.evidence]})"]
        says = [claim.says, claim.setting, *filter(None, [claim.note])]
        return [says, published, here or ["nothing yet"], [f"{MARKS[verdict]} {verdict}"], how]

    def _command(self, claim: Claim) -> str:
        """What repeats a row: the command that measured it, else the one that would."""
        found = self.measured.get(claim.measured)
        return found.command if found else claim.command

    def _fetch(self, claim: Claim) -> list[str]:
        """What brings the tables that a claim needs and that are not here."""
        sources = sorted({source for name in claim.needs for source in self.missing.get(name, ())})
        return [f"Its tables are not on this machine: nagkit data fetch {' '.join(sources)}"] if sources else []

    def figure(self) -> Picture:
        """What was measured minus what was published, in points, with its interval; to the right is better."""
        import pandas as pd

        rows = []
        for claim in self.claims:
            found, verdict = self.measured.get(claim.measured), self.verdict(claim)
            if found is None or verdict == UNMEASURED or claim.metric.unit != POINTS or claim.published is None:
                continue
            sign, each = claim.metric.sign, found.estimate
            ends = [each.value if end is None else end for end in (each.low, each.value, each.high)]
            low, middle, high = sorted(sign * (end - claim.published) for end in ends)
            rows.append((claim.name, f"{claim.system}: {claim.says}", low, middle, high, verdict))
        table = pd.DataFrame(rows, columns=["name", "claim", "low", "difference", "high", "verdict"])
        counts = ", ".join(f"{(table['verdict'] == verdict).sum()} {verdict}" for verdict in (REACHED, MISSED, OPEN))
        sentence = f"{len(table)} measured claims whose figures are percentages: {counts}."
        if len(table):
            low, high = table["difference"].min(), table["difference"].max()
            sentence += f" Measured here minus published goes from {low:+.3g} to {high:+.3g} points; more is better."
        return Picture([_dots(table, verdict) for verdict in MARKS], _axes(table), sentence, lambda: table)


def _dots(table: "pandas.DataFrame", verdict: str) -> dict[str, Any]:
    """The rows with one verdict, a mark of their own for each."""
    rows = table[table["verdict"] == verdict]
    symbol = {REACHED: "diamond", MISSED: "x", OPEN: "circle-open", UNMEASURED: "cross"}[verdict]
    reach = {"array": (rows["high"] - rows["difference"]).tolist(), "symmetric": False}
    reach["arrayminus"] = (rows["difference"] - rows["low"]).tolist()
    return {
        "type": "scatter",
        "mode": "markers",
        "name": verdict,
        "x": rows["difference"].tolist(),
        "y": rows["name"].tolist(),
        "text": [safe(each) for each in rows["claim"]],
        "hoverinfo": "text+x",
        "error_x": {"type": "data", **reach, "color": BLUE},
        "marker": {"symbol": symbol, "size": 9, "color": BLUE},
        "showlegend": bool(len(rows)),
    }


def _axes(table: "pandas.DataFrame") -> dict[str, Any]:
    """A line for each claim, from top to bottom, and one upright where both are equal."""
    right = Metric("measured here minus published", "points", "max")
    layout = metric_axes(Metric("claim", "name", "max"), right)
    names = {"categoryorder": "array", "categoryarray": table["name"].tolist()[::-1], "automargin": True}
    layout["yaxis"] |= {"title": {"text": ""}, **names}
    layout["xaxis"] |= {"zeroline": True, "zerolinecolor": GREY, "zerolinewidth": 2}
    return layout | {"height": 120 + 24 * len(table), "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"}}
