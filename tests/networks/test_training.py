"""Training is repeatable bit for bit, learns, and survives a loss that is not a number."""

import math
from itertools import islice

import pytest
import torch

from nagkit.errors import ArgumentError
from nagkit.networks.digits import ImageRecipe, render
from nagkit.networks.network import build
from nagkit.networks.training import TrainingRecipe, one_thread, train
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import MICRO

CELL = NasBench201().decode([3, 1, 2, 4, 1, 3])


@pytest.fixture(scope="module")
def task():
    return render(ImageRecipe("small", images=(300, 100, 100)))


def results(task, seed=0, **recipe):
    epochs = train(build(CELL, skeleton=MICRO), task, TrainingRecipe(**{"epochs": 2, **recipe}), seed)
    return [(e.train_loss, e.validation_accuracy, e.validation_loss, e.test_accuracy, e.test_loss) for e in epochs]


def test_the_same_seed_gives_the_same_bits(task):
    assert results(task, seed=3) == results(task, seed=3)


def test_another_seed_gives_other_results(task):
    assert results(task, seed=3) != results(task, seed=4)


def test_global_randomness_is_untouched(task):
    before = torch.random.get_rng_state()
    results(task)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_network_learns(task):
    first, *_, last = results(task, epochs=6, batch=20)
    assert last[0] < first[0] / 2
    assert last[1] > 40  # percent; chance is 10


def test_accuracy_and_loss_are_those_of_the_network_afterwards(task):
    network = build(CELL, skeleton=MICRO)
    *_, last = train(network, task, TrainingRecipe(epochs=2))
    network.eval()
    correct, loss = 0, 0.0
    for image, label in zip(torch.from_numpy(task.test.images), task.test.labels.tolist(), strict=True):
        probability = network(image[None]).double().softmax(1)[0].tolist()
        correct += probability.index(max(probability)) == label
        loss -= math.log(probability[label])
    assert last.test_accuracy == pytest.approx(100 * correct / 100)
    assert last.test_loss == pytest.approx(loss / 100, rel=1e-5)


def test_a_loss_that_is_not_a_number_is_recorded(task):
    for parameter in (network := build(CELL, skeleton=MICRO)).classifier.parameters():
        parameter.data.fill_(math.nan)
    (epoch,) = train(network, task, TrainingRecipe(epochs=1))
    assert math.isnan(epoch.train_loss)
    assert math.isnan(epoch.test_loss)
    assert 0 <= epoch.test_accuracy <= 30


def test_training_can_be_left_after_any_epoch(task):
    (first,) = islice(train(build(CELL, skeleton=MICRO), task, TrainingRecipe(epochs=50)), 1)
    assert first.number == 1


def test_threads_are_given_back(task):
    before = torch.get_num_threads()
    results(task)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_what_cannot_be_trained_is_refused_at_once(task, as_a_user):
    with pytest.raises(ArgumentError, match="build makes one"):
        train("network", task)
    with pytest.raises(ArgumentError, match="render"):
        train(build(CELL, skeleton=MICRO), None)
    with pytest.raises(ArgumentError, match="seed"):
        train(build(CELL, skeleton=MICRO), task, seed=-1)
    with pytest.raises(ArgumentError, match="seed"):
        train(build(CELL, skeleton=MICRO), task, seed=2**70)
    with pytest.raises(ArgumentError, match="recipe must be a TrainingRecipe"):
        train(build(CELL, skeleton=MICRO), task, {"epochs": 2})
    with pytest.raises(ArgumentError, match="batch"):
        TrainingRecipe(batch=1)
