"""A look by stages: what comes when, that it goes on after an interruption, and what the law has learned at the end."""

import dataclasses

import numpy as np
import pytest
import torch

from nagkit import weights
from nagkit.errors import ArgumentError
from nagkit.metrics import Metric, Objective
from nagkit.spaces import space
from nagkit.spaces.skeleton import Skeleton
from nagkit.supernet import Lesson, Look, Plan, SharedNetwork, SharedRecipe, Shrunk, Stages, fair
from stripes import stripes

CELLS, DARTS = space("nas-bench-201"), space("darts")
TINY = Skeleton((3, 4), cells=1, image_channels=1, reduction="convolution")
SHORT = Plan((3, 2), SharedRecipe(batch=12), looks=3, draws=4, even=(0.5, 0.1), images=20, counts=(1, 1))


@pytest.fixture(scope="module")
def task():
    return stripes()


def params(searched):
    return Objective(
        Metric("params", "1", "min"), lambda rows: searched.params(rows, 4, TINY).astype(float), exact=True
    )


def symbols(searched):
    """Something that no sum over slots is, of which more is better."""
    kinds = Metric("kinds", "1", "max")
    return Objective(kinds, lambda rows: np.array([float(len(set(row))) for row in rows.tolist()]))


def stages(task, searched=CELLS, seed=0, plan=SHORT, costs=None):
    network = SharedNetwork.of(searched, 4, TINY, seed=seed)
    return Stages(network, task, [params(searched)] if costs is None else costs, plan, seed=seed)


def ended(found):
    """The weights and the law at the end."""
    for _ in found:
        pass
    return torch.cat([weight.detach().flatten() for weight in found.network.parameters()]), found.law


def test_each_stage_teaches_then_looks_then_shrinks(task):
    kinds = [type(step) for step in stages(task)]
    assert kinds == [Lesson] * 3 + [Look] * 3 + [Shrunk] + [Lesson] * 2 + [Look] * 3 + [Shrunk]


@pytest.mark.parametrize("policy", ["natural", "reinforce"])
@pytest.mark.parametrize("shrinking", ["confidence", "count"])
@pytest.mark.parametrize("searched", [CELLS, DARTS], ids=lambda each: each.name)
def test_an_interruption_after_any_step_changes_no_bit(task, searched, shrinking, policy, tmp_path):
    costs = [params(searched), symbols(searched)]
    plan = dataclasses.replace(SHORT, shrinking=shrinking, policy=policy, wished=(500, 400))
    expected, law = ended(stages(task, searched, plan=plan, costs=costs))
    found = stages(task, searched, plan=plan, costs=costs)
    number = 0
    while next(found, None) is not None:
        if searched is CELLS or number % 4 == 0:
            weights.write(tmp_path / "look", *found.state())
            found = Stages.from_state(weights.read(tmp_path / "look", "a look", "nagkit"), task, costs)
        number += 1
    assert number == SHORT.looks * 2 + sum(SHORT.lessons) + 2
    again, same = ended(found)
    assert (same.allowed.sum() < stages(task, searched).law.allowed.sum()) == (shrinking == "count")
    assert torch.equal(again, expected)
    assert np.array_equal(same.shares, law.shares)
    assert np.array_equal(same.allowed, law.allowed)


def test_what_is_drawn_and_taught_is_legal_and_allowed(task):
    found = stages(task, plan=Plan((2, 2), SharedRecipe(batch=12), 4, 6, (0.5, 0.1), 20, "count", (2, 1)))
    allowed = found.law.allowed
    for step in found:
        if isinstance(step, Shrunk):
            assert np.array_equal(step.law.allowed, allowed & ~step.dropped)
            allowed = step.law.allowed
        else:
            assert allowed[np.arange(6), step.tokens].all()
    assert (allowed.sum(1) == 2).all()  # of five, two and one left


def test_weights_are_kept_from_stage_to_stage(task):
    found = stages(task)
    for step in found:
        if isinstance(step, Shrunk):
            before = [weight.detach().clone() for weight in found.network.parameters()]
            break
    assert all(torch.equal(*pair) for pair in zip(before, found.network.parameters(), strict=True))
    next(found)
    assert found.lessons.network is found.network


