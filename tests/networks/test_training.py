"""Training is repeatable bit for bit, learns, and survives a loss that is not a number."""

import math
from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from nagkit.errors import ArgumentError
from nagkit.networks.digits import Split, Task, render
from nagkit.networks.fused import fuse
from nagkit.networks.network import build
from nagkit.networks.recipes import ImageRecipe
from nagkit.networks.training import Epoch, TrainingRecipe, train, train_side_by_side
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import MICRO

CELL = NasBench201().decode([3, 1, 2, 4, 1, 3])


@pytest.fixture(scope="module")
def task():
    return render(ImageRecipe("small", images=(300, 100, 100)))


def values(epoch: Epoch) -> tuple[float, ...]:
    """What is known after an epoch, without the time it took."""
    return epoch.train_loss, epoch.validation_accuracy, epoch.validation_loss, epoch.test_accuracy, epoch.test_loss


def results(task, seed=0, **recipe):
    epochs = train(build(CELL, skeleton=MICRO), task, TrainingRecipe(**{"epochs": 2, **recipe}), seed)
    return [values(epoch) for epoch in epochs]


def side_by_side(task, seeds=(0, 1, 2), **recipe):
    networks = fuse(*(build(CELL, skeleton=MICRO, seed=seed) for seed in seeds))
    return [*train_side_by_side(networks, task, TrainingRecipe(**{"epochs": 2, **recipe}), seeds)]


class Witness(nn.Module):
    """A classifier of several networks side by side that writes down which images it is shown, by their first pixel."""

    def __init__(self, copies: int = 1) -> None:
        super().__init__()
        self.copies = copies
        self.weight = nn.Parameter(torch.zeros(copies, 2))
        self.learned: list[list[list[int]]] = []  # by step and network: the images
        self.evaluated: list[list[int]] = []  # by evaluation: the images

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = images[:, :, 0, 0].T.round().int().tolist()
        if self.training:
            self.learned.append(seen)
        else:
            assert all(each == seen[0] for each in seen)
            self.evaluated.append(seen[0])
        return (images[:, :, 0, :1] * self.weight).flatten(1)


def numbered(train: int = 10, validation: int = 8, test: int = 6) -> Task:
    """A task whose images bear their numbers."""

    def split(n: int) -> Split:
        images = np.arange(n, dtype=np.float32)[:, None, None, None] * np.ones((1, 8, 8), dtype=np.float32)
        return Split(images, np.arange(n) % 2, np.arange(n))

    return Task(ImageRecipe("numbered"), split(train), split(validation), split(test))


def test_the_same_seed_gives_the_same_bits(task):
    assert results(task, seed=3) == results(task, seed=3)


def test_another_seed_gives_other_results(task):
    assert results(task, seed=3) != results(task, seed=4)


def test_global_randomness_is_untouched(task):
    before = torch.random.get_rng_state()
    results(task)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_network_learns(task):
    first, *_, last = results(task, epochs=9, batch=20)
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


def test_networks_side_by_side_learn_as_each_does_alone(task):
    seeds = (3, 1, 2)
    (together,) = side_by_side(task, seeds, epochs=1, learning_rate=0.02)
    for seed, epoch in zip(seeds, together, strict=True):
        recipe = TrainingRecipe(epochs=1, learning_rate=0.02)
        (alone,) = train(build(CELL, skeleton=MICRO, seed=seed), task, recipe, seed)
        assert epoch.number == alone.number
        assert epoch.train_loss == pytest.approx(alone.train_loss, rel=1e-4)
        assert epoch.validation_loss == pytest.approx(alone.validation_loss, rel=1e-3)
        assert epoch.test_loss == pytest.approx(alone.test_loss, rel=1e-3)
        assert epoch.test_accuracy == pytest.approx(alone.test_accuracy, abs=1)  # percent: one image of a hundred
    assert len({epoch.test_loss for epoch in together}) == len({epoch.train_loss for epoch in together}) == 3
    assert len({epoch.seconds for epoch in together}) == 1  # of the processor, shared equally


def test_networks_side_by_side_repeat_bit_for_bit(task):
    first, again = ([[*map(values, epochs)] for epochs in side_by_side(task, shown=130)] for _ in range(2))
    assert first == again


@pytest.mark.parametrize(("shown", "epochs"), [(4, 5), (7, 6), (10, 3), (25, 2), (None, 2)])
def test_each_image_is_shown_once_before_any_is_shown_again(shown, epochs):
    witness, task = Witness(copies=2), numbered(train=10)
    seeds = (0, 1)
    steps = []  # after each epoch
    for _ in train_side_by_side(witness, task, TrainingRecipe(epochs=epochs, batch=3, shown=shown), seeds):
        steps.append(len(witness.learned))
    a_time = shown or 10
    assert steps == [math.ceil(a_time / 3) * (k + 1) for k in range(epochs)]
    orders = [[image for step in witness.learned for image in step[k]] for k in range(2)]
    for order in orders:
        assert len(order) == a_time * epochs
        for start in range(0, len(order), 10):
            passed = order[start : start + 10]
            assert len(set(passed)) == len(passed)
    assert orders[0] != orders[1]
    assert orders[0][:10] != orders[0][10:]


def test_while_learning_only_the_watched_images_are_evaluated_and_in_the_end_all():
    witness, recipe = Witness(copies=3), TrainingRecipe(epochs=3, watched=7)
    [*train_side_by_side(witness, numbered(validation=9, test=5), recipe, (0, 1, 2))]
    watched = [[*range(7)], [*range(5)]]
    assert witness.evaluated == [*watched, *watched, [*range(9)], [*range(5)]]


def test_watching_and_leaving_do_not_change_what_is_learned(task):
    few, many = (results(task, epochs=3, watched=watched) for watched in (10, 100))
    assert [epoch[0] for epoch in few] == [epoch[0] for epoch in many]
    assert few[-1] == many[-1]
    assert few[0] != many[0]


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
    with pytest.raises(ArgumentError, match="seeds must hold one seed for each network side by side, here 1; got 0"):
        train_side_by_side(build(CELL, skeleton=MICRO), task, seeds=())
    with pytest.raises(ArgumentError, match="here 1; got 2"):
        train_side_by_side(build(CELL, skeleton=MICRO), task, seeds=(0, 1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch": 1},
        {"shown": 0},
        {"shown": 2.5},
        {"watched": 0},
        {"learning_rate": -1.0},
        {"momentum": 1.5},
        {"weight_decay": math.nan},
    ],
)
def test_impossible_recipes_are_refused(wrong, as_a_user):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        TrainingRecipe(**wrong)
