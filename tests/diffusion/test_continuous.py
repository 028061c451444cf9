"""Continuous diffusion: the score is that of the noisy law, samplers reach the law, decoding keeps to the grammar."""

import numpy as np
import pytest
import torch
from scipy import stats

import nagkit
from blocks import ROWS, Blocks
from nagkit.diffusion.continuous import Field, Sampler, decode, valid_by_threshold
from nagkit.diffusion.posterior import guided, unguided
from nagkit.diffusion.tilt import Tilt
from nagkit.errors import ArgumentError
from nagkit.generators.continuous_diffusion import ContinuousDiffusion
from nagkit.predictors.ranks import rank_normal

SPACE = nagkit.space("nas-bench-201")
ALL = SPACE.all()
MORE = nagkit.Metric("quality", "percent", "max")
LESS = nagkit.Metric("params", "count", "min")


def quality(tokens):
    """A wish with interactions between slots, so that no product of slots could serve it."""
    share = np.random.default_rng(0).random((6, 5))
    return share[np.arange(6), tokens].sum(1) + 2.0 * (tokens[:, 0] == tokens[:, 5]) - (tokens[:, 1] == 3)


QUALITY = nagkit.Objective(MORE, quality)
SMALL = nagkit.Constraint(LESS, lambda tokens: SPACE.params(tokens).astype(float), high=400_000)


def draw(sampler, guidance, n, seed=0, space=SPACE):
    return ContinuousDiffusion(space, unguided(space), sampler).sample(n, guidance, np.random.default_rng(seed))


@pytest.mark.parametrize("sigma", [0.3, 1.0, 5.0])
def test_the_score_is_the_gradient_of_the_log_density(sigma):
    """Against automatic differentiation of the mixture of normals over all rows, with their guided weights."""
    guidance = nagkit.Guidance(2.0, [QUALITY])
    x = np.random.default_rng(1).normal(size=(2, 6, 5))
    score = (Field(guided(SPACE, guidance)).mean(x, sigma) - x) / sigma**2
    logs = torch.from_numpy(2.0 * rank_normal(quality(ALL)))
    corners = torch.from_numpy(2.0 * (ALL[:, :, None] == np.arange(5)) - 1).reshape(-1, 30)
    for each, found in zip(x, score, strict=True):
        at = torch.from_numpy(each.reshape(1, 30)).requires_grad_()
        density = torch.logsumexp(logs - ((at - corners) ** 2).sum(1) / (2 * sigma**2), 0)
        density.backward()
        np.testing.assert_allclose(found.reshape(-1), at.grad.numpy()[0], atol=1e-8)


def p_value(tokens, law):
    """That of a chi-square test of samples against a law over all rows of the space, rare rows in one class."""
    expected = law / law.sum() * len(tokens)
    seen = np.bincount(SPACE.index(tokens), minlength=len(law))
    assert not seen[expected == 0].any()
    often = expected >= 5
    if not (~often).any():
        return stats.chisquare(seen, expected).pvalue
    observed = np.append(seen[often], seen[~often].sum())
    return stats.chisquare(observed, np.append(expected[often], expected[~often].sum())).pvalue


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "n"), [("heun", 100_000), ("euler", 100_000), ("em", 10_000)])
def test_unguided_samples_are_uniform(rule, n):
    """Pairs of slots, 25 classes each, by a chi-square test."""
    tokens = draw(Sampler(rule), nagkit.Guidance(), n)
    for a in range(6):
        for b in range(a):
            seen = np.bincount(tokens[:, a] * 5 + tokens[:, b], minlength=25)
            assert stats.chisquare(seen).pvalue > 1e-4


@pytest.mark.slow
def test_the_default_follows_the_guided_law():
    """10 steps of Heun: 20,000 samples against p(x) exp(s z(x)) on the feasible rows, by a chi-square test."""
    tokens = draw(Sampler(), nagkit.Guidance(2.0, [QUALITY], [SMALL]), 20_000)
    law = np.where(SPACE.params(ALL) <= 400_000, np.exp(2.0 * rank_normal(quality(ALL))), 0.0)
    assert p_value(tokens, law) > 1e-3


def distance_in_quality(tokens, law):
    """Total variation of two laws of quality in 20 classes of equal mass."""
    order = np.argsort(quality(ALL), kind="stable")
    cell = np.minimum(np.cumsum(law[order] / law.sum()) * 20, 19).astype(int)
    seen, meant = (
        np.bincount(cell, weights, 20)
        for weights in (
            np.bincount(SPACE.index(tokens), minlength=len(law))[order] / len(tokens),
            law[order] / law.sum(),
        )
    )
    return abs(seen - meant).sum() / 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "steps", "n"), [("heun", 10, 2000), ("euler", 20, 2000), ("em", 200, 2000), ("pc", 1000, 500)]
)
def test_every_sampler_follows_the_guided_law(rule, steps, n):
    """So many samples of the law itself are 1.7 / sqrt(n) away on average."""
    law = np.exp(3.0 * rank_normal(quality(ALL)))
    found = distance_in_quality(draw(Sampler(rule, steps), nagkit.Guidance(3.0, [QUALITY]), n), law)
    assert found < 3.5 / n**0.5


