"""Learning latent variables: architectures of the law of a space, told apart by their z.

The loss of an architecture is the cross-entropy of its slots at a z drawn from what the encoder says of it, plus
``TELLING`` times what z tells for each slot (Higgins et al., 2017, *beta-VAE*, with a factor below 1: where the slots
of a space do not depend on each other, a factor of 1 is no better off with z than without, and z would tell nothing).
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import special

from nagkit import arguments
from nagkit.diffusion.lessons import Lesson, lessons
from nagkit.errors import ArgumentError
from nagkit.generators.autoencoder import Autoencoder, entries, untrained
from nagkit.space import SearchSpace

STEPS, BATCH, RATE = 4_000, 256, 4e-3
TELLING = 0.54  # for one slot; shared by all
HELD_OUT = 10  # one in so many rows is never learned from
REFIT_STEPS, REFIT_BATCH, REFIT_RATE, PARTS = 20, 96, 2e-3, 4
REPLAY = 1 / 3  # the share of a refit's batch that is of the law of the space
PROBES, LEAST_LEFT = 256, 0.5  # samples in which entropy and validity are watched; what must be left of both


def train(space: SearchSpace, steps: int | None = None, seed: int = 0) -> Iterator[Lesson[Autoencoder]]:
    """Lessons, one a step; the last holds the trained autoencoder. Same seed and version: same weights, on one thread.

    Rows that are ``held_out`` are never shown.
    """
    arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
    steps = STEPS if steps is None else arguments.whole("steps", steps)
    rng = np.random.default_rng(arguments.seed("seed", seed))

    def loss(learner: Autoencoder) -> torch.Tensor:
        return loss_of(learner, space, shown(space, BATCH, rng), rng)

    return lessons(untrained(space, seed), steps, loss, RATE)


def loss_of(
    autoencoder: Autoencoder, space: SearchSpace, tokens: Int[np.ndarray, "n L"], rng: np.random.Generator
) -> torch.Tensor:
    """The mean loss of architectures, both of its parts, with new noise."""
    normal = torch.from_numpy(rng.standard_normal((len(tokens), autoencoder.shape.latent), dtype=np.float32))
    cross, telling = autoencoder.loss(*entries(space, tokens), torch.from_numpy(tokens), normal)
    loss: torch.Tensor = (cross + TELLING / len(space.slots) * telling).mean()
    return loss


def shown(space: SearchSpace, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
    """So many rows by the law of a space, each the first of its isomorphic ones, none of them held out."""
    found = np.empty((0, len(space.slots)), dtype=np.int64)
    while len(found) < n:
        rows = space.canonical(space.sample(n, rng), space.isomorphic)
        found = np.concatenate([found, rows[~held_out(rows)]])
    return found[:n]


def held_out(tokens: Int[np.ndarray, "n L"]) -> Bool[np.ndarray, "n"]:
    """Which rows are kept for testing, one in ten, by a weighted sum of their symbols modulo ten."""
    weights = 7_919 * np.arange(1, tokens.shape[1] + 1) ** 2
    return np.asarray((tokens @ weights + 13) % HELD_OUT == 0)


@dataclass(frozen=True, eq=False)
class Refit:
    """An autoencoder refitted to some architectures, and what became of what it makes.

    ``entropy`` (nats, the mean over slots) and ``validity`` (the share that is legal without the grammar's help) are
    those of samples, before the refit and after each part of it; ``stopped`` says that one of them fell too far, and
    the last part was undone.
    """

    autoencoder: Autoencoder
    entropy: tuple[float, ...]
    validity: tuple[float, ...]
    stopped: bool


def refitted(
    autoencoder: Autoencoder,
    space: SearchSpace,
    tokens: Int[np.ndarray, "n L"],
    weights: Float[np.ndarray, "n"],
    rng: np.random.Generator,
) -> Refit:
    """The autoencoder after a few more steps, with architectures drawn by weight in most of each batch.

    The others are a replay of the law of the space, against forgetting (Robins, 1995). ``autoencoder`` stays as it
    was.
    """
    if arguments.finite("weights", weights, len(tokens)).min() < 0 or not weights.sum() > 0:
        raise ArgumentError(
            f"weights must be from 0, and some of them above; got {weights.min():g} to {weights.max():g}."
        )
    learner, first = deepcopy(autoencoder), space.canonical(tokens, space.isomorphic)
    replayed = round(REPLAY * REFIT_BATCH)
    optimizer = torch.optim.Adam(learner.parameters(), REFIT_RATE, fused=True)
    probe = torch.from_numpy(rng.standard_normal((PROBES, autoencoder.shape.latent), dtype=np.float32))
    told = [_variety(learner, space, probe)]
    for _ in range(PARTS):
        kept = deepcopy(learner)
        for _ in range(REFIT_STEPS // PARTS):
            drawn = first[rng.choice(len(first), REFIT_BATCH - replayed, p=weights / weights.sum())]
            rows = np.concatenate([drawn, shown(space, replayed, rng)])
            optimizer.zero_grad()
            loss_of(learner, space, rows, rng).backward()
            optimizer.step()
        told.append(_variety(learner, space, probe))
        if any(now < LEAST_LEFT * before for now, before in zip(told[-1], told[0], strict=True)):
            return Refit(kept, *_columns(told), stopped=True)
    return Refit(learner, *_columns(told), stopped=False)


def _columns(told: Sequence[tuple[float, float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(entropy for entropy, _ in told), tuple(validity for _, validity in told)


def _variety(autoencoder: Autoencoder, space: SearchSpace, z: torch.Tensor) -> tuple[float, float]:
    """Entropy of the slots, and validity, of what these z become without the grammar."""
    with torch.inference_mode():
        logits = autoencoder.decoder(z).numpy()
    rows = np.where(np.arange(logits.shape[2]) < space.radices[:, None], logits, -np.inf).argmax(2)
    shares = (rows[:, :, None] == np.arange(logits.shape[2])).mean(0)  # (L, K)
    return float(special.entr(shares).sum(1).mean()), float(space.belongs(rows).mean())
