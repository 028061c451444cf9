"""What is held walks once, beside what comes, and a walk that is interrupted goes on later."""

from dataclasses import replace

import pytest
from nagkit_widgets import tables
from nagkit_widgets.comparison import Comparison
from nagkit_widgets.sampling import generated
from nagkit_widgets.settings import Settings


def batch(**changes):
    return list(generated(Settings(**{"samples": 16, "labels": 60, **changes})))


def test_an_interrupted_walk_goes_on_where_it_was_left():
    steps, interrupted = batch(), False
    comparison = Comparison(lambda: steps, lambda: interrupted)
    comparison.box.value = interrupted = True
    assert list(comparison.beside(iter(steps))) == []
    assert comparison.last is None
    interrupted = False
    together = list(comparison.beside(iter(steps)))
    assert [each.beside for each in together] == steps
    assert comparison.last is steps[-1]


def test_what_cannot_be_generated_is_told_once_and_then_not_held():
    def failing():
        raise RuntimeError("no such guidance")
        yield

    steps, comparison = batch(), Comparison(failing)
    comparison.box.value = True
    with pytest.raises(RuntimeError, match="no such guidance"):
        list(comparison.beside(iter(steps)))
    assert list(comparison.beside(iter(steps))) == steps


def test_each_metric_is_compared_with_itself_wherever_it_stands():
    held, now = (batch(objectives=names)[-1] for names in (("test_accuracy",), ("val_accuracy", "test_accuracy")))
    place = [metric.name for metric in now.front.metrics].index("test_accuracy")
    assert place == 1
    best = [f"{values.max():.4g}" for values in (held.values[:, 0], now.values[:, place])]
    row = f"best test accuracy (%)</th><td>{best[0]}</td><td>{best[1]}</td>"
    assert row in tables.comparison(held, now)


def test_the_same_noise_is_told_only_where_it_is():
    held = batch()[-1]
    assert "with the same noise" in tables.comparison(held, batch(strength=0.0)[-1])
    assert "with the same noise" not in tables.comparison(held, batch(seed=1)[-1])
    searched = replace(held, settings=Settings(system="random"))
    assert "with the same noise" not in tables.comparison(held, searched)
