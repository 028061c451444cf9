"""A search space: an ordered list of categorical slots, a grammar of legal symbols, and exact costs.

Notation: n architectures, L slots, K symbols in the richest slot. A batch is ``tokens (n, L)``, where
``tokens[i, l]`` indexes ``slots[l].symbols``; ``UNDECIDED`` marks a slot that a generator has not decided yet.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.architecture import Architecture
from nagkit.errors import ArgumentError
from nagkit.graphs import Graphs
from nagkit.growth import Growth
from nagkit.sketch import Sketch

UNDECIDED = -1
ENUMERABLE = 1_000_000  # spaces up to this size may be listed whole


@dataclass(frozen=True)
class Slot:
    """One categorical decision: its name and the symbols to choose from.

    Generators decide all slots of a lower ``phase`` before any of a higher one, so that structure comes before what
    fills it.
    """

    name: str
    symbols: tuple[str, ...]
    phase: int = 0


class SearchSpace(ABC):
    """What every search space offers; a new one gives the abstract parts, and a grammar if its slots depend.

    Methods that handle many architectures take and give ``tokens (n, L)``; those a person looks at, one
    ``Architecture``. ``identities`` are the ways, known to ``canonical``, in which two rows can be the same
    architecture, ``isomorphic`` the one by which rows with isomorphic DAGs are; ``operations`` are all that nodes of
    the DAGs may have. Nothing here changes its arguments.
    """

    name: str
    slots: tuple[Slot, ...]
    operations: tuple[str, ...]
    isomorphic: str = "string"
    identities: tuple[str, ...]
    growth: Growth | None = None  # of spaces whose DAGs grow node by node

    @cached_property
    def radices(self) -> Int[np.ndarray, "L"]:
        """Number of symbols in each slot."""
        return np.array([len(slot.symbols) for slot in self.slots])

    @cached_property
    def size(self) -> int:
        """Number of legal rows; a space whose grammar allows too many to list states its own."""
        return math.prod(self.radices.tolist()) if self._places is None else len(self._places)

    def legal(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n L K"]:
        """Which symbols the grammar allows in each slot, given the decided ones among the other slots of each row.

        Allowed means that a legal row exists which has the symbol there and agrees with all other decided slots.
        """
        return np.broadcast_to(self._symbols, (len(tokens), *self._symbols.shape))

    def legal_in(self, tokens: Int[np.ndarray, "n L"], slot: Int[np.ndarray, "n"] | int) -> Bool[np.ndarray, "n K"]:
        """``legal`` of one slot of each row, which a space may know sooner than that of all."""
        return self.legal(tokens)[np.arange(len(tokens)), slot]

    @cached_property
    def _symbols(self) -> Bool[np.ndarray, "L K"]:
        """Which symbols each slot has."""
        return np.arange(self.radices.max()) < self.radices[:, None]

    @property
    def _has_grammar(self) -> bool:
        return type(self).legal is not SearchSpace.legal

    @cached_property
    def tied(self) -> Int[np.ndarray, "L g"]:
        """For each slot those that have to change with it, itself first, in an order they can be decided in.

        -1 fills up. A space whose grammar leaves a slot no choice beside the decided others names those others.
        """
        return np.arange(len(self.slots))[:, None]

    def check(self, tokens: Any, argument: str = "tokens") -> Int[np.ndarray, "n L"]:
        """``tokens`` as an int64 batch of legal, complete architectures; anything else is refused by name."""
        array = arguments.array(argument, tokens)
        if array.ndim != 2 or array.shape[1] != len(self.slots) or not len(array):
            raise ArgumentError(
                f"{argument} must be a batch of shape (n, {len(self.slots)}) with n at least 1 for the space "
                f"{self.name!r}; got shape {array.shape}. For one row, use row[None]."
            )
        if not np.issubdtype(array.dtype, np.integer):
            raise ArgumentError(
                f"{argument} must hold whole numbers; got dtype {array.dtype}. space.encode turns text into tokens."
            )
        array = array.astype(np.int64, copy=False)
        if array.min() < 0 or (array.max(0) >= self.radices).any():
            row, slot = np.argwhere((array < 0) | (array >= self.radices))[0]
            raise ArgumentError(
                f"{argument}[{row}, {slot}] must be from 0 to {self.radices[slot] - 1} "
                f"({', '.join(self.slots[slot].symbols)}); got {array[row, slot]}."
            )
        if self._has_grammar and (bad := self._illegal(array)).any():
            row = int(bad.any(1).argmax())
            raise ArgumentError(f"{argument}[{row}] is not in the space {self.name!r}: {self.faults(array[row])[0]}")
        return array

    def check_row(self, row: Any) -> tuple[int, ...]:
        """One row as a tuple of its symbols; anything but a legal, complete row is refused."""
        found = arguments.array("row", row)
        if faults := self.faults(found):
            raise ArgumentError(f"row must be one row of {self.name}, as in tokens[0]; got {row!r:.80}. {faults[0]}")
        return tuple(found.tolist())

    def _illegal(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n L"]:
        """Which symbols of complete rows the grammar forbids beside the others."""
        if not self._has_grammar:
            return np.zeros(tokens.shape, dtype=bool)
        return ~np.take_along_axis(self.legal(tokens), tokens[:, :, None], axis=2)[:, :, 0]

    def belongs(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n"]:
        """Which of these rows, complete and with symbols of the slots, are legal."""
        return np.logical_not(self._illegal(tokens).any(1))

    def trimmed(self, tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n L"]:
        """What a benchmark reads in complete rows, legal or not, where it leaves out what has no effect.

        Here the rows themselves. Legal rows stay as they are; what is illegal even so is still illegal.
        """
        return tokens

    def faults(self, row: Any) -> tuple[str, ...]:
        """Everything that is wrong with one row, a sentence each; empty when it belongs to the space."""
        row = np.asarray(row)
        if row.shape != (len(self.slots),):
            return (f"A row has {len(self.slots)} slots; this has shape {row.shape}.",)
        if not np.issubdtype(row.dtype, np.integer):
            return (f"Slots hold whole numbers; these are {row.dtype}.",)
        out_of_range = tuple(
            f"Slot {l} ({slot.name}) must be from 0 to {len(slot.symbols) - 1}; it is {row[l]}."
            for l, slot in enumerate(self.slots)
            if not 0 <= row[l] < len(slot.symbols)
        )
        return out_of_range or self._grammar_faults(row)

    def _grammar_faults(self, row: Int[np.ndarray, "L"]) -> tuple[str, ...]:
        """A sentence for each slot in which another symbol would heal the row; for each wrong slot if none would."""
        wrong = np.flatnonzero(self._illegal(row[None]))
        legal = self.legal(row[None])[0]  # (L, K)
        healing = [l for l in wrong if legal[l].any()]
        faults = []
        for l in healing or wrong:
            slot, instead = self.slots[l], np.flatnonzero(legal[l])
            remedy = f", but {' or '.join(repr(slot.symbols[k]) for k in instead)}" if len(instead) else ""
            faults.append(f"Slot {l} ({slot.name}) may not be {slot.symbols[row[l]]!r} beside the others{remedy}.")
        return tuple(faults)

    def sample(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        """Rows drawn slot by slot, each uniform among the symbols that are legal so far."""
        arguments.whole("n", n)
        arguments.generator("rng", rng)
        tokens = np.full((n, len(self.slots)), UNDECIDED)
        for l in range(len(self.slots)):
            weight = self.legal_in(tokens, l) * rng.random((n, self.radices.max()))  # (n, K)
            tokens[:, l] = weight.argmax(1)
        return tokens

    def log_law(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The log probability of each row under ``sample``, up to a constant."""
        tokens = self.check(tokens)
        total, partial = np.zeros(len(tokens)), np.full(tokens.shape, UNDECIDED)
        for l in range(len(self.slots) if self._has_grammar else 0):
            total -= np.log(self.legal_in(partial, l).sum(1))
            partial[:, l] = tokens[:, l]
        return total

    def belief(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n L K"]:
        """Logits of the symbols of every slot under ``sample``, given the decided ones, with what is illegal left to
        ``legal``; exact where slots of a lower phase are decided before those of a higher one.
        """
        return np.zeros((len(tokens), *self._symbols.shape))

    def index(self, tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n"]:
        """The place of each row in the lexicographic list of all rows; see ``at`` for the way back."""
        self._listable()
        place = np.ravel_multi_index(tuple(self.check(tokens).T), tuple(self.radices))
        return place if self._places is None else np.searchsorted(self._places, place)

    def at(self, index: Any) -> Int[np.ndarray, "n L"]:
        """The rows at these places of the lexicographic list."""
        self._listable()
        index = arguments.array("index", index)
        if index.ndim != 1 or not len(index) or not np.issubdtype(index.dtype, np.integer):
            raise ArgumentError(
                f"index must be whole numbers of shape (n,) with n at least 1; got {index.dtype} {index.shape}."
            )
        wrong = index[(index < 0) | (index >= self.size)]
        if len(wrong):
            raise ArgumentError(f"index must be from 0 to {self.size - 1}; got {wrong[0]}.")
        place = index if self._places is None else self._places[index]
        return np.stack(np.unravel_index(place, tuple(self.radices)), axis=1)

    def all(self) -> Int[np.ndarray, "n L"]:
        """Every row of the space, in lexicographic order; refused where there are more than a million."""
        self._listable()
        return self.at(np.arange(self.size))

    def neighbours(self, tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n m L"]:
        """Rows that differ in one slot and in what the grammar forbids beside it: m = sum(radices - 1) for each.

        Symbols that became illegal give way to the first that are legal. Where there are none, another neighbour stands
        in its place; the row itself if it has none.
        """
        tokens = self.check(tokens)
        slot = np.repeat(np.arange(len(self.slots)), self.radices - 1)  # (m,)
        step = np.concatenate([np.arange(1, k) for k in self.radices])  # (m,)
        near = np.repeat(tokens[:, None], len(slot), axis=1)  # (n, m, L)
        near[:, np.arange(len(slot)), slot] += step
        near[:, np.arange(len(slot)), slot] %= self.radices[slot]
        near = self._repaired(near.reshape(-1, len(self.slots)), np.tile(slot, len(tokens))).reshape(near.shape)
        bad = np.any(self._illegal(near.reshape(-1, len(self.slots))), axis=1).reshape(near.shape[:2])  # (n, m)
        if bad.any():
            stand_in = near[np.arange(len(near)), bad.argmin(1)]  # (n, L)
            stand_in = np.where(np.all(bad, axis=1)[:, None], tokens, stand_in)
            near = np.where(bad[:, :, None], stand_in[:, None], near)
        return near

    def _repaired(self, rows: Int[np.ndarray, "n L"], edited: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n L"]:
        """The rows, as far as they can be made legal around the edited slot of each.

        Of the symbols that are illegal beside the others as many stay, from first to last, as are legal together.
        """
        if not self._has_grammar:
            return rows
        wrong = self._illegal(rows)
        wrong = wrong & (np.arange(len(self.slots)) != edited[:, None])
        left = np.where(wrong, UNDECIDED, rows)
        for stay in (True, False):
            for l in np.flatnonzero(wrong.any(0)).tolist():
                row = np.flatnonzero(left[:, l] == UNDECIDED)
                legal, own = self.legal_in(left[row], l), rows[row, l]
                kept = np.where(legal[np.arange(len(row)), own], own, UNDECIDED)
                left[row, l] = kept if stay else legal.argmax(1)
        return left

    def features(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n f"]:
        """Yes-or-no facts about each architecture; the more of them two share, the more alike they are.

        One fact for each symbol of each slot; a space adds what it knows of its own structure.
        """
        return self.one_hot(tokens)

    def counts(self, tokens: Int[np.ndarray, "n L"]) -> Int[np.ndarray, "n c"]:
        """How many slots hold each symbol, whichever slots; a space that knows which matter counts those."""
        names = sorted({symbol for slot in self.slots for symbol in slot.symbols})
        of_fact = [symbol for slot in self.slots for symbol in slot.symbols]  # in the order of the facts
        holds = (np.array(of_fact)[:, None] == np.array(names)).astype(np.float32)  # whole numbers multiply slowly
        return (self.one_hot(tokens).astype(np.float32) @ holds).astype(np.int64)

    def trends(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n c"]:
        """What accuracy and costs may rise or fall with in proportion: how often each symbol occurs, or what a space
        knows better. Together the columns have a spread of about 1.
        """
        return self.counts(tokens) / len(self.slots) ** 0.5

    def one_hot(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n f"]:
        """Whether each slot holds each of its symbols, as it is written."""
        facts = self.check(tokens)[:, :, None] == np.arange(self.radices.max())  # (n, L, K)
        return facts[:, self._symbols]

    @cached_property
    def _places(self) -> Int[np.ndarray, "size"] | None:
        """The places of the legal rows among all combinations of symbols, ascending; ``None`` when all are legal."""
        if not self._has_grammar:
            return None
        rows = np.full((1, len(self.slots)), UNDECIDED)
        for l in range(len(self.slots)):
            row, symbol = np.nonzero(self.legal_in(rows, l))
            rows = rows[row]
            rows[:, l] = symbol
        return np.ravel_multi_index(tuple(rows.T), tuple(self.radices))

    def _listable(self) -> None:
        if self.size > ENUMERABLE:
            raise ArgumentError(f"space {self.name!r} has {self.size:.2g} rows; only up to {ENUMERABLE:,} are listed.")

    def alive(self, tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n L"]:
        """Whether each slot has an effect beside the others; here all have, a space with dead parts says which."""
        return np.ones(self.check(tokens).shape, dtype=bool)

    @abstractmethod
    def decode(self, row: Any) -> Architecture:
        """The architecture that one row stands for."""

    def graphs(self, tokens: Int[np.ndarray, "n L"]) -> Graphs:
        """The labelled DAGs of many architectures as arrays; a space that knows a faster way takes it."""
        found = [self.decode(row) for row in self.check(tokens)]
        return Graphs.of([each.ops for each in found], [each.edges for each in found], self.operations)

    def sketch(self, row: Int[np.ndarray, "L"], probability: Float[np.ndarray, "L K"]) -> Sketch:
        """A row of a generator's frame to be drawn: what is decided, and the belief about every slot.

        Here the likeliest architecture that it can become; a space that knows where its slots are in the DAG shows the
        belief there.
        """
        likely = row[None].copy()
        for l in sorted(range(len(row)), key=lambda l: self.slots[l].phase):
            if row[l] == UNDECIDED:
                likely[0, l] = np.where(self.legal_in(likely, l)[0], probability[l], -1.0).argmax()
        found = self.decode(likely[0])
        return Sketch(found.ops, dict.fromkeys(found.edges, 1.0), undecided=int((row == UNDECIDED).sum()))

    def _believed(
        self, row: Int[np.ndarray, "L"], probability: Float[np.ndarray, "L K"], nodes: Mapping[int, int]
    ) -> tuple[dict[int, str], dict[int, dict[str, float]]]:
        """Of each of these nodes, given with its slot, the operation; where that is undecided, the belief."""
        ops, belief = {}, {}
        for node, l in nodes.items():
            symbols = self.slots[l].symbols
            shares = dict(zip(symbols, probability[l].tolist(), strict=False))
            ops[node] = symbols[row[l]]
            if row[l] == UNDECIDED:
                ops[node] = max(symbols, key=shares.__getitem__)
                belief[node] = {symbol: p for symbol, p in shares.items() if p or symbol == ops[node]}
        return ops, belief

    def encode(self, architectures: "Sequence[str | Architecture]") -> Int[np.ndarray, "n L"]:
        """The rows of architectures, given decoded or in the notation of the space."""
        if isinstance(architectures, str | Architecture):
            raise ArgumentError("architectures must be a list; put the one architecture into [ ].")
        if not isinstance(architectures, Iterable) or not (rows := [self._row(each) for each in architectures]):
            raise ArgumentError(
                f"architectures must be a list of at least one architecture; got {architectures!r:.80}."
            )
        return self.check(rows, "architectures")

    @abstractmethod
    def _row(self, architecture: Any) -> list[int]:
        """The row of one architecture, given decoded or in the notation of the space; all else is refused."""

    @abstractmethod
    def canonical(self, tokens: Int[np.ndarray, "n L"], identity: str) -> Int[np.ndarray, "n L"]:
        """For each row the first row of its class: equal results mean the same architecture under ``identity``."""

    @abstractmethod
    def params(self, tokens: Int[np.ndarray, "n L"], classes: int) -> Int[np.ndarray, "n"]:
        """Exact number of trainable parameters."""

    @abstractmethod
    def flops(self, tokens: Int[np.ndarray, "n L"], classes: int) -> Int[np.ndarray, "n"]:
        """Exact number of multiply-accumulate operations for one image."""
