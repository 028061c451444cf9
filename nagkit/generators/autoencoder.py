"""Latent variables of architectures: a graph encoder, and a decoder that depends on nothing but z.

Notation: n architectures, N nodes, L slots, K symbols, W width, d latent variables. The encoder is a graph neural
network over the labelled DAG of an architecture; it gives mean and logarithm of the variance of z. The decoder gives
logits of all slots from z, and the grammar decides among them (Kingma & Welling, 2014, *Auto-encoding variational
Bayes*; for graphs: Zhang et al., 2019, *D-VAE*, arXiv 1904.11088, and Lukasik et al., 2021, *Smooth variational graph
embeddings*, arXiv 2010.04683). AG-Net as published has no encoder: its z was drawn beside the architectures, and tells
nothing of them.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import nn
from torch.nn import functional

from nagkit.errors import ArgumentError
from nagkit.generators.messages import Messages
from nagkit.graphs import ABSENT
from nagkit.space import SearchSpace
from nagkit.weights import damaged, read, write

PER_NAT = 4 / 3  # latent variables for each nat that the name of an architecture takes
LEAST, MOST = -8.0, 2.0  # of the logarithm of the variance


@dataclass(frozen=True)
class AutoencoderShape:
    """How large an autoencoder is; ``latent`` is the number of latent variables."""

    nodes: int
    operations: int
    slots: int
    symbols: int
    latent: int
    width: int = 24
    layers: int = 2
    hidden: int = 256

    @classmethod
    def of(cls, space: SearchSpace) -> "AutoencoderShape":
        """That for a space: the larger it is, the more latent variables."""
        nodes = space.graphs(space.sample(1, np.random.default_rng(0))).ops.shape[1]
        latent = math.ceil(PER_NAT * math.log(space.size))
        return cls(nodes, len(space.operations), len(space.slots), int(space.radices.max()), latent)


class GraphEncoder(nn.Module):
    """Labelled DAGs to mean and log variance of z."""

    def __init__(self, shape: AutoencoderShape) -> None:
        super().__init__()
        self.operation = nn.Embedding(shape.operations + 1, shape.width)  # the last of an empty place
        self.place = nn.Parameter(torch.randn(shape.nodes, shape.width) / 10)
        self.rounds = nn.ModuleList(Messages(shape.width) for _ in range(shape.layers))
        self.read = nn.Sequential(
            nn.Linear(shape.nodes * shape.width, shape.hidden), nn.GELU(), nn.Linear(shape.hidden, 2 * shape.latent)
        )

    def forward(self, ops: torch.Tensor, edges: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance (n, d) from operations (n, N) and edges (n, N, N)."""
        empty = self.operation.num_embeddings - 1
        nodes = self.operation(torch.where(ops == ABSENT, empty, ops)) + self.place
        for messages in self.rounds:
            nodes = messages(nodes, [edges.float()])
        mean, spread = self.read(nodes.flatten(1)).chunk(2, dim=1)
        return mean, spread.clamp(LEAST, MOST)


class SlotDecoder(nn.Module):
    """Logits of all slots from z, each architecture on its own."""

    def __init__(self, shape: AutoencoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.Sequential(
            nn.Linear(shape.latent, shape.hidden),
            nn.GELU(),
            nn.Linear(shape.hidden, shape.hidden),
            nn.GELU(),
            nn.Linear(shape.hidden, shape.slots * shape.symbols),
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Logits (n, L, K) from z (n, d)."""
        found: torch.Tensor = self.layers(z).unflatten(1, (self.shape.slots, self.shape.symbols))
        return found


class Autoencoder(nn.Module):
    """Encoder and decoder of one space."""

    command = "nagkit train latent"  # makes the weights

    def __init__(self, shape: AutoencoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder, self.decoder = GraphEncoder(shape), SlotDecoder(shape)

    def loss(
        self, ops: torch.Tensor, edges: torch.Tensor, tokens: torch.Tensor, normal: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """For each architecture (n,) the cross-entropy of all its slots at a z of its own, and what z tells (nats).

        ``normal (n, d)`` is the noise of z; what z tells is the divergence of its law from the standard normal one.
        """
        mean, spread = self.encoder(ops, edges)
        logits = self.decoder(mean + (spread / 2).exp() * normal)
        each = functional.cross_entropy(logits.transpose(1, 2), tokens, reduction="none")  # (n, L)
        return each.sum(1), (mean**2 + spread.exp() - spread - 1).sum(1) / 2

    def save(self, path: Path, about: str) -> None:
        """Write weights, shape and a sentence of provenance as one safetensors file.

        Weights are kept in 16 bits, which is enough for architectures to come back from their z as before.
        """
        arrays = {name: tensor.half().numpy() for name, tensor in self.state_dict().items()}
        write(path, arrays, {"shape": json.dumps(asdict(self.shape)), "about": about})


def untrained(space: SearchSpace, seed: int) -> Autoencoder:
    """A new autoencoder for a space; the global random state is left as it was."""
    return _made(AutoencoderShape.of(space), seed)


def load(path: str | Path, space: SearchSpace) -> Autoencoder:
    """The autoencoder of a space in a file that ``save`` wrote; a changed bit is noticed."""
    what = "an autoencoder", f"{Autoencoder.command} --space {space.name}"
    arrays, header = read(path, *what)
    try:
        found = _made(AutoencoderShape(**json.loads(header["shape"])), 0)
        found.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as fault:
        raise damaged(path, *what, fault) from None
    wanted = AutoencoderShape.of(space)
    if found.shape != wanted:
        raise ArgumentError(f"path must hold an autoencoder of {space.name}, {wanted}; {path} has {found.shape}.")
    return found


def _made(shape: AutoencoderShape, seed: int) -> Autoencoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Autoencoder(shape)


def entries(space: SearchSpace, tokens: Int[np.ndarray, "n L"]) -> tuple[torch.Tensor, torch.Tensor]:
    """What the encoder is given of architectures: operations (n, N) and edges (n, N, N)."""
    ops, edges = space.graphs(tokens)
    return torch.from_numpy(ops), torch.from_numpy(edges)
