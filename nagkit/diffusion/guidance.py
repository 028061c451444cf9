"""Guidance: what is wanted, how strongly, within which limits. Exactly what the sliders hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Objective


@dataclass(frozen=True)
class Guidance:
    """How a generator is steered.

    ``strength`` 0 is unguided. Give ``effective`` instead to have the strength found that leaves about so many
    architectures in play (the effective sample size of the guided law over the space).
    """

    strength: float = 0.0
    objectives: Sequence[Objective] = ()
    constraints: Sequence[Constraint] = ()
    effective: float | None = None

    def __post_init__(self) -> None:
        arguments.real("strength", self.strength, 0, 1000)
        object.__setattr__(self, "objectives", tuple(self.objectives))
        object.__setattr__(self, "constraints", tuple(self.constraints))
        for name, kind in (("objectives", Objective), ("constraints", Constraint)):
            for item in getattr(self, name):
                if not isinstance(item, kind):
                    raise ArgumentError(f"{name} must hold {kind.__name__} values; got {item!r:.80}.")
        if self.effective is not None:
            arguments.real("effective", self.effective, 1)
            if self.strength:
                raise ArgumentError(
                    f"Give strength or effective, not both; got strength={self.strength:g} and "
                    f"effective={self.effective:g}."
                )
        if (self.strength or self.effective is not None) and not self.objectives:
            raise ArgumentError("Guidance without objectives has nothing to steer towards; add one, or set strength 0.")
