"""A race gives every entrant the same course, budget and seeds, whichever way it is run."""

import numpy as np
import pytest

from blocks import Blocks
from nagkit.benchmarks import benchmark
from nagkit.checks.search import COUNT, symbols
from nagkit.errors import ArgumentError
from nagkit.executors import executor
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.race import Course, Race, entrants, point
from nagkit.search import Evaluated, run, search
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.standings import Standings
from runs import LOOK

pytestmark = pytest.mark.slow

SPACE = NasBench201()
ZEROS = Metric("zeros", "count", "min")


def zeros(tokens):
    return (tokens == 0).sum(1).astype(float)


def race(budget=12, seeds=(0, 3), entrants=None, space=SPACE):
    few = Constraint(ZEROS, zeros, high=3.0)
    course = Course(space, [Objective(COUNT, symbols)], [few])
    return Race(
        course, {"evolution": {"population": 4, "tournament": 2}} if entrants is None else entrants, budget, seeds
    )


def asked(heats):
    return {(heat.entrant, heat.seed): (heat.tokens.tolist(), heat.values.tolist()) for heat in heats}


def test_the_baselines_always_run_and_all_have_the_same_budget_and_seeds():
    whole = race()
    heats = list(whole.run())
    assert {(heat.entrant, heat.seed) for heat in heats} == {
        (name, seed) for name in ("random", "local", "enumeration", "evolution") for seed in (0, 3)
    }
    for heat in heats:
        assert len(heat) == 12
        assert len(np.unique(heat.tokens, axis=0)) == 12
        np.testing.assert_array_equal(heat.values, np.stack([symbols(heat.tokens), zeros(heat.tokens)], axis=1))
        assert heat.seconds > 0
    assert whole.ended
    assert not list(whole.run())


def test_a_space_that_cannot_be_listed_has_two_baselines():
    class Wide(NasBench201):
        """As if there were many more."""

        size = 10**9

    assert list(race(space=Wide(), entrants={}).entrants) == ["random", "local"]


def test_laps_and_runs_and_processes_see_the_same():
    whole, watched, mixed, elsewhere = race(), race(), race(), race()
    expected = asked(whole.run())
    laps = list(watched.laps(5))
    assert [{len(heat) for heat in heats} for heats in laps] == [{5}, {10}, {12}]
    assert asked(watched.heats) == expected
    next(laps := mixed.laps(5))
    laps.close()
    assert [len(heat) for heat in mixed.heats] == [5] * 8
    assert len(list(mixed.run())) == 8
    assert asked(mixed.heats) == expected
    with executor(2) as processes:
        assert asked(elsewhere.run(processes)) == expected
    assert asked(elsewhere.heats) == expected


@pytest.mark.slow
def test_a_table_may_be_raced_over_in_processes():
    table = benchmark("digits/mid8")
    course = Course(SPACE, [table.objective("val_accuracy")], [table.constraint("latency_cpu", high=0.4)])
    here, there = (Race(course, {}, 8, [0]) for _ in range(2))
    with executor(2) as processes:
        assert asked(there.run(processes)) == asked(here.run())
        made = search("random", SPACE, course.objectives, seed=0)
        told = [event for event in run(made, 4, executor=processes) if isinstance(event, Evaluated)]
    for event in told:
        assert event.fault is None
        assert event.values == table.look_up(event.tokens[None], "val_accuracy")


def test_an_interrupt_loses_nothing_that_was_done():
    expected, run, left = asked(race().run()), race(), 30

    def zeros_or_an_interrupt(tokens):
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        return zeros(tokens)

    few = Constraint(ZEROS, zeros_or_an_interrupt, high=3.0)
    run = Race(Course(SPACE, [Objective(COUNT, symbols)], [few]), run.entrants, 12, (0, 3))
    with pytest.raises(KeyboardInterrupt):
        list(run.run())
    assert 0 < sum(map(len, run.heats)) < 96
    assert not run.ended
    list(run.run())
    assert asked(run.heats) == expected


def test_a_run_that_was_left_goes_on_with_the_rest():
    run = race()
    heats = run.run()
    for _ in range(3):
        next(heats)
    heats.close()
    assert sum(heat.ended for heat in run.heats) == 3
    assert len(list(run.run())) == 5
    assert asked(run.heats) == asked(race().run())


