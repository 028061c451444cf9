from dataclasses import replace

import numpy as np
import pytest
from nagkit_widgets.sampling import MOST_ROUNDS, generated
from nagkit_widgets.settings import Settings, fitted
from nagkit_widgets.sources import available, benchmark, known, learned

from nagkit.errors import ArgumentError, UnsatisfiableError
from nagkit.metrics import Front
from nagkit.space import UNDECIDED


@pytest.fixture(scope="module")
def settings():
    return Settings(table=available()[0], samples=100, labels=60, seed=3)


@pytest.fixture(scope="module")
def walked(settings):
    return list(generated(settings))


def test_every_frame_of_every_round_is_a_snapshot(settings, walked):
    assert f"of {MOST_ROUNDS}," in walked[-1].caption
    for number in range(MOST_ROUNDS):
        part = [snapshot for snapshot in walked if snapshot.caption.startswith(f"Round {number + 1} of")]
        frames = [snapshot.frame.step for snapshot in part]
        assert frames == [*range(settings.steps + 1), settings.steps]  # the last again, with its architectures added


def test_architectures_are_added_round_by_round_and_never_change(walked):
    sizes = [len(snapshot.tokens) for snapshot in walked]
    assert sizes == sorted(sizes)
    assert sizes[-1] == 100
    for snapshot in walked:
        assert (snapshot.tokens == walked[-1].tokens[: len(snapshot.tokens)]).all()


def test_a_round_begins_undecided_and_ends_with_legal_architectures(walked):
    assert (walked[0].frame.tokens == UNDECIDED).all()
    assert all(walked[-1].space.faults(row) == () for row in walked[-1].tokens)


def test_the_front_is_that_of_all_values(settings, walked):
    last = walked[-1]
    front = Front.of(last.space, settings.axes(), last.tokens, last.values)
    assert (front.tokens == last.front.tokens).all()
    assert (front.values == last.front.values).all()


def test_the_same_settings_give_the_same_architectures(settings, walked):
    *_, again = generated(replace(settings))
    assert (again.tokens == walked[-1].tokens).all()


@pytest.mark.slow
def test_strength_zero_is_unguided_and_another_seed_is_another_noise(settings):
    *_, unguided = generated(replace(settings, strength=0.0))
    *_, other = generated(replace(settings, strength=0.0, objectives=("params",)))
    *_, reseeded = generated(replace(settings, strength=0.0, seed=4))
    assert (unguided.tokens == other.tokens).all()
    assert (unguided.tokens != reseeded.tokens).any()


@pytest.mark.slow
def test_more_strength_gives_better_predictions(settings):
    means = [[*generated(replace(settings, strength=strength))][-1].values[:, 0].mean() for strength in (0.0, 2.0, 8.0)]
    assert means == sorted(means)


def test_limits_hold_for_every_architecture(settings):
    low, high = settings.span("params")
    limit = low + 0.3 * (high - low)
    *_, last = generated(replace(settings, limits=(("params", limit),)))
    assert (benchmark(settings.table).look_up(last.tokens, "params") <= limit).all()


def test_a_limit_that_nothing_meets_is_refused(settings):
    with pytest.raises(UnsatisfiableError):
        list(generated(replace(settings, limits=(("params", 1e-9),))))


def test_the_best_come_first_and_once(walked):
    last = walked[-1]
    ranked = last.ranked()
    assert len(np.unique(last.tokens[ranked], axis=0)) == len(ranked) == last.distinct
    gain = last.values[ranked, 0] * last.front.metrics[0].sign
    assert (np.diff(gain) <= 0).all()


# ----------------------------------------------------------------------------------------------------- settings


def test_a_cost_is_looked_up_and_a_result_of_training_is_predicted(settings):
    assert not learned(settings.table, "params")
    assert learned(settings.table, "val_accuracy")


def test_a_predictor_learns_once_from_known_architectures_drawn_by_the_seed(settings):
    one = fitted(settings.table, "val_accuracy", 60, 3)
    assert fitted(settings.table, "val_accuracy", 60, 3) is one
    cells = benchmark(settings.table).space.at(np.arange(50))
    assert (one.predict(cells)[0] != fitted(settings.table, "val_accuracy", 60, 4).predict(cells)[0]).any()


def test_one_objective_is_drawn_against_the_first_limit_or_a_cost(settings):
    assert [metric.name for metric in settings.axes()] == ["val_accuracy", "params"]
    limited = replace(settings, limits=(("flops", 100.0),))
    assert [metric.name for metric in limited.axes()] == ["val_accuracy", "flops"]
    two = replace(settings, objectives=("val_accuracy", "flops"))
    assert [metric.name for metric in two.axes()] == ["val_accuracy", "flops"]


def test_a_span_holds_all_values_of_a_cost(settings):
    low, high = settings.span("params")
    assert (low, high) == (known(settings.table, "params").min(), known(settings.table, "params").max())


def test_guidance_holds_what_the_settings_say(settings):
    guidance = replace(settings, strength=3.0, limits=(("params", 0.5),)).guidance()
    assert guidance.strength == 3.0
    assert [objective.metric.name for objective in guidance.objectives] == ["val_accuracy"]
    assert str(guidance.constraints[0]) == "params ≤ 0.5 M"
    automatic = replace(settings, effective=50.0).guidance()
    assert (automatic.effective, automatic.strength) == (50.0, 0.0)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("objectives", (), "at least one metric"),
        ("samples", 0, "samples must be a whole number from 8"),
        ("seed", -1, "seed must be a whole number from 0"),
        ("labels", 1, "labels must be a whole number from 20"),
        ("steps", 2.5, "steps must be a whole number"),
    ],
)
def test_impossible_settings_are_refused(field, value, text):
    with pytest.raises(ArgumentError, match=text):
        Settings(**{field: value})
