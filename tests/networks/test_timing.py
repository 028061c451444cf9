"""Few networks, well chosen, are timed here and teach the latency of all; what is finished is kept."""

import json
import re
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from nagkit.benchmarks.registry import CACHE
from nagkit.errors import ArgumentError, DataDamagedError
from nagkit.networks import timing
from nagkit.networks.latency import machine
from nagkit.networks.timing import LEAST, Timings, design, place, stored, time_networks
from nagkit.networks.workload import RUNS, WARM_UP, Workload
from nagkit.spaces.skeleton import MICRO, PUBLISHED
from ticking import ticking

MID8 = Workload.of("digits/mid8")


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """Layers move the clock, the cache is empty, and there are two rounds."""
    monkeypatch.setenv(CACHE, str(tmp_path))
    monkeypatch.setattr(timing, "ROUNDS", 2)
    with ticking() as clock:
        yield clock


# ------------------------------------------------------------------------------------------------------- the design


@pytest.mark.parametrize(("name", "networks"), [("digits/mid8", 20), ("nas-bench-201", 20), ("mobilenet-v3", 60)])
def test_every_symbol_of_every_slot_is_timed(name, networks):
    workload = Workload.of(name)
    assert workload.searched.one_hot(design(workload, networks)).any(0).all()


def test_a_shorter_design_is_the_beginning_of_a_longer_one():
    assert len(np.unique(design(MID8), axis=0)) == 60
    assert (design(MID8, 25) == design(MID8)[:25]).all()


def test_the_next_network_is_the_one_that_the_others_tell_least_about():
    rows = np.unique(MID8.searched.sample(timing.CANDIDATES, np.random.default_rng(0)), axis=0)
    told = np.concatenate([MID8.parts(rows), MID8.searched.one_hot(rows)], axis=1)
    told[:, 1:] /= told[:, 1:].std(0)
    chosen = design(MID8, 12)
    for count in range(12):
        before = np.array([told[(rows == row).all(1)][0] for row in chosen[:count]]).reshape(count, told.shape[1])
        doubt = np.linalg.inv(timing.RIDGE * np.eye(told.shape[1]) + before.T @ before)
        unknown = np.array([x @ doubt @ x for x in told])
        assert unknown[(rows == chosen[count]).all(1)][0] == pytest.approx(unknown.max(), rel=1e-6)


# ------------------------------------------------------------------------------------------------------- the timing


def test_each_network_is_timed_once_a_round(clock):
    steps = list(time_networks(MID8, LEAST))
    assert [step.done for step in steps] == list(range(1, 2 * LEAST + 1))
    assert {step.total for step in steps} == {2 * LEAST}
    last = steps[-1].timings
    assert last.complete and last.known == LEAST
    assert steps[0].timings.known == 1  # what was yielded stays as it was
    (first,) = np.flatnonzero(np.isfinite(steps[0].timings.milliseconds[:, 0]))
    assert last.milliseconds[first, 0] == steps[0].milliseconds


def test_networks_that_were_not_timed_are_predicted(clock):
    *_, last = time_networks(MID8, LEAST)
    predictor = last.timings.predictor()
    cells = MID8.searched.sample(20, np.random.default_rng(5))
    truth = [MID8.milliseconds(row) for row in cells]
    assert np.ptp(truth) > 5
    np.testing.assert_allclose(predictor.mean(cells), truth, rtol=1e-6)


def test_the_metric_says_where_it_holds_and_how_well_it_is_known(clock):
    *_, last = time_networks(MID8, LEAST)
    metric = last.timings.predictor().metric
    assert (metric.name, metric.unit, metric.direction, metric.batch) == ("latency_here", "ms", "min", 1)
    assert metric.device == f"{machine()}, one thread"
    assert f"from {LEAST} networks" in metric.source
    assert "was 0.0 % off in the mean; Spearman's correlation is" in metric.source


@pytest.mark.parametrize(("slower", "much"), [(1.0, False), (1.3, False), (3.0, True)])
def test_where_a_busy_machine_blurs_the_times_it_is_said_with_the_number(clock, slower, much):
    *_, last = time_networks(MID8, LEAST)
    blurred = last.timings.milliseconds * np.where(np.arange(LEAST) % 2, slower, 1.0)[:, None]
    metric = replace(last.timings, milliseconds=blurred).predictor().metric
    off = float(re.search(r"was ([\d.]+) % off", metric.source)[1])
    assert (off > 15) == much
    assert ("More than 15 % is much: time again when the machine is quiet." in metric.source) == much
    assert metric.label == f"latency here (ms, less is better; predicted ±{off:.1f} %)"


def test_of_several_rounds_the_fastest_counts():
    tokens = design(MID8, LEAST)
    milliseconds = np.full((LEAST, timing.ROUNDS), np.nan)
    milliseconds[:2, :3] = [[3, 1, 2], [np.nan, 7, 9]]
    rows, values = Timings(MID8, machine(), tokens, milliseconds).labels()
    assert (rows == tokens[:2]).all()
    assert values.tolist() == [1, 7]


def test_what_was_finished_is_kept_and_gone_on_with(clock):
    *_, left = islice(time_networks(MID8, LEAST), 25)
    assert stored(MID8).known == LEAST
    steps = list(time_networks(MID8, LEAST))
    assert [steps[0].done, steps[-1].done] == [26, 2 * LEAST]
    known = np.isfinite(left.timings.milliseconds)
    assert (steps[-1].timings.milliseconds[known] == left.timings.milliseconds[known]).all()


def test_complete_timings_are_replaced_only_by_enough_new_ones(clock):
    list(time_networks(MID8, LEAST))
    kept = place(MID8).read_bytes()
    list(islice(time_networks(MID8, LEAST), LEAST - 1))
    assert place(MID8).read_bytes() == kept
    list(islice(time_networks(MID8, LEAST), LEAST))
    assert not stored(MID8).complete


