"""The images of a task are always the same ones, and its splits share nothing."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from nagkit.errors import ArgumentError
from nagkit.networks.digits import render
from nagkit.networks.recipes import GROUNDS, RECIPES, SPLITS, ImageRecipe

pytestmark = pytest.mark.slow

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


@pytest.mark.parametrize("digits", [tuple(range(10)), (3, 5, 6, 8), (9, 0)])
def test_classes_are_the_digits_of_the_recipe_in_its_order(digits):
    task, truth = render(replace(SMALL, digits=digits)), load_digits().target
    for name in SPLITS:
        split = getattr(task, name)
        assert np.array_equal(np.array(digits)[split.labels], truth[split.sources])
        assert set(split.labels.tolist()) == set(range(len(digits)))


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


@pytest.mark.parametrize("ground", GROUNDS)
def test_behind_the_digits_lies_a_ground_of_the_spread_of_the_texture(ground):
    still = replace(SMALL, rotation=0, scale=(1.0, 1.0), shift=0, noise=0, ground=ground, texture=0.5)
    task = render(still)
    digits = load_digits().images[task.train.sources] / 16
    shown = task.train.images[:, 0]
    slope, level = np.polyfit(digits.ravel(), shown.ravel(), 1)
    behind = (shown - level) / slope - digits
    weakest = 0.2 if ground == "photographs" else 0.45  # sky is nearly flat, and stays weak
    assert weakest < behind.std() < 0.55
    assert np.abs(behind.mean(axis=(1, 2))).mean() < 0.1
    assert len(np.unique(behind[:, 0, 0])) == len(behind)  # each image its own


def test_coarse_images_have_no_more_detail_than_their_resolution():
    coarse = replace(SMALL, side=16, resolution=4, noise=0)
    images = render(coarse).train.images[:, 0]
    steps = np.diff(images[:, :, 2:14], n=2, axis=2)  # linear between the four columns that were drawn
    assert (np.abs(steps) < 1e-4).mean() > 0.5
    assert images.std() > 0.5
    sharp = render(replace(coarse, resolution=16)).train.images[:, 0]
    assert (np.abs(np.diff(sharp[:, :, 2:14], n=2, axis=2)) < 1e-4).mean() < 0.2
    assert render(replace(coarse, resolution=16)).digest() == render(replace(coarse, resolution=None)).digest()


def test_faint_digits_differ_in_contrast():
    faint = replace(SMALL, rotation=0, scale=(1.0, 1.0), shift=0, texture=0, noise=0, contrast=(0.3, 0.8))
    task = render(faint)
    shown = np.ptp(task.train.images[:, 0], axis=(1, 2)) / np.ptp(load_digits().images[task.train.sources], axis=(1, 2))
    assert shown.min() / shown.max() == pytest.approx(0.3 / 0.8, rel=0.1)


@pytest.mark.slow
def test_mid8_is_the_task_of_the_shipped_table():
    task = render("mid8")
    assert [len(getattr(task, name).labels) for name in SPLITS] == [8000, 8000, 8000]
    # Pinned where the table was made: another JPEG decoder may round a photograph's grey values differently.
    assert task.digest() == "4401eaaa41c77a89886b9e38803d00a0ec51e640db56580066c22329f9192aa6"


def test_an_unknown_recipe_is_refused_with_the_nearest_name():
    assert "mid8" in RECIPES
    with pytest.raises(ArgumentError, match="'mid8'"):
        render("mid9")
