"""Which of several points are best together: fronts, the fronts behind them, and how they spread.

Notation: n points, k objectives; less is better.
"""

import numpy as np
from jaxtyping import Float, Int


def layered(values: Float[np.ndarray, "n k"], count: int) -> Int[np.ndarray, "c"]:
    """The places of the first ``count`` points, front by front; of the last front those that are farthest apart.

    Those come as their crowding has it (Deb et al., 2002, section III B): the ends first, then what has most room.
    """
    import moocore

    if not len(values):
        return np.empty(0, dtype=np.int64)
    layer = moocore.pareto_rank(values)
    order: list[int] = []
    for front in np.unique(layer):
        places = np.flatnonzero(layer == front)
        order += places[np.argsort(-_room(values[places]), kind="stable")].tolist()
    return np.array(order[:count], dtype=np.int64)


def _room(values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n"]:
    """The distance between the two neighbours of each point in each objective, added up; infinite at the ends."""
    room = np.zeros(len(values))
    for column in values.T:
        order = column.argsort(kind="stable")
        gaps = np.full(len(column), np.inf)
        gaps[order[1:-1]] = (column[order[2:]] - column[order[:-2]]) / (np.ptp(column) or 1.0)
        room += gaps
    return room
