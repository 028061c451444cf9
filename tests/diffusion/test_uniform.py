"""Uniform diffusion: its noise is what it says, and its samples follow the law of the space and the guided law."""

import numpy as np
import pytest
from scipy import stats

import nagkit
from nagkit.diffusion.energy import Energy
from nagkit.diffusion.uniform import denoise, evidence, renoised
from wishes import ALL, QUALITY, SCORES, SPACE

RNG = np.random.default_rng


@pytest.mark.parametrize(("time", "earlier"), [(1.0, 0.6), (0.6, 0.2)])
def test_renoising_leaves_the_marginal_of_the_earlier_time(time, earlier):
    """Noise to ``time`` and back to ``earlier`` given the clean symbol is noise to ``earlier``."""
    rng, clean = RNG(0), np.full((40_000, 6), 2)

    def noised(level):
        return np.where(rng.random(clean.shape) < level, rng.integers(5, size=clean.shape), clean)

    back = renoised(SPACE, clean, noised(time), (time, earlier), rng)
    expected = np.full(5, earlier / 5)
    expected[2] += 1 - earlier
    for slot in range(6):
        seen = np.bincount(back[:, slot], minlength=5)
        assert stats.chisquare(seen, expected * len(back)).pvalue > 1e-4


def test_at_time_zero_the_clean_symbols_are_back():
    rng = RNG(0)
    clean, noisy = SPACE.sample(50, rng), SPACE.sample(50, rng)
    np.testing.assert_array_equal(renoised(SPACE, clean, noisy, (0.1, 0.0), rng), clean)


def test_evidence_is_the_probability_of_the_noisy_symbols():
    noisy = SPACE.sample(4, RNG(0))
    told = np.exp(evidence(SPACE, noisy, 0.3))
    for row in range(4):
        for slot in range(6):
            for symbol in range(5):
                assert told[row, slot, symbol] == pytest.approx(0.7 * (symbol == noisy[row, slot]) + 0.06)


@pytest.mark.slow
def test_unguided_samples_are_uniform():
    *_, last = denoise(SPACE, None, 100_000, 4, RNG(0))
    assert stats.chisquare(np.bincount(SPACE.index(last.tokens), minlength=len(ALL))).pvalue > 1e-4


def test_guided_samples_are_as_good_as_those_of_the_exact_law():
    energy = Energy(SPACE, nagkit.Guidance(2.0, [QUALITY]))
    *_, last = denoise(SPACE, energy, 4_000, 4, RNG(0))
    law = np.exp(2.0 * SCORES)
    assert SCORES[SPACE.index(last.tokens)].mean() == pytest.approx(law @ SCORES / law.sum(), abs=0.15)
