"""Several objectives as one.

Notation: n architectures, k objectives.
"""

import numpy as np
from jaxtyping import Float

AUGMENTATION = 0.05  # how much the sum of all distances counts


def scalarised(scores: Float[np.ndarray, "n k"], weights: Float[np.ndarray, "k"]) -> Float[np.ndarray, "n"]:
    """The largest weighted distance from the best of each objective, less is better, and a little of all distances.

    With its sign changed, so that more is better (augmented Chebyshev; Steuer & Choo, 1983).
    """
    behind = weights * (scores - scores.max(0))
    return behind.min(1) + AUGMENTATION * behind.sum(1)
