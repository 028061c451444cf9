"""Guidance: what is wanted, how strongly, within which limits. Exactly what the sliders hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Objective

METHODS = ("tilt", "first-order", "particles", "gradient")


@dataclass(frozen=True)
class Guidance:
    """How a generator is steered.

    ``strength`` counts in standard deviations: an architecture whose rank in the space is one normal standard
    deviation better is exp(strength) times as likely. 0 is unguided, 2 mild, 4 strong. Give ``effective`` instead to
    have the strength found that leaves about so many architectures in play (the effective sample size of the guided
    law over the space, or where it is too large to be listed over 4,096 architectures that stand for it).

    ``method`` says how the guided law is reached. ``"tilt"``: exactly where a space can be listed, else by moves that
    are corrected by the objectives. ``"first-order"``: by what each symbol adds, which asks objectives for a few
    thousand values only, however many samples are drawn. ``"particles"``: by the best of several completions.
    ``"gradient"``: in continuous diffusion alone, by the gradient of a predictor that is told the noise, as
    DiffusionNAG was published.
    """

    strength: float = 0.0
    objectives: Sequence[Objective] = ()
    constraints: Sequence[Constraint] = ()
    effective: float | None = None
    method: str = "tilt"

    def __post_init__(self) -> None:
        arguments.real("strength", self.strength, 0, 1000)
        arguments.one_of("method", self.method, METHODS)
        for name, kind in (("objectives", Objective), ("constraints", Constraint)):
            object.__setattr__(self, name, arguments.several(name, getattr(self, name), kind))
        if self.effective is not None:
            arguments.real("effective", self.effective, 1)
            if self.strength:
                raise ArgumentError(
                    f"Give strength or effective, not both; got strength={self.strength:g} and "
                    f"effective={self.effective:g}."
                )
        if self.method == "gradient" and any(constraint.odds is not None for constraint in self.constraints):
            raise ArgumentError(
                "constraints with odds must be left to another method than 'gradient', which cannot weigh them; "
                "use 'tilt', or give the constraints without odds."
            )
        if (self.strength or self.effective is not None) and not self.objectives:
            raise ArgumentError("Guidance without objectives has nothing to steer towards; add one, or set strength 0.")

    @property
    def steers(self) -> bool:
        """Whether there is anything to it: a strength above 0, or limits."""
        return bool(self.strength or self.effective is not None or self.constraints)
