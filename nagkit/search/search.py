"""What every search offers: ask it what to evaluate, tell it what came out."""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from nagkit.metrics import Constraint, Metric, Objective
from nagkit.space import SearchSpace


@runtime_checkable
class Search(Protocol):
    """A way to choose architectures one after the other; whoever holds it owns the loop.

    ``metrics`` are those of the objectives, then those of the constraints; values are told in this order.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    metrics: tuple[Metric, ...]

    def ask(self, n: int) -> Int[np.ndarray, "k L"]:
        """Up to n architectures to evaluate next, none of which was asked for or told before.

        Fewer than n, or none, only where the space has no others.
        """
        ...

    def tell(self, tokens: Int[np.ndarray, "n L"], values: Float[np.ndarray, "n m"]) -> None:
        """What evaluations gave, asked for or not, in each metric's unit; a row with NaN is one that failed."""
        ...

    def about(self) -> dict[str, Any]:
        """How the search was made, for JSON: equal for searches that give the same answers.

        Under ``"search"`` and ``"space"`` stand their names, under ``"objectives"`` and ``"constraints"`` what
        ``nagkit.search.about.told`` gives of each.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Everything that the next answers depend on besides how the search was made, for JSON."""
        ...

    def from_state(self, state: dict[str, Any]) -> "Search":
        """A search made as this one that goes on from there; ``self`` stays as it was."""
        ...


@runtime_checkable
class StepwiseSearch(Search, Protocol):
    """A search with long work before a question, which the loop walks: watched, stopped and resumed after any step."""

    def steps(self) -> Iterator[object]:
        """What is left to do before the next question, step by step; nothing if ``ask`` can answer at once.

        After every step ``state()`` holds all work so far. ``ask`` does what is left where nobody walks it.
        """
        ...
