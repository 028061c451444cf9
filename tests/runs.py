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
LOOK = {  # of no time, as JSON has it
    "images": {"name": "tiny", "images": [40, 40, 40], "ground": "clouds"},
    "skeleton": {"channels": [2, 3], "cells": 1, "image_channels": 1, "reduction": "convolution"},
    "plan": {"lessons": [2, 1], "recipe": {"batch": 8}, "looks": 2, "draws": 4, "images": 20, "counts": [1, 1]},
}
OPTIONS = {"evolution": {"population": 6, "tournament": 3}, "supernet": LOOK}  # of searches by name


def worth(tokens):
    """What architectures are worth; every seventh fails."""
    values = symbols(tokens)[:, None]
    return np.where(values % 7 == 0, np.nan, values)


def made(name="evolution", seed=0, **options):
    return search(name, SPACE, [Objective(COUNT, symbols)], seed=seed, **OPTIONS.get(name, {}) | options)


def run(path, name="evolution", budget=BUDGET):
    return Run(path, made(name), budget, BATCH)


def history(path):
    """Everything that a run asked for and was told, in this order, without the times."""
    with Log(path) as log:
        kept = [(e.kind, dict(e.content)) for e in log.entries if e.kind in ("asked", "evaluated")]
    return [(kind, {k: v for k, v in content.items() if k not in ("at", "seconds")}) for kind, content in kept]
