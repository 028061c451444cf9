"""What a search knows: what it has asked for, what it was told, and which of that is better.

Notation: n architectures told, m metrics (objectives, then constraints), L slots.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit.metrics import Constraint, Metric, Objective
from nagkit.space import ENUMERABLE, SearchSpace

_DRAWS = 32  # before the whole space is listed to find what is left


class Archive:
    """Architectures told, in this order, with their values; and those that are asked for but not told yet.

    Architectures that are the same under ``identity`` count as one: whoever knows one of them knows all.
    """

    def __init__(
        self, space: SearchSpace, objectives: Sequence[Objective], constraints: Sequence[Constraint], identity: str
    ) -> None:
        self.space, self.identity = space, identity
        self.objectives, self.constraints = tuple(objectives), tuple(constraints)
        both: list[Objective | Constraint] = [*self.objectives, *self.constraints]
        self.metrics: tuple[Metric, ...] = tuple(each.metric for each in both)
        self.tokens = np.empty((0, len(space.slots)), dtype=np.int64)
        self.values = np.empty((0, len(self.metrics)))
        self.pending = self.tokens
        self._known: dict[bytes, int | None] = {}  # what of each class was told first, by place; None before

    def __len__(self) -> int:
        return len(self.tokens)

    def first(self, count: int) -> "Archive":
        """What was known when so many were told."""
        first = Archive(self.space, self.objectives, self.constraints, self.identity)
        first.add(self.tokens[:count], self.values[:count])
        return first

    def expect(self, tokens: Int[np.ndarray, "n L"]) -> None:
        """These are asked for now."""
        self.pending = np.concatenate([self.pending, tokens])
        self._known = dict.fromkeys(self._keys(tokens)) | self._known

    def add(self, tokens: Int[np.ndarray, "n L"], values: Float[np.ndarray, "n m"]) -> None:
        """These are told now."""
        for place, key in enumerate(self._keys(tokens), start=len(self)):
            if self._known.get(key) is None:
                self._known[key] = place
        self.tokens = np.concatenate([self.tokens, tokens])
        self.values = np.concatenate([self.values, values])
        told = (self.pending[:, None] == tokens).all(2).any(1)  # (pending,)
        self.pending = self.pending[~told]

    def values_of(self, tokens: Int[np.ndarray, "n L"]) -> list[Float[np.ndarray, "m"] | None]:
        """What was first told of each of these, or of one that is the same; None where nothing was."""
        places = [self._known.get(key) for key in self._keys(tokens)]
        return [None if place is None else self.values[place] for place in places]

    def new(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n"]:
        """Which of these may be asked for: the first of each class that is unknown and meets every exact constraint."""
        keys, places = self._keys(tokens), np.flatnonzero(self.allowed(tokens))[::-1].tolist()
        first = {keys[place]: place for place in places}  # of equal keys the last one counts, which comes first
        new = np.zeros(len(tokens), dtype=bool)
        new[[place for key, place in first.items() if key not in self._known]] = True
        return new

    def fresh(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "k L"]:
        """Up to n random architectures that may be asked for; fewer only where hardly any or none are left."""
        found = self.tokens[:0]
        for _ in range(_DRAWS):
            found = self._with(found, self.space.sample(max(2 * n, 16), rng))
            if len(found) >= n:
                return found[:n]
        if self.space.size <= ENUMERABLE:
            found = self._with(found, rng.permutation(self.space.all()))
        return found[:n]

    def _with(self, found: Int[np.ndarray, "k L"], more: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "j L"]:
        rows = np.concatenate([found, more])
        return rows[self.new(rows)]

    def feasible(self) -> Bool[np.ndarray, "n"]:
        """Which of those told meet every constraint; a failed evaluation does not."""
        return self.violation() == 0

    def violation(self) -> Float[np.ndarray, "n"]:
        """How far those told are beyond the bounds, each metric in standard deviations; infinite where one failed."""
        total = np.zeros(len(self))
        for constraint, values in zip(self.constraints, self.values[:, len(self.objectives) :].T, strict=True):
            beyond = np.maximum(constraint.beyond(values), 0)
            spread = np.std(values[np.isfinite(values)]) if np.isfinite(values).any() else 0.0
            total += beyond / (spread or 1.0)
        return np.where(np.isfinite(self.values).all(1), total, np.inf)

    def ranks(self) -> Int[np.ndarray, "n"]:
        """0 for the best of those told, equal numbers for equally good ones.

        The feasible come first, by how many fronts of others lie before them; then the others, by how far they are
        beyond the bounds; then the failed (constrained dominance; Deb et al., 2002, section VI).
        """
        import moocore

        violation = self.violation()
        feasible = violation == 0
        ranks = np.empty(len(self), dtype=np.int64)
        if feasible.any():
            ranks[feasible] = moocore.pareto_rank(self.costs()[feasible])
        _, order = np.unique(violation[~feasible], return_inverse=True)
        ranks[~feasible] = order + (ranks[feasible].max() + 1 if feasible.any() else 0)
        return ranks

    def costs(self) -> Float[np.ndarray, "n k"]:
        """The objectives of those told, signed so that less is better."""
        signs = np.array([objective.metric.sign for objective in self.objectives])
        return -signs * self.values[:, : len(self.objectives)]

    def allowed(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n"]:
        """Which of these meet every exact constraint."""
        allowed = np.ones(len(tokens), dtype=bool)
        for constraint in self.constraints:
            if constraint.exact:
                allowed &= constraint.met(constraint.values(tokens))
        return allowed

    def _keys(self, tokens: Int[np.ndarray, "n L"]) -> list[bytes]:
        """Equal for architectures that are the same."""
        if not len(tokens):
            return []
        content = self.space.canonical(tokens, self.identity).astype(np.int16).tobytes()
        return [content[start : start + 2 * tokens.shape[1]] for start in range(0, len(content), 2 * tokens.shape[1])]