def test_what_was_drawn_is_told_in_units_and_each_architecture_once(task):
    found = stages(task, costs=[params(CELLS), symbols(CELLS)])
    assert [len(part) for part in found.drawn()] == [0, 0]
    for step in found:
        if isinstance(step, Look) and step.look == 3:
            break
    rows, values = found.drawn()
    of_the_stage = [*found.drawn()]
    assert len(np.unique(rows, axis=0)) == len(rows)
    np.testing.assert_array_equal(values[:, 1], CELLS.params(rows, 4, TINY))
    np.testing.assert_array_equal(values[:, 2], symbols(CELLS).values(rows))
    ended(found)
    assert all(map(np.array_equal, found.drawn(0), of_the_stage))
    assert len(found.drawn(1)[0])
    assert not len(found.drawn()[0])


def test_the_published_policy_asks_for_one_trade_off(task):
    plan = dataclasses.replace(SHORT, policy="reinforce", wished=(500, 400))
    for step in (found := stages(task, plan=plan)):
        if isinstance(step, Look):
            assert len(step.law.anchors) == 1
            assert np.array_equal(step.law.at([1, 0]), step.law.at([0, 1]))
    assert found.law.shares.std() > 0
    with pytest.raises(ArgumentError, match="costs must begin with one of which less is better"):
        stages(task, plan=plan, costs=[symbols(CELLS)])


@pytest.mark.slow
def test_a_law_that_has_looked_holds_cheap_and_dear_networks(task):
    plan = Plan((4,), SharedRecipe(batch=12), looks=60, draws=12, even=(0.2,), images=20)
    found = stages(task, plan=plan)
    before = mean_params(found.law, [0.1, 0.9])
    for step in found:
        if isinstance(step, Look):
            assert (step.law.entropy() > 0.2).all()
    cheap, dear = (mean_params(found.law, preference) for preference in ([0.1, 0.9], [1, 0]))
    assert cheap < 0.6 * before
    assert cheap < dear


def mean_params(law, preference):
    return CELLS.params(law.draw(preference, 400, np.random.default_rng(0)).tokens).mean()


def test_a_look_goes_on_with_the_costs_that_it_was_begun_with(task):
    state = stages(task).state()
    for costs in ([symbols(CELLS)], [params(CELLS), symbols(CELLS)], []):
        with pytest.raises(ArgumentError, match="costs must be those that the look was begun with"):
            Stages.from_state(state, task, costs)


def test_lessons_go_fairly_through_what_is_left():
    rng = np.random.default_rng(0)
    allowed = np.arange(5) < np.array([5, 4, 3, 2, 1, 5])[:, None]
    rows = fair(CELLS, 60, rng, allowed)
    for slot, count in enumerate([5, 4, 3, 2, 1, 5]):
        assert np.array_equal(np.bincount(rows[:, slot], minlength=5), [60 // count] * count + [0] * (5 - count))
    left = np.ones((28, 8), dtype=bool)
    left[0, 1:], left[5, 3:] = False, False
    rows = fair(DARTS, 50, rng, left)
    assert DARTS.belongs(rows).all()
    assert set(rows[:, 5]) <= {0, 1, 2}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"lessons": (0,)}, "lessons"),
        ({"lessons": ()}, "lessons"),
        ({"even": (0.5,)}, "even"),
        ({"even": (0.5, 2, 0)}, "even"),
        ({"draws": 1}, "draws"),
        ({"shrinking": "anyhow"}, "shrinking"),
        ({"counts": (1, -1, 1)}, "counts"),
        ({"policy": "published"}, "policy"),
        ({"policy": "reinforce"}, "wished"),
        ({"policy": "reinforce", "wished": (1e3, 1e3, 0)}, "wished"),
        ({"policy": "reinforce", "wished": (1e3, 1e3, 1e3), "exponents": (0.1, 0, 0)}, "exponents"),
    ],
)
def test_impossible_plans_are_refused(given, named):
    with pytest.raises(ArgumentError, match=named):
        Plan(**given)
