"""Guesses and exercises of the lessons."""

import pytest

from nagkit.errors import ArgumentError
from nagkit.lesson import check, reveal


def test_a_guess_stands_beside_the_truth():
    assert reveal(30, 6.3, "%").text == "It is 6.3 %; you guessed 30. A surprise?"
    assert reveal(6, 6.3, "%").right
    assert not reveal(3, 6.3, "%").right
    assert reveal(1e6, 15_625, "rows").text == "It is 15,625 rows; you guessed 1,000,000. A surprise?"


def test_a_lesson_goes_on_without_a_guess():
    remark = reveal(None, 6.3, "%")
    assert remark.right is None
    assert "6.3 %" in repr(remark)


def test_an_exercise_says_whether_it_is_solved():
    assert check(4, lambda answer: answer == 4, "count").text == "Solved."
    assert check(5, lambda answer: answer == 4, "count again").text == "Not yet. Hint: count again"
    assert check(None, lambda answer: answer == 4, "count").right is None


def test_an_answer_that_fails_is_told_and_not_raised():
    remark = check("three", lambda answer: answer + 1 == 4, "use a number")
    assert not remark.right
    assert "TypeError" in remark.text
    assert "use a number" in remark.text


def test_what_readers_write_is_shown_as_text():
    assert "<b>" not in check(1, lambda _: False, "<b>bold</b>")._repr_html_()


def test_truths_that_are_no_numbers_are_refused():
    with pytest.raises(ArgumentError, match="truth"):
        reveal(1, float("nan"))
