"""Shared weights learn, repeatably bit for bit, and go on after an interruption as if there had been none."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from nagkit import weights
from nagkit.errors import ArgumentError
from nagkit.spaces import space
from nagkit.spaces.skeleton import Skeleton
from nagkit.supernet import Lessons, SharedNetwork, SharedRecipe, fair
from stripes import stripes

CELLS, DARTS = space("nas-bench-201"), space("darts")
TINY = Skeleton((3, 4), cells=1, image_channels=1, reduction="convolution")
SHORT = SharedRecipe(updates=8, batch=12)


@pytest.fixture(scope="module")
def task():
    return stripes()


def lessons(task, searched=CELLS, seed=0, sampler=None, recipe=SHORT):
    return Lessons(SharedNetwork.of(searched, 4, TINY, seed=seed), task, recipe, sampler, seed)


def learned(found):
    """The weights after the last update."""
    for _ in found:
        pass
    return torch.cat([weight.detach().flatten() for weight in found.network.parameters()])


@pytest.mark.parametrize("searched", [CELLS, DARTS])
def test_an_interruption_changes_no_bit(task, searched, tmp_path):
    recipe = dataclasses.replace(SHORT, updates=4 if searched is DARTS else 8)
    expected = learned(lessons(task, searched, recipe=recipe))
    stopped = lessons(task, searched, recipe=recipe)
    for _ in range(int(np.random.default_rng().integers(1, recipe.updates))):
        last = next(stopped)
    weights.write(tmp_path / "shared", *stopped.state())
    resumed = Lessons.from_state(weights.read(tmp_path / "shared", "shared weights", "nagkit"), task)
    assert (resumed.update, resumed.seconds) == (last.update, last.seconds)
    assert torch.equal(learned(resumed), expected)


def test_a_state_does_not_change_with_what_follows(task):
    found = lessons(task)
    next(found)
    arrays, _ = found.state()
    before = {name: array.copy() for name, array in arrays.items()}
    next(found)
    assert all(np.array_equal(arrays[name], array) for name, array in before.items())


def test_weights_depend_on_the_seed_alone(task):
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = learned(lessons(task))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    torch.manual_seed(5)
    assert torch.equal(learned(lessons(task)), first)
    assert not torch.equal(learned(lessons(task, seed=1)), first)


@pytest.mark.parametrize("searched", [CELLS, DARTS])
def test_the_loss_falls(task, searched):
    recipe = SharedRecipe(updates=16, batch=32, paths=3)
    losses = [lesson.loss for lesson in lessons(task, searched, recipe=recipe)]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.1


def test_an_update_goes_down_the_mean_of_the_gradients(task):
    recipe = SharedRecipe(updates=2, batch=120, paths=3, learning_rate=0.3, momentum=0, weight_decay=0)
    rows = CELLS.sample(3, np.random.default_rng(0))
    found = lessons(task, sampler=lambda n, rng: rows[:n], recipe=recipe)
    before = {name: weight.detach().clone() for name, weight in found.network.named_parameters()}
    images, labels = (torch.from_numpy(each) for each in (task.train.images, task.train.labels))  # all are in a batch
    losses = [nn.functional.cross_entropy(found.network(images, row), labels) for row in rows]
    for loss in losses:
        (loss / 3).backward()
    gradients = {name: weight.grad for name, weight in found.network.named_parameters() if weight.grad is not None}
    lesson = next(found)
    assert lesson.loss == pytest.approx(float(sum(losses).detach()) / 3, rel=1e-5)
    assert np.array_equal(lesson.tokens, rows)
    for name, weight in found.network.named_parameters():
        step = recipe.rate(0) * gradients[name] if name in gradients else 0
        torch.testing.assert_close(weight.detach(), before[name] - step, rtol=1e-4, atol=1e-6)


def test_no_image_comes_again_before_all_have(task):
    found, seen = lessons(task), []
    for _ in range(6):
        before = set(found.state()[0]["order"].tolist()) or set(range(120))
        next(found)
        seen.extend(before - set(found.state()[0]["order"].tolist()))
    assert sorted(seen) == sorted(set(seen))
    assert len(seen) == 6 * 12


def test_the_rate_rises_to_its_peak_and_falls_to_almost_nothing():
    recipe = SharedRecipe(updates=100, learning_rate=0.2)
    rates = np.array([recipe.rate(update) for update in range(100)])
    assert rates.argmax() == 29
    assert rates.max() == pytest.approx(0.2)
    assert (np.diff(rates[:30]) > 0).all()
    assert (np.diff(rates[29:]) < 0).all()
    assert rates[-1] < 1e-5


def test_a_sampler_gives_what_it_is_asked_for(task):
    asked = []

    def sampler(n, rng):
        asked.append(n)
        return fair(CELLS, n + len(asked) - 1, rng)

    found = lessons(task, sampler=sampler)
    next(found)
    with pytest.raises(ArgumentError, match=r"5; it gave 6"):
        next(found)
    assert asked == [5, 5]


def test_other_images_are_refused(task):
    other = stripes(seed=1)
    with pytest.raises(ArgumentError, match="sha256"):
        Lessons.from_state(lessons(task).state(), other)
    coloured = dataclasses.replace(TINY, image_channels=3)
    with pytest.raises(ArgumentError, match="3 channels in 9 classes"):
        Lessons(SharedNetwork.of(CELLS, 9, coloured), task)


@pytest.mark.parametrize("wrong", [{"updates": 0}, {"batch": 1}, {"paths": 0}, {"momentum": 2}, {"learning_rate": -1}])
def test_a_recipe_is_checked(wrong):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        SharedRecipe(**wrong)
