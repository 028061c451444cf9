"""What the searches here share: an archive, a random state, checks, and both as data."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.search.about import told
from nagkit.search.archive import Archive
from nagkit.space import SearchSpace
from nagkit.threads import one_thread


class ArchivedSearch(ABC):
    """A search that decides from its archive and its random state alone; subclasses only propose.

    Args:
        objectives: what to improve; several mean that a front is wanted
        constraints: bounds on measured metrics, or on exact ones, which then hold for everything that is asked for
        seed: of the random state
        identity: what counts as the same architecture, one of ``space.identities``; when None the coarsest for a single
            objective, and the finest for several or with constraints that are not exact, as costs depend on what is
            written
    """

    name: str
    options: tuple[str, ...] = ()  # besides ``identity``: arguments that are attributes too

    def __init__(
        self,
        space: SearchSpace,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        *,
        seed: int,
        identity: str | None = None,
    ) -> None:
        self.space = arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
        self.objectives = arguments.several("objectives", objectives, Objective)
        self.constraints = arguments.several("constraints", constraints, Constraint)
        if not self.objectives:
            raise ArgumentError("objectives must hold at least one Objective, as table.objective('val_accuracy').")
        self.identity = arguments.one_of("identity", identity or self._sameness(), space.identities)
        self.seed = arguments.seed("seed", seed)
        self.rng = np.random.default_rng(self.seed)
        self.archive = self._empty()

    def about(self) -> dict[str, Any]:
        """How this search was made, for JSON; ``nagkit.search.again`` makes one so."""
        return {
            "search": self.name,
            "space": self.space.name,
            "objectives": [told(each) for each in self.objectives],
            "constraints": [told(each) for each in self.constraints],
            "seed": self.seed,
            "options": {option: getattr(self, option) for option in ("identity", *self.options)},
        }

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those of the objectives, then those of the constraints."""
        return self.archive.metrics

    def ask(self, n: int) -> Int[np.ndarray, "k L"]:
        """Up to n architectures to evaluate next; fewer, or none, only where the space has no others."""
        rows = self.archive.tokens[:0]
        with one_thread():
            for _ in range(arguments.whole("n", n)):
                row = self._propose()
                if not len(row):
                    break
                self.archive.expect(row)
                rows = np.concatenate([rows, row])
        return rows

    def tell(self, tokens: Int[np.ndarray, "n L"], values: Float[np.ndarray, "n m"]) -> None:
        """What evaluations gave, asked for or not; a row with NaN is one that failed."""
        tokens, values = self.space.check(tokens), arguments.array("values", values)
        wanted = (len(tokens), len(self.metrics))
        if values.dtype.kind not in "fiu" or values.shape != wanted:
            names = ", ".join(metric.name for metric in self.metrics)
            raise ArgumentError(
                f"values must be numbers of shape {wanted}, a column each for {names}; got {values.dtype} "
                f"{values.shape}."
            )
        self.archive.add(tokens, np.where(np.isfinite(values), values, np.nan))

    def state(self) -> dict[str, Any]:
        """Random state, what is told and what is asked for, as lists and numbers for JSON."""
        values = self.archive.values
        return {
            "rng": self.rng.bit_generator.state,
            "tokens": self.archive.tokens.tolist(),
            "values": [[None if np.isnan(v) else v for v in row] for row in values.tolist()],
            "pending": self.archive.pending.tolist(),
        }

    def from_state(self, state: dict[str, Any]) -> "ArchivedSearch":
        """A search made as this one that goes on from there; ``self`` stays as it was."""
        again = copy(self)
        try:
            again._restore(state)
        except ArgumentError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise ArgumentError(f"state must be what state() of such a search gave; this is not ({error}).") from None
        return again

    def _restore(self, state: dict[str, Any]) -> None:
        """Be as the state says, with nothing in common with another search."""
        self.archive, self.rng = self._empty(), np.random.default_rng()
        self.rng.bit_generator.state = state["rng"]
        slots = len(self.space.slots)
        tokens, pending = (np.array(state[key], np.int64).reshape(-1, slots) for key in ("tokens", "pending"))
        if len(tokens):
            values = np.array(state["values"], np.float64).reshape(len(tokens), len(self.metrics))
            self.archive.add(self.space.check(tokens), values)
        if len(pending):
            self.archive.expect(self.space.check(pending))

    def _sameness(self) -> str:
        single = len(self.objectives) == 1 and all(constraint.exact for constraint in self.constraints)
        return self.space.identities[-1 if single else 0]

    def _empty(self) -> Archive:
        return Archive(self.space, self.objectives, self.constraints, self.identity)

    @abstractmethod
    def _propose(self) -> Int[np.ndarray, "k L"]:
        """One architecture that is new to the archive, or none where there is none."""
