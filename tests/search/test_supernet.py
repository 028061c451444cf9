"""Search with shared weights: what it looks at, that it goes on from any step of it, and what it asks for."""

import json
from dataclasses import asdict
from itertools import islice

import numpy as np
import pytest

import nagkit
from nagkit.errors import ArgumentError
from nagkit.metrics import Metric, Objective
from nagkit.networks.images import ImageFile
from nagkit.networks.trainer import Trainer
from nagkit.networks.training import TrainingRecipe
from nagkit.run import Run
from nagkit.search import Asked, Evaluated, Stepped, StepwiseSearch, again, run, search
from nagkit.spaces.skeleton import MICRO, Skeleton
from nagkit.supernet import Lesson, Look, Shrunk
from runs import LOOK
from stripes import stripes

TABLE = nagkit.benchmark("digits/mid8")
SPACE, WISHES = TABLE.space, [TABLE.objective("val_loss"), TABLE.objective("params", exact=True)]
SMALL = Skeleton((2, 3), cells=1, image_channels=1, reduction="convolution")
STEPS = 2 + 2 + 1 + 1 + 2 + 1


def made(seed=0, wishes=WISHES, **options):
    return search("supernet", SPACE, wishes, seed=seed, **LOOK | options)


def questions(found, count=6):
    """What it asks for, told at once."""
    rows = []
    for _ in range(count):
        rows.append(found.ask(1))
        found.tell(rows[-1], np.stack([wish.values(rows[-1]) for wish in WISHES], axis=1))
    return np.concatenate(rows)


def test_the_look_comes_first_step_by_step_and_the_loop_walks_it():
    events = [*run(made(), 3)]
    kinds = [type(event.step) for event in events if isinstance(event, Stepped)]
    assert kinds == [Lesson] * 2 + [Look] * 2 + [Shrunk] + [Lesson] + [Look] * 2 + [Shrunk]
    assert [type(event) for event in events[STEPS:]] == [Asked, Evaluated] * 3
    assert isinstance(made(), StepwiseSearch)
    assert not isinstance(search("bayesian", SPACE, WISHES, seed=0), StepwiseSearch)


def test_whoever_asks_at_once_gets_the_same():
    walked = made()
    assert len([*walked.steps()]) == STEPS
    assert not [*walked.steps()]
    assert np.array_equal(questions(walked), questions(made()))


def test_it_goes_on_from_after_any_step():
    whole = made()
    expected = questions(whole)
    for count in range(STEPS + 1):
        begun = made()
        [*islice(begun.steps(), count)]
        gone_on = made(99).from_state(json.loads(json.dumps(begun.state())))
        assert len([*gone_on.steps()]) == STEPS - count
        assert np.array_equal(questions(gone_on), expected)
        assert np.array_equal(gone_on.law().shares, whole.law().shares)


@pytest.mark.parametrize("seconds", [0.0, 60.0], ids=["all kept", "kept at the end"])
def test_a_run_that_is_stopped_in_the_look_goes_on_with_it(tmp_path, monkeypatch, seconds):
    monkeypatch.setattr("nagkit.run.STEPS", seconds)
    whole, left = (Run(tmp_path / f"{name}.sqlite", made(), 3) for name in ("whole", "left"))
    assert len([*whole.walk()]) == STEPS + 6
    for _ in range(2):
        walk = left.walk()
        [*islice(walk, 2)]
        walk.close()
    events = [*Run(left.path, made(), 3).walk()]
    assert sum(isinstance(event, Stepped) for event in events) == STEPS - 4
    assert [each.tokens.tolist() for each in left.told()] == [each.tokens.tolist() for each in whole.told()]


def test_what_has_left_is_not_asked_for():
    plan = LOOK["plan"] | {"shrinking": "count", "counts": [2, 2]}
    found = made(plan=plan, initial=4)
    asked = questions(found, 12)
    allowed = found.law().allowed
    assert allowed.sum() == 6
    assert len(found.laws) == 2
    assert not found.laws[0].allowed.all()
    left = allowed[np.arange(6), asked].all(1)
    assert left.sum() == 1  # nothing else is left, and then the rest of the space is better than nothing


