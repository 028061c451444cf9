"""Scores are those of one pass after another; learned weights rank cells, and not by their size alone."""

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from torch import nn

import nagkit
from nagkit.errors import ArgumentError
from nagkit.networks.images import opened
from nagkit.spaces.skeleton import MICRO, Skeleton
from nagkit.supernet import Lessons, SharedNetwork, SharedRecipe, evaluate, scores
from stripes import stripes

CELLS, DARTS = nagkit.space("nas-bench-201"), nagkit.space("darts")
TINY = Skeleton((4, 6), cells=1, image_channels=1)


@pytest.fixture(scope="module")
def task():
    return stripes(400)


@pytest.mark.parametrize("searched", [CELLS, DARTS])
def test_scores_are_those_of_passes_one_by_one(task, searched, monkeypatch):
    network, rows = SharedNetwork.of(searched, 4, TINY), searched.sample(6, np.random.default_rng(0))
    monkeypatch.setattr(scores, "_AT_ONCE", 40)
    found = evaluate(network, task, rows, images=80, split="test")
    images, labels = (torch.from_numpy(each[:80]) for each in (task.test.images, task.test.labels))
    for row, loss, accuracy in zip(rows, *found, strict=True):
        with torch.inference_mode():
            logits = torch.cat([network(part, row) for part in images.split(40)])
        assert loss == pytest.approx(float(nn.functional.cross_entropy(logits, labels)), rel=1e-5)
        assert accuracy == pytest.approx(100 * float((logits.argmax(1) == labels).double().mean()))


def test_a_split_that_is_not_there_is_refused(task):
    with pytest.raises(ArgumentError, match="'train', 'validation', 'test'"):
        evaluate(SharedNetwork.of(CELLS, 4, TINY), task, CELLS.sample(1, np.random.default_rng(0)), split="tests")


def given(first, second, third):
    """Kendall's partial tau of the first two given the third."""
    ab, ac, bc = (kendalltau(*pair)[0] for pair in ((first, second), (first, third), (second, third)))
    return (ab - ac * bc) / np.sqrt((1 - ac**2) * (1 - bc**2))


@pytest.mark.slow
def test_shared_weights_rank_cells_as_training_alone_does():
    table, task = nagkit.benchmark("digits/mid8"), opened("mid8")
    cells = np.unique(CELLS.canonical(CELLS.all(), "function"), axis=0)
    rows = np.random.default_rng(0).choice(cells, 150, replace=False)
    network = SharedNetwork.of(CELLS, 10, MICRO)
    for _ in Lessons(network, task, SharedRecipe(updates=400)):
        pass
    loss, truth = evaluate(network, task, rows).loss, table.look_up(rows, "test_accuracy")
    assert kendalltau(-loss, truth)[0] > 0.45
    assert given(-loss, truth, CELLS.params(rows, 10, MICRO)) > 0.15
