"""A skeleton is refused before it could give a wrong cost, and every cost of an allowed one fits into 64 bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagkit.errors import ArgumentError
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import PUBLISHED, Skeleton

SPACE = NasBench201()
CONV3 = np.full((1, 6), 3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channels": ()}, "channels must be the widths of 1 to 8 stages"),
        ({"channels": 16}, "channels must be the widths"),
        ({"channels": "16"}, "channels must be the widths"),
        ({"channels": (16, 0)}, "channels must be a whole number from 1 to 4096"),
        ({"channels": (16, 2.5)}, "channels must be a whole number"),
        ({"channels": (8,) * 9}, "channels must be the widths"),
        ({"cells": 0}, "cells must be a whole number from 1 to 100"),
        ({"cells": (1, 0, 2)}, "cells must be a whole number from 1 to 100"),
        ({"cells": (5, 5)}, "cells must be one number, or one for each of 3 stages"),
        ({"cells": "555"}, "cells must be a whole number"),
        ({"image_channels": None}, "image_channels must be"),
        ({"reduction": "residuals"}, "Did you mean 'residual'"),
    ],
)
def test_an_impossible_skeleton_is_refused_by_name(changes, words, as_a_user):
    with pytest.raises(ArgumentError, match=words):
        Skeleton(**changes)


def test_a_list_of_widths_gives_the_same_skeleton_as_a_tuple(as_a_user):
    assert Skeleton(channels=[16, 32, 64]) == PUBLISHED
    assert hash(Skeleton(channels=[np.int64(16), 32, 64])) == hash(PUBLISHED)
    assert type(Skeleton(channels=[np.int64(16)]).channels[0]) is int
    assert Skeleton(cells=[np.int64(1), 4, 2]) == Skeleton(cells=(1, 4, 2))


def test_costs_of_the_largest_skeleton_are_those_of_whole_numbers_without_bound():
    largest = Skeleton(channels=(4096,) * 8, cells=100, image_channels=4096)
    assert SPACE.flops(CONV3, 10**6, 4096, largest)[0] == largest.flops(0, 6, 10**6, 4096) > 2**60
    assert SPACE.params(CONV3, 10**6, largest)[0] == largest.params(0, 6, 10**6)


@given(st.lists(st.integers(1, 64), min_size=1, max_size=4).map(tuple), st.integers(1, 5), st.integers(8, 40))
def test_more_cells_cost_as_much_as_each_of_them(channels, cells, side):
    one, more = (Skeleton(channels=channels, cells=n) for n in (1, cells))
    for cost in (lambda s, n3: s.params(0, n3, 10), lambda s, n3: s.flops(0, n3, 10, side)):
        assert cost(more, 2) - cost(more, 0) == cells * (cost(one, 2) - cost(one, 0))


def test_stages_may_have_different_numbers_of_cells():
    """A stage costs what it does among others of any length; one number stands for all stages."""
    uneven, even = Skeleton(cells=(1, 4, 2)), Skeleton(cells=(5, 5, 5))
    assert uneven.stages == ((16, 1), (32, 4), (64, 2))
    assert even.stages == PUBLISHED.stages
    one = Skeleton(cells=1)
    for cost in (lambda s, n3: s.params(0, n3, 10), lambda s, n3: s.flops(0, n3, 10, 32)):
        assert cost(even, 3) == cost(PUBLISHED, 3)
        added = [cost(Skeleton(cells=cells), 3) - cost(one, 3) for cells in ((1, 4, 1), (1, 1, 2))]
        assert cost(uneven, 3) - cost(one, 3) == sum(added) > 0


@pytest.mark.parametrize("size", [0, 3, 4097, 10**10, 32.0])
def test_images_that_are_too_small_or_too_large_are_refused(size, as_a_user):
    with pytest.raises(ArgumentError, match="image_size must be a whole number from 4 to 4096"):
        SPACE.flops(CONV3, 10, size)


def test_what_is_no_skeleton_is_refused(as_a_user):
    for wrong in (None, "micro", Skeleton):
        with pytest.raises(ArgumentError, match="PUBLISHED or MICRO"):
            SPACE.params(CONV3, 10, wrong)
        with pytest.raises(ArgumentError, match="PUBLISHED or MICRO"):
            SPACE.flops(CONV3, 10, 32, wrong)
