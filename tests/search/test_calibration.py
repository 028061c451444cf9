"""Intervals of a search hold as often as they say, for what it asks for next, from what it was told alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagkit.checks.search import COUNT, symbols
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.search import search
from nagkit.search.archive import Archive
from nagkit.search.calibration import _LAW, FADE, LAW, LEFT_OUT, Calibration, _factor, _mixture
from nagkit.spaces.nas_bench_201 import NasBench201

SPACE = NasBench201()
MANY = Objective(COUNT, symbols)
COST = Metric("cost", "ms", "min")


def noisy(count, seed=0, noise=1.0, constraints=()):
    """An archive of random architectures whose values are the sum of a row and noise."""
    rng = np.random.default_rng(seed)
    archive = Archive(SPACE, [MANY], constraints, "string")
    tokens = archive.fresh(count, rng)
    values = symbols(tokens)[:, None] + noise * rng.standard_normal((count, len(archive.metrics)))
    archive.add(tokens, values)
    return archive


def again(archive, values):
    """The same archive, told other values."""
    other = archive.first(0)
    other.add(archive.tokens, values)
    return other


def same(one, other):
    """Whether two rounds say the same."""
    parts = ("number", "known", "labels", "within", "factors", "widths")
    return all(np.array_equal(getattr(one, part), getattr(other, part)) for part in parts)


def test_a_round_is_judged_by_the_intervals_from_before_it():
    archive = noisy(64, constraints=[Constraint(COST, symbols, high=12.0)])
    rounds = Calibration.of(archive, 16, 16).rounds
    assert [(each.number, each.known, each.labels) for each in rounds] == [(1, 16, 16), (2, 32, 16), (3, 48, 16)]
    for each in rounds:
        told = slice(each.known, each.known + 16)
        low, high = Calibration.of(archive.first(each.known), 16, 16).intervals(archive.tokens[told])
        values = archive.values[told]
        np.testing.assert_array_equal(each.within, ((low <= values) & (values <= high)).sum(0))
        np.testing.assert_allclose(each.widths, np.median(high - low, axis=0))


def test_rounds_stay_as_they_were_when_more_is_told():
    archive = noisy(60)
    rounds = Calibration.of(archive, 16, 16).rounds
    assert [each.labels for each in rounds] == [16, 16, 12]
    fewer = Calibration.of(archive.first(48), 16, 16).rounds
    assert len(fewer) == 2 and all(map(same, rounds, fewer))


def test_what_is_asked_for_and_not_told_changes_nothing():
    archive, fresh = noisy(40), SPACE.all()[::700]
    before = Calibration.of(archive, 16, 16).intervals(fresh)
    archive.expect(fresh)
    np.testing.assert_array_equal(Calibration.of(archive, 16, 16).intervals(fresh), before)


def test_coverage_is_the_share_of_all_labels_within():
    calibration = Calibration.of(noisy(60), 16, 16)
    within = sum(int(each.within[0]) for each in calibration.rounds)
    assert calibration.coverage == pytest.approx([within / 44])
    assert calibration.rounds[2].coverage == pytest.approx(calibration.rounds[2].within / 12)
    assert np.isnan(Calibration.of(noisy(16), 16, 16).coverage).all()


def test_failed_evaluations_are_left_out():
    archive = noisy(64)
    values = archive.values.copy()
    values[[3, 20, 40]] = np.nan
    values[48:] = np.nan
    failed = Calibration.of(again(archive, values), 16, 16)
    assert [(each.number, each.known, each.labels) for each in failed.rounds] == [(1, 15, 15), (2, 30, 15)]
    kept = np.isfinite(values[:, 0])
    clean = archive.first(0)
    clean.add(archive.tokens[kept], values[kept])
    np.testing.assert_array_equal(
        failed.intervals(SPACE.all()[::900]), Calibration.of(clean, 15, 15).intervals(SPACE.all()[::900])
    )


def test_rounds_begin_when_there_is_something_to_learn_from():
    archive = noisy(48)
    values = archive.values.copy()
    values[:31] = np.nan
    assert [each.number for each in Calibration.of(again(archive, values), 16, 16).rounds] == []
    values[:16] = archive.values[:16]
    values[16:] = archive.values[16:]
    values[:15] = np.nan
    assert [(each.number, each.known) for each in Calibration.of(again(archive, values), 16, 16).rounds] == [(2, 17)]


def test_exact_metrics_have_no_interval():
    archive = Archive(SPACE, [Objective(COST, symbols, exact=True), MANY], [], "string")
    tokens = archive.fresh(40, np.random.default_rng(0))
    archive.add(tokens, np.stack([symbols(tokens), symbols(tokens)], axis=1))
    calibration = Calibration.of(archive, 16, 16)
    assert calibration.metrics == (COUNT,)
    assert calibration.intervals(tokens[:3])[0].shape == (3, 1)
    exact = Archive(SPACE, [Objective(COST, symbols, exact=True)], [], "string")
    exact.add(tokens, symbols(tokens)[:, None])
    known = Calibration.of(exact, 16, 16)
    assert known.metrics == () and known.coverage.shape == (0,) and known.intervals(tokens[:3])[1].shape == (3, 0)


@pytest.mark.parametrize("scale", [1e-3, -40.0])
def test_intervals_go_with_the_unit(scale):
    archive, fresh = noisy(40), SPACE.all()[::900]
    low, high = Calibration.of(archive, 16, 16).intervals(fresh)
    ends = Calibration.of(again(archive, 7 + scale * archive.values), 16, 16).intervals(fresh)
    np.testing.assert_allclose(sorted([ends[0], ends[1]], key=np.sum), np.sort([7 + scale * low, 7 + scale * high], 0))


def test_equal_values_are_expected_again():
    archive = noisy(40)
    low, high = Calibration.of(again(archive, np.full((40, 1), 3.0)), 16, 16).intervals(SPACE.all()[::900])
    assert (low <= 3).all() and (high >= 3).all()


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_so_many_labels_lie_within_as_the_level_says(level):
    """Of 8 x 112 labels: their share has a standard deviation of .017 at most."""
    coverage = [Calibration.of(noisy(128, seed), 16, 16, level).coverage[0] for seed in range(8)]
    assert np.mean(coverage) == pytest.approx(level, abs=0.04)


@pytest.mark.slow
def test_records_are_covered():
    """A search for the largest sum, measured with noise, asks for ever larger ones."""
    coverage, records = [], []
    for seed in range(3):
        noise = np.random.default_rng(seed)
        made = search("evolution", SPACE, [MANY], seed=seed)
        for _ in range(80):
            tokens = made.ask(1)
            made.tell(tokens, symbols(tokens)[:, None] + noise.standard_normal((1, 1)))
        values = made.archive.values[:, 0]
        records.append(values[16:].max() - values[:16].max())
        coverage.append(Calibration.of(made.archive, 16, 16).coverage[0])
    assert min(records) > 0
    assert np.mean(coverage) == pytest.approx(0.9, abs=0.06)


def test_intervals_widen_when_they_stop_holding():
    """From label 64 on the noise is six times as large."""
    archive = noisy(128, noise=0.5)
    more = archive.values.copy()
    more[64:] += 3 * np.random.default_rng(1).standard_normal((64, 1))
    steady = Calibration.of(archive, 16, 16).rounds
    shaken = Calibration.of(again(archive, more), 16, 16).rounds
    assert all(map(same, steady[:3], shaken[:3]))
    assert shaken[3].coverage < 0.7 < shaken[-1].coverage
    assert shaken[4].factors > 1.5 * shaken[3].factors


def test_a_mixture_has_the_moments_of_draws_from_its_parts():
    rng = np.random.default_rng(0)
    mean, spread = _mixture(
        [
            (np.array([0.0, 1.0]), np.array([1.0, 0.5]), lambda scores: 3 + 2 * scores),
            (np.array([2.0, 0.0]), np.array([0.5, 0.1]), lambda scores: -scores),
        ]
    )
    draws = np.concatenate([rng.normal([3, 5], [2, 1], (10**6, 2)), rng.normal([-2, 0], [0.5, 0.1], (10**6, 2))])
    np.testing.assert_allclose((mean, spread), (draws.mean(0), draws.std(0)), atol=0.01)


def test_before_any_label_the_factor_is_that_of_the_normal_law():
    assert _factor(np.empty(0), np.empty(0), 0.1) == pytest.approx(1.645, abs=0.02)
    assert _factor(np.empty(0), np.empty(0), 0.32) == pytest.approx(0.994, abs=0.02)


@given(st.integers(0, 10**6), st.integers(0, 40), st.integers(0, 60), st.floats(0.02, 0.98))
def test_the_factor_is_a_weighted_quantile(seed, left, asked, chance):
    """As many labels by weight are farther off as the chance says, up to half of one to either side."""
    rng = np.random.default_rng(seed)
    left_out, told = rng.exponential(size=left), rng.exponential(size=asked)
    factor = _factor(left_out, told, chance)
    weighted = [(each, LAW / len(_LAW)) for each in _LAW] + [(each, LEFT_OUT) for each in left_out]
    weighted += [(each, FADE ** (asked - 1 - place)) for place, each in enumerate(told)]
    total = sum(weight for _, weight in weighted)
    farther = sum(weight for each, weight in weighted if each > factor)
    assert farther / total == pytest.approx(chance, abs=1.001 * max(weight for _, weight in weighted) / total)


def test_more_certainty_makes_intervals_wider():
    rng = np.random.default_rng(0)
    off = rng.exponential(size=30), rng.exponential(size=50)
    factors = [_factor(*off, chance) for chance in (0.0, 0.05, 0.1, 0.5, 1.0)]
    assert factors == sorted(factors, reverse=True) and np.isfinite(factors).all()


def test_an_archive_that_says_nothing_is_refused():
    with pytest.raises(ArgumentError, match=r"at least 2 labels to learn from; 1 of its 1 are finite"):
        Calibration.of(noisy(1), 16, 16)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"archive": "mine"}, r"archive must be a Archive such as search\.archive; got 'mine'"),
        ({"initial": 0}, "initial must be a whole number from 1; got 0"),
        ({"batch": 2.5}, "batch must be a whole number from 1; got 2.5"),
        ({"level": 90}, "level must be a number from 0 to 1; got 90"),
    ],
)
def test_wrong_arguments_are_refused(wrong, message, as_a_user):
    with pytest.raises(ArgumentError, match=message):
        Calibration.of(**{"archive": noisy(20), "initial": 16, "batch": 16, **wrong})
