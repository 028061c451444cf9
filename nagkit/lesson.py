"""What a lesson asks of its reader: a guess before what surprises, and exercises that say when they are solved."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nagkit import arguments


@dataclass(frozen=True)
class Remark:
    """What is said about a guess or an answer; ``right`` is None where nothing was answered yet."""

    text: str
    right: bool | None

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        sign = {None: "…", True: "✓", False: "✗"}[self.right]
        return f"<p>{sign} {html.escape(self.text)}</p>"


def reveal(guess: float | None, truth: float, unit: str = "", within: float = 0.25) -> Remark:
    """The truth beside what the reader guessed before; a guess counts as right within a share of the truth.

    Args:
        guess: what was guessed, None where the reader has not dared yet
        truth: what came out
        unit: unit of both, such as ``"%"``
        within: largest distance of a right guess from the truth, as a share of it
    """
    found = f"{_said(arguments.real('truth', truth))} {unit}".strip()
    reach = arguments.real("within", within, 0.0) * abs(truth)
    if guess is None:
        return Remark(f"It is {found}. Guess first next time: a surprise that was bet on is remembered.", None)
    right = abs(arguments.real("guess", guess) - truth) <= reach
    return Remark(f"It is {found}; you guessed {_said(guess)}. {'Well guessed.' if right else 'A surprise?'}", right)


def _said(number: float) -> str:
    """A number in four digits, or whole where it has more and can still be read."""
    return f"{number:,.0f}" if 1e4 <= abs(number) < 1e9 else f"{number:.4g}"


def check(answer: Any, right: Callable[[Any], bool], hint: str) -> Remark:
    """Whether an exercise is solved; what goes wrong while that is looked at is told, not raised.

    Args:
        answer: what the reader has put in, None where nothing was
        right: whether an answer is right
        hint: what to try next, for an answer that is not
    """
    if answer is None:
        return Remark("Not answered yet: put your answer into the cell above, and run both cells.", None)
    try:
        solved = bool(right(answer))
    except Exception as fault:  # the reader's own code may raise anything
        return Remark(f"Not yet. {type(fault).__name__}: {fault} Hint: {hint}", False)
    return Remark("Solved." if solved else f"Not yet. Hint: {hint}", solved)
