"""Fronts behind fronts, and the room of each point, against what the definitions say in loops."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nagkit.dominance import layered


def layers(values):
    """The front of each point, one front after the other, by hand."""
    left, found = set(range(len(values))), np.zeros(len(values), int)
    for layer in range(len(values)):
        front = [
            i for i in left if not any((values[j] <= values[i]).all() and (values[j] < values[i]).any() for j in left)
        ]
        found[front] = layer
        left -= set(front)
    return found


@given(st.lists(st.tuples(*[st.integers(0, 5)] * 2), max_size=20), st.integers(1, 25))
@settings(max_examples=80)
def test_front_by_front_each_once(points, count):
    values = np.array(points, float).reshape(-1, 2)
    order, layer = layered(values, count), layers(values)
    assert len(set(order.tolist())) == len(order) == min(count, len(points))
    assert (np.diff(layer[order]) >= 0).all()
    if len(order) < len(points):
        rest = np.setdiff1d(np.arange(len(points)), order)
        assert layer[order].max() <= layer[rest].min()


def test_of_the_last_front_come_the_ends_and_what_has_most_room():
    values = np.array([[0, 10], [1, 9], [2, 8], [6, 4], [10, 0]], float)
    assert set(layered(values, 2).tolist()) == {0, 4}
    assert layered(values, 3).tolist()[-1] == 3
    assert layered(values, 4).tolist()[-1] == 2
