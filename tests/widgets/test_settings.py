import pytest
from nagkit_widgets.controls import Controls
from nagkit_widgets.settings import Settings, settings, stops
from nagkit_widgets.sources import EMBEDDED, available, benchmark, devices, goals

from nagkit.benchmarks import NAMES, TABLES
from nagkit.errors import ArgumentError


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("table", "digits/mid9", r"table must be one of .* Did you mean 'digits/mid8'\?"),
        ("table", None, "table must be one of"),
        ("strength", -1, "strength must be a number from 0 to 20; got -1"),
        ("strength", 21, "strength must be a number from 0 to 20; got 21"),
        ("strength", float("nan"), "strength must be a number"),
        ("strength", "high", "strength must be a number"),
        ("effective", 0.5, "effective must be a number from 1 to 10000"),
        ("effective", 20_000, "effective must be a number from 1 to 10000"),
        ("objectives", "params", r"objectives must be a list; put the one str into \[ \]"),
        ("objectives", 3, "objectives must be a list"),
        ("objectives", (3,), "objectives must hold str values; got 3"),
        ("objectives", ("parms",), r"each metric in objectives must be one of .* Did you mean 'params'\?"),
        ("objectives", ("params", "params"), "objectives must name each metric once"),
        ("limits", ("params", 0.5), r"limits must be pairs .* got 'params'"),
        ("limits", 0.5, "limits must be pairs"),
        ("limits", {"params": 0.5}, "limits must be pairs"),
        ("limits", [("params",)], "limits must be pairs"),
        ("limits", [("params", "small")], "the limit on params must be a number"),
        ("limits", [("flopz", 1)], r"each metric in limits must be one of .* Did you mean 'flops'\?"),
        ("limits", [("params", 0.5), ("params", 0.4)], "limits must name each metric once"),
        ("samples", 4, "samples must be a whole number from 8 to 1000"),
        ("samples", 1001, "samples must be a whole number from 8 to 1000"),
        ("steps", 7, "steps must be a whole number from 1 to 6"),
        ("labels", 19, "labels must be a whole number from 20 to 1000"),
        ("labels", True, "labels must be a whole number"),
        ("seed", 2**31, "seed must be a whole number from 0"),
    ],
)
def test_what_the_panel_cannot_show_is_refused(field, value, said):
    with pytest.raises(ArgumentError, match=said):
        Settings(**{field: value})


@pytest.mark.parametrize(
    ("here", "first"),
    [
        (["digits/mid8", "digits/hard8"], "digits/mid8"),
        (["digits/mid8", "digits/hard8", "nas-bench-201/cifar100"], "nas-bench-201/cifar100"),
        (["digits/hard8"], "digits/hard8"),
        (["digits/mid8", "mobilenet-v3/imagenet"], "digits/mid8"),
        ([], "digits/mid8"),
    ],
)
def test_a_public_table_is_offered_first_and_else_the_default(here, first, monkeypatch):
    monkeypatch.setattr("nagkit.benchmarks.available", lambda: {name: name in here for name in NAMES})
    offered = available()
    assert offered[0] == first
    assert sorted(offered) == sorted(here or [first])


def test_surrogates_are_offered_after_the_tables(monkeypatch):
    monkeypatch.setattr("nagkit.benchmarks.available", lambda: dict.fromkeys(NAMES, True))
    assert set(available()[: len(TABLES)]) == set(TABLES)
    assert set(available()) == set(NAMES)


def test_lists_become_tuples():
    given = Settings(objectives=["params"], limits=[["flops", 50]])
    assert (given.objectives, given.limits) == (("params",), (("flops", 50.0),))


def test_a_table_that_is_not_here_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.delenv("NAGKIT_UPSTREAM", raising=False)
    monkeypatch.setenv("NAGKIT_CACHE", str(tmp_path))
    opened = benchmark.cache_info()
    assert Settings(table=TABLES[-1], objectives=("anything",)).table == TABLES[-1]
    assert benchmark.cache_info() == opened


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ({"strenght": 3}, r"a start value must be one of .* Did you mean 'strength'\?"),
        ({"limits": [("val_loss", 1)]}, "the metric of a limit must be one of 'params', 'flops', 'latency_cpu'"),
        ({"limits": [("params", 1e-9)]}, "the limit on params must be a number from"),
        ({"limits": [("params", 1e9)]}, "the limit on params must be a number from"),
    ],
)
def test_a_panel_refuses_a_start_that_it_has_no_control_for(start, said):
    with pytest.raises(ArgumentError, match=said):
        settings(**{"table": EMBEDDED, **start})


def test_the_controls_hold_what_they_were_started_with():
    plain = settings(table=EMBEDDED)
    latency = next(iter(devices(EMBEDDED).values()))
    lowest = {name: stops(plain, name)[0] for name in ("params", "flops", latency)}
    ends = {"strength": 20.0, "samples": 1000, "steps": 1, "seed": 2**31 - 1, "labels": 20}
    given = settings(table=EMBEDDED, objectives=("params", "val_loss"), limits=lowest.items(), effective=1e4, **ends)
    shown = Controls(given, lambda: None, lambda _: None)
    assert shown.settings.effective == pytest.approx(1e4)
    shown.automatic.value = False
    assert shown.settings == settings(table=EMBEDDED, objectives=("params", "val_loss"), limits=lowest.items(), **ends)


def test_single_trainings_are_offered_after_their_mean():
    offered = goals(EMBEDDED)
    assert sorted(offered) == sorted(benchmark(EMBEDDED).metrics)
    assert offered[0] == "val_accuracy"
    assert all("_seed" in name for name in offered[offered.index("flops") + 1 :])