def test_after_its_seconds_no_network_is_begun(clock):
    one = MID8.milliseconds(design(MID8, 1)[0]) * (RUNS + WARM_UP) / 1000
    began = clock()
    with pytest.raises(ArgumentError, match=f"enough to time {LEAST} networks; 1 were. They are kept"):
        list(time_networks(MID8, LEAST, seconds=one / 2))
    assert clock() - began == pytest.approx(one)
    *_, last = time_networks(MID8, LEAST)
    assert last.timings.complete
    with pytest.raises(ArgumentError, match=r"1 were\. The timings of before are kept; give more"):
        list(time_networks(MID8, LEAST, seconds=one / 2))
    assert stored(MID8).complete


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"workload": "digits/mid8"}, "workload must be a Workload"),
        ({"networks": LEAST - 1}, f"networks must be a whole number from {LEAST}"),
        ({"seconds": -1}, "seconds must be a number from 0"),
    ],
)
def test_what_cannot_be_timed_is_refused(given, said):
    with pytest.raises(ArgumentError, match=said):
        time_networks(**{"workload": MID8, **given})


def test_too_few_timings_teach_nothing():
    with pytest.raises(ArgumentError, match=f"at least {LEAST} networks to learn from; these hold 0"):
        Timings.none(MID8).predictor()


# --------------------------------------------------------------------------------------------------------- the file


def test_timings_come_back_from_their_file(clock, tmp_path):
    *_, last = islice(time_networks(MID8, LEAST), 25)
    last.timings.write(tmp_path / "timings.json")
    again = Timings.open(tmp_path / "timings.json")
    assert (again.workload, again.machine) == (MID8, machine())
    np.testing.assert_array_equal(again.tokens, last.timings.tokens)
    np.testing.assert_array_equal(again.milliseconds, last.timings.milliseconds)


def test_timings_of_another_machine_are_refused(clock, tmp_path):
    next(time_networks(MID8, LEAST))
    text = json.dumps(json.loads(place(MID8).read_text()) | {"machine": "Abacus, PyTorch 0.1"})
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ArgumentError, match=r"timed on another: Abacus, PyTorch 0\.1\. Time the networks here"):
        Timings.open(tmp_path / "other.json")


def test_what_is_timed_and_where_decides_the_file(clock, monkeypatch):
    files = {place(Workload.of(name, batch)) for name in ("digits/mid8", "mobilenet-v3") for batch in (1, 8)}
    monkeypatch.setattr(timing, "machine", lambda: "Abacus, PyTorch 0.1")
    assert len(files | {place(MID8)}) == 5
    assert place(MID8) == place(Workload.of("digits/hard8"))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"machine": None},
        {"networks": []},
        {"networks": [{"tokens": [0] * 6, "milliseconds": [1.0]}]},
        {"networks": [{"tokens": [9] * 6, "milliseconds": [1.0, 1.0]}]},
        {"networks": [{"tokens": [0] * 6, "milliseconds": [1.0, -1.0]}]},
        {"networks": [{"tokens": [0] * 6, "milliseconds": [1.0, float("inf")]}]},
        {"networks": {"tokens": 3}},
        {"workload": {"space": "nas-bench-201"}},
        {"workload": {**MID8.about(), "space": "another"}},
        {"workload": {**MID8.about(), "skeleton": {"channels": 8}}},
    ],
)
def test_a_damaged_file_is_refused_and_named(clock, change, as_a_user):
    next(time_networks(MID8, LEAST))
    file = place(MID8)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(DataDamagedError, match=r"json holds no timings of networks: .* Delete it, and time anew"):
        stored(MID8)


def test_what_is_no_json_is_refused(clock):
    place(MID8).parent.mkdir()
    place(MID8).write_bytes(b"\x80\x04")
    with pytest.raises(DataDamagedError, match="Delete it"):
        stored(MID8)


# ----------------------------------------------------------------------------------------------------- the workload


def test_a_workload_is_known_by_the_name_of_a_benchmark_or_a_space():
    assert MID8 == Workload.of("digits/hard8") == Workload("nas-bench-201", 10, MICRO, 8)
    assert Workload.of("nas-bench-201") == Workload.of("nas-bench-201/cifar10")
    assert Workload.of("nas-bench-201/imagenet16-120") == Workload("nas-bench-201", 120, PUBLISHED, 16)
    assert Workload.of("mobilenet-v3", batch=4) == Workload("mobilenet-v3", 1000, batch=4)


def test_mobilenets_see_images_of_the_side_that_they_name():
    workload = Workload.of("mobilenet-v3")
    (row,) = workload.searched.sample(1, np.random.default_rng(0))
    assert workload.image_shape(row)[1:] == (int(workload.searched.slots[0].symbols[row[0]]),) * 2


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"space": "mobilenet"}, "space must be one of .* Did you mean 'mobilenet-v3'"),
        ({"space": "mobilenet-v3", "image_size": 224}, "image_size must be None for mobilenet-v3"),
        ({"space": "mobilenet-v3", "skeleton": MICRO}, "skeleton must be None for mobilenet-v3"),
        ({"space": "nas-bench-201", "image_size": 8}, "skeleton must be a Skeleton"),
        ({"space": "nas-bench-201", "skeleton": MICRO}, "image_size must be a whole number"),
        ({"space": "nas-bench-201", "skeleton": MICRO, "image_size": 8, "batch": 0}, "batch must be"),
    ],
)
def test_an_impossible_workload_is_refused(given, said):
    with pytest.raises(ArgumentError, match=said):
        Workload(**given)
