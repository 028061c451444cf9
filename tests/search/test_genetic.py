"""The genetic algorithm: who has children, and what they have of whom."""

import json

import numpy as np
import pytest

from blocks import Blocks
from nagkit.checks.search import COUNT, symbols, walk
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.search import search
from nagkit.spaces.mobilenet_v3 import MobileNetV3
from nagkit.spaces.nas_bench_101 import NasBench101
from nagkit.spaces.nas_bench_201 import NasBench201

SPACE, LARGE = NasBench201(), MobileNetV3()
WISH = Objective(COUNT, symbols)
ZEROS = Metric("zeros", "count", "min")


def zeros(tokens):
    return (tokens == 0).sum(1).astype(float)


def genetic(space=LARGE, wishes=(WISH,), constraints=(), seed=0, **options):
    options = {"population": 20, "parents": 5, **options}
    return search("genetic", space, list(wishes), list(constraints), seed=seed, identity="string", **options)


def test_the_first_generation_is_random():
    drawn = walk(genetic(), 20)
    np.testing.assert_array_equal(drawn, walk(search("random", LARGE, [WISH], seed=0, identity="string"), 20))


def test_parents_are_the_best_of_all_whole_generations():
    made = genetic()
    for count in (19, 20, 39, 40, 55):
        told = walk(made, count - len(made.archive))
        assert len(told)
        whole = made.archive.tokens[: count // 20 * 20]
        best = sorted(symbols(whole).tolist())[::-1][:5]
        assert symbols(made._chosen()).tolist() == best[: len(whole)]


def test_half_of_the_children_are_mutants_and_half_are_mixed():
    """With no mutation a mutant is its parent and known, so that the even ones are random; the odd ones are mixed."""
    made = genetic(SPACE, mutation=0.0)
    walk(made, 20)
    parents = made._chosen()
    children = walk(made, 20)
    mixed = [any(((child == a) | (child == b)).all() for a in parents for b in parents) for child in children]
    assert all(mixed[1::2])
    assert np.mean(mixed[0::2]) < 0.5


def test_a_mutant_differs_from_a_parent_in_about_a_tenth_of_its_slots():
    made = genetic(SPACE, mutation=0.3)
    walk(made, 20)
    parents = made._chosen()
    children = np.concatenate([made._mutants(parents) for _ in range(100)])
    nearest = (children[:, None] != parents).sum(2).min(1)
    assert nearest.mean() < 0.3 * len(SPACE.slots)
    alone = np.concatenate([made._mutants(parents[:1]) for _ in range(100)])
    assert (alone != parents[0]).mean() == pytest.approx(0.3 * 4 / 5, abs=0.02), "a draw of five may be the same again"


@pytest.mark.parametrize("space", [LARGE, NasBench101(), SPACE, Blocks()], ids=lambda space: space.name)
def test_what_is_legal_stays_and_all_becomes_legal(space):
    made = genetic(space)
    rows = space.sample(50, np.random.default_rng(0))
    np.testing.assert_array_equal(made._legal(rows), rows)
    wild = np.random.default_rng(1).integers(space.radices, size=(50, len(space.slots)))
    for row in made._legal(wild):
        assert space.faults(row) == ()


def test_what_breaks_a_constraint_is_a_parent_only_where_too_few_meet_it():
    made = genetic(SPACE, constraints=[Constraint(ZEROS, zeros, high=0.0)])
    walk(made, 20)
    met = zeros(made.archive.tokens) == 0
    assert met.any()
    chosen = made._chosen()
    assert (zeros(chosen) == 0).sum() == min(5, met.sum())


def test_weights_choose_parents_all_along_the_front():
    wishes = [WISH, Objective(ZEROS, lambda tokens: -zeros(tokens))]  # against each other
    made = genetic(SPACE, wishes)
    walk(made, 20)
    ranks = made.archive.ranks()
    first = {tuple(made._chosen()[0].tolist()) for _ in range(200)}
    assert len(first) > 1
    best = {tuple(row) for row in made.archive.tokens[ranks == 0].tolist()}
    assert first <= best


def test_generations_get_better_in_a_large_space():
    told = [symbols(walk(genetic(seed=seed, population=50, parents=12), 300)) for seed in range(3)]
    for values in told:
        assert values[250:].mean() > np.quantile(values[:50], 0.9)


def test_it_goes_on_from_its_state_in_the_middle_of_a_generation():
    made = genetic()
    walk(made, 47)
    again = genetic(seed=5).from_state(json.loads(json.dumps(made.state())))
    np.testing.assert_array_equal(walk(again, 20), walk(made, 20))


def test_options_that_make_no_sense_are_refused(as_a_user):
    for wrong, said in (
        ({"population": 1}, "population must be"),
        ({"parents": 21}, "parents must be a whole number from 1 to 20"),
        ({"mutation": 1.5}, "mutation must be a number from 0 to 1"),
    ):
        with pytest.raises(ArgumentError, match=said):
            genetic(**wrong)
