"""The builder of the embedded table: trains every cell of NAS-Bench-201 on images of our own, and can be killed.

Cells that compute the same (identity ``"function"``) share one training, so 5,390 trainings cover all 15,625 rows.
"""

import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int

from nagkit import arguments
from nagkit.networks.digits import Task, render
from nagkit.networks.fused import fuse
from nagkit.networks.ledger import Ledger
from nagkit.networks.network import build as build_network
from nagkit.networks.training import TrainingRecipe, train
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import MICRO

LEDGER = Path("runs/build/digits-mid8.sqlite")
CLASSES = 10


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` cells are finished; the latest is ``cell``, in words and with its result."""

    done: int
    total: int
    cell: str
    accuracy: float  # on validation, percent


def order(seed: int = 0) -> Int[np.ndarray, "n L"]:
    """All cells that compute differently, in a fixed random order: the first n are a random sample."""
    space = NasBench201()
    cells = np.unique(space.canonical(space.all(), "function"), axis=0)
    return np.random.default_rng(seed).permutation(cells)


def build(
    path: str | Path = LEDGER, task: str = "mid8", limit: int | None = None, seed: int = 0
) -> Iterator[Progress]:
    """Train what the ledger at ``path`` does not hold yet, one ``Progress`` after each cell.

    Kill it at any moment and call it again: finished cells stay, an interrupted one is repeated, and the result
    is that of an undisturbed build.

    Args:
        limit: how many cells to have in the end, in the order of ``order``; all when None.
        seed: of the initial weights and of the order of the images; each seed is a row of its own.
    """
    schedule = TrainingRecipe()
    images = render(task)
    cells = order()
    cells = cells[: len(cells) if limit is None else arguments.whole("limit", limit, high=len(cells))]
    ledger = Ledger(Path(path), {"task": asdict(images.recipe), "training": asdict(schedule), "skeleton": asdict(MICRO)})
    try:
        done = ledger.trained(seed)
        names = NasBench201().index(cells).tolist()
        missing = [(name, row) for name, row in zip(names, cells, strict=True) if name not in done]
        for count, (name, row) in enumerate(missing, start=1 + len(cells) - len(missing)):
            architecture = NasBench201().decode(row)
            network = fuse(build_network(architecture, CLASSES, MICRO, seed=seed))
            epochs = list(train(network, images, schedule, seed))
            ledger.add_training(name, seed, architecture.tokens, epochs, versions(images))
            yield Progress(count, len(cells), architecture.text, epochs[-1].validation_accuracy)
    finally:
        ledger.close()


def versions(images: Task) -> dict[str, str]:
    """What a result depends on besides its seed: the libraries, the processor's instructions, the images' digest."""
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "images": images.digest(),
    }
