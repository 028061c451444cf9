"""Images of one's own: split, scaled and averaged as said; what is no file of images is refused and never run."""

import io
import pickle
import struct
import zipfile

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
        ({"images": np.full((50, 8, 8), 1e39)}, r"images must be finite, and within ±3.4e\+38"),
        ({"images": np.full((50, 8, 8), np.float32(3e38)), "side": 4}, "images must be finite"),
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
    with pytest.raises(ArgumentError, match="cannot be read as a file of images"):
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


def written(path, **entries):
    """An archive with these bytes as its entries."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)


def array(shape, content=b"", version=1):
    """An array as NumPy writes it, whose header tells any shape."""
    file = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    (np.lib.format.write_array_header_1_0 if version == 1 else np.lib.format.write_array_header_2_0)(file, header)
    return file.getvalue() + content


def test_a_header_that_lies_is_refused_before_there_is_memory_for_it(as_a_user, tmp_path):
    path, classes = tmp_path / "mine.npz", io.BytesIO()
    np.save(classes, CLASSES)
    written(path, x=array(COLOUR.shape, COLOUR.tobytes(), version=2), y=classes.getvalue())
    assert ImageFile(path).open().digest() == task(COLOUR, CLASSES).digest()
    for shape, content in (((2**40, 8, 8), b""), ((50, 8, 8), b"short"), ((10, 8, 8), bytes(641)), ((-50, -8), b"")):
        written(path, x=array(shape, content), y=classes.getvalue())
        with pytest.raises(ArgumentError, match=r"cannot be read .*\(by its header x has .* bytes, and not [\d,]+\)"):
            ImageFile(path).open()


@pytest.mark.parametrize("said", ["file", "entry"])
def test_an_archive_that_lies_is_refused_before_there_is_memory_for_it(as_a_user, tmp_path, said):
    """Of what an entry holds, of what it takes up, or of both."""
    path, huge = tmp_path / "mine.npz", 2**31
    written(path, x=array((2**31 - 128,)), y=array((1,), b"0"))
    whole = bytearray(path.read_bytes())
    entry = whole.index(b"PK\1\2")  # of x, in the directory of the archive
    sizes = {"file": (entry + 24,), "entry": (entry + 20, entry + 24)}[said]
    for place in sizes:
        whole[place : place + 4] = struct.pack("<I", huge)
    path.write_bytes(whole)
    with pytest.raises(ArgumentError, match="x cannot have the 2,147,483,648 bytes that the archive tells"):
        ImageFile(path).open()


def test_one_flipped_bit_in_how_an_entry_is_packed_is_refused(as_a_user, tmp_path):
    """Also the one that says that it is encrypted."""
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, x=COLOUR, y=CLASSES)
    whole, refused = path.read_bytes(), 0
    entry = whole.index(b"PK\1\2")
    for place in range(entry + 8, entry + 12):
        for bit in range(8):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            try:
                found = ImageFile(path).open()
            except ArgumentError:
                refused += 1
                continue
            assert np.array_equal(together(found)[0], together(task(COLOUR, CLASSES))[0])
    assert refused > 10


def test_a_file_is_named_by_its_whole_path(tmp_path, monkeypatch):
    np.savez(tmp_path / "mine.npz", x=COLOUR, y=CLASSES)
    monkeypatch.chdir(tmp_path)
    file = ImageFile("mine.npz")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert file == ImageFile(tmp_path / "mine.npz")
    assert file.open().classes == 3
