"""How a look at a space with shared weights is divided into stages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.supernet.lessons import SharedRecipe

SHRINKING = ("confidence", "count")
POLICIES = ("natural", "reinforce")


@dataclass(frozen=True)
class Plan:
    """How a look goes on.

    ``lessons`` says how many updates each stage has, ``recipe`` everything else about them (its own ``updates`` are not
    used). Then come ``looks``, each of ``draws`` architectures of which a share ``even`` of all choices explores,
    judged by so many validation ``images``. ``shrinking`` is ``"confidence"``, or ``"count"`` as published: so many
    operations leave each slot at the end of a stage as ``counts`` says.

    ``policy`` is ``"natural"``, for all preferences at once, or ``"reinforce"`` as published, for one trade-off: that
    of accuracy times (first cost / ``wished``) to the power of ``exponents``, each by stage, without exploring.
    """

    lessons: tuple[int, ...] = (320, 160, 160)
    recipe: SharedRecipe = field(default_factory=SharedRecipe)
    looks: int = 40
    draws: int = 16
    even: tuple[float, ...] = (0.5, 0.3, 0.1)
    images: int = 500
    shrinking: str = "confidence"
    counts: tuple[int, ...] = (1, 1, 1)
    policy: str = "natural"
    wished: tuple[float, ...] = ()
    exponents: tuple[float, ...] = (-0.45, -0.2, -0.25)  # the published ones

    def __post_init__(self) -> None:
        arguments.instance("recipe", self.recipe, SharedRecipe, "SharedRecipe(batch=64)")
        stages = len(arguments.several("lessons", self.lessons, Integral))
        if not stages:
            raise ArgumentError("lessons must hold the updates of at least one stage, as (320, 160, 160); got none.")
        each: dict[str, Any] = {
            "lessons": [arguments.whole("each of lessons", count) for count in self.lessons],
            "even": [
                arguments.real("each of even", share, 0, 1) for share in arguments.several("even", self.even, Real)
            ],
            "counts": [
                arguments.whole("each of counts", n, low=0) for n in arguments.several("counts", self.counts, Real)
            ],
        }
        arguments.one_of("policy", self.policy, POLICIES)
        if self.policy == "reinforce":
            for name, low, high in (("wished", 1e-12, 1e15), ("exponents", -10, 0)):
                given = arguments.several(name, getattr(self, name), Real)
                each[name] = [arguments.real(f"each of {name}", number, low, high) for number in given]
        for name, found in each.items():
            if len(found) < stages:
                raise ArgumentError(
                    f"{name} must have a number for each of {stages} stages; got {len(found)}. Add one for each."
                )
            object.__setattr__(self, name, tuple(found))
        for name, low in (("looks", 1), ("draws", 2), ("images", 2)):
            object.__setattr__(self, name, arguments.whole(name, getattr(self, name), low))
        arguments.one_of("shrinking", self.shrinking, SHRINKING)

    @staticmethod
    def again(told: Mapping[str, Any]) -> "Plan":
        """The plan of which ``asdict`` gave this, also by way of JSON."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in told.items()
        }
        return Plan(**fields | {"recipe": SharedRecipe(**told["recipe"])})
