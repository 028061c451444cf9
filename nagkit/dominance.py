"""Which of several points are near the front that they make, and spread along it.

Notation: n points, k objectives, of which e are exact; more is better.
"""

import numpy as np
from jaxtyping import Float, Int


def leading(scores: Float[np.ndarray, "n k"], exact: Float[np.ndarray, "n e"]) -> Int[np.ndarray, "n"]:
    """The places of all points, those that matter most to a front first.

    The best of each exact cost come first, of them those that lie least behind another point: by how much that is
    better in the first objective and as good in the others. Then come the rest alike.
    """
    if not len(scores):
        return np.empty(0, dtype=np.int64)
    as_good = (scores[None, :, 1:] >= scores[:, None, 1:]).all(2)
    behind = np.where(as_good, scores[None, :, 0] - scores[:, None, 0], -np.inf).max(1)
    order = behind.argsort(kind="stable")
    again = np.ones(len(order), dtype=bool)
    again[np.unique(exact[order], axis=0, return_index=True)[1]] = False
    return order[again.argsort(kind="stable")]
