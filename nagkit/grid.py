"""The cells of a sweep: all combinations of the values that its parameters are given, each checked by the report."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

from nagkit import arguments
from nagkit.errors import ArgumentError, NagkitError
from nagkit.report import Parameter, check, parameters

MOST_CELLS = 10_000
SEEDS = ("seed", "first_seed")  # parameters whose values are repetitions of the same
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?")
_LONGEST = 100  # letters in the name of a folder


@dataclass(frozen=True)
class Cell:
    """One combination: what was set for it, and all parameters of the report with it."""

    given: Mapping[str, Any]
    values: Mapping[str, Any]

    def __str__(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.given.items()) or "defaults"

    @property
    def folder(self) -> str:
        """A name that says what was given and fits any file system; a digest tells apart what it cannot spell."""
        whole = "_".join(f"{key}-{value}" for key, value in self.given.items()) or "defaults"
        name = re.sub(r"[^a-z0-9_+.-]+|(?<!\d)\.|\.(?!\d)", "-", whole.lower())
        if name == whole and len(name) <= _LONGEST:
            return name
        digest = hashlib.sha256(json.dumps(dict(self.given)).encode()).hexdigest()[:8]
        return f"{name[: _LONGEST - 9]}-{digest}"


def listed(parameter: Parameter, text: str) -> list[str]:
    """The values that a person writes for one parameter, as in ``96,192`` or ``0..19`` or ``0..90..10``.

    Numbers and choices have commas between them, and ranges of whole numbers hold both ends. A free text may itself
    hold commas, so that values of one have semicolons between them; these part the values of any parameter.
    """
    free = parameter.kind is str and not parameter.choices
    parts = [part.strip() for part in (text.split(";") if free else re.split("[;,]", text))]
    if parameter.kind is not int:
        return parts
    return [value for part in parts for value in _counted(parameter.name, part)]


def _counted(name: str, part: str) -> list[str]:
    """The whole numbers of a range, or the part itself where it is none."""
    found = _RANGE.fullmatch(part)
    if found is None:
        return [part]
    first, last, step = int(found[1]), int(found[2]), int(found[3] or 1)
    if last < first or step < 1:
        raise ArgumentError(f"{name} must count up, as in 0..19 or 0..90..10; got {part!r}.")
    if (last - first) // step >= MOST_CELLS:
        raise ArgumentError(f"{name} must have at most {MOST_CELLS:,} values; got {part!r}.")
    return [str(number) for number in range(first, last + 1, step)]


def grid(name: str, lists: Mapping[str, str | Sequence[object]]) -> list[Cell]:
    """Every combination of these values, the last parameter of the report changing fastest.

    All that cannot be is refused together, each refusal with the cells that it holds for. Where a report makes
    several repetitions from ``seed`` on and their number, ``seeds``, is not set, each cell makes one.

    Args:
        name: the report.
        lists: for each parameter its values, as a sequence or as a person writes them (see ``listed``).
    """
    known = parameters(name)
    for key in arguments.instance("parameters", lists, Mapping, "{'seed': range(20)}"):
        arguments.one_of("parameter", key, known)
    refused: list[str] = []
    columns = {key: _cleaned(known[key], lists[key], refused) for key in known if key in lists}
    if refused:
        raise ArgumentError("\n".join(refused))
    if len(columns.get("seed", ())) > 1 and "seeds" in known and known["seeds"].low <= 1:
        columns.setdefault("seeds", [1])
        _check_apart(columns["seed"], columns["seeds"])
        columns = {key: columns[key] for key in known if key in columns}
    count = 1
    for column in columns.values():
        count *= len(column)
    if count > MOST_CELLS:
        raise ArgumentError(f"parameters must make at most {MOST_CELLS:,} combinations; these make {count:,}.")
    return _checked(name, [dict(zip(columns, values, strict=True)) for values in product(*columns.values())])


def _cleaned(parameter: Parameter, given: str | Sequence[object], refused: list[str]) -> list[Any]:
    """The values of one parameter in its type; what cannot be is added to the refusals."""
    clean: list[Any] = []
    try:
        values = listed(parameter, given) if isinstance(given, str) else list(given)
    except ArgumentError as refusal:
        refused.append(str(refusal))
        return clean
    except TypeError:
        refused.append(f"{parameter.name} must be a list of values, or a text; got {given!r:.80}.")
        return clean
    for value in values:
        try:
            cleaned = parameter.clean(value)
        except ArgumentError as refusal:
            refused.append(str(refusal))
            continue
        if cleaned in clean:
            refused.append(f"{parameter.name} must hold each value once; got {value} again.")
        clean.append(cleaned)
    if not values:
        refused.append(f"{parameter.name} must have a value at least; got none.")
    return clean


def _check_apart(firsts: Sequence[int], counts: Sequence[int]) -> None:
    """Refuses repetitions that several cells would make, as they would count more than once in a mean."""
    apart = min(after - before for before, after in pairwise(sorted(firsts)))
    if max(counts) > apart:
        raise ArgumentError(
            f"seeds must be at most {apart}, as each cell has that many seeds to itself before the next one begins; "
            f"got {max(counts)}. Let seed count in larger steps, as in 0..90..{max(counts)}."
        )


def _checked(name: str, combinations: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """The cells, unless the report refuses some."""
    cells: list[Cell] = []
    refused: dict[str, list[str]] = {}
    for given in combinations:
        try:
            cells.append(Cell(given, check(name, given)))
        except NagkitError as refusal:
            refused.setdefault(str(refusal), []).append(str(Cell(given, {})))
    if refused:
        raise ArgumentError("\n".join(f"{said} (At {'; at '.join(at)}.)" for said, at in refused.items()))
    return cells
