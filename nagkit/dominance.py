"""Which of several points are near the front that they make, and spread along it.

Notation: n points, k objectives, of which e are exact; more is better.
"""

import numpy as np
from jaxtyping import Float, Int


def leading(scores: Float[np.ndarray, "n k"], exact: Float[np.ndarray, "n e"]) -> Int[np.ndarray, "n"]:
    """The places of all points, those that matter most to a front first.

    The best of each exact cost come first, of them those that lie least behind another point: by how much that is
    better in the first objective and as good in the others. Of the front itself its ends come first, then what has most
    room between its neighbours (crowding distance; Deb et al., 2002, section III B). Then come the rest alike.
    """
    if not len(scores):
        return np.empty(0, dtype=np.int64)
    as_good = (scores[None, :, 1:] >= scores[:, None, 1:]).all(2)
    behind = np.where(as_good, scores[None, :, 0] - scores[:, None, 0], -np.inf).max(1)
    room, front = np.zeros(len(scores)), np.flatnonzero(behind <= 0)
    room[front] = _room(scores[front])
    order = np.lexsort((-room, behind))
    again = np.ones(len(order), dtype=bool)
    again[np.unique(exact[order], axis=0, return_index=True)[1]] = False
    return order[again.argsort(kind="stable")]


def _room(scores: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n"]:
    """How far the two neighbours of each point are apart in each objective, added up; infinite at the ends."""
    room = np.zeros(len(scores))
    for column in scores.T:
        order = column.argsort(kind="stable")
        gaps = np.full(len(column), np.inf)
        gaps[order[1:-1]] = (column[order[2:]] - column[order[:-2]]) / (np.ptp(column) or 1.0)
        room += gaps
    return room
