"""Images of one's own: split, scaled and averaged as said; what is no file of images is refused and never run."""

import pickle

import numpy as np
import pytest

from nagkit.errors import ArgumentError, DataMissingError
from nagkit.networks.images import ImageFile, task
from nagkit.networks.recipes import SPLITS

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (50, 8, 12, 3), dtype=np.uint8)
CLASSES = np.arange(50) % 3 * 10 + 5
HALVES = np.arange(20) % 2


def together(found):
    """All splits in one, in the order in which the images were given."""
    splits = [getattr(found, name) for name in SPLITS]
    order = np.argsort(np.concatenate([split.sources for split in splits]))
    images, labels = (np.concatenate([getattr(s, name) for s in splits])[order] for name in ("images", "labels"))
    return images, labels


def test_every_image_is_in_one_split_with_its_class():
    found = task(COLOUR, CLASSES)
    assert [len(getattr(found, name).labels) for name in SPLITS] == [30, 10, 10]
    images, labels = together(found)
    assert images.shape == (50, 3, 8, 12)
    assert images.dtype == np.float32
    assert np.array_equal(np.array([5, 15, 25])[labels], CLASSES)
    assert found.classes == 3
    mean, spread = found.train.images.mean((0, 2, 3)), found.train.images.std((0, 2, 3))
    assert np.allclose(mean, 0, atol=1e-5)
    assert np.allclose(spread, 1, atol=1e-5)
    for channel in range(3):  # one scale and one shift for all splits
        assert np.corrcoef(images[:, channel].ravel(), COLOUR[..., channel].ravel())[0, 1] == pytest.approx(1, abs=1e-6)


def test_the_seed_alone_splits():
    first, again, other = (task(COLOUR, CLASSES, seed=seed) for seed in (1, 1, 2))
    assert first.digest() == again.digest() != other.digest()


def test_grey_images_need_no_channel_and_a_flat_one_is_no_division_by_zero():
    grey = np.ones((20, 5, 5))
    found = task(grey, HALVES)
    assert found.train.images.shape == (12, 1, 5, 5)
    assert not found.train.images.any()


def test_a_side_averages_neighbouring_pixels():
    wide = np.repeat(np.repeat(COLOUR[:, :, :8], 2, axis=1), 3, axis=2)  # each pixel as six
    assert np.allclose(task(wide, CLASSES, side=8).test.images, task(COLOUR[:, :, :8], CLASSES).test.images, atol=1e-5)
    noisy = RNG.normal(size=(20, 8, 8))
    places = [(i, j) for i in range(0, 8, 2) for j in range(0, 8, 2)]
    slow = np.array([[image[i : i + 2, j : j + 2].mean() for i, j in places] for image in noisy]).reshape(20, 4, 4)
    assert np.allclose(task(noisy, HALVES, side=4).test.images, task(slow, HALVES).test.images, atol=1e-4)


def test_a_file_is_the_same_task(tmp_path):
    np.savez_compressed(tmp_path / "mine.npz", x=COLOUR, y=CLASSES)
    file = ImageFile(tmp_path / "mine.npz", side=4, seed=3)
    assert file.open().digest() == task(COLOUR, CLASSES, side=4, seed=3).digest()
    assert pickle.loads(pickle.dumps(file)) == file


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"images": COLOUR[:5], "classes": CLASSES[:5]}, "images must be at least 10"),
        ({"images": np.moveaxis(COLOUR, 3, 1)}, r"np.moveaxis\(images, 1, -1\) brings channels to the end"),
        ({"images": COLOUR[:, 0, 0]}, r"images must be numbers of shape \(n, h, w\)"),
        ({"images": COLOUR.astype(str)}, "images must be numbers"),
        ({"images": [[1], [1, 2]]}, "rows of equal length"),
        ({"images": np.full((50, 8, 8), np.nan)}, "images must be finite"),
        ({"images": COLOUR[:, :3]}, "images' sides must be a whole number from 4 to 1024; got 3"),
        ({"classes": CLASSES[:40]}, r"classes must be whole numbers of shape \(50,\)"),
        ({"classes": CLASSES / 2}, "classes must be whole numbers"),
        ({"classes": np.zeros(50, int)}, "classes must hold two different ones"),
        ({"side": 5}, "side must divide the sides of the images, 8 and 12; got 5"),
        ({"side": 16}, "side must be a whole number from 4 to 8"),
        ({"seed": -1}, "seed must be a whole number from 0"),
    ],
)
def test_what_is_no_task_is_refused(as_a_user, given, said):
    with pytest.raises(ArgumentError, match=said):
        task(**{"images": COLOUR, "classes": CLASSES, **given})


class Bomb:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return print, ("boom",)


def test_files_that_hold_something_else_are_refused_and_never_run(as_a_user, tmp_path, capsys):
    path = tmp_path / "mine.npz"
    with pytest.raises(DataMissingError, match=r"There is no file of images at .*np.savez_compressed"):
        ImageFile(path).open()
    np.savez(path, x=np.array([Bomb()] * 10), y=np.arange(10))
    with pytest.raises(ArgumentError, match="cannot be read as a file of images"):
        ImageFile(path).open()
    np.savez(path, images=COLOUR)
    with pytest.raises(ArgumentError, match="must hold arrays x and y; it holds images"):
        ImageFile(path).open()
    np.save(tmp_path / "one.npy", COLOUR)
    with pytest.raises(ArgumentError, match="it holds one array"):
        ImageFile(tmp_path / "one.npy").open()
    np.savez(path, x=COLOUR, y=CLASSES)
    whole = path.read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2], pickle.dumps(Bomb())):
        path.write_bytes(content)
        with pytest.raises(ArgumentError, match="cannot be read as a file of images"):
            ImageFile(path).open()
    np.savez_compressed(path, x=COLOUR, y=CLASSES)
    whole = bytearray(path.read_bytes())
    for place in RNG.choice(len(whole), 60, replace=False):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            images, _ = together(ImageFile(path).open())
        except (ArgumentError, DataMissingError):
            continue
        assert np.array_equal(images, together(task(COLOUR, CLASSES))[0])  # no pixel was hit
    with pytest.raises(ArgumentError, match="path must be that of a file of images; got 3"):
        ImageFile(3)
    assert capsys.readouterr().out == ""
