"""nagkit: neural architecture generation in the notebook.

Everything a notebook needs is here; each name loads its part of the package at first use.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

from nagkit.spaces import space  # now, because the module nagkit.space would take the name of the function later

__version__ = version("nagkit")

_PLACES = {
    "Architecture": "nagkit.space",
    "Constraint": "nagkit.metrics",
    "Course": "nagkit.race",
    "Front": "nagkit.metrics",
    "Guidance": "nagkit.diffusion.guidance",
    "Metric": "nagkit.metrics",
    "NagkitError": "nagkit.errors",
    "Objective": "nagkit.metrics",
    "Race": "nagkit.race",
    "Run": "nagkit.run",
    "Standings": "nagkit.standings",
    "benchmark": "nagkit.benchmarks",
    "generator": "nagkit.generators",
    "predictor": "nagkit.predictors",
}
_PARTS = (
    "arcs",
    "attainment",
    "benchmarks",
    "checks",
    "claims",
    "diffusion",
    "distribution",
    "drawings",
    "errors",
    "figures",
    "finals",
    "generators",
    "laws",
    "lesson",
    "motifs",
    "networks",
    "parallel",
    "predictors",
    "preferences",
    "report",
    "search",
    "spaces",
    "supernet",
    "wirings",
)
__all__ = ["__version__", "space", *sorted(_PLACES)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return import_module(f"nagkit.{name}")
    if name not in _PLACES:
        raise AttributeError(f"module 'nagkit' has no attribute {name!r}; it offers {', '.join(__dir__())}.")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted((*__all__, *_PARTS))
