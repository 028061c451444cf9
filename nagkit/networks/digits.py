"""Images for tables of our own: scikit-learn's digits, re-rendered over its two sample photographs.

Notation: s the image side in pixels. Grey values are 0 to 1 until the end, when they are standardised.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import ArgumentError

SPLITS = ("train", "validation", "test")
_SHARES = np.array([0.6, 0.2, 0.2])  # of the source digits, and so of the handwriting
_COLUMNS = {"train": (0.0, 0.5), "validation": (0.5, 0.75), "test": (0.75, 1.0)}  # of each photograph
_MOST_IMAGES = 1_000_000  # of a split
_FLAT = 0.05  # grey values; a patch with less contrast stays weak, so that the grain of the sky is not blown up


@dataclass(frozen=True)
class ImageRecipe:
    """How the images of a task are rendered; the same recipe gives the same images.

    Every image is one source digit, turned by up to ``rotation`` degrees either way, enlarged by a factor from
    ``scale`` and moved by up to ``shift`` pixels. To it are added a piece of a photograph, brought to mean 0 and
    standard deviation ``texture``, and Gaussian noise of standard deviation ``noise``. ``polarity`` shows half of
    the digits dark on light.
    """

    name: str
    side: int = 8
    images: tuple[int, int, int] = (2000, 2000, 2000)  # training, validation, test
    rotation: float = 15.0
    scale: tuple[float, float] = (0.9, 1.15)
    shift: float = 0.5
    texture: float = 0.35
    noise: float = 0.12
    polarity: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        arguments.whole("side", self.side, low=4, high=32)
        arguments.whole("seed", self.seed, low=0, high=2**63 - 1)
        if not isinstance(self.name, str) or not self.name:
            raise ArgumentError(f"name must be a text of at least one letter; got {self.name!r:.80}.")
        if not isinstance(self.polarity, bool):
            raise ArgumentError(f"polarity must be True or False; got {self.polarity!r:.80}.")
        for count in _several("images", self.images, len(SPLITS)):
            arguments.whole("images", count, high=_MOST_IMAGES)
        least, most = (arguments.real("scale", factor, 0.1, 10) for factor in _several("scale", self.scale, 2))
        if least > most:
            raise ArgumentError(f"scale must be (least, most) with least up to most; got {self.scale}.")
        arguments.real("rotation", self.rotation, 0, 180)
        for name in ("shift", "texture", "noise"):
            arguments.real(name, getattr(self, name), 0, 10)


def _several(argument: str, value: object, length: int) -> tuple[Any, ...]:
    if not isinstance(value, tuple) or len(value) != length:
        raise ArgumentError(f"{argument} must be a tuple of {length} numbers; got {value!r:.80}.")
    return value


RECIPES = {recipe.name: recipe for recipe in (ImageRecipe("mid8"),)}


@dataclass(frozen=True, eq=False)
class Split:
    """Images (n, 1, s, s), their digits, and for each the place of its source among scikit-learn's 1,797."""

    images: Float[np.ndarray, "n 1 s s"]
    labels: Int[np.ndarray, "n"]
    sources: Int[np.ndarray, "n"]


@dataclass(frozen=True, eq=False)
class Task:
    """Three splits that share neither a source digit nor a part of a photograph."""

    recipe: ImageRecipe
    train: Split
    validation: Split
    test: Split

    def digest(self) -> str:
        """SHA-256 over the bytes of all images and labels: equal digests, equal task."""
        digest = hashlib.sha256()
        for name in SPLITS:
            split = getattr(self, name)
            digest.update(split.images.astype("<f4").tobytes() + split.labels.astype("<i8").tobytes())
        return digest.hexdigest()


def render(recipe: str | ImageRecipe = "mid8") -> Task:
    """The task of a recipe, rendered anew in about a second; names are those in ``RECIPES``."""
    from sklearn.datasets import load_digits

    if not isinstance(recipe, ImageRecipe):
        recipe = RECIPES[arguments.one_of("recipe", recipe, RECIPES)]
    rng = np.random.default_rng(recipe.seed)
    digits, labels = load_digits(return_X_y=True)
    digits = digits.reshape(-1, 8, 8) / 16
    bounds = np.rint(_SHARES.cumsum()[:2] * len(digits)).astype(int)
    splits = {}
    for name, members, n in zip(SPLITS, np.split(rng.permutation(len(digits)), bounds), recipe.images, strict=True):
        sources = rng.choice(members, n)
        photographs = [_part(photograph, *_COLUMNS[name]) for photograph in _photographs()]
        images = np.stack([_image(digits[source], photographs, recipe, rng) for source in sources])[:, None]
        splits[name] = Split(images, labels[sources], sources)
    return Task(recipe, **_standardised(splits))


def _photographs() -> list[Float[np.ndarray, "h w"]]:
    from sklearn.datasets import load_sample_images

    return [photograph.mean(2) / 255 for photograph in load_sample_images().images]


def _part(photograph: Float[np.ndarray, "h w"], left: float, right: float) -> Float[np.ndarray, "h v"]:
    width = photograph.shape[1]
    return photograph[:, round(left * width) : round(right * width)]


def _image(
    digit: Float[np.ndarray, "8 8"],
    photographs: list[Float[np.ndarray, "_ _"]],
    recipe: ImageRecipe,
    rng: np.random.Generator,
) -> Float[np.ndarray, "s s"]:
    image = _moved(digit, recipe, rng)
    if recipe.polarity and rng.random() < 0.5:
        image = 1 - image
    image = image + recipe.texture * _patch(photographs[rng.integers(len(photographs))], recipe.side, rng)
    return image + recipe.noise * rng.standard_normal(image.shape)


def _moved(digit: Float[np.ndarray, "8 8"], recipe: ImageRecipe, rng: np.random.Generator) -> Float[np.ndarray, "s s"]:
    """The digit turned about its centre, enlarged and shifted, bilinear, on black ground."""
    from scipy.ndimage import affine_transform

    angle = np.radians(rng.uniform(-recipe.rotation, recipe.rotation))
    factor = rng.uniform(*recipe.scale) * recipe.side / 8
    shift = rng.uniform(-recipe.shift, recipe.shift, size=2)
    back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / factor
    centre = np.full(2, (recipe.side - 1) / 2)
    offset = np.full(2, 3.5) - back @ (centre + shift)  # so that the shifted centre comes from the digit's centre
    return affine_transform(digit, back, offset, output_shape=(recipe.side, recipe.side), order=1)


def _patch(photograph: Float[np.ndarray, "h w"], side: int, rng: np.random.Generator) -> Float[np.ndarray, "s s"]:
    """A square from a random place, every pixel or each second or third; mean 0, spread 1 unless it is nearly flat."""
    stride = rng.integers(1, 4)
    extent = stride * (side - 1) + 1
    top, left = (rng.integers(length - extent + 1) for length in photograph.shape)
    patch = photograph[top : top + extent : stride, left : left + extent : stride]
    return (patch - patch.mean()) / (patch.std() + _FLAT)


def _standardised(splits: dict[str, Split]) -> dict[str, Split]:
    """The same images with the mean and standard deviation of the training pixels taken out, in float32."""
    mean, spread = splits["train"].images.mean(), splits["train"].images.std()
    return {
        name: Split(((split.images - mean) / spread).astype(np.float32), split.labels, split.sources)
        for name, split in splits.items()
    }