@pytest.mark.slow
def test_a_start_on_zero_misses_the_guided_law():
    """As published: from little noise the mean of the guided law has not been forgotten."""
    law, guidance = np.exp(3.0 * rank_normal(quality(ALL))), nagkit.Guidance(3.0, [QUALITY])
    centred, published = (
        distance_in_quality(draw(Sampler("heun", 40, 0.1, 5.0, centred), guidance, 2000), law)
        for centred in (True, False)
    )
    assert centred < 0.08 < published


def test_under_a_grammar_the_law_is_that_of_samples_of_the_space():
    """Blocks: a third of the kernels are 1x1, which do not stride; two thirds stride or not, evenly."""
    tokens = draw(Sampler(), nagkit.Guidance(), 2000, space=Blocks())
    chances = np.where(ROWS[:, 0] == 0, 1 / 3 / 4, np.where(ROWS[:, 1] == 1, 1 / 6 / 3, 1 / 6 / 4))
    assert chances.sum() == pytest.approx(1)
    assert stats.chisquare(np.bincount(Blocks().index(tokens), minlength=len(ROWS)), 2000 * chances).pvalue > 1e-3


def test_decoding_is_legal_for_any_numbers():
    for space in (Blocks(), nagkit.space("mobilenet-v3")):
        shape = 100, len(space.slots), int(space.radices.max())
        space.check(decode(space, np.random.default_rng(0).normal(size=shape)))


def test_decoding_takes_the_largest_that_is_left():
    x = np.full((1, 3, 4), -1.0)
    x[0, 0, 0], x[0, 1, 1], x[0, 1, 0], x[0, 2, 3] = 1.0, 0.9, 0.5, 1.0  # a 1x1 kernel does not stride
    np.testing.assert_array_equal(decode(Blocks(), x), [[0, 0, 3]])


def test_structure_is_decoded_before_what_fills_it():
    """A depth of two beats a block that would like to be there."""
    space = nagkit.space("mobilenet-v3")
    x = np.zeros((1, 26, 25))
    x[0, 1, 0], x[0, 8, 5] = 0.1, 9.0
    tokens = decode(space, x)
    assert tokens[0, 1] == 0 and tokens[0, 8] == 0


def test_decoding_keeps_to_limits():
    tight = Tilt(SPACE, nagkit.Guidance(constraints=[nagkit.Constraint(LESS, SMALL.values, high=100_000)]))
    tokens = decode(SPACE, np.random.default_rng(0).normal(size=(200, 6, 5)), tight)
    assert SPACE.params(tokens).max() <= 100_000


def test_validity_by_threshold_wants_one_symbol_in_each_slot_and_the_grammar():
    def entries(row):
        return np.where(np.array(row)[:, None] == np.arange(4), 0.9, -0.9)

    legal, illegal, none, two, beyond = (
        entries(row) for row in ([1, 1, 0], [0, 1, 0], [1, 1, 0], [1, 1, 0], [3, 1, 0])
    )
    none[0, 1], two[0, 2] = -0.1, 0.1
    found = valid_by_threshold(Blocks(), np.stack([legal, illegal, none, two, beyond]))
    np.testing.assert_array_equal(found, [True, False, False, False, False])


@pytest.mark.slow
def test_with_the_exact_score_the_published_sampler_is_valid_by_threshold_too():
    generator = ContinuousDiffusion(SPACE, unguided(SPACE), Sampler("pc", 1000, 0.1, 5.0, centred=False))
    *_, last = generator.states(256, None, np.random.default_rng(0))
    assert valid_by_threshold(SPACE, last.x).mean() > 0.99


def test_the_posterior_sharpens_from_the_law_to_the_answer():
    generator = ContinuousDiffusion(SPACE, unguided(SPACE), Sampler())
    *frames, last = generator.frames(200, nagkit.Guidance(), np.random.default_rng(0))
    sure = [frame.probability.max(2).mean() for frame in frames]
    assert sure == sorted(sure) and sure[0] < 0.3 and sure[-1] > 0.99
    np.testing.assert_array_equal(frames[-1].probability.argmax(2), last.tokens)


def test_a_gradient_is_added_to_the_score():
    x = np.random.default_rng(0).normal(size=(3, 6, 5))
    plain, steered = (Field(unguided(SPACE), g).mean(x, 0.7) for g in (None, lambda x, sigma: 2 * x + sigma))
    np.testing.assert_allclose((steered - plain) / 0.7**2, 2 * x + 0.7)


@pytest.mark.parametrize("answer", [np.full((2, 6, 5), np.nan), np.zeros((2, 6, 4)), np.zeros(3)])
def test_a_posterior_that_is_none_is_refused(answer):
    generator = ContinuousDiffusion(SPACE, lambda x, sigma: answer, Sampler(centred=False))
    with pytest.raises(ArgumentError, match=r"posterior must give finite probabilities of shape \(2, 6, 5\)"):
        generator.sample(2, nagkit.Guidance(), np.random.default_rng(0))


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rule": "hein"}, "Did you mean 'heun'"),
        ({"steps": 1}, "steps must be a whole number from 2"),
        ({"steps": 3.0}, "steps must be a whole number from 2"),
        ({"low": 0}, "low must be a number from 0.001"),
        ({"low": 20}, "low must be less than high; got 20, 10"),
    ],
)
def test_an_impossible_sampler_is_refused(wrong, message):
    with pytest.raises(ArgumentError, match=message):
        Sampler(**wrong)
