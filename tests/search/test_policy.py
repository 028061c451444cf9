"""Policy search: what it learns from, that it follows from the labels, and that it finds."""

import json

import numpy as np
import pytest

import nagkit
from nagkit.errors import ArgumentError, DataMissingError
from nagkit.metrics import Metric, Objective
from nagkit.search import policy as module
from nagkit.search import run, search

TABLE = nagkit.benchmark("digits/mid8")
SPACE, WISH = TABLE.space, [TABLE.objective("val_accuracy")]
KINDS = [
    {},
    {"filtered": False},
    {"filtered": False, "update": "gradient"},
    {"filtered": False, "update": "refit"},
    {"filtered": False, "model": "recurrent"},
]


def made(seed=0, wish=WISH, **options):
    return search("policy", SPACE, wish, seed=seed, **options)


def walked(budget, seed=0, **options):
    """A policy search after so many evaluations."""
    found = made(seed, **options)
    for _ in run(found, budget):
        pass
    return found


def logs(found):
    """What its policy says of some rows."""
    return found.generator().log_probability(SPACE.sample(50, np.random.default_rng(9)))


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_the_policy_follows_from_the_labels(options):
    """However they were told, and after a resume from text."""
    whole = walked(35, **options)
    tokens, values = whole.archive.tokens, whole.archive.values
    at_once, in_pieces = made(7, **options), made(8, **options)
    at_once.tell(tokens, values)
    for part in np.array_split(np.arange(len(tokens)), 6):
        in_pieces.tell(tokens[part], values[part])
        in_pieces.ask(1)
    again = made(**options).from_state(json.loads(json.dumps(whole.state())))
    for other in (at_once, in_pieces, again):
        np.testing.assert_array_equal(logs(other), logs(whole))


@pytest.mark.slow
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_it_draws_better_and_better(options):
    """The mean of fresh samples rises, and the best seen is above that of as many random ones, over two seeds."""
    fresh, found, random = [], [], []
    for seed in range(2):
        searched = walked(45, seed, **options)
        rows = searched.generator().sample(200, nagkit.Guidance(), np.random.default_rng(0))
        fresh.append(np.nanmean(WISH[0].values(rows)))
        found.append(searched.archive.values.max())
        random.append(np.nanmax(WISH[0].values(SPACE.sample(45, np.random.default_rng(seed)))))
    everywhere = np.nanmean(WISH[0].values(SPACE.sample(2_000, np.random.default_rng(0))))
    assert np.mean(fresh) > everywhere + 1
    assert np.mean(found) > np.mean(random)


def test_a_refit_learns_from_the_best_alone_whatever_their_equals(monkeypatch):
    given = []
    monkeypatch.setattr(module, "refitted", lambda policy, tokens, weights, *_: given.append(weights) or policy)
    found = made(update="refit", initial=10)
    values = np.array([5.0, 9.0, 9.0, np.nan, *range(1, 5), 0.0, -1.0])[:, None]
    found.tell(SPACE.all()[:10], values)
    logs(found)
    better = [2, 0, 0, np.inf, 6, 5, 4, 3, 7, 8]
    np.testing.assert_array_equal(given[0], [max(module.ELITE - each, 0) for each in better])


def test_the_gradient_learns_from_the_round_alone(monkeypatch):
    given = []
    monkeypatch.setattr(module, "reinforced", lambda policy, *told: given.append(told[:2]) or policy)
    found = made(update="gradient", initial=4, batch=3)
    rows = SPACE.all()[:10]
    found.tell(rows, np.array([1, 2, 3, 4, 5, np.nan, 0, np.nan, np.nan, np.nan])[:, None])
    logs(found)
    (first, rewards), (second, others) = given  # the third round failed
    np.testing.assert_array_equal(first, rows[1:4])
    np.testing.assert_allclose(rewards, [1 / 4, 2 / 4, 3 / 4])
    np.testing.assert_array_equal(second, rows[[4, 6]])
    np.testing.assert_allclose(others, [5 / 6, 0])


def test_where_all_evaluations_fail_it_goes_on_asking():
    for options in KINDS:
        found = made(**options)
        found.tell(SPACE.all()[:20], np.full((20, 1), np.nan))
        assert found.ask(2).shape == (2, len(SPACE.slots))


def test_its_generator_is_its_own():
    found = walked(12)
    before = logs(found)
    found.generator().policy.floor = 0.9
    np.testing.assert_array_equal(logs(found), before)


def test_what_is_drawn_is_asked_for():
    assert walked(16, filtered=False).came_from == "drawn"
    found, sources = made(), set()
    for _ in run(found, 30):
        sources.add(found.came_from)
    assert "drawn" in sources


@pytest.mark.parametrize("model", ["recurrent", "independent"])
def test_spaces_whose_graphs_do_not_grow_are_searched_too(model):
    space = nagkit.space("mobilenet-v3")
    wish = Objective(Metric("first", "slots", "max"), lambda tokens: (tokens == 0).sum(1).astype(float))
    found = search("policy", space, [wish], seed=0, model=model, filtered=False)
    for _ in run(found, 30):
        pass
    fresh = found.generator().sample(100, nagkit.Guidance(), np.random.default_rng(0))
    assert wish.values(fresh).mean() > wish.values(space.sample(100, np.random.default_rng(0))).mean() + 1


def test_impossible_options_are_refused(as_a_user):
    with pytest.raises(ArgumentError, match="update must be one of 'refit', 'gradient', 'preference'"):
        made(update="descent")
    with pytest.raises(ArgumentError, match="model must be one of 'graph', 'recurrent', 'independent'"):
        made(model="transformer")
    with pytest.raises(ArgumentError, match="filtered must be"):
        made(filtered="no")
    with pytest.raises(ArgumentError, match="Take the search 'bayesian'"):
        made(candidates=["mutation"])
    with pytest.raises(ArgumentError, match="batch must be"):
        made(batch=1)
    with pytest.raises(DataMissingError, match="`nagkit train autoregressive --space random-wired-32` makes it"):
        search("policy", nagkit.space("random-wired-32"), WISH, seed=0)
    with pytest.raises(ArgumentError, match="'mobilenet-v3' has no growth"):
        search("policy", nagkit.space("mobilenet-v3"), WISH, seed=0)
