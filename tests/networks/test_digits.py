"""The images of a task are always the same ones, and its splits share nothing."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from nagkit.errors import ArgumentError
from nagkit.networks.digits import RECIPES, SPLITS, ImageRecipe, render

SMALL = ImageRecipe("small", images=(400, 200, 200))


@pytest.fixture(scope="module")
def task():
    return render(SMALL)


def test_the_same_recipe_gives_the_same_bytes(task):
    assert render(SMALL).digest() == task.digest()


def test_another_seed_gives_other_images(task):
    assert render(replace(SMALL, seed=1)).digest() != task.digest()


def test_no_source_digit_is_in_two_splits(task):
    sources = [set(getattr(task, name).sources.tolist()) for name in SPLITS]
    assert sum(map(len, sources)) == len(set.union(*sources))


def test_labels_are_those_of_the_sources(task):
    truth = load_digits().target
    for name in SPLITS:
        split = getattr(task, name)
        assert np.array_equal(split.labels, truth[split.sources])
        assert len(set(split.labels.tolist())) == 10


@pytest.mark.parametrize("side", [8, 12])
def test_images_have_the_shape_and_scale_networks_expect(side):
    task = render(replace(SMALL, side=side))
    for name, n in zip(SPLITS, SMALL.images, strict=True):
        images = getattr(task, name).images
        assert images.shape == (n, 1, side, side)
        assert images.dtype == np.float32
        assert np.isfinite(images).all()
    assert task.train.images.mean() == pytest.approx(0, abs=1e-4)
    assert task.train.images.std() == pytest.approx(1, abs=1e-4)


def test_without_any_change_the_digits_come_through():
    still = ImageRecipe("still", images=(50, 1, 1), rotation=0, scale=(1.0, 1.0), shift=0, texture=0, noise=0)
    task = render(still)
    digits = load_digits().images[task.train.sources] / 16
    expected = (digits - digits.mean()) / digits.std()
    np.testing.assert_allclose(task.train.images[:, 0], expected, atol=1e-5)


def test_polarity_shows_about_half_of_the_digits_dark_on_light():
    plain = replace(SMALL, rotation=0, scale=(1.0, 1.0), shift=0, texture=0, noise=0, polarity=True)
    images = render(plain).train.images[:, 0]
    corner = images[:, 0, 0]  # never drawn on: the ground
    assert 0.4 < (corner > corner.mean()).mean() < 0.6


@pytest.mark.slow
def test_mid8_is_the_task_of_the_shipped_table():
    task = render("mid8")
    assert [len(getattr(task, name).labels) for name in SPLITS] == [2000, 2000, 2000]
    # Pinned where the table was made: another JPEG decoder may round a photograph's grey values differently.
    assert task.digest() == "0d6863d0df924b730fb1248391018bf0a0ed74d8e60fb0b976478c93926c97bd"


def test_an_unknown_recipe_is_refused_with_the_nearest_name():
    with pytest.raises(ArgumentError, match="'mid8'"):
        render("mid9")
    assert set(RECIPES) == {"mid8"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"side": 2},
        {"images": (0, 1, 1)},
        {"images": (1, 2)},
        {"images": 5},
        {"noise": -1.0},
        {"seed": -1},
        {"seed": 2**63},
        {"scale": (1.0,)},
        {"scale": (1.2, 0.8)},
        {"polarity": "no"},
        {"name": None},
        {"name": ""},
    ],
)
def test_impossible_recipes_are_refused(wrong, as_a_user):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        replace(SMALL, **wrong)
