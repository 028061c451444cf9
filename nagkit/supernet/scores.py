"""How well architectures do with shared weights, all on the same images.

Notation: n architectures, L slots.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from nagkit import arguments
from nagkit.networks.digits import Task
from nagkit.networks.recipes import SPLITS
from nagkit.supernet.shared import SharedNetwork, suited
from nagkit.threads import one_thread

_AT_ONCE = 500  # images, whose statistics normalise


class Scores(NamedTuple):
    """Of each architecture the mean cross-entropy in nats, and the accuracy in percent."""

    loss: Float[np.ndarray, "n"]
    accuracy: Float[np.ndarray, "n"]


def evaluate(
    network: SharedNetwork,
    task: Task,
    tokens: Int[np.ndarray, "n L"],
    images: int = 500,
    split: str = "validation",
) -> Scores:
    """The scores of architectures on the first ``images`` of a split, on all of it if it has fewer.

    Images are normalised by the statistics of all, in equal parts of up to 500 where there are more. What rows have in
    common is computed once: the stem, and operations on the inputs of the first cell.
    """
    held = getattr(suited(network, task), arguments.one_of("split", split, SPLITS))
    tokens, number = network.space.check(tokens), min(arguments.whole("images", images, low=2), len(held.labels))
    x, labels = (torch.from_numpy(each[:number]).to(network.device) for each in (held.images, held.labels))
    logits = torch.empty(len(tokens), number, network.classes, device=network.device)
    with one_thread(), torch.inference_mode():
        for places in torch.arange(number).tensor_split(-(-number // _AT_ONCE)):
            begun = network.begin(x[places])
            for row, found in zip(tokens, logits, strict=True):
                found[places] = network.end(begun, row)
        losses = [nn.functional.cross_entropy(each.double(), labels) for each in logits]
        correct = (logits.argmax(2) == labels).double().mean(1)
    return Scores(np.array([float(loss) for loss in losses]), 100 * correct.cpu().numpy())
