"""A tiny space with unequal slots and a grammar, for tests of what is generic."""

import itertools
from typing import Any

import numpy as np

from nagkit.errors import ArgumentError
from nagkit.space import UNDECIDED, Architecture, SearchSpace, Slot

SLOTS = (
    Slot("kernel", ("1", "3", "5")),
    Slot("stride", ("1", "2")),
    Slot("activation", ("relu", "none", "gelu", "silu")),
)


def belongs(kernel: int, stride: int, activation: int) -> bool:
    """A 1x1 kernel does not stride, and what strides is followed by an activation."""
    return not (stride == 1 and (kernel == 0 or activation == 1))


ROWS = np.array([row for row in itertools.product(range(3), range(2), range(4)) if belongs(*row)])


class Blocks(SearchSpace):
    """One block: kernel, stride, activation."""

    name = "blocks"
    slots = SLOTS
    operations = tuple(symbol for slot in SLOTS for symbol in slot.symbols)
    identities = ("string",)

    def legal(self, tokens):
        allowed = np.zeros((len(tokens), 3, 4), dtype=bool)
        for i, row in enumerate(tokens):
            for l in range(3):
                others = [m for m in range(3) if m != l and row[m] != UNDECIDED]
                for legal in ROWS:
                    if all(legal[m] == row[m] for m in others):
                        allowed[i, l, legal[l]] = True
        return allowed

    def decode(self, row: Any) -> Architecture:
        tokens = tuple(self.check(np.asarray(row)[None], "row")[0].tolist())
        ops = tuple(slot.symbols[k] for slot, k in zip(self.slots, tokens, strict=True))
        return Architecture(self.name, ops, frozenset({(0, 1), (1, 2)}), tokens, "/".join(ops))

    def _row(self, architecture: str | Architecture) -> list[int]:
        text = architecture.text if isinstance(architecture, Architecture) else architecture
        if not isinstance(text, str) or text.count("/") != 2:
            raise ArgumentError(f"architectures must be written kernel/stride/activation; got {text!r}.")
        return [slot.symbols.index(part) for slot, part in zip(self.slots, text.split("/"), strict=True)]

    def canonical(self, tokens, identity="string"):
        if identity != "string":
            raise ArgumentError(f"identity must be 'string'; got {identity!r}.")
        return self.check(tokens)

    def params(self, tokens, classes=10):
        return self._cost(tokens, classes)

    def flops(self, tokens, classes=10):
        return self._cost(tokens, classes)

    def _cost(self, tokens, classes):
        if not isinstance(classes, int) or classes < 1:
            raise ArgumentError(f"classes must be a whole number from 1; got {classes!r}.")
        return (2 * self.check(tokens)[:, 0] + 1) ** 2 + classes
