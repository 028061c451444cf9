"""Real training as values: a trainer gives what training gives, in any space, in any process, after any kill."""

import pickle
from functools import partial

import numpy as np
import pytest

from nagkit.errors import ArgumentError, DataMissingError
from nagkit.executors import executor
from nagkit.networks.digits import render
from nagkit.networks.images import ImageFile, _rendered, task
from nagkit.networks.network import build
from nagkit.networks.recipes import MID8, ImageRecipe
from nagkit.networks.trainer import Trainer
from nagkit.networks.training import TrainingRecipe, train
from nagkit.run import Run
from nagkit.search import search
from nagkit.spaces import space
from nagkit.spaces.random_wired import RandomWired
from nagkit.spaces.skeleton import MICRO, Skeleton
from nursery import nursery

TINY = ImageRecipe("tiny", images=(40, 40, 40), ground="clouds")
TRAINING = TrainingRecipe(epochs=4, batch=10)
SMALL = Skeleton((4, 8), cells=1, reduction="convolution")
SPACE = RandomWired(4)


def trainer(**given):
    return Trainer(**{"space": SPACE, "images": TINY, "training": TRAINING, "skeleton": SMALL, **given})


def pictures(channels=3, classes=3, n=40):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 8, 8, channels), dtype=np.uint8), np.arange(n) % classes


def test_values_are_those_of_training_by_hand():
    tokens, digits = SPACE.sample(3, np.random.default_rng(0)), render(TINY)
    found = trainer(seeds=(3, 5))(tokens)
    for row, value in zip(tokens, found, strict=True):
        each = []
        for seed in (3, 5):
            network = build(SPACE.decode(row), 10, Skeleton((4, 8), 1, 1, "convolution"), seed=seed)
            *_, last = train(network, digits, TRAINING, seed)
            each.append(last.validation_accuracy)
        assert value == np.mean(each)
    assert len({*found}) > 1


def test_it_gives_the_loss_when_asked_for_that():
    (row,), mine = SPACE.sample(1, np.random.default_rng(0)), trainer(gives="val_loss")
    assert mine(row[None])[0] == mine.train(row, 0).curves["validation_loss"][-1]
    assert (mine.metric.name, mine.metric.unit, mine.metric.direction) == ("val_loss", "nats", "min")
    with pytest.raises((ArgumentError, TypeError), match="gives must be one of"):
        trainer(gives="loss")


def test_latency_is_measured_here_also_in_another_process():
    tokens, mine = SPACE.sample(3, np.random.default_rng(0)), trainer().latency()
    assert not mine.exact
    assert (mine.metric.unit, mine.metric.direction) == ("ms", "min")
    values = mine.values(tokens)
    assert ((values > 0.01) & (values < 100)).all()
    assert (pickle.loads(pickle.dumps(mine)).values(tokens) > 0).all()


def test_it_judges_by_as_many_images_as_wanted():
    (row,), some, whole = SPACE.sample(1, np.random.default_rng(0)), trainer(judged=13), trainer()
    few, all_ = some.train(row, 0).curves, whole.train(row, 0).curves
    assert few["train_loss"] == all_["train_loss"]
    hits = few["validation_accuracy"][-1] * 13 / 100
    assert hits == pytest.approx(round(hits))
    assert few["validation_loss"][-1] != all_["validation_loss"][-1]
    assert some.about() == whole.about() | {"judged": 13}
    assert some.metric != whole.metric
    assert trainer(judged=1000)(row[None]) == whole(row[None])
    with pytest.raises(ArgumentError, match="judged must be a whole number from 2"):
        trainer(judged=1)


