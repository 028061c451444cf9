"""How well trained networks do on noisy images, as an objective beside others.

Notation: n architectures, L slots.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.metrics import Objective
from nagkit.networks.digits import Split, Task
from nagkit.networks.trainer import Trainer
from nagkit.networks.training import evaluate
from nagkit.threads import one_thread


@dataclass(frozen=True, eq=False)
class Robustness:
    """Called with architectures it gives their loss on noisy validation images after training, in nats.

    The noise is Gaussian, the same for all networks. What a trainer gives and this come of one training where both are
    asked for one after the other. A look with shared weights judges by them instead.

    Args:
        noise: its standard deviation, by that of the pixels of the training images
    """

    trainer: Trainer
    noise: float = 0.5

    def __post_init__(self) -> None:
        arguments.instance("trainer", self.trainer, Trainer, "Trainer(nagkit.space('nas-bench-201'))")
        arguments.real("noise", self.noise, 0, 100)

    def objective(self) -> Objective:
        """The wish for little loss on noisy images."""
        source = f"Trained by nagkit; Gaussian noise of {self.noise:g} standard deviations on every pixel."
        told = replace(self.trainer.metric, name="noisy_loss", unit="nats", direction="min", source=source)
        return Objective(told, self)

    def images(self, task: Task) -> Task:
        """The task with noise on its validation images; those of the test stay as they are."""
        held, rng = task.validation, np.random.default_rng(0)
        noise = (self.noise * rng.standard_normal(held.images.shape)).astype(np.float32)
        return replace(task, validation=Split(held.images + noise, held.labels, held.sources))

    def __call__(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The loss on noisy images after training, the mean over the seeds of the trainer."""
        rows = self.trainer.space.check(tokens)
        return np.array([np.mean([self._loss(row, seed) for seed in self.trainer.seeds]) for row in rows])

    def _loss(self, row: Int[np.ndarray, "L"], seed: int) -> float:
        network, task = self.trainer.trained(row, seed)
        held = self.images(task).validation
        with one_thread():
            ((_, loss),) = evaluate(network, torch.from_numpy(held.images), torch.from_numpy(held.labels))
        return loss
