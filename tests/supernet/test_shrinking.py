"""Operations leave a slot when they are worse for everybody, and not before that is known."""

import numpy as np
import pytest
from scipy import stats

from nagkit.spaces import space
from nagkit.supernet.preference_law import PreferenceLaw
from nagkit.supernet.shrinking import Seen, _terms, fewest, worse

CELLS = space("nas-bench-201")
LAW = PreferenceLaw.of(CELLS)


def seen(n=2000, noise=0.1, seed=0):
    """Symbol 1 is worse than 0 in both objectives; 3 is good in the first and bad in the second, as 4 the other way."""
    rng = np.random.default_rng(seed)
    tokens = CELLS.sample(n, rng)
    first, second = np.array([0.5, 0.9, 0.5, 0.1, 0.9]), np.array([0.5, 0.9, 0.5, 0.9, 0.1])
    values = np.stack([first[tokens].mean(1), second[tokens].mean(1)], axis=1) + noise * rng.standard_normal((n, 2))
    return Seen(tokens, rng.dirichlet([1.0, 1.0], n), values)


def test_what_is_worse_for_every_preference_leaves_and_nothing_else():
    dropped = worse(LAW, seen())
    assert dropped[:, 1].all()
    assert not dropped[:, [3, 4]].any()


def test_what_is_best_for_one_preference_stays_although_it_is_bad_on_average():
    looked = seen()
    values = looked.values.copy()
    values[:, 1] += (looked.tokens == 3).mean(1) * 3  # far worse in the second
    assert not worse(LAW, looked._replace(values=values))[:, 3].any()


def test_few_looks_drop_nothing_and_more_confidence_drops_less():
    assert not worse(LAW, seen(12)).any()
    counts = [worse(LAW, seen(400, noise=0.3), confidence=each).sum() for each in (0.6, 0.99, 1 - 1e-9)]
    assert counts[0] >= counts[1] >= counts[2]
    assert counts[0] > counts[2]


def test_without_a_difference_hardly_anything_leaves():
    rng = np.random.default_rng(1)
    looked = Seen(CELLS.sample(1500, rng), rng.dirichlet([1.0, 1.0], 1500), rng.random((1500, 2)))
    assert worse(LAW, looked).sum() <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("name", "draws"), [("nas-bench-201", 320), ("nas-bench-201", 640), ("darts", 2000)])
def test_of_noise_no_more_is_claimed_than_confidence_allows(name, draws):
    searched, claimed = space(name), []
    law = PreferenceLaw.of(searched)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        wanted = np.repeat(rng.dirichlet([1.0, 1.0], draws // 16), 16, axis=0)
        hot = (searched.sample(draws, rng)[:, :, None] == np.arange(law.allowed.shape[1])).astype(float)
        for anchor in range(len(law.anchors)):
            weights = np.array([law.nearness(each)[anchor] for each in wanted])
            terms, error, freedom = _terms(hot, weights, rng.random(draws))
            told = np.isfinite(error) & (error > 0)
            above = (terms[:, :, None] - terms[:, None, :])[told] / error[told]
            claimed.extend(above > stats.t.ppf(0.99, freedom))
    assert 0.0 < np.mean(claimed) < 0.015


def test_what_was_drawn_again_is_no_more_evidence():
    looked = seen(60, noise=0.3)
    again = Seen(*(np.tile(part, (40, 1)) for part in looked))
    assert np.array_equal(worse(LAW, again), worse(LAW, looked))


def test_what_the_grammar_needs_does_not_leave():
    searched, rng = space("darts"), np.random.default_rng(0)
    tokens = searched.sample(3000, rng)
    good = np.array([0.0, 1, 2, 3, 4, 5, 6, 7])[tokens].sum(1) / 70  # as if "none" were best, or worst
    for values in (good, 1 - good):
        looked = Seen(tokens, rng.dirichlet([1.0, 1.0], 3000), np.repeat(values[:, None], 2, axis=1))
        law = PreferenceLaw.of(searched)
        dropped = worse(law, looked)
        assert not dropped[:, 0].any()
        assert dropped[:, 1:].any()
        assert searched.belongs(law.without(dropped).draw([0.5, 0.5], 20, rng).tokens).all()
        assert not fewest(law, 7)[:, 0].any()


@pytest.mark.parametrize("keep", [2, 3, 4])
def test_so_many_stay_and_they_are_the_best(keep):
    looked = seen(3000, noise=0.01)
    looked = looked._replace(values=np.repeat(looked.tokens.mean(1, keepdims=True) / 4, 2, axis=1))  # 0 best, 4 worst
    dropped = worse(LAW, looked, keep)
    assert np.array_equal(np.flatnonzero(~dropped.any(0)), np.arange(keep))
    law = LAW.without(dropped)
    assert not worse(law, looked, keep).any()


def test_by_count_the_least_likely_leave():
    step = np.tile(np.array([0.1, -0.1, 0.0, 0.15, -0.15]), (6, 1))
    law = PreferenceLaw.of(CELLS, objectives=1, steps=1).moved([1.0], step)
    assert np.array_equal(np.flatnonzero(fewest(law, 2).all(0)), [1, 4])
    assert fewest(law, 9).sum() == 6 * 4  # one of each slot stays
    law = law.without(fewest(law, 2))
    assert np.array_equal(np.flatnonzero(fewest(law, 1).all(0)), [2])
