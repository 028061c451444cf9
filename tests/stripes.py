"""A task of images that is made in no time: noise with stripes, with columns, with a chequerboard, or with nothing."""

import numpy as np

from nagkit.networks.digits import Task
from nagkit.networks.images import task


def stripes(images: int = 200, seed: int = 0) -> Task:
    """Images of eight pixels a side in four classes, three of five images for training."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % 4
    y, x = np.mgrid[:8, :8] % 2 * 2 - 1
    patterns = np.stack([y, x, x * y, 0 * x])
    return task(rng.standard_normal((images, 8, 8)) + 2 * patterns[labels], labels, seed=seed)