def test_the_first_questions_are_the_laws_and_its_draws_are_candidates():
    found = made(initial=3, candidates=["drawn"])
    questions(found, 5)
    assert found.came_from == "drawn"
    none = found.law().allowed.copy()
    none[:, 1:] = False
    found.laws[-1] = found.law().without(found.law().allowed & ~none)
    assert not found._by_law(2).any()


def test_it_can_be_made_again_from_what_it_tells_of_itself(tmp_path):
    images = np.random.default_rng(0).random((40, 8, 8))
    np.savez(tmp_path / "images.npz", x=images, y=np.arange(40) % 4)
    for given in (LOOK["images"], "mid8", ImageFile(tmp_path / "images.npz")):
        about = made(images=given).about()
        assert again(json.loads(json.dumps(about))).about() == about
    kept = made(images=stripes())
    read = again(kept.about())  # to read it is possible, to go on is not
    assert read.about() == kept.about()
    with pytest.raises(ArgumentError, match="images must be there to be found again"):
        next(read.steps())


def test_images_and_skeleton_are_those_behind_the_first_objective(as_a_user):
    found = search("supernet", SPACE, WISHES, seed=0)
    assert (found.images, found.skeleton) == ("mid8", json.loads(json.dumps(asdict(MICRO))))
    trainer = Trainer(SPACE, stripes(), TrainingRecipe(epochs=1), skeleton=SMALL)
    found = search("supernet", SPACE, [trainer.objective(), trainer.cost()], seed=0)
    assert found.images == {"sha256": stripes().digest()}
    assert found.skeleton["channels"] == [2, 3]
    mine = Objective(Metric("mine", "1", "max"), lambda rows: rows.sum(1).astype(float))
    with pytest.raises(ArgumentError, match="images and skeleton must be given for mine"):
        search("supernet", SPACE, [mine], seed=0)
    with pytest.raises(ArgumentError, match="device must be one of"):
        made(device="tpu")
    with pytest.raises(ArgumentError, match="space must be one of"):
        search("supernet", nagkit.space("enas"), [mine], seed=0, **LOOK)
    for wrong in ([trainer.cost(), trainer.objective()], [trainer.objective(), trainer.objective()]):
        with pytest.raises(ArgumentError, match="objectives must begin with the one that training tells"):
            search("supernet", SPACE, wrong, seed=0, **LOOK)
    for option in ("plan", "skeleton"):
        for value in ("x", {"a": 3}):
            with pytest.raises(ArgumentError, match=f"{option} must be a"):
                made(**{option: value})
    with pytest.raises(ArgumentError, match="images must be what nagkit tells of images"):
        next(made(images={"a": 3}).steps())
    with pytest.raises(ArgumentError, match="space must be a"):
        search("supernet", 3, [mine], seed=0)


def test_all_is_refused_at_once_where_it_is_too_much():
    with pytest.raises(ArgumentError, match="candidates can be 'all' in spaces of 20,000"):
        search("supernet", nagkit.space("darts"), WISHES, seed=0, candidates=["all"], **LOOK)
    found = search("supernet", nagkit.space("darts"), WISHES, seed=0, **LOOK)
    assert found.candidates == ["drawn", "mutation", "random"]


def test_of_a_class_the_cheapest_that_is_left_is_a_candidate():
    found = made()
    for _ in found.steps():
        pass
    gone = np.zeros((6, 5), dtype=bool)
    gone[2, 0] = True  # no `none` in the third slot
    found.laws[-1] = found.law().without(gone & found.law().allowed)
    questions(found, 14)
    rows = found._drawn(found.archive.tokens[:1])["all"]
    assert (rows[:, 2] != 0).all()
    left = SPACE.all()
    left = left[found.law().allowed[np.arange(6), left].all(1)]
    assert len(rows) == len(np.unique(SPACE.canonical(left, "function"), axis=0))


def test_where_no_candidate_meets_the_limits_the_nearest_is_asked_for(monkeypatch):
    found = made(initial=4)
    questions(found, 6)
    monkeypatch.setattr(type(found), "_limits", lambda *_: np.array([50.0]))  # cheaper than anything
    sizes = WISHES[1].values(found.ask(1))
    new = found.archive.new(SPACE.all())
    assert sizes[0] <= np.quantile(WISHES[1].values(SPACE.all()[new]), 0.05)