def test_its_costs_are_those_of_the_networks_it_trains():
    tokens, mine = SPACE.sample(4, np.random.default_rng(0)), trainer()
    params, flops = mine.cost(), mine.cost("flops")
    counted = [sum(each.numel() for each in mine._network(row, 0).parameters()) for row in tokens]
    assert params.values(tokens).tolist() == counted
    assert flops.values(tokens).tolist() == SPACE.flops(tokens, 10, 8, mine.skeleton).tolist()
    assert params.exact
    assert flops.exact
    wide = Trainer(
        SPACE, task(np.random.default_rng(0).random((20, 8, 12)), np.arange(20) % 2), TRAINING, skeleton=SMALL
    )
    with pytest.raises(ArgumentError, match="images must be square for the cost 'flops'"):
        wide.cost("flops")
    with pytest.raises(ArgumentError, match="cost must be one of"):
        mine.cost("price")


def test_a_training_tells_of_test_images_too_and_the_search_is_not_told():
    (row,), mine = SPACE.sample(1, np.random.default_rng(1)), trainer()
    told = mine.train(row, 0)
    assert told.tokens == tuple(row)
    assert [len(curve) for curve in told.curves.values()] == [4] * 5
    *_, last = train(build(SPACE.decode(row), 10, mine.skeleton), render(TINY), TRAINING)
    assert told.curves["test_accuracy"][-1] == last.test_accuracy
    objective = mine.objective()
    assert objective.values(row[None])[0] == told.curves["validation_accuracy"][-1]
    assert (objective.metric.split, objective.metric.dataset, objective.metric.epochs) == ("validation", "tiny", 4)


@pytest.mark.parametrize("name", ["nas-bench-201", "nas-bench-101", "darts", "enas", "mobilenet-v3", "random-wired-8"])
def test_networks_of_every_space_are_trained(name):
    """Also those that take three channels, on grey images."""
    here, grey = space(name), task(*pictures(channels=1))
    quick = trainer(space=here, images=grey, training=TrainingRecipe(epochs=1, batch=24))
    (value,) = quick(here.sample(1, np.random.default_rng(0)))
    assert 0 <= value <= 100


