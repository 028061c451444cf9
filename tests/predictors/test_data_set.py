"""A data set is its images and classes, in whatever order, shape and file they come; anything else is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nagkit.errors import ArgumentError
from nagkit.predictors.data_set import SIDE, DataSet, _areas


@pytest.fixture(scope="module")
def digits():
    """Sixty images (60, 11, 9) of three classes."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    return rng.random((60, 11, 9)) + labels[:, None, None] * np.eye(11, 9), labels


@given(st.integers(0, 10**6))
def test_facts_do_not_depend_on_the_order_of_images_nor_on_the_names_of_classes(digits, seed):
    images, labels = digits
    order = np.random.default_rng(seed).permutation(60)
    names = np.array(["zebra", "ape", "bee"])
    facts = DataSet.of(images, labels).facts
    np.testing.assert_allclose(DataSet.of(images[order], names[labels[order]]).facts, facts, atol=1e-10)
    assert facts.shape == (37,)


def test_facts_do_not_depend_on_brightness_and_contrast(digits):
    images, labels = digits
    np.testing.assert_allclose(DataSet.of(7 - 3 * -images, labels).facts, DataSet.of(images, labels).facts, atol=1e-9)


def test_facts_tell_classes_that_differ_from_such_that_do_not(digits):
    images, labels = digits
    shuffled = np.random.default_rng(1).permutation(labels)
    assert DataSet.of(images, labels).facts[30:36].sum() > DataSet.of(images, shuffled).facts[30:36].sum() + 0.1


def test_channels_come_second_or_last_and_are_averaged(digits):
    images, labels = digits
    channels = np.random.default_rng(2).random((60, 3, 11, 9)) * images[:, None]
    grey = DataSet.of(channels.mean(1), labels)
    np.testing.assert_allclose(DataSet.of(channels, labels).images, grey.images)
    np.testing.assert_allclose(DataSet.of(channels.transpose(0, 2, 3, 1), labels).images, grey.images)


@pytest.mark.parametrize("side", [1, 3, 8, 11, 32, 224])
def test_a_pixel_is_the_mean_of_the_area_that_it_covers(side):
    pixels = np.random.default_rng(side).random(side)
    fine = np.repeat(pixels, SIDE)  # in which both grids lie exactly
    np.testing.assert_allclose(_areas(side) @ pixels, fine.reshape(SIDE, side).mean(1))


def test_images_are_grey_standard_and_of_one_size(digits):
    data = DataSet.of(*digits)
    assert data.images.shape == (60, SIDE, SIDE)
    assert data.classes == 3
    assert (data.images.mean(), data.images.std()) == (pytest.approx(0), pytest.approx(1))


def test_a_folder_gives_what_its_images_give(digits, tmp_path):
    images, labels = digits
    grey = np.uint8(np.clip(images * 100, 0, 255))
    for number, (image, label) in enumerate(zip(grey, labels, strict=True)):
        (tmp_path / "abc"[label]).mkdir(exist_ok=True)
        mode = Image.fromarray(image) if number % 2 else Image.fromarray(image).convert("RGB")
        mode.save(tmp_path / "abc"[label] / f"{number:02}.png")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    (tmp_path / "list.csv").write_text("no folder")
    found = DataSet.from_folder(tmp_path)
    np.testing.assert_allclose(found.images, DataSet.of(grey, labels).images, atol=1e-12)
    np.testing.assert_array_equal(found.labels, labels)


def test_files_may_differ_in_size(tmp_path):
    rng = np.random.default_rng(3)
    for label in "ab":
        (tmp_path / label).mkdir()
        for side in (8, 20, 33):
            Image.fromarray(rng.integers(0, 256, (side, side), np.uint8)).save(tmp_path / label / f"{side}.png")
    assert DataSet.from_folder(tmp_path).images.shape == (6, SIDE, SIDE)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (np.zeros((4, 8)), [0, 0, 1, 1], r"images must be numbers of shape \(n, h, w\)"),
        ("digits", [0, 1], "images must be numbers of shape"),
        (np.empty((0, 8, 8)), [], "images must be numbers of shape"),
        (np.full((4, 8, 8), np.nan), [0, 0, 1, 1], "images must be finite; the first that is not is number 0"),
        (np.ones((4, 8, 8)), [0, 0, 1, 1], "images must differ"),
        (np.ones((4, 5, 8, 8)), [0, 0, 1, 1], "at most 4 channels"),
        (np.ones((4, 3, 3, 3)), [0, 0, 1, 1], r"got shape \(4, 3, 3, 3\). Give grey ones as \(n, h, w\)"),
        (np.eye(4)[:, :, None], [0, 0, 1], r"labels must be whole numbers or texts of shape \(4,\)"),
        (np.eye(4)[:, :, None], [0.5, 0.5, 1, 1], "labels must be whole numbers or texts"),
        (np.eye(4)[:, :, None], [0, 0, 0, 0], "labels must hold at least two classes"),
        (np.eye(4)[:, :, None], [0, 0, 0, 1], "labels must hold each class at least 2 times, 1 comes once"),
    ],
)
def test_what_is_no_data_set_is_refused(images, labels, said):
    with pytest.raises(ArgumentError, match=said):
        DataSet.of(images, labels)


@pytest.mark.usefixtures("as_a_user")
def test_what_is_no_folder_of_images_is_refused(tmp_path):
    for wrong in (tmp_path / "nowhere", None, 3):
        with pytest.raises(ArgumentError, match="path must be a folder"):
            DataSet.from_folder(wrong)
    (tmp_path / "a").mkdir()
    with pytest.raises(ArgumentError, match=r"for each class; .* holds none"):
        DataSet.from_folder(tmp_path)
    (tmp_path / "a" / "1.png").write_bytes(b"\x89PNG but no more")
    with pytest.raises(ArgumentError, match=r"readable images; .*1.png is none"):
        DataSet.from_folder(tmp_path)
