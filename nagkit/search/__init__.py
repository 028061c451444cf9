"""Searches behind ask and tell, and the loop that walks them; ``search`` makes one by name."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from nagkit import arguments
from nagkit.metrics import Constraint, Objective
from nagkit.search.about import constraint, objective
from nagkit.search.loop import Asked, Evaluated, Event, Left, Stepped, run
from nagkit.search.search import Search, StepwiseSearch  # before the function below, whose name its module would take
from nagkit.space import SearchSpace
from nagkit.spaces import space as find_space

__all__ = [
    "SEARCHES",
    "Asked",
    "Evaluated",
    "Event",
    "Left",
    "Search",
    "Stepped",
    "StepwiseSearch",
    "again",
    "run",
    "search",
]

_PLACES = {  # name -> module, class
    "random": ("random_search", "RandomSearch"),
    "local": ("local_search", "LocalSearch"),
    "evolution": ("evolution", "RegularisedEvolution"),
    "genetic": ("genetic", "GeneticAlgorithm"),
    "enumeration": ("enumeration", "Enumeration"),
    "bayesian": ("bayesian", "BayesianSearch"),
    "guided": ("guided", "GuidedSearch"),
    "latent": ("latent", "LatentSearch"),
    "policy": ("policy", "PolicySearch"),
    "supernet": ("supernet", "SupernetSearch"),
    "tpe": ("optuna_search", "ParzenSearch"),
    "nsga-ii": ("optuna_search", "GeneticSearch"),
}
SEARCHES = tuple(_PLACES)


def search(
    name: str,
    space: SearchSpace,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
    *,
    seed: int,
    **options: Any,
) -> Search:
    """A search of this name (one of ``SEARCHES``) that has seen nothing yet.

    Args:
        objectives: what to improve; several mean that a front is wanted
        constraints: bounds on what is measured, or on exact costs, which then hold for everything that is asked for
        seed: of everything random
        options: of the class of that name
    """
    module, kind = _PLACES[arguments.one_of("search", name, SEARCHES)]
    made = getattr(import_module(f"nagkit.search.{module}"), kind)
    for option in options:
        arguments.one_of(f"option of the search {name}", option, ("identity", *made.options))
    return made(space, objectives, constraints, seed=seed, **options)


def again(about: Mapping[str, Any]) -> Search:
    """A search made as that of which ``about()`` gave this, which has seen nothing yet.

    Objectives and constraints take their values from the benchmarks that they name.
    """
    wanted = [objective(each) for each in about["objectives"]]
    bounds = [constraint(each) for each in about["constraints"]]
    return search(about["search"], find_space(about["space"]), wanted, bounds, seed=about["seed"], **about["options"])
