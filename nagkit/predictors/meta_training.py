"""Learning to transfer: from the trainings of the embedded family of tasks that are not held out, and their images.

Notation: as in ``transfer``; y the score of a training within its task, of the mean of its accuracies on validation
and test, since both are known there and each alone is noisier.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy import linalg, optimize, special

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.predictors.conditioned import LEAST, MOST
from nagkit.predictors.data_set import DataSet
from nagkit.predictors.gaussian_process import l1
from nagkit.predictors.ranks import rank_normal
from nagkit.predictors.transfer import NOISE, Cells, TransferPredictor, covariance, likeness
from nagkit.space import SearchSpace
from nagkit.threads import one_thread

IMAGES = 600  # of each task, rendered to tell what kind of task it is
GRID = np.linspace(-2, 2, 17)  # scores, within what 84 trainings of a task show
RIDGE = 5.0  # of the slopes of the level: the variance of a logit's noise over that of a slope
START = np.log([0.05, 10.0, 0.1])  # variance and length of what is particular to a task, noise
_HELD_OUT = "is held out: it is there to judge by, not to learn from"


@dataclass(frozen=True, eq=False)
class Experience:
    """What happened on one task: facts (d,) of its images, cells (n, L), and their accuracies (n,) in percent."""

    name: str
    facts: Float[np.ndarray, "d"]
    tokens: Int[np.ndarray, "n L"]
    accuracy: Float[np.ndarray, "n"]


def experiences(names: Sequence[str] | None = None) -> Iterator[Experience]:
    """One after the other the tasks to learn from, by default all worlds that are not held out.

    No table of a held-out task is read, nor are its images rendered; one that is named is refused.
    """
    from nagkit.benchmarks import worlds
    from nagkit.networks.recipes import HELD_OUT

    allowed = [name for name in worlds() if name.removeprefix("digits/") not in HELD_OUT]
    for name in allowed if names is None else arguments.several("names", names, str):
        if str(name).removeprefix("digits/") in HELD_OUT:
            raise ArgumentError(f"names must be worlds to learn from; {name!r} {_HELD_OUT}. Leave it out.")
        yield _experience(arguments.one_of("each of names", name, allowed))


def _experience(name: str) -> Experience:
    from nagkit.benchmarks import benchmark
    from nagkit.networks import render
    from nagkit.networks.recipes import RECIPES

    table = benchmark(name)
    task = render(replace(RECIPES[name.removeprefix("digits/")], images=(IMAGES, 1, 1)))
    tokens = table.known("val_accuracy")
    accuracy = table.look_up(tokens, ["val_accuracy", "test_accuracy"]).mean(1)
    return Experience(name, DataSet.of(task.train.images, task.train.labels).facts, tokens, accuracy)


def learn(told: Sequence[Experience]) -> TransferPredictor:
    """The transfer predictor of what happened on at least three tasks of the space nas-bench-201."""
    from nagkit.spaces.nas_bench_201 import NasBench201

    told, space = arguments.several("told", told, Experience), NasBench201()
    if len(told) < 3:
        raise ArgumentError(f"told must hold at least 3 tasks, so that one can be left out; got {len(told)}.")
    tokens = np.concatenate([each.tokens for each in told])
    task = np.repeat(np.arange(len(told)), [len(each.tokens) for each in told])
    scores = np.concatenate([rank_normal(each.accuracy) for each in told])
    facts = np.stack([each.facts for each in told])
    centre, unit = facts.mean(0), np.maximum(facts.std(0), 1e-6)
    facts = (facts - centre) / unit
    with one_thread():
        near = likeness(facts, facts)[np.ix_(task, task)]
        inverse = linalg.inv(covariance(Cells.of(space, tokens), near) + NOISE * np.eye(len(task)))
        weights = inverse @ scores
        missed = [linalg.solve(inverse[np.ix_(m, m)], weights[m], assume_a="pos") for m in _members(task)]
        level, shape, doubt_of_level = _levels(facts, told)
        doubt = np.concatenate([doubt_of_level, _doubt(space, tokens, np.concatenate(missed), task)])
    names = tuple(each.name for each in told)
    small = tokens.astype(np.int8), task.astype(np.int16)  # as they lie in the file
    return TransferPredictor(space, names, *small, weights, facts, centre, unit, level, GRID, shape, doubt)


def _members(task: Int[np.ndarray, "n"]) -> Iterator[Int[np.ndarray, "k"]]:
    return (np.flatnonzero(task == number) for number in range(task.max() + 1))


def _levels(
    facts: Float[np.ndarray, "w d"], told: Sequence[Experience]
) -> tuple[Float[np.ndarray, "e"], Float[np.ndarray, "g"], Float[np.ndarray, "2"]]:
    """The regression of levels, the shape of accuracies about them, and how far both miss a task that is left out.

    The misses are variances in scores: of the level, and of how many times as wide as usual the accuracies lie.
    """
    curves = np.stack([_curve(each.accuracy) for each in told])  # (w, g)
    middle = len(GRID) // 2
    level = curves[:, middle]
    wide = curves - level[:, None]
    shape = wide.mean(0)
    known = np.column_stack([np.ones(len(facts)), facts])
    penalty = np.diag([0.0] + [RIDGE] * facts.shape[1])
    hat = known @ linalg.solve(known.T @ known + penalty, known.T)
    missed = (level - hat @ level) / (1 - np.diag(hat))  # leaving each task out, in closed form
    slope = (shape[middle + 1] - shape[middle - 1]) / (GRID[middle + 1] - GRID[middle - 1])
    width = wide @ shape / (shape @ shape)
    coefficients = linalg.solve(known.T @ known + penalty, known.T @ level)
    return coefficients, shape, np.array([(missed**2).mean() / slope**2, width.var()])


def _curve(accuracy: Float[np.ndarray, "n"]) -> Float[np.ndarray, "g"]:
    """The logit of the accuracy at each score of the grid."""
    ascending = np.sort(accuracy)
    logits = special.logit(np.clip(ascending, LEAST, MOST) / 100)
    return np.interp(GRID, rank_normal(np.arange(float(len(ascending)))), logits)


def _doubt(
    space: SearchSpace, tokens: Int[np.ndarray, "n L"], missed: Float[np.ndarray, "n"], task: Int[np.ndarray, "n"]
) -> Float[np.ndarray, "3"]:
    """Variance and length of what is particular to a task, and noise: likeliest for what was missed when left out."""
    blocks = []
    for rows in _members(task):
        computed = space.features(tokens[rows]).astype(np.float64)
        blocks.append((l1(computed, computed), missed[rows]))

    def loss(logs: Float[np.ndarray, "3"]) -> float:
        variance, length, noise = np.exp(logs)
        total = ((logs - START) @ (logs - START)) / 2
        for apart, left in blocks:
            factor = linalg.cholesky(variance * np.exp(-apart / length) + noise * np.eye(len(left)), lower=True)
            total += (linalg.solve_triangular(factor, left, lower=True) ** 2).sum() / 2 + np.log(np.diag(factor)).sum()
        return float(total)

    return np.exp(optimize.minimize(loss, START, method="L-BFGS-B", bounds=[(s - 5, s + 5) for s in START]).x)
