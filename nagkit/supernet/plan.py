"""How a look at a space with shared weights is divided into stages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.supernet.lessons import SharedRecipe

SHRINKING = ("confidence", "count")


@dataclass(frozen=True)
class Plan:
    """How a look goes on.

    ``lessons`` says how many updates each stage has, ``recipe`` everything else about them. Then come ``looks``, each
    of ``draws`` architectures of which a share ``even`` of all choices explores, judged by so many validation
    ``images``. ``shrinking`` is ``"confidence"``, or ``"count"`` as published: so many operations leave each slot at
    the end of a stage as ``counts`` says.
    """

    lessons: tuple[int, ...] = (320, 160, 160)
    recipe: SharedRecipe = field(default_factory=SharedRecipe)
    looks: int = 20
    draws: int = 16
    even: tuple[float, ...] = (0.5, 0.3, 0.1)
    images: int = 500
    shrinking: str = "confidence"
    counts: tuple[int, ...] = (1, 1, 1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lessons", arguments.several("lessons", self.lessons, int))
        for each in self.lessons:
            arguments.whole("each of lessons", each)
        for name in ("even", "counts"):
            found = tuple(getattr(self, name))
            if len(found) < len(self.lessons):
                raise ArgumentError(f"{name} must have one number for each of {len(self.lessons)} stages; got {found}.")
            object.__setattr__(self, name, found)
        for share in self.even:
            arguments.real("each of even", share, 0, 1)
        for count in self.counts:
            arguments.whole("each of counts", count, low=0)
        arguments.whole("looks", self.looks)
        arguments.whole("draws", self.draws, low=2)
        arguments.whole("images", self.images, low=2)
        arguments.one_of("shrinking", self.shrinking, SHRINKING)

    @staticmethod
    def again(told: Mapping[str, Any]) -> "Plan":
        """The plan of which ``asdict`` gave this, also by way of JSON."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in told.items()
        }
        return Plan(**fields | {"recipe": SharedRecipe(**told["recipe"])})