def test_images_of_a_file_in_colour_are_learned(tmp_path):
    images, classes = pictures()
    images[:] = (images // 4 + 60 * classes[:, None, None, None]).astype(np.uint8)  # easily told apart by brightness
    np.savez(tmp_path / "mine.npz", x=images, y=classes)
    mine = trainer(images=ImageFile(tmp_path / "mine.npz"), training=TrainingRecipe(epochs=12, batch=8))
    assert mine.skeleton.image_channels == 3
    assert mine.task_name == "mine"
    assert mine(SPACE.sample(1, np.random.default_rng(0)))[0] > 60


def walked(path, mine, place=None):
    made = search("evolution", SPACE, [mine.objective()], seed=0, population=3, tournament=2)
    run = Run(path, made, budget=6)
    for _ in run.walk(executor=place):
        pass
    return {each.number: (tuple(each.tokens), tuple(each.values), each.fault) for each in run.told()}


def test_a_file_written_anew_is_read_anew_and_older_trainers_refuse_it(tmp_path):
    path, (images, classes) = tmp_path / "mine.npz", pictures()
    row, recipe = SPACE.sample(1, np.random.default_rng(0))[0], TrainingRecipe(epochs=1, batch=24)
    np.savez(path, x=images, y=classes)
    older = trainer(images=ImageFile(path), training=recipe)
    elsewhere = pickle.dumps(older)  # as in another process, which reads the file later
    assert older.train(row, 0).versions["images"] == older.about()["images"]
    np.savez(path, x=images[::-1], y=classes)
    newer = trainer(images=ImageFile(path), training=recipe)
    assert newer.about()["images"] == task(images[::-1], classes).digest() != older.about()["images"]
    assert newer.train(row, 0).versions["images"] == newer.about()["images"]
    for stale in (older, pickle.loads(elsewhere)):
        with pytest.raises(ArgumentError, match="images must be those that the trainer was made with"):
            stale.train(row, 0)
    path.unlink()
    with pytest.raises(DataMissingError, match="There is no file of images"):
        newer.train(row, 0)


def test_a_task_is_rendered_once_by_whichever_name(monkeypatch):
    calls = []
    monkeypatch.setattr("nagkit.networks.images.render", lambda recipe: calls.append(recipe) or render(TINY))
    _rendered.cache_clear()
    found = [trainer(images=name) for name in ("mid8", "digits/mid8", MID8)]
    _rendered.cache_clear()  # as it was no such task
    assert calls == [MID8]
    assert {each.task_name for each in found} == {"mid8"}


@pytest.mark.slow
def test_a_run_trains_in_another_process_as_here(tmp_path):
    mine = trainer()
    assert pickle.loads(pickle.dumps(mine)).about() == mine.about()
    here = walked(tmp_path / "here.sqlite", mine)
    assert all(fault is None for _, _, fault in here.values())
    with executor(1) as process:
        assert walked(tmp_path / "there.sqlite", mine, process) == here


def test_a_run_goes_on_with_the_same_training_alone(tmp_path):
    walked(tmp_path / "run.sqlite", trainer())
    others = {"training": TrainingRecipe(epochs=1, batch=20), "images": ImageRecipe("tiny", images=(40, 40, 41))}
    for name, other in others.items():
        with pytest.raises(ArgumentError, match="path must be a run of this very search"):
            walked(tmp_path / "run.sqlite", trainer(**{name: other}))


WALK = """
    from nagkit.networks.recipes import ImageRecipe
    from nagkit.networks.trainer import Trainer
    from nagkit.networks.training import TrainingRecipe
    from nagkit.run import Run
    from nagkit.search import search
    from nagkit.spaces.random_wired import RandomWired
    from nagkit.spaces.skeleton import Skeleton
    import nagkit.search.evolution

    space, tiny = RandomWired(4), ImageRecipe("tiny", images=(40, 40, 40), ground="clouds")
    recipe, skeleton = TrainingRecipe(epochs=4, batch=10), Skeleton((4, 8), cells=1, reduction="convolution")
    trainer = Trainer(space, tiny, recipe, skeleton=skeleton)

    def work(path):
        made = search("evolution", space, [trainer.objective()], seed=0, population=3, tournament=2)
        for event in Run(path, made, budget=6).walk():
            if hasattr(event, "number"):
                print("evaluated", event.number, flush=True)
"""


@pytest.mark.slow
def test_a_killed_run_ends_as_an_undisturbed_one(tmp_path):
    reference, rng, kills = walked(tmp_path / "whole.sqlite", trainer()), np.random.default_rng(0), 0
    with nursery(WALK) as begin:
        killed, path = True, tmp_path / "killed.sqlite"
        while killed:
            killed, _ = begin.work(path, patience=rng.uniform(0.02, 0.1) if kills < 4 else None)
            kills += killed
    assert kills
    assert walked(path, trainer()) == reference


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"space": "random-wired-8"}, "space must be a SearchSpace"),
        ({"images": "digits/mid9"}, "Did you mean 'mid8'"),
        ({"images": 3}, "images must be the name of a task such as 'mid8'.*; got int"),
        ({"training": 3}, "training must be a TrainingRecipe"),
        ({"seeds": ()}, "seeds must hold one or more, each once"),
        ({"seeds": (1, 1)}, "seeds must hold one or more, each once"),
        ({"skeleton": (16, 32)}, "skeleton must be a Skeleton"),
    ],
)
def test_what_cannot_be_trained_is_refused(as_a_user, given, said):
    with pytest.raises(ArgumentError, match=said):
        trainer(**given)


def test_images_with_other_channels_than_a_network_takes_are_refused():
    with pytest.raises(ArgumentError, match="images must have 3 channels for networks of enas, or 1; got 2"):
        trainer(space=space("enas"), images=task(*pictures(channels=2)))


def test_rows_of_another_space_are_refused(as_a_user):
    for call in (trainer(), partial(trainer().train, seed=0)):
        with pytest.raises(ArgumentError, match=r"tokens|row"):
            call(np.zeros((1, 3), int))
    assert trainer(skeleton=MICRO).skeleton == MICRO
