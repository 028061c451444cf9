"""What every search has to keep. Subclass ``SearchContract``, override the fixture ``make``, run pytest."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nagkit.checks import as_a_user, untouched_global_randomness
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric
from nagkit.search import Search, run
from nagkit.search.loop import Values

SOME = 41  # architectures: the searches here have begun to learn by then, and none learns all anew just there
COUNT = Metric("symbols", "count", "max")
Make = Callable[..., Search]


def symbols(tokens: np.ndarray) -> np.ndarray:
    """A number that a search can learn: the sum of a row."""
    return tokens.sum(1).astype(float)


FEW = Constraint(COUNT, symbols, high=14.0)  # measured, and met by about three of four


def walk(search: Search, steps: int, batch: int = 1) -> np.ndarray:
    """Everything that a search asks for in so many steps, told at once what it is worth."""
    measure, rows = Values(search.objectives, search.constraints), []
    for _ in range(steps):
        tokens = search.ask(batch)
        if len(tokens):
            search.tell(tokens, measure(tokens))
        rows.append(tokens)
    return np.concatenate(rows)


class SearchContract:
    """Promises of a search. ``make(seed, constraints)`` gives one that has seen nothing, over a space of 500 or more.

    What is wished for is a large sum of symbols, unless ``make`` wishes for something else.
    """

    @pytest.fixture
    def make(self) -> Make:
        """A function of a seed and of constraints that makes the search under test."""
        raise NotImplementedError("Override the fixture `make`.")

    @pytest.fixture
    def search(self, make: Make) -> Search:
        """A search that has seen nothing."""
        return make(0)

    @pytest.fixture
    def begun(self, search: Search) -> Search:
        """A search that was told of some architectures and waits for others."""
        walk(search, SOME)
        search.ask(3)
        return search

    @staticmethod
    def values(search: Search, tokens: np.ndarray) -> np.ndarray:
        """What is true of these architectures."""
        return Values(search.objectives, search.constraints)(tokens)

    def test_what_it_asks_for_belongs_to_the_space(self, search: Search) -> None:
        for row in walk(search, SOME):
            assert search.space.faults(row) == ()

    @pytest.mark.parametrize("n", [1, 4])
    def test_as_many_as_asked_for(self, begun: Search, n: int) -> None:
        assert begun.ask(n).shape == (n, len(begun.space.slots))

    def test_nothing_is_asked_for_twice(self, search: Search) -> None:
        asked = np.concatenate([walk(search, SOME), search.ask(5), walk(search, 5, batch=3)])
        assert len(np.unique(asked, axis=0)) == len(asked)

    def test_what_was_told_before_is_not_asked_for(self, search: Search) -> None:
        known = np.unique(search.space.sample(200, np.random.default_rng(0)), axis=0)
        search.tell(known, self.values(search, known))
        asked = walk(search, SOME)
        assert not (asked[:, None] == known).all(2).any()

    def test_it_asks_on_while_it_waits_for_answers(self, search: Search) -> None:
        assert len(np.unique(np.concatenate([search.ask(2) for _ in range(SOME)]), axis=0)) == 2 * SOME

    def test_answers_may_come_in_any_order(self, search: Search) -> None:
        rows = search.ask(SOME)
        for row in rows[::-1]:
            search.tell(row[None], self.values(search, row[None]))
        assert len(search.ask(1)) == 1

    def test_it_tells_how_it_was_made(self, make: Make) -> None:
        about, same, other = (make(seed, (FEW,)).about() for seed in (3, 3, 4))
        assert json.loads(json.dumps(about, allow_nan=False)) == about == same != other
        assert {"search", "space", "objectives", "constraints"} <= set(about)
        assert about["constraints"][0]["metric"]["name"] == COUNT.name

    def test_same_seed_same_questions(self, make: Make) -> None:
        np.testing.assert_array_equal(walk(make(3), SOME), walk(make(3), SOME))

    def test_another_seed_other_questions(self, make: Make) -> None:
        assert (walk(make(3), 4) != walk(make(4), 4)).any()

    @pytest.mark.parametrize("constraints", [(), (FEW,)], ids=["free", "bound"])
    def test_it_goes_on_from_its_state_as_if_nothing_had_been(
        self, make: Make, constraints: tuple[Constraint, ...]
    ) -> None:
        begun = make(0, constraints)
        walk(begun, SOME)
        begun.ask(3)
        again = make(99, constraints).from_state(json.loads(json.dumps(begun.state())))
        np.testing.assert_array_equal(walk(again, 20), walk(begun, 20))

    def test_a_state_of_nothing_is_a_state(self, make: Make, search: Search) -> None:
        again = make(99).from_state(json.loads(json.dumps(search.state(), allow_nan=False)))
        np.testing.assert_array_equal(walk(again, 3), walk(search, 3))

    @pytest.mark.parametrize("constraints", [(), (FEW,)], ids=["free", "bound"])
    def test_a_state_stays_as_it_was_given(self, make: Make, constraints: tuple[Constraint, ...]) -> None:
        begun = make(0, constraints)
        walk(begun, SOME)
        begun.ask(3)
        state = begun.state()
        before = json.dumps(state)
        walk(begun, 3)
        assert json.dumps(state) == before

    def test_from_state_leaves_the_search_as_it_was(self, make: Make, begun: Search) -> None:
        before = json.dumps(begun.state())
        walk(begun.from_state(make(1).state()), 3)
        assert json.dumps(begun.state()) == before

    def test_failures_are_not_asked_for_again_and_the_search_goes_on(self, search: Search) -> None:
        asked = []
        for step in range(SOME):
            tokens = search.ask(1)
            values = self.values(search, tokens)
            search.tell(tokens, np.full_like(values, np.nan) if step % 2 else values)
            asked.append(tokens)
        assert len(np.unique(np.concatenate(asked), axis=0)) == SOME

    def test_it_survives_that_everything_fails(self, make: Make, search: Search) -> None:
        for _ in range(SOME):
            search.tell(search.ask(1), np.full((1, len(search.metrics)), np.nan))
        assert len(make(9).from_state(json.loads(json.dumps(search.state(), allow_nan=False))).ask(1)) == 1

    def test_it_survives_that_everything_is_equal(self, search: Search) -> None:
        for _ in range(SOME):
            search.tell(search.ask(1), np.full((1, len(search.metrics)), 7.0))
        assert len(search.ask(1)) == 1

    def test_exact_constraints_hold_for_everything_that_is_asked_for(self, make: Make) -> None:
        few = Constraint(COUNT, symbols, high=9.0, exact=True)
        asked = walk(make(0, [few]), SOME)
        assert len(asked) == SOME
        assert symbols(asked).max() <= 9

    def test_measured_constraints_are_told_after_the_objectives(self, make: Make) -> None:
        search = make(0, [Constraint(COUNT, symbols, high=6.0)])
        assert search.metrics == (*(each.metric for each in search.objectives), COUNT)
        assert len(walk(search, SOME)) == SOME

    def test_the_loop_asks_for_the_budget_and_no_more(self, search: Search) -> None:
        events: list[Any] = list(run(search, SOME, batch=5))
        assert sum(len(event.tokens) for event in events if hasattr(event, "first")) == SOME
        assert [event.number for event in events if hasattr(event, "number")] == list(range(SOME))

    def test_nothing_that_is_told_is_changed(self, search: Search) -> None:
        tokens = search.ask(4)
        values = self.values(search, tokens)
        before = tokens.copy(), values.copy()
        tokens.setflags(write=False)
        values.setflags(write=False)
        search.tell(tokens, values)
        walk(search, 3)
        np.testing.assert_array_equal(tokens, before[0])
        np.testing.assert_array_equal(values, before[1])

    def test_global_randomness_is_untouched(self, search: Search) -> None:
        with as_a_user(), untouched_global_randomness():
            walk(search, SOME)

    @pytest.mark.parametrize("n", [0, -1, 2.5, True, None, "5"])
    def test_an_impossible_number_is_refused(self, search: Search, n: object) -> None:
        with as_a_user(), pytest.raises(ArgumentError, match="n must be a whole number"):
            search.ask(n)  # type: ignore[arg-type]

    def test_values_of_another_shape_are_refused(self, search: Search) -> None:
        tokens = search.ask(2)
        for wrong in (np.zeros(2), np.zeros((2, 9)), np.zeros((3, len(search.metrics))), np.full((2, 1), "x")):
            with as_a_user(), pytest.raises(ArgumentError, match="values must be numbers of shape"):
                search.tell(tokens, wrong)
        with as_a_user(), pytest.raises(ArgumentError, match="tokens must be"):
            search.tell(tokens[:, :-1], self.values(search, tokens))

    @pytest.mark.parametrize("state", [{}, {"tokens": 3}, None, [1]])
    def test_what_is_no_state_is_refused(self, search: Search, state: Any) -> None:
        with as_a_user(), pytest.raises(ArgumentError, match="state must be"):
            search.from_state(state)
