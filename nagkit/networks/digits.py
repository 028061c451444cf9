"""Images for tables of our own: scikit-learn's digits, re-rendered over photographs, stripes or clouds.

Notation: s the image side in pixels. Grey values are 0 to 1 until the end, when they are standardised.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from nagkit.networks.recipes import SPLITS, ImageRecipe, named

_SHARES = np.array([0.6, 0.2, 0.2])  # of the source digits, and so of the handwriting
_COLUMNS = {"train": (0.0, 0.5), "validation": (0.5, 0.75), "test": (0.75, 1.0)}  # of each photograph
_FLAT = 0.05  # grey values; a patch with less contrast stays weak, so that the grain of the sky is not blown up
_WAVES = (0.1, 0.35)  # periods a pixel, of stripes
_PUFF = 1.2  # pixels, the smoothing of clouds

Ground = Callable[[int, np.random.Generator], Float[np.ndarray, "s s"]]  # (side, rng) -> mean 0, spread about 1


@dataclass(frozen=True, eq=False)
class Split:
    """Images (n, c, h, w), their classes, and for each the place of its source among scikit-learn's 1,797 digits.

    Class k is the k-th of the recipe's digits. Of other images the source is their own place among all that were given.
    """

    images: Float[np.ndarray, "n c h w"]
    labels: Int[np.ndarray, "n"]
    sources: Int[np.ndarray, "n"]

    def first(self, count: int) -> "Split":
        """The first so many images, or all."""
        return Split(self.images[:count], self.labels[:count], self.sources[:count])


@dataclass(frozen=True, eq=False)
class Task:
    """Three splits that share neither a source digit nor a part of a photograph; of other images, without a recipe."""

    recipe: ImageRecipe | None
    train: Split
    validation: Split
    test: Split

    @property
    def classes(self) -> int:
        """How many different classes there are to tell apart."""
        if self.recipe is not None:
            return self.recipe.classes
        return 1 + max(int(getattr(self, name).labels.max()) for name in SPLITS)

    def digest(self) -> str:
        """SHA-256 over the bytes of all images and labels: equal digests, equal task."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        for name in SPLITS:
            split = getattr(self, name)
            digest.update(split.images.astype("<f4").tobytes() + split.labels.astype("<i8").tobytes())
        return digest.hexdigest()


def render(recipe: str | ImageRecipe = "mid8") -> Task:
    """The task of a recipe, rendered anew in seconds.

    A name is one of ``RECIPES``, or that of the table which was trained on the task, as ``"digits/mid8"``.
    """
    from sklearn.datasets import load_digits

    recipe = named(recipe)
    rng = np.random.default_rng(recipe.seed)
    digits, names = load_digits(return_X_y=True)
    digits = digits.reshape(-1, 8, 8) / 16
    bounds = np.rint(_SHARES.cumsum()[:2] * len(digits)).astype(int)
    splits = {}
    for name, members, n in zip(SPLITS, np.split(rng.permutation(len(digits)), bounds), recipe.images, strict=True):
        sources = rng.choice(members[np.isin(names[members], recipe.digits)], n)
        ground = _ground(recipe.ground, name)
        images = np.stack([_image(digits[source], ground, recipe, rng) for source in sources])[:, None]
        classes = (names[sources, None] == recipe.digits).argmax(1)
        splits[name] = Split(images, classes, sources)
    return Task(recipe, **_standardised(splits))


def _image(
    digit: Float[np.ndarray, "8 8"], ground: Ground, recipe: ImageRecipe, rng: np.random.Generator
) -> Float[np.ndarray, "s s"]:
    drawn = recipe.resolution or recipe.side
    image = _moved(digit, drawn, recipe, rng) * rng.uniform(*recipe.contrast)
    if recipe.polarity and rng.random() < 0.5:
        image = 1 - image
    image = _enlarged(image + recipe.texture * ground(drawn, rng), recipe.side)
    return image + recipe.noise * rng.standard_normal(image.shape)


def _enlarged(image: Float[np.ndarray, "r r"], side: int) -> Float[np.ndarray, "s s"]:
    from scipy.ndimage import zoom

    return image if len(image) == side else zoom(image, side / len(image), order=1, grid_mode=True, mode="nearest")


def _moved(
    digit: Float[np.ndarray, "8 8"], side: int, recipe: ImageRecipe, rng: np.random.Generator
) -> Float[np.ndarray, "s s"]:
    """The digit turned about its centre, enlarged and shifted, bilinear, on black ground."""
    from scipy.ndimage import affine_transform

    angle = np.radians(rng.uniform(-recipe.rotation, recipe.rotation))
    factor = rng.uniform(*recipe.scale) * side / 8
    shift = rng.uniform(-recipe.shift, recipe.shift, size=2)
    back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / factor
    centre = np.full(2, (side - 1) / 2)
    offset = np.full(2, 3.5) - back @ (centre + shift)  # so that the shifted centre comes from the digit's centre
    return affine_transform(digit, back, offset, output_shape=(side, side), order=1)


def _ground(name: str, split: str) -> Ground:
    """What lies behind the digits of a split; of a photograph each split has columns of its own."""
    if name == "stripes":
        return _stripes
    if name == "clouds":
        return _clouds
    parts = [_part(photograph, *_COLUMNS[split]) for photograph in _photographs()]
    return lambda side, rng: _patch(parts[rng.integers(len(parts))], side, rng)


def _photographs() -> list[Float[np.ndarray, "h w"]]:
    from sklearn.datasets import load_sample_images

    return [photograph.mean(2) / 255 for photograph in load_sample_images().images]


def _part(photograph: Float[np.ndarray, "h w"], left: float, right: float) -> Float[np.ndarray, "h v"]:
    width = photograph.shape[1]
    return photograph[:, round(left * width) : round(right * width)]


def _patch(photograph: Float[np.ndarray, "h w"], side: int, rng: np.random.Generator) -> Float[np.ndarray, "s s"]:
    """A square from a random place, every pixel or each second or third; nearly flat ones stay weak."""
    stride = rng.integers(1, 4)
    extent = stride * (side - 1) + 1
    top, left = (rng.integers(length - extent + 1) for length in photograph.shape)
    patch = photograph[top : top + extent : stride, left : left + extent : stride]
    return (patch - patch.mean()) / (patch.std() + _FLAT)


def _stripes(side: int, rng: np.random.Generator) -> Float[np.ndarray, "s s"]:
    """A wave of random direction, length and phase."""
    angle, waves, phase = rng.uniform(0, np.pi), rng.uniform(*_WAVES), rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:side, :side]
    return np.sqrt(2) * np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)) + phase)


def _clouds(side: int, rng: np.random.Generator) -> Float[np.ndarray, "s s"]:
    """Smooth noise."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(rng.standard_normal((side, side)), _PUFF, mode="wrap")
    return (smooth - smooth.mean()) / smooth.std()


def _standardised(splits: dict[str, Split]) -> dict[str, Split]:
    """The same images with the mean and standard deviation of the training pixels taken out, in float32."""
    mean, spread = splits["train"].images.mean(), splits["train"].images.std()
    return {
        name: Split(((split.images - mean) / spread).astype(np.float32), split.labels, split.sources)
        for name, split in splits.items()
    }
