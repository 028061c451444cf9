"""An ensemble of small neural networks over the features of a space, each on its own bootstrap of the labels.

Notation: e members, n labels, f features, h hidden units. All members train at once as one batched product. A label
counts Poisson(1) times for each member (Oza & Russell, 2001). The out-of-bag error, that of the members that have
not seen a label, is larger than their disagreement tells; the difference is added to the spread.
"""

import numpy as np
import torch

from nagkit import arguments
from nagkit.metrics import Metric
from nagkit.predictors.ranked import RankedPredictor
from nagkit.space import SearchSpace

HIDDEN, STEPS, RATE, DECAY = 64, 150, 1e-2, 1e-2


class Ensemble(RankedPredictor):
    """Multilayer perceptrons that agree where there are labels and differ elsewhere; ``seed`` decides their start."""

    def __init__(self, space: SearchSpace, metric: Metric, members: int = 8, seed: int = 0) -> None:
        super().__init__(space, metric)
        self.members = arguments.whole("members", members, low=2, high=1000)
        self.seed = arguments.seed("seed", seed)

    def _learn(self, tokens: np.ndarray, scores: np.ndarray) -> None:
        draw = torch.Generator().manual_seed(self.seed)
        x, z = _tensor(self.space.features(tokens)), _tensor(scores)
        layers = [
            (torch.randn(self.members, a, b, generator=draw) * (2 / a) ** 0.5, torch.zeros(self.members, 1, b))
            for a, b in ((x.shape[1], HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 1))
        ]
        parameters = [p.requires_grad_() for layer in layers for p in layer]
        times = torch.poisson(torch.ones(self.members, len(x)), generator=draw)  # (e, n)
        optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
        for _ in range(STEPS):
            error = (times * (_forward(x, layers) - z) ** 2).mean(1).sum()
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
            schedule.step()
        self._layers = [(w.detach(), b.detach()) for w, b in layers]
        self._missed = _missed_variance(_forward(x, self._layers), times == 0, z)

    def _scores(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        answers = _forward(_tensor(self.space.features(tokens)), self._layers).double()  # (e, n)
        return answers.mean(0).numpy(), np.sqrt(answers.var(0).numpy() + self._missed)


def _missed_variance(answers: torch.Tensor, unseen: torch.Tensor, z: torch.Tensor) -> float:
    """Mean squared error on unseen labels beyond the members' own variance; answers and unseen are (e, n)."""
    held_out = unseen.sum(0) > 0
    error = (answers * unseen).sum(0)[held_out] / unseen.sum(0)[held_out] - z[held_out]
    return max(0.0, float((error**2).mean() - answers.var(0).mean())) if held_out.any() else 0.0


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32))


def _forward(x: torch.Tensor, layers: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    a = x.expand(len(layers[0][0]), *x.shape)  # (e, n, f)
    for w, b in layers[:-1]:
        a = torch.relu(torch.baddbmm(b, a, w))  # (e, n, h)
    w, b = layers[-1]
    return torch.baddbmm(b, a, w)[..., 0]  # (e, n)