def test_an_entrant_may_be_a_search_of_another_name_and_come_twice():
    run = race(entrants={"small": {"search": "evolution", "population": 2, "tournament": 1}, "evolution": {}})
    assert {heat.entrant for heat in run.run()} == {"random", "local", "enumeration", "small", "evolution"}


def test_a_space_that_ends_before_the_budget_ends_the_heats():
    run = race(budget=100, space=Blocks(), entrants={})
    assert {len(heat) for heat in run.run()} == {Blocks().size}
    assert run.ended
    watched = race(budget=100, space=Blocks(), entrants={})
    assert [len(heats) for heats in watched.laps(10)] == [6] * 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"budget": 0}, "budget must be"),
        ({"seeds": ()}, "seeds must hold"),
        ({"seeds": (1, 1)}, "seeds must hold"),
        ({"seeds": (-1,)}, "seeds must be"),
        ({"seeds": 5}, "seeds must be a list"),
        ({"entrants": {"random": {"seed": 3}}}, "seed is the race's to say"),
        ({"entrants": ["random"]}, "entrants must be options by name"),
        ({"entrants": {"rnd": {}}}, "search must be one of"),
        ({"entrants": {"random": {"speed": 3}}}, "option of the search random"),
    ],
)
def test_impossible_races_are_refused(wrong, message, as_a_user):
    with pytest.raises(ArgumentError, match=message):
        race(**wrong)


def test_impossible_courses_are_refused(as_a_user):
    wish = Objective(COUNT, symbols)
    with pytest.raises(ArgumentError, match="objectives must hold at least one"):
        Course(SPACE, [])
    with pytest.raises(ArgumentError, match="judges as many or none"):
        Course(SPACE, [wish], judges=[wish, wish])
    with pytest.raises(ArgumentError, match="cost must be"):
        Course(SPACE, [wish], cost="train_time")
    for wrong, said in (
        ((1.0,), "must have shape"),
        ((1.0, np.inf), "reference must be finite"),
        (("a", "b"), "must hold Real values"),
    ):
        with pytest.raises(ArgumentError, match=said):
            Course(SPACE, [wish, wish], reference=wrong)
    with pytest.raises(ArgumentError, match="reference must be empty with one objective"):
        Course(SPACE, [wish], reference=(1.0,))


def test_candidates_come_from_the_sources_that_the_name_says():
    whole = race(budget=8, seeds=(0,), entrants=entrants("bayesian:ei:mutation, bayesian::random"))
    assert {heat.entrant for heat in whole.run()} > {"bayesian:ei:mutation", "bayesian::random"}
    made = {lane.heat.entrant: lane.search for lane in whole._lanes}
    assert (made["bayesian:ei:mutation"].acquisition, made["bayesian:ei:mutation"].candidates) == ("ei", ["mutation"])
    assert (made["bayesian::random"].acquisition, made["bayesian::random"].candidates) == ("ucb", ["random"])


def test_points_are_written_with_commas():
    assert point("70, 6.5") == (70.0, 6.5)
    assert point(" ") == ()
    with pytest.raises(ArgumentError, match="reference_point must be numbers with commas"):
        point("70; 60")


def test_a_lap_can_be_left_between_two_heats_and_nothing_is_lost():
    course = Course(SPACE, [Objective(COUNT, symbols)])
    whole, halting = (Race(course, {}, 6, [0, 1]) for _ in range(2))
    answers = iter([False, False, False, True])
    assert list(halting.laps(2, lambda: next(answers))) == []
    assert [len(heat) for heat in halting.heats] == [2, 2, 2, 0, 0, 0]
    list(halting.laps(2))
    assert asked(halting.heats) == asked(whole.run())


