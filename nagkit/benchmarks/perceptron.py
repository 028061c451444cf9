"""Small networks of fully connected layers, as arrays: fitted here, or by others.

Notation: n rows, f features.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nagkit.threads import one_thread

HIDDEN = (128, 128)
EPOCHS, BATCH = 25, 256
RATE, DECAY = 4e-3, 0.1  # of AdamW; the rate rises and falls once (Smith & Topin, 2019)
FARTHEST = 6.0  # standard deviations: a feature beyond is taken to be there

Layers = Sequence[tuple[np.ndarray, np.ndarray]]  # weights (out, in) and biases (out,) of each layer


def forward(features: Float[np.ndarray, "n f"], layers: Layers) -> Float[np.ndarray, "n"]:
    """What a network with rectified linear units between its layers gives."""
    values = features
    with one_thread():
        for weights, biases in layers[:-1]:
            values = np.maximum(values @ weights.T.astype(np.float64) + biases, 0)
        return (values @ layers[-1][0].T.astype(np.float64) + layers[-1][1])[:, 0]


@dataclass(frozen=True, eq=False)
class Perceptron:
    """A network that tells a target from features: both are standardised for it."""

    centre: Float[np.ndarray, "f"]
    spread: Float[np.ndarray, "f"]
    target: Float[np.ndarray, "2"]  # mean and standard deviation
    layers: Layers

    @classmethod
    def fitted(cls, features: Float[np.ndarray, "n f"], targets: Float[np.ndarray, "n"]) -> "Perceptron":
        """The network with a small mean absolute error on these; the same each time on one machine."""
        spread = features.std(0)
        spread[spread == 0] = np.inf  # what never differs says nothing
        centre, target = features.mean(0), np.array([targets.mean(), targets.std()])
        layers = _trained(_standard(features, centre, spread), (targets - target[0]) / target[1])
        return cls(centre, spread, target, layers)

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> "Perceptron":
        """The network of arrays as ``arrays`` gives them; there may be others among these."""
        count = sum(name.startswith("layers.") for name in arrays) // 2
        layers = [(arrays[f"layers.{n}.weights"], arrays[f"layers.{n}.biases"]) for n in range(count)]
        return cls(arrays["centre"], arrays["spread"], arrays["target"], layers)

    def arrays(self) -> dict[str, np.ndarray]:
        """All its numbers by name, for a file."""
        found = {"centre": self.centre, "spread": self.spread, "target": self.target}
        for n, (weights, biases) in enumerate(self.layers):
            found |= {f"layers.{n}.weights": weights, f"layers.{n}.biases": biases}
        return found

    def values(self, features: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n"]:
        """The targets that these features let expect."""
        return self.target[0] + self.target[1] * forward(_standard(features, self.centre, self.spread), self.layers)


def _standard(features: np.ndarray, centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return np.clip((features - centre) / spread, -FARTHEST, FARTHEST)


def _trained(features: np.ndarray, targets: np.ndarray) -> Layers:
    """The layers after training on the mean absolute error."""
    import torch
    from torch import nn

    threads, rng = torch.get_num_threads(), np.random.default_rng(0)
    sizes, batches = (features.shape[1], *HIDDEN, 1), max(len(targets) // BATCH, 1)
    torch.set_num_threads(1)  # sums in another order would give other weights
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            linear = [nn.Linear(before, after) for before, after in itertools.pairwise(sizes)]
        network = nn.Sequential(*(part for layer in linear for part in (layer, nn.ReLU())))[:-1]
        optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * batches)
        x, y = (torch.from_numpy(part.astype(np.float32)) for part in (features, targets))
        for _ in range(EPOCHS):
            order = torch.from_numpy(rng.permutation(len(y)))
            for rows in order[: batches * BATCH].split(BATCH):
                optimizer.zero_grad()
                (network(x[rows])[:, 0] - y[rows]).abs().mean().backward()
                optimizer.step()
                schedule.step()
        return [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in linear]
    finally:
        torch.set_num_threads(threads)
