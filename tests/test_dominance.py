"""Who leads: against a loop over points."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nagkit.dominance import leading

points = st.lists(st.tuples(*[st.integers(0, 5)] * 3), max_size=20)


def behind(values, place):
    """By how much another one is better that is as good in all but the first."""
    others = [other for other in values if (other[1:] >= values[place][1:]).all()]
    return max(other[0] for other in others) - values[place][0]


@given(points)
@settings(max_examples=80)
def test_the_best_of_each_cost_least_behind_first_then_the_rest(found):
    values = np.array(found, float).reshape(-1, 3)
    order = leading(values, values[:, 2:]).tolist()
    assert sorted(order) == list(range(len(values)))
    kinds = len({value[2] for value in found})
    first, rest = order[:kinds], order[kinds:]
    assert len({found[place][2] for place in first}) == kinds
    for part in (first, rest):
        assert [behind(values, place) for place in part] == sorted(behind(values, place) for place in part)
    for place in first:
        same = [other for other in order if found[other][2] == found[place][2]]
        assert behind(values, place) == min(behind(values, other) for other in same)


def test_of_a_long_front_both_ends_come_first_and_then_what_has_most_room():
    front = np.array([[place, -(place**2)] for place in (0, 1, 2, 7, 10)], float)
    order = leading(front, front[:, 1:]).tolist()
    assert set(order[:2]) == {0, 4}
    assert order[2] == 3
    many = np.array([[place, -place] for place in range(28)], float)
    assert {0, 27} <= set(leading(many, many[:, 1:])[:10].tolist())


def test_without_exact_costs_and_with_one_objective_the_least_behind_come_first():
    assert leading(np.array([[1.0], [3.0], [2.0]]), np.empty((3, 0))).tolist() == [1, 2, 0]
    both = np.array([[3.0, 0.0], [1.0, 1.0], [2.9, 0.0], [0.0, 1.0]])
    assert leading(both, np.empty((4, 0))).tolist() == [0, 1, 2, 3]