def test_entrants_are_written_with_commas_and_acquisitions_with_a_colon():
    assert entrants(" evolution,bayesian:ei ,") == {
        "evolution": {},
        "bayesian:ei": {"search": "bayesian", "acquisition": "ei"},
    }
    assert entrants("bayesian:ei:guided+mutation, bayesian::guided,bayesian:") == {
        "bayesian:ei:guided+mutation": {
            "search": "bayesian",
            "acquisition": "ei",
            "candidates": ["guided", "mutation"],
        },
        "bayesian::guided": {"search": "bayesian", "candidates": ["guided"]},
        "bayesian:": {"search": "bayesian"},
    }
    assert entrants("latent:published, latent::sampled+climbed") == {
        "latent:published": {"search": "latent", "published": True},
        "latent::sampled+climbed": {"search": "latent", "candidates": ["sampled", "climbed"]},
    }
    assert entrants("") == {}
    for wrong, said in (
        ("bayes", "Did you mean 'bayesian'"),
        ("tpe:ei", "an acquisition of bayesian or latent only"),
        ("latent:ei:climb", "each source of candidates in 'latent:ei:climb' .* Did you mean 'climbed'"),
        ("bayesian:ei:climbed", "each source of candidates in 'bayesian:ei:climbed' must be one of"),
        ("tpe::guided", "sources of candidates, as in bayesian:ei:guided"),
        ("bayesian:ie", "the acquisition in 'bayesian:ie' must be one of 'ucb', 'ei'"),
        ("bayesian:ei:guidde", "each source of candidates in 'bayesian:ei:guidde' .* Did you mean 'guided'"),
        ("bayesian:ei:guided+", "each source of candidates in 'bayesian:ei:guided.' must be one of"),
        ("bayesian:ei:guided:mutation", "two colons at most"),
    ):
        with pytest.raises(ArgumentError, match=said):
            entrants(wrong)


def test_a_policy_says_its_model_its_update_and_whether_it_is_filtered_in_any_order():
    assert entrants("policy, policy:recurrent, policy:unfiltered:graph:refit, policy:gradient:unfiltered") == {
        "policy": {},
        "policy:recurrent": {"search": "policy", "model": "recurrent"},
        "policy:unfiltered:graph:refit": {"search": "policy", "filtered": False, "model": "graph", "update": "refit"},
        "policy:gradient:unfiltered": {"search": "policy", "update": "gradient", "filtered": False},
    }
    for wrong, said in (
        ("policy:recurent", "each word in 'policy:recurent' must be one of 'graph', .* Did you mean 'recurrent'"),
        ("policy:ei", "must be one of .*'recurrent', 'independent', .*'gradient'.*'unfiltered'; got 'ei'"),
        ("policy:", "each word in 'policy:' must be one of"),
        ("policy:graph:recurrent", "one model, one update .* got 'policy:graph:recurrent'"),
        ("policy:unfiltered:unfiltered", "unfiltered once at most"),
        ("evolution:unfiltered", "words for policy, as in policy:refit; got 'evolution:unfiltered'"),
    ):
        with pytest.raises(ArgumentError, match=said):
            entrants(wrong)


def test_policies_of_several_kinds_race_side_by_side():
    run = race(budget=8, seeds=(0,), entrants=entrants("policy:independent:unfiltered, policy:recurrent:refit"))
    made = {lane.heat.entrant: lane.search for lane in run._lanes}
    kinds = {name: (each.model, each.filtered, each.update) for name, each in made.items() if "policy" in name}
    assert kinds == {
        "policy:independent:unfiltered": ("independent", False, "preference"),
        "policy:recurrent:refit": ("recurrent", True, "refit"),
    }
    assert {len(heat) for heat in run.run()} == {8}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mid8", "hard8"])
def test_bayesian_search_clears_the_bar_on_our_own_tables(name):
    """The benchmark report does the same with 20 seeds."""
    table = benchmark(f"digits/{name}")
    race = Race(Course(SPACE, [table.objective("val_accuracy")]), {"bayesian": {}}, 96, range(5))
    for _ in race.run():
        pass
    standings = Standings(race.course, race.heats)
    assert (standings.queries("bayesian") <= 96).all()
    for other in ("local", "random"):
        assert standings.regret("bayesian").mean() < standings.regret(other).mean()


def test_a_race_is_stopped_within_a_look_and_goes_on_with_it():
    table, asked = benchmark("digits/mid8"), []
    wishes = [table.objective("val_accuracy"), table.objective("params", exact=True)]
    race, other = (Race(Course(table.space, wishes), {"supernet": LOOK}, 12, [0]) for _ in range(2))
    (lane,) = (each for each in race._lanes if each.heat.entrant == "supernet")

    def stopped():
        asked.append(len(lane.search.laws))
        return len(asked) % 5 == 0

    for _ in range(40):
        for _ in race.laps(12, stopped):
            pass
    assert race.ended
    *_, whole = other.laps(12)
    for mine, theirs in zip(race.heats, whole, strict=True):
        assert np.array_equal(mine.tokens, theirs.tokens)
    assert 0 in asked  # in the midst of the look
