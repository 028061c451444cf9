"""Robustness: the loss on noisy images, after a training that is done once, or with shared weights."""

import numpy as np
import pytest
import torch

from nagkit.errors import ArgumentError
from nagkit.networks import trainer as module
from nagkit.networks.robustness import Robustness
from nagkit.networks.trainer import Trainer
from nagkit.networks.training import TrainingRecipe
from nagkit.search import run, search
from nagkit.spaces import space
from nagkit.spaces.skeleton import Skeleton
from nagkit.supernet import Plan, SharedNetwork, SharedRecipe, Stages, evaluate
from stripes import stripes

SPACE = space("nas-bench-201")
TINY = Skeleton((2, 3), cells=1, image_channels=1, reduction="convolution")
PLAN = Plan((2, 1), SharedRecipe(batch=12), looks=2, draws=4, even=(0.5, 0.1), images=20, counts=(1, 1))


@pytest.fixture
def trainer():
    return Trainer(SPACE, stripes(), TrainingRecipe(epochs=1, batch=30), (3,), TINY, "val_loss")


@pytest.fixture
def rows():
    return SPACE.sample(3, np.random.default_rng(0))


def test_it_is_the_loss_of_the_trained_network_on_images_with_noise(trainer, rows):
    found, task = Robustness(trainer, 0.7), stripes()
    noisy = found.images(task).validation.images
    assert (noisy - task.validation.images).std() == pytest.approx(0.7, rel=0.05)
    assert np.array_equal(found.images(task).test.images, task.test.images)
    for row, value in zip(rows, found(rows), strict=True):
        network, _ = trainer.trained(row, 3)
        with torch.inference_mode():
            logits = network.eval()(torch.from_numpy(noisy)).double()
        expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(task.validation.labels))
        assert value == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_allclose(Robustness(trainer, 0)(rows), trainer(rows), rtol=1e-6)


def test_a_search_for_both_trains_each_network_once(trainer, monkeypatch):
    trained = []
    real = module.train
    monkeypatch.setattr(module, "train", lambda *given: trained.append(given) or real(*given))
    found = search("random", SPACE, [trainer.objective(), Robustness(trainer).objective()], seed=0)
    assert len([*run(found, 4)]) == 8
    assert len(trained) == 4
    assert [metric.name for metric in found.metrics] == ["val_loss", "noisy_loss"]


def test_a_look_judges_it_by_shared_weights_and_goes_on_alike(trainer):
    task, robust = stripes(), Robustness(trainer, 0.4)
    network = SharedNetwork.of(SPACE, 4, TINY)
    stages = Stages(network, task, [trainer.cost(), robust.objective()], PLAN, seed=0)
    for _ in range(2 + 1):
        next(stages)
    drawn, values = stages.drawn()
    expected = evaluate(network, robust.images(task), drawn, 20).loss
    np.testing.assert_array_equal(values[:, 2], expected)
    again = Stages.from_state(stages.state(), task, stages.costs)
    laws = [[*each][-1].law.shares for each in (stages, again)]
    assert np.array_equal(*laws)


def test_impossible_noise_is_refused(trainer):
    with pytest.raises(ArgumentError, match="noise"):
        Robustness(trainer, -1)
