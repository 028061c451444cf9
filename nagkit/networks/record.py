"""What the ledger keeps of a finished training: its curves, and all that they depend on."""

import platform
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from nagkit.networks.digits import Task
from nagkit.networks.latency import processor
from nagkit.networks.ledger import Training
from nagkit.networks.training import Epoch

CURVES = ("train_loss", "validation_accuracy", "validation_loss", "test_accuracy", "test_loss")  # as in an ``Epoch``


def record(
    name: str, images: Task, cell: int, tokens: tuple[int, ...], by_seed: Mapping[int, Sequence[Epoch]]
) -> list[Training]:
    """The trainings of a cell on images of this name, one for each seed, after their epochs."""
    return [
        Training(
            name,
            cell,
            seed,
            tokens,
            {curve: [getattr(epoch, curve) for epoch in epochs] for curve in CURVES},
            sum(epoch.seconds for epoch in epochs),
            versions(images),
        )
        for seed, epochs in by_seed.items()
    ]


def versions(images: Task) -> dict[str, str]:
    """What a result depends on besides recipe and seed: libraries, the processor, the images."""
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "processor": processor(),
        "images": images.digest(),
    }
