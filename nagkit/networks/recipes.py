"""The tasks of the embedded tables by name: ``mid8``, ``hard8``, and 64 worlds to transfer between.

A world is a choice of digits seen in a certain look; ``worlds/even-stripes`` has the even digits before stripes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from nagkit import arguments
from nagkit.errors import ArgumentError

SPLITS = ("train", "validation", "test")
GROUNDS = ("photographs", "stripes", "clouds")
_MOST_IMAGES = 1_000_000  # of a split


@dataclass(frozen=True)
class ImageRecipe:
    """How the images of a task are rendered; the same recipe gives the same images.

    Every image is one source digit, turned by up to ``rotation`` degrees either way, enlarged by a factor from
    ``scale``, moved by up to ``shift`` pixels and multiplied by a factor from ``contrast``. ``polarity`` shows half of
    the digits dark on light. To it are added a piece of the ``ground``, brought to mean 0 and standard deviation
    ``texture`` (less where a photograph is flat), and Gaussian noise of standard deviation ``noise``.

    ``digits`` are the classes, in this order. With a ``resolution`` digit and ground are drawn with so many pixels a
    side, in which ``shift`` then counts, and enlarged to ``side``; with ``None`` they are drawn as they are shown.
    """

    name: str
    digits: tuple[int, ...] = tuple(range(10))
    side: int = 8
    resolution: int | None = None
    images: tuple[int, int, int] = (8000, 8000, 8000)  # training, validation, test
    rotation: float = 15.0
    scale: tuple[float, float] = (0.9, 1.15)
    shift: float = 0.5
    contrast: tuple[float, float] = (1.0, 1.0)
    polarity: bool = False
    ground: str = "photographs"
    texture: float = 0.6
    noise: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        for field in ("digits", "images", "scale", "contrast"):
            if isinstance(value := getattr(self, field), list):  # as JSON has them
                object.__setattr__(self, field, tuple(value))
        if not isinstance(self.name, str) or not self.name:
            raise ArgumentError(f"name must be a text of at least one letter; got {self.name!r:.80}.")
        if not isinstance(self.digits, tuple) or len({*map(repr, self.digits)}) < max(2, len(self.digits)):
            raise ArgumentError(f"digits must be at least two different digits, as (3, 8); got {self.digits!r:.80}.")
        for digit in self.digits:
            arguments.whole("digits", digit, low=0, high=9)
        arguments.whole("side", self.side, low=4, high=32)
        if self.resolution is not None:
            arguments.whole("resolution", self.resolution, low=4, high=self.side)
        for count in _several("images", self.images, len(SPLITS)):
            arguments.whole("images", count, high=_MOST_IMAGES)
        for name, low in (("scale", 0.1), ("contrast", 0.0)):
            least, most = (arguments.real(name, factor, low, 10) for factor in _several(name, getattr(self, name), 2))
            if least > most:
                raise ArgumentError(f"{name} must be (least, most) with least up to most; got {getattr(self, name)}.")
        arguments.real("rotation", self.rotation, 0, 180)
        for name in ("shift", "texture", "noise"):
            arguments.real(name, getattr(self, name), 0, 10)
        if not isinstance(self.polarity, bool):
            raise ArgumentError(f"polarity must be True or False; got {self.polarity!r:.80}.")
        arguments.one_of("ground", self.ground, GROUNDS)
        arguments.seed("seed", self.seed)

    @property
    def classes(self) -> int:
        """How many different digits there are to tell apart."""
        return len(self.digits)


def _several(argument: str, value: object, length: int) -> tuple[Any, ...]:
    if not isinstance(value, tuple) or len(value) != length:
        raise ArgumentError(f"{argument} must be a tuple of {length} numbers; got {value!r:.80}.")
    return value


MID8 = ImageRecipe("mid8")
HARD8 = ImageRecipe("hard8", rotation=25.0, scale=(0.75, 1.25), shift=0.8, texture=0.5, noise=0.2, polarity=True)

_DIGITS = {
    "all": tuple(range(10)),
    "even": (0, 2, 4, 6, 8),
    "odd": (1, 3, 5, 7, 9),
    "low": (0, 1, 2, 3, 4),
    "high": (5, 6, 7, 8, 9),
    "curved": (0, 2, 3, 5, 6, 8, 9),
    "stemmed": (1, 4, 7, 9),
    "alike": (3, 5, 6, 8),
}
_LOOKS: dict[str, dict[str, Any]] = {
    "photo": {"texture": 0.6},
    "stripes": {"ground": "stripes", "texture": 0.4},
    "clouds": {"ground": "clouds"},
    "noisy": {"texture": 0.0, "noise": 0.4},
    "turned": {"rotation": 60.0},
    "inverted": {"polarity": True},
    "faint": {"contrast": (0.4, 0.8)},
    "coarse": {"resolution": 5},
}
_WORLD = ImageRecipe(
    "worlds", images=(4000, 2000, 2000), rotation=20.0, scale=(0.85, 1.2), shift=0.6, texture=0.35, noise=0.15
)


def _world(number: int, digits: str, look: str) -> ImageRecipe:
    return replace(_WORLD, name=f"worlds/{digits}-{look}", digits=_DIGITS[digits], seed=number, **_LOOKS[look])


_PAIRS = [(digits, look) for digits in _DIGITS for look in _LOOKS]
WORLDS = tuple(_world(number, *pair) for number, pair in enumerate(_PAIRS, start=1))
# Held out: a set of classes that no other world has, and a look that no other world has.
HELD_OUT = frozenset(
    world.name for world, pair in zip(WORLDS, _PAIRS, strict=True) if "alike" in pair or "coarse" in pair
)

RECIPES: Mapping[str, ImageRecipe] = MappingProxyType({recipe.name: recipe for recipe in (MID8, HARD8, *WORLDS)})
TABLES = "digits/"  # before the name of a task, that of the table which was trained on it


def named(recipe: str | ImageRecipe) -> ImageRecipe:
    """The recipe of one of ``RECIPES`` by name, or by that of its table, as ``"digits/mid8"``; a recipe is itself."""
    if isinstance(recipe, ImageRecipe):
        return recipe
    name = recipe.removeprefix(TABLES) if isinstance(recipe, str) else recipe
    return RECIPES[arguments.one_of("recipe", name, RECIPES)]
