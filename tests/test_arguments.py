"""Every check returns the clean value, or a sentence that names the argument, the value and what is allowed."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagkit import arguments
from nagkit.errors import ArgumentError, NagkitError

ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.integers())
pytestmark = pytest.mark.usefixtures("as_a_user")


def test_a_known_name_is_given_back():
    assert arguments.one_of("device", "gpu", ("cpu", "gpu")) == "gpu"


@pytest.mark.parametrize(
    ("value", "ending"), [("gpus", " Did you mean 'gpu'?"), ("quantum", "."), (3, "."), (None, "."), (["gpu"], "?")]
)
def test_an_unknown_name_is_answered_with_all_names_and_the_nearest(value, ending):
    with pytest.raises(ArgumentError) as refusal:
        arguments.one_of("device", value, ("cpu", "gpu"))
    assert str(refusal.value).startswith(f"device must be one of 'cpu', 'gpu'; got {value!r}.")
    assert str(refusal.value).endswith(ending)


@pytest.mark.parametrize(("value", "expected"), [(1, 1), (np.int8(7), 7), (10**30, 10**30)])
def test_whole_numbers_of_any_kind_become_int(value, expected):
    number = arguments.whole("n", value)
    assert number == expected
    assert type(number) is int


@pytest.mark.parametrize("value", [0, -1, True, np.True_, 1.0, np.float64(2), "3", None, [1], math.nan, Fraction(4, 2)])
def test_what_is_no_whole_number_from_1_is_refused(value):
    with pytest.raises(ArgumentError, match=r"^n must be a whole number from 1; got "):
        arguments.whole("n", value)


@pytest.mark.parametrize(("value", "fits"), [(2, True), (5, True), (1, False), (6, False)])
def test_bounds_of_whole_numbers_are_inclusive(value, fits):
    if fits:
        assert arguments.whole("n", value, 2, 5) == value
        return
    with pytest.raises(ArgumentError, match=f"n must be a whole number from 2 to 5; got {value}"):
        arguments.whole("n", value, 2, 5)


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.25), Fraction(1, 2), np.int64(1)])
def test_numbers_of_any_kind_become_float(value):
    number = arguments.real("x", value, 0, 1)
    assert number == value
    assert type(number) is float


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, -math.inf, True, "0.5", None, [0.5], 1j, np.zeros(1)])
def test_what_is_no_number_within_the_bounds_is_refused(value):
    with pytest.raises(ArgumentError, match=r"^x must be a number from 0 to 1; got "):
        arguments.real("x", value, 0, 1)


def test_a_number_without_bounds_may_be_infinite_but_not_nan():
    assert arguments.real("x", -math.inf) == -math.inf
    with pytest.raises(ArgumentError, match=r"x must be a number; got nan"):
        arguments.real("x", math.nan)


@pytest.mark.parametrize("value", [None, 0, np.random.RandomState(0), np.random, "rng"])
def test_randomness_is_a_numpy_generator(value):
    with pytest.raises(ArgumentError, match=r"numpy\.random\.default_rng\(0\)"):
        arguments.generator("rng", value)
    rng = np.random.default_rng(0)
    assert arguments.generator("rng", rng) is rng


@pytest.mark.parametrize("value", [[1, 2], (1.5, 2), np.array([1, 2], dtype=np.int8), range(2)])
def test_finite_numbers_become_double_precision(value):
    array = arguments.finite("values", value, 2)
    assert array.dtype == np.float64
    assert array.tolist() == [float(x) for x in value]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], r"shape \(2,\); got \(0,\)"),
        ([1], r"shape \(2,\); got \(1,\)"),
        ([[1, 2]], r"shape \(2,\); got \(1, 2\)"),
        (3.0, r"shape \(2,\); got \(\)"),
        ([1, math.nan], r"1 of 2 values are not, the first at position 1 \(nan\)"),
        ([math.inf, math.nan], r"2 of 2 values are not, the first at position 0 \(inf\)"),
        (["a", "b"], "array of numbers"),
        ([None, 1], "finite|array of numbers"),
        ([1j, 2], "array of numbers"),
        ({"a": 1}, "array of numbers"),
        ([[1], [1, 2]], "rows of equal length"),
    ],
)
def test_what_is_not_finite_is_refused_with_its_place(value, told):
    with pytest.raises(ArgumentError, match=told):
        arguments.finite("values", value, 2)


def test_an_array_without_a_length_only_has_to_hold_something():
    assert len(arguments.finite("values", [1, 2, 3])) == 3
    with pytest.raises(ArgumentError, match="n at least 1"):
        arguments.finite("values", [])


@given(ANYTHING)
def test_whatever_is_given_nothing_but_a_nagkit_error_comes_out(value):
    checks = [
        lambda: arguments.one_of("a", value, ("x", "y")),
        lambda: arguments.whole("a", value),
        lambda: arguments.real("a", value, 0, 1),
        lambda: arguments.generator("a", value),
        lambda: arguments.finite("a", value),
    ]
    for check in checks:
        try:
            check()
        except NagkitError as error:
            assert str(error).startswith("a must ")
