"""Small runs, and what they have to come to."""

import numpy as np

from nagkit.checks.search import COUNT, symbols
from nagkit.log import Log
from nagkit.metrics import Objective
from nagkit.run import Run
from nagkit.search import search
from nagkit.spaces.nas_bench_201 import NasBench201

SPACE = NasBench201()
BUDGET, BATCH = 20, 3


def worth(tokens):
    """What architectures are worth; every seventh fails."""
    values = symbols(tokens)[:, None]
    return np.where(values % 7 == 0, np.nan, values)


def made(name="evolution", seed=0, **options):
    options = {"population": 6, "tournament": 3, **options} if name == "evolution" else options
    return search(name, SPACE, [Objective(COUNT, symbols)], seed=seed, **options)


def run(path, name="evolution", budget=BUDGET):
    return Run(path, made(name), budget, BATCH)


def history(path):
    """Everything that a run asked for and was told, in this order, without the times."""
    with Log(path) as log:
        kept = [(e.kind, dict(e.content)) for e in log.entries if e.kind in ("asked", "evaluated")]
    return [(kind, {k: v for k, v in content.items() if k not in ("at", "seconds")}) for kind, content in kept]
