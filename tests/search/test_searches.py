"""Every search keeps the contract, on the space of the benchmark and on one with a grammar."""

import numpy as np
import pytest

from blocks import Blocks
from nagkit.checks.search import COUNT, SearchContract, symbols, walk
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.search import SEARCHES, Search, search
from nagkit.spaces.nas_bench_201 import NasBench201
from runs import LOOK

SPACE = NasBench201()
OPTIONS = {"supernet": LOOK}
FEW = Metric("zeros", "count", "min")
ONE = [Objective(COUNT, symbols)]
TWO = [*ONE, Objective(FEW, lambda tokens: (tokens == 0).sum(1).astype(float))]


@pytest.fixture(params=[pytest.param(each, marks=[pytest.mark.slow] * (each != "bayesian")) for each in SEARCHES])
def name(request):
    return request.param


class TestSearches(SearchContract):
    @pytest.fixture(params=[ONE, pytest.param(TWO, marks=pytest.mark.slow)], ids=["one objective", "two objectives"])
    def make(self, request, name):
        options = OPTIONS.get(name, {})
        return lambda seed, constraints=(): search(name, SPACE, request.param, constraints, seed=seed, **options)


@pytest.mark.slow
class TestAcquisitions(SearchContract):
    @pytest.fixture(params=["ei", "thompson", "ehvi", "budget"])
    def make(self, request):
        wanted = TWO if request.param in {"ehvi", "budget"} else ONE
        options = {"acquisition": request.param}
        return lambda seed, constraints=(): search("bayesian", SPACE, wanted, constraints, seed=seed, **options)


class TestGenetic(SearchContract):
    """Past its first generation within the contract."""

    @pytest.fixture(params=[ONE, pytest.param(TWO, marks=pytest.mark.slow)], ids=["one objective", "two objectives"])
    def make(self, request):
        options = {"population": 10, "parents": 3}
        return lambda seed, constraints=(): search("genetic", SPACE, request.param, constraints, seed=seed, **options)


def test_a_search_is_a_search(name):
    assert isinstance(search(name, SPACE, ONE, seed=0, **OPTIONS.get(name, {})), Search)


def test_a_small_space_is_asked_for_to_its_end_and_then_no_more(name):
    if name in {"policy", "supernet"}:
        pytest.skip("there are no weights, shared or not, for the small space")
    space, options = Blocks(), {"published": True} if name == "latent" else {}  # for which there are no weights
    made = search(name, space, [Objective(COUNT, symbols)], seed=0, **options)
    assert len(np.unique(walk(made, 3, batch=10), axis=0)) == space.size
    assert made.ask(1).shape == (0, 3)


@pytest.mark.parametrize(("wanted", "identity"), [(ONE, "function"), (TWO, "string")])
def test_architectures_that_are_the_same_are_asked_for_once(name, wanted, identity):
    made = search(name, SPACE, wanted, seed=0, **OPTIONS.get(name, {}))
    assert made.identity == identity
    assert len(np.unique(SPACE.canonical(walk(made, 60), identity), axis=0)) == 60


def test_identity_is_what_counts_as_the_same():
    none = SPACE.encode(["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"])
    for identity, known in (("function", True), ("string", False)):
        made = search("random", SPACE, ONE, seed=0, identity=identity)
        made.tell(none, symbols(none)[:, None])
        other = SPACE.encode(["|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"])
        assert made.archive.new(other)[0] == (not known)


def test_impossible_searches_are_refused(as_a_user):
    with pytest.raises(ArgumentError, match="search must be one of"):
        search("rnd", SPACE, ONE, seed=0)
    with pytest.raises(ArgumentError, match="objectives must hold"):
        search("random", SPACE, [], seed=0)
    with pytest.raises(ArgumentError, match="put the one Objective into"):
        search("random", SPACE, ONE[0], seed=0)
    with pytest.raises(ArgumentError, match="option of the search random"):
        search("random", SPACE, ONE, seed=0, population=3)
    with pytest.raises(ArgumentError, match="tournament must be"):
        search("evolution", SPACE, ONE, seed=0, population=3, tournament=4)
    with pytest.raises(ArgumentError, match="identity must be"):
        search("random", SPACE, ONE, seed=0, identity="same")
    with pytest.raises(ArgumentError, match="seed must be"):
        search("random", SPACE, ONE, seed=-1)


def test_what_meets_the_constraints_comes_before_what_does_not_and_failures_last():
    made = search("random", SPACE, TWO, [Constraint(COUNT, symbols, low=3, high=9)], seed=0)
    tokens = SPACE.at(np.arange(6) * 100)
    nan = np.nan
    made.tell(tokens, np.array([[5, 1, 5], [6, 2, 6], [4, 3, 4], [20, 0, 20], [10, 0, 10], [nan, nan, nan]], float))
    assert made.archive.ranks().tolist() == [0, 0, 1, 3, 2, 4]
    assert made.archive.feasible().tolist() == [True, True, True, False, False, False]
