"""Shortlists: different places of the ground, best predicted first, and curves that judge by one value read once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nagkit
from nagkit.errors import ArgumentError
from nagkit.predictors.transfer import TransferPredictor
from nagkit.shortlist import Ground, Shortlists, needed

SPACE = nagkit.space("nas-bench-201")
WORLD = "digits/worlds/alike-photo"


@pytest.fixture(scope="module")
def ground():
    """The 84 cells that are trained on a task held out."""
    return Ground.of(nagkit.benchmark(WORLD))


@pytest.fixture(scope="module")
def predictor():
    """That for images which are noise: all tasks are alike to it, and cells are not."""
    rng = np.random.default_rng(0)
    return TransferPredictor.load(SPACE).for_data(rng.random((40, 8, 8)), np.repeat([0, 1], 20))


@pytest.fixture(scope="module")
def lists(ground):
    return Shortlists(ground, nagkit.generator("masked-diffusion", SPACE), samples=30, k=12)


def ways(lists, predictor):
    return {
        "generated": lambda rng: lists.generated(predictor, rng),
        "filtered": lambda rng: lists.filtered(predictor.mean, rng),
        "enumerated": lambda rng: lists.enumerated(predictor.mean),
        "learning": lambda rng: lists.learning(predictor, rng),
        "searched": lambda rng: lists.searched("bayesian", int(rng.integers(100))),
    }


@pytest.mark.parametrize("way", ["generated", "filtered", "enumerated", "learning", "searched"])
def test_a_shortlist_holds_k_different_places_of_the_ground_and_repeats(lists, predictor, ground, way):
    first, second = (ways(lists, predictor)[way](np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(first) == len(set(first.tolist())) == 12
    assert ((first >= 0) & (first < len(ground.tokens))).all()


def test_the_enumerated_are_in_the_order_of_prediction(lists, predictor, ground):
    mean = predictor.mean(ground.tokens)
    found = lists.enumerated(predictor.mean)
    assert mean[found].tolist() == sorted(mean, reverse=True)[:12]


def test_guided_samples_are_predicted_to_be_better_than_uniform_ones(lists, predictor, ground):
    mean = predictor.mean(ground.tokens)
    rngs = [np.random.default_rng(seed) for seed in range(10)]
    guided = np.mean([mean[lists.generated(predictor, rng)[:3]].mean() for rng in rngs])
    assert guided > np.mean([mean[lists.filtered(predictor.mean, rng)[:3]].mean() for rng in rngs])


def test_a_row_has_the_place_of_what_computes_the_same(ground):
    places = ground.places(SPACE.all())
    assert set(places.tolist()) == {-1, *range(len(ground.tokens))}
    on = places >= 0
    same = SPACE.canonical(ground.tokens, "function")[places[on]]
    np.testing.assert_array_equal(SPACE.canonical(SPACE.all()[on], "function"), same)
    table = nagkit.benchmark(WORLD)
    np.testing.assert_array_equal(ground.values(SPACE.all()), table.look_up(SPACE.all(), "val_accuracy"))


@given(st.integers(0, 10**6))
def test_the_best_so_far_agrees_with_a_loop(seed):
    rng = np.random.default_rng(seed)
    seen, judged = rng.integers(0, 5, 10).astype(float), rng.random(10)
    some = Ground(SPACE, SPACE.all()[:10], seen, judged, nagkit.Metric("a", "%", "max"))
    shortlist, k = rng.permutation(10)[:7], 9
    expected = []
    for count in range(1, k + 1):
        tried = shortlist[:count].tolist()
        expected.append(judged[max(tried, key=lambda place: (seen[place], -tried.index(place)))])
    np.testing.assert_array_equal(some.best(shortlist, k), expected)


def test_less_may_be_better():
    some = Ground(
        SPACE, SPACE.all()[:3], np.array([3.0, 1.0, 2.0]), np.array([30.0, 10.0, 20.0]), nagkit.Metric("a", "", "min")
    )
    np.testing.assert_array_equal(some.best(np.array([0, 2, 1]), 3), [30, 20, 10])


def test_the_values_that_judge_are_never_asked_for_while_choosing(ground, lists, predictor):
    from dataclasses import replace

    blind = Shortlists(replace(ground, judged=np.full(len(ground.judged), np.nan)), lists.generator, 30, 12)
    for name, way in ways(blind, predictor).items():
        np.testing.assert_array_equal(
            way(np.random.default_rng(5)), ways(lists, predictor)[name](np.random.default_rng(5))
        )


def test_how_many_are_needed_is_told_of_the_mean():
    assert needed([np.array([1.0, 2, 3]), np.array([1.0, 4, 5])], 3.0) == 2
    assert needed([np.array([1.0, 2, 3])], 3.5) is None


@pytest.mark.usefixtures("as_a_user")
def test_wrong_arguments_are_refused(ground, lists):
    with pytest.raises(ArgumentError, match="table must be a Table"):
        Ground.of("digits/mid8")
    with pytest.raises(ArgumentError, match="seen must be a metric of which more is better"):
        Ground.of(nagkit.benchmark(WORLD), "val_loss")
    with pytest.raises(ArgumentError, match="samples must be a whole number"):
        Shortlists(ground, lists.generator, 0)
    with pytest.raises(ArgumentError, match="ground must be a Ground"):
        Shortlists("digits/mid8", lists.generator)
    with pytest.raises(ArgumentError, match="at least one architecture"):
        ground.best(np.empty(0, int), 3)
