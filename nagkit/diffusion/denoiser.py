"""The learned belief: a small transformer over slots that says what each undecided slot may hold.

Notation: n architectures, L slots, K symbols, D width, m objectives. Undecided slots carry the symbol K. Every slot
sees every other; slots are told apart by a learned embedding. A denoiser may also be told how well the finished
architecture is to do in objectives: one more place for each, which holds its level, or a mark of its own where nothing
is told. The weights are safetensors with their configuration.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from nagkit.errors import ArgumentError
from nagkit.metrics import Metric
from nagkit.space import UNDECIDED, SearchSpace
from nagkit.weights import damaged, read, write

FURTHEST = 4.0  # levels beyond count as this: hardly one of 30,000 random architectures reaches it


@dataclass(frozen=True)
class DenoiserShape:
    """How large a denoiser is, the default is enough for cells and trains in seconds; and what it may be told.

    ``metrics`` are those of the m objectives whose levels it understands. A level counts in standard deviations of rank
    among random architectures, more is better.
    """

    slots: int
    symbols: int
    width: int = 64
    layers: int = 3
    heads: int = 4
    metrics: tuple[Metric, ...] = ()

    @classmethod
    def told(cls, fields: dict[str, Any]) -> "DenoiserShape":
        """The shape from its fields as data for JSON."""
        return cls(**{**fields, "metrics": tuple(Metric(**metric) for metric in fields.get("metrics", ()))})


class SlotTransformer(nn.Module, ABC):
    """What the denoisers share: vectors of the slots, which see each other, to logits; and how they are kept."""

    command = "nagkit train"  # makes the weights

    def __init__(self, shape: DenoiserShape) -> None:
        super().__init__()
        self.shape = shape
        self.symbol = self.entry(shape)
        self.place = nn.Parameter(torch.zeros(shape.slots, shape.width))
        block = nn.TransformerEncoderLayer(
            shape.width, shape.heads, 2 * shape.width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, shape.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(shape.width)
        self.read = nn.Linear(shape.width, shape.symbols)

    @staticmethod
    @abstractmethod
    def entry(shape: DenoiserShape) -> nn.Module:
        """What makes a vector of what a slot holds."""

    def logits(self, entered: torch.Tensor, *beside: torch.Tensor) -> torch.Tensor:
        """Logits (n, L, K) from what enters each slot (n, L, D), and places beside the slots (n, m, D)."""
        h = self.blocks(torch.cat([entered + self.place, *beside], dim=1))  # (n, L + m, D)
        found: torch.Tensor = self.read(self.norm(h[:, : self.shape.slots]))  # (n, L, K)
        return found

    def save(self, path: Path, about: str) -> None:
        """Write weights, shape and a sentence of provenance as one safetensors file."""
        arrays = {name: tensor.numpy() for name, tensor in self.state_dict().items()}
        write(path, arrays, {"shape": json.dumps(asdict(self.shape)), "about": about})


class Denoiser(SlotTransformer):
    """Partial tokens to logits of every slot."""

    def __init__(self, shape: DenoiserShape) -> None:
        super().__init__(shape)
        self.levels = Levels(len(shape.metrics), shape.width) if shape.metrics else None

    @staticmethod
    def entry(shape: DenoiserShape) -> nn.Module:
        """A vector for each symbol, and one for an open slot."""
        return nn.Embedding(shape.symbols + 1, shape.width)

    def forward(self, tokens: torch.Tensor, levels: torch.Tensor | None = None) -> torch.Tensor:
        """Logits (n, L, K) from tokens (n, L) in which ``UNDECIDED`` stands for open slots.

        ``levels (n, m)`` are NaN where an objective is not told; without them none is.
        """
        entered = self.symbol(torch.where(tokens == UNDECIDED, self.shape.symbols, tokens))
        if self.levels is None:
            return self.logits(entered)
        told = torch.full((len(tokens), len(self.shape.metrics)), torch.nan) if levels is None else levels
        return self.logits(entered, self.levels(told))

    def belief(
        self, tokens: Int[np.ndarray, "n L"], levels: Float[np.ndarray, "n m"] | None = None
    ) -> Float[np.ndarray, "n L K"]:
        """The same for NumPy, without gradients."""
        told = None if levels is None else torch.from_numpy(levels)
        self.eval()
        with torch.inference_mode():
            return self(torch.from_numpy(np.ascontiguousarray(tokens)), told).double().numpy()


class Levels(nn.Module):
    """Levels (n, m) to what their places hold (n, m, D); NaN to the mark of what is not told."""

    def __init__(self, objectives: int, width: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(objectives, width))
        self.untold = nn.Parameter(torch.zeros(objectives, width))
        self.told = nn.Sequential(nn.Linear(1, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        """What the places hold."""
        known = levels.float().nan_to_num(0.0).clamp(-FURTHEST, FURTHEST)[:, :, None]  # (n, m, 1)
        return self.place + torch.where(levels.isnan()[:, :, None], self.untold, self.told(known))


Kind = TypeVar("Kind", bound=SlotTransformer)


def untrained(
    space: SearchSpace,
    seed: int,
    kind: type[Kind] = Denoiser,  # type: ignore[assignment]
    metrics: Sequence[Metric] = (),
) -> Kind:
    """A new denoiser for a space, to be told levels of these metrics; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(DenoiserShape(len(space.slots), int(space.radices.max()), metrics=tuple(metrics)))


def load(path: str | Path, space: SearchSpace, kind: type[Kind] = Denoiser) -> Kind:  # type: ignore[assignment]
    """The denoiser of a space in a file that ``Denoiser.save`` wrote; a changed bit is noticed."""
    what = "a denoiser", f"{kind.command} --space {space.name}"
    arrays, header = read(path, *what)
    try:
        denoiser = kind(DenoiserShape.told(json.loads(header["shape"])))
        denoiser.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as fault:
        raise damaged(path, *what, fault) from None
    if (denoiser.shape.slots, denoiser.shape.symbols) != (len(space.slots), int(space.radices.max())):
        raise ArgumentError(
            f"path must hold a denoiser of {space.name}; {path} has one of {denoiser.shape.slots} slots with "
            f"{denoiser.shape.symbols} symbols."
        )
    return denoiser
