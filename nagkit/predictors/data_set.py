"""A labelled set of images as a predictor sees it: small grey pictures, and what kind of task they make.

Notation: n images of k classes, s = ``SIDE`` the side to which all are brought, f facts of an image, d facts of a set.
The vector is what a set encoder gives (Zaheer et al., 2017): facts of each image, then their mean and spread over the
images of a class, then over the classes; so neither the order of images nor the names of classes matter.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError

SIDE = 8  # pixels
BANDS = (0, 1, 2, 3, 5, 8, 2 * SIDE - 1)  # of the cosine transform: the sum of both frequencies from each to the next
MOST_CHANNELS = 4
FEWEST = 2  # images of a class, so that they can differ
MOST_PIXELS = 50_000_000  # of one file: Pillow warns from about 89 million on, as these may be bombs
_FLOOR = 1e-3  # of what logarithms are taken of
_READABLE = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, eq=False)
class DataSet:
    """Grey images (n, s, s) with mean 0 and standard deviation 1 over all of them, and their classes from 0 on.

    ``of`` makes one of arrays, ``from_folder`` of files.
    """

    images: Float[np.ndarray, "n s s"]
    labels: Int[np.ndarray, "n"]

    @classmethod
    def of(cls, images: Any, labels: Any) -> "DataSet":
        """The set of these images, brought to grey and to 8 pixels a side; every task learned from is of that kind.

        Args:
            images: (n, h, w), (n, c, h, w) or (n, h, w, c), at most 4 channels, any range of values
            labels: (n,), whole numbers or texts, at least two different and each at least twice
        """
        grey = _shrunk(_grey(_numbers(images)))
        names = arguments.array("labels", labels)
        if names.shape != (len(grey),) or names.dtype.kind not in "iuU":
            raise ArgumentError(
                f"labels must be whole numbers or texts of shape ({len(grey)},), one for each image; "
                f"got {names.dtype} of shape {names.shape}."
            )
        classes, places, counts = np.unique(names, return_inverse=True, return_counts=True)
        if len(classes) < 2:
            raise ArgumentError(
                f"labels must hold at least two classes; got {classes.tolist()}. Add images of another."
            )
        if counts.min() < FEWEST:
            few = classes[counts.argmin()]
            raise ArgumentError(
                f"labels must hold each class at least {FEWEST} times, {few} comes once. Add or drop it."
            )
        if not (spread := grey.std()) > 0:
            raise ArgumentError("images must differ; all pixels have the same value. Check how they were read.")
        return cls((grey - grey.mean()) / spread, places)

    @classmethod
    def from_folder(cls, path: str | os.PathLike[str]) -> "DataSet":
        """The set of a folder with one folder of image files for each class; other files are left out."""
        if not isinstance(path, str | os.PathLike) or not Path(path).is_dir():
            raise ArgumentError(f"path must be a folder with one folder of images for each class; got {path!r:.120}.")
        found = [(file, part.name) for part in sorted(Path(path).iterdir()) if part.is_dir() for file in _files(part)]
        if not found:
            endings = ", ".join(_READABLE)
            raise ArgumentError(f"path must hold a folder of images ({endings}) for each class; {path} holds none.")
        return cls.of(np.concatenate([_read(file) for file, _ in found]), [name for _, name in found])

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.labels.max()) + 1

    @cached_property
    def facts(self) -> Float[np.ndarray, "d"]:
        """What kind of task this is, in 37 numbers.

        Over classes the mean of the means, the mean of the spreads and the spread of the means of each fact of an
        image; in each band of frequencies the share of the variance that lies between classes; log k.
        """
        waves = _waves(self.images)
        members = [self.labels == name for name in range(self.classes)]
        each = _facts(self.images, waves)  # (n, f)
        means = np.stack([each[m].mean(0) for m in members])  # (k, f)
        spreads = np.stack([each[m].std(0) for m in members])
        within = np.mean([waves[m].var(0, ddof=1) for m in members], axis=0)
        between = [1 - within[band].sum() / max(waves[:, band].var(0).sum(), _FLOOR) for band in _bands()]
        told = [means.mean(0), spreads.mean(0), means.std(0), np.clip(between, 0, 1), [np.log(self.classes)]]
        return np.concatenate(told)


def _numbers(images: Any) -> np.ndarray:
    array = arguments.array("images", images)
    if array.dtype.kind not in "fiub" or array.ndim not in (3, 4) or not array.size:
        raise ArgumentError(
            f"images must be numbers of shape (n, h, w), (n, c, h, w) or (n, h, w, c); got {array.dtype} of shape "
            f"{array.shape}."
        )
    if not np.isfinite(array).all():
        wrong = int(np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(1))[0])
        raise ArgumentError(f"images must be finite; the first that is not is number {wrong}. Drop or mend it.")
    return array


def _grey(images: np.ndarray) -> Float[np.ndarray, "n h w"]:
    """The mean over channels, which are the axis that is the shorter of the second and the last."""
    if images.ndim == 3:
        return images.astype(np.float64)
    first, last = images.shape[1], images.shape[3]
    if min(first, last) > MOST_CHANNELS or first == last:
        raise ArgumentError(
            f"images must have one axis of at most {MOST_CHANNELS} channels, the second or the last and shorter than "
            f"the other; got shape {images.shape}. Give grey ones as (n, h, w)."
        )
    return images.mean(1 if first < last else 3, dtype=np.float64)


def _shrunk(images: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n s s"]:
    """Every pixel the mean of the area that it covers; smaller images are enlarged in the same way."""
    rows, columns = (_areas(side) for side in images.shape[1:])
    return rows @ images @ columns.T


def _areas(side: int) -> Float[np.ndarray, "s side"]:
    """Which share each of so many pixels has in each of ``SIDE``."""
    edges = np.linspace(0, side, SIDE + 1)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(side)
    return np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None) / (high - low)


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.iterdir()) if file.suffix.lower() in _READABLE)


def _read(file: Path) -> Float[np.ndarray, "1 s s"]:
    """An image file, already grey and small, as files may differ in size."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"it has more than {MOST_PIXELS:,} pixels")
            deep = image.mode.startswith("I")  # 16 bits, one channel
            pixels = np.asarray(image if deep else image.convert("RGB"), dtype=np.float64) / (257 if deep else 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as fault:
        raise ArgumentError(f"path must hold readable images; {file} is none ({fault!s:.120}). Remove it.") from None
    return _shrunk((pixels if deep else pixels.mean(2))[None])


def _waves(images: Float[np.ndarray, "n s s"]) -> Float[np.ndarray, "n s s"]:
    from scipy.fft import dctn

    return dctn(images, axes=(1, 2), norm="ortho")


def _bands() -> list[np.ndarray]:
    total = np.add.outer(np.arange(SIDE), np.arange(SIDE))
    return [(low <= total) & (total < high) for low, high in pairwise(BANDS)]


def _facts(images: Float[np.ndarray, "n s s"], waves: Float[np.ndarray, "n s s"]) -> Float[np.ndarray, "n f"]:
    """Of each image the logarithmic power in each band, and mean, logarithmic spread, skewness, log kurtosis."""
    power = np.stack([(waves[:, band] ** 2).mean(1) for band in _bands()], axis=1)
    mean, spread = images.mean((1, 2)), images.std((1, 2))
    centred = (images - mean[:, None, None]) / (spread[:, None, None] + _FLOOR)
    shape = (centred**3).mean((1, 2)), np.log((centred**4).mean((1, 2)) + _FLOOR)
    return np.column_stack([np.log(power + _FLOOR), mean, np.log(spread + _FLOOR), *shape])
