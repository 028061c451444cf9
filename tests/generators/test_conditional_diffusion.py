"""Classifier-free guidance: what is asked for comes, what was not learned is refused, nothing asked is no guidance."""

import numpy as np
import pytest
import torch
from scipy import special

import nagkit
from blocks import Blocks
from nagkit.checks import as_a_user, untouched_global_randomness
from nagkit.checks.generator import FIRST, LAST, GeneratorContract, firsts
from nagkit.diffusion.denoiser import load, untrained
from nagkit.diffusion.directions import Directions
from nagkit.diffusion.training import train
from nagkit.errors import ArgumentError
from nagkit.generators.conditional_diffusion import ConditionalDiffusion, expected, weight
from nagkit.generators.masked_diffusion import MaskedDiffusion
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.space import UNDECIDED

SPACE = nagkit.space("nas-bench-201")
KERNEL = Objective(Metric("kernel", "pixels", "max"), lambda tokens: tokens[:, 0].astype(float))
STRIDE = Objective(Metric("stride", "pixels", "max"), lambda tokens: tokens[:, 1].astype(float))
UNGUIDED = nagkit.Guidance()


def lasts(tokens):
    return (tokens == 4).sum(1).astype(float)


def params(tokens):
    return SPACE.params(tokens).astype(float)


FIRSTS, LASTS = Objective(FIRST, firsts), Objective(LAST, lasts)
PARAMS = Objective(Metric("params", "count", "max"), params)


def rng(seed=0):
    return np.random.default_rng(seed)


def trained(space, steps, *objectives):
    *_, last = train(space, steps, objectives=objectives)
    return last.model


pytestmark = pytest.mark.xdist_group("conditional")  # so that it is trained once


@pytest.fixture
def blocks():
    return untrained(Blocks(), 0, metrics=[KERNEL.metric, STRIDE.metric])


@pytest.fixture(scope="session")
def cells():
    return trained(SPACE, 1000, FIRSTS, LASTS, PARAMS)


@pytest.mark.slow
class TestConditionalDiffusion(GeneratorContract):
    """It knows two wishes, of which either may be told alone, and no effective number."""

    @pytest.fixture
    def generator(self, cells):
        return ConditionalDiffusion(SPACE, cells)

    def test_a_target_is_come_near_from_both_sides(self, generator, objective):
        with pytest.raises(ArgumentError, match=r"got first_symbols_from_1\. Train with it"):
            generator.sample(5, self.guided(2, [objective.near(1)]), rng())

    def test_the_effective_number_is_kept_to(self, generator, objective):
        with pytest.raises(ArgumentError, match="give strength instead"):
            generator.sample(5, self.guided(objectives=[objective], effective=2), rng())


def mean_score(generator, guidance):
    """The mean score in params of 1,000 samples, and the share that is distinct."""
    every = Directions([PARAMS], params(SPACE.all())[:, None])
    tokens = generator.sample(1000, guidance, rng())
    return every.each(params(tokens)[:, None]).mean(), len(np.unique(tokens, axis=0)) / 1000


@pytest.mark.slow
@pytest.mark.parametrize("level", [-1.5, 0.0, 1.5])
def test_what_is_asked_for_comes(cells, level):
    mean, distinct = mean_score(ConditionalDiffusion(SPACE, cells, level), nagkit.Guidance(2, [PARAMS]))
    assert mean == pytest.approx(level, abs=0.4)
    assert distinct > 0.3


@pytest.mark.slow
def test_unguided_is_the_law_of_the_space(cells):
    mean, distinct = mean_score(ConditionalDiffusion(SPACE, cells), UNGUIDED)
    assert mean == pytest.approx(0, abs=0.15)
    assert distinct > 0.94


@pytest.mark.slow
def test_a_limit_holds_beside_a_level_that_would_break_it(cells):
    small = Constraint(PARAMS.metric, params, high=400_000)
    tokens = ConditionalDiffusion(SPACE, cells, 2.0).sample(500, nagkit.Guidance(4, [PARAMS], [small]), rng())
    assert 300_000 < params(tokens).mean() <= params(tokens).max() <= 400_000


@pytest.mark.slow
def test_limits_hold_where_no_space_can_be_tabled():
    space = nagkit.space("mobilenet-v3")
    wish = Objective(Metric("flops", "count", "max"), lambda tokens: space.flops(tokens, 1000).astype(float))
    high = float(np.quantile(wish.values(space.sample(500, rng())), 0.2))
    generator = ConditionalDiffusion(space, untrained(space, 0, metrics=[wish.metric]), steps=3)
    tokens = generator.sample(50, nagkit.Guidance(2, [wish], [Constraint(wish.metric, wish.values, high=high)]), rng())
    assert wish.values(space.check(tokens)).max() <= high


@pytest.mark.slow
def test_the_belief_given_levels_is_the_law_of_those_who_have_them(cells):
    """Against the share of each operation in each slot among all small, middling and large cells."""
    every = SPACE.all()
    levels = np.full((len(every), 3), np.nan)
    levels[:, 2] = Directions([PARAMS], params(every)[:, None]).each(params(every)[:, None])[:, 0]
    for low, high in ((-2, -0.7), (-0.3, 0.3), (0.7, 2)):
        such = np.flatnonzero((low < levels[:, 2]) & (levels[:, 2] < high))
        exact = np.stack([(every[such] == k).mean(0) for k in range(5)], axis=1)  # (L, K)
        nothing = np.full((len(such), 6), UNDECIDED)
        told = special.softmax(cells.belief(nothing, levels[such]), axis=2).mean(0)
        assert np.abs(told - exact).sum(1).mean() / 2 < 0.08


@pytest.mark.slow
def test_the_belief_given_nothing_is_the_law_of_all(cells):
    free = special.softmax(cells.belief(np.full((1, 6), UNDECIDED)), axis=2)
    assert np.abs(free - 0.2).sum(2).mean() / 2 < 0.04


def test_strength_zero_is_the_denoiser_that_is_told_nothing(blocks):
    given = nagkit.Guidance(0, [KERNEL])
    conditional = ConditionalDiffusion(Blocks(), blocks).sample(200, given, rng())
    plain = MaskedDiffusion(Blocks(), blocks.belief).sample(200, UNGUIDED, rng())
    np.testing.assert_array_equal(conditional, plain)


def test_a_saved_denoiser_guides_as_before(blocks, tmp_path):
    blocks.save(tmp_path / "told.safetensors", "two wishes")
    again = load(tmp_path / "told.safetensors", Blocks())
    assert again.shape.metrics == (KERNEL.metric, STRIDE.metric)
    guidance = nagkit.Guidance(2, [STRIDE])
    before, after = (ConditionalDiffusion(Blocks(), d).sample(50, guidance, rng()) for d in (blocks, again))
    np.testing.assert_array_equal(before, after)


def test_guided_sampling_leaves_global_randomness_alone(blocks):
    with as_a_user(), untouched_global_randomness():
        ConditionalDiffusion(Blocks(), blocks).sample(20, nagkit.Guidance(2, [KERNEL, STRIDE]), rng())


def test_an_objective_of_another_metric_is_refused_with_the_remedy(blocks):
    generator = ConditionalDiffusion(Blocks(), blocks)
    with pytest.raises(ArgumentError, match=r"kernel, stride; got params\. Train with it"):
        generator.sample(5, nagkit.Guidance(2, [PARAMS]), rng())


def test_another_method_is_refused(blocks):
    with pytest.raises(ArgumentError, match="method of guidance of a ConditionalDiffusion must be one of 'tilt'"):
        ConditionalDiffusion(Blocks(), blocks).sample(5, nagkit.Guidance(2, [KERNEL], method="particles"), rng())


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("level", [4.1, -5, float("nan"), "2", None])
def test_an_impossible_level_is_refused(blocks, level):
    with pytest.raises(ArgumentError, match="level must be a number from -4 to 4"):
        ConditionalDiffusion(Blocks(), blocks, level)


@pytest.mark.usefixtures("as_a_user")
def test_a_belief_is_no_denoiser(blocks):
    with pytest.raises(ArgumentError, match="denoiser must be a Denoiser such as"):
        ConditionalDiffusion(Blocks(), blocks.belief)


def test_the_weight_grows_from_one_to_the_strength():
    tokens = np.array([[UNDECIDED] * 3, [0, UNDECIDED, UNDECIDED], [0, UNDECIDED, 1], [0, 1, 1]])
    np.testing.assert_allclose(weight(4.0, tokens)[:, 0, 0], [1, 2.5, 4, 4])
    np.testing.assert_allclose(weight(0.5, tokens)[:, 0, 0], 0.5)


def test_expected_levels_are_the_means_of_those_who_have_the_sum():
    """Against the mean of those rows among a million whose weighted sum is nearly what is asked for."""
    scores = rng().multivariate_normal([0, 0], [[1, -0.6], [-0.6, 1]], 1_000_000)
    weights = np.array([[1.0, 0.0], [0.5, 0.5], [0.2, 0.8]])
    for found, w in zip(expected(1.5, weights, scores), weights, strict=True):
        total = scores @ w
        near = np.abs(total - 1.5 * total.std()) < 0.02 * total.std()
        np.testing.assert_allclose(found, scores[near].mean(0), atol=0.03)


def test_opposites_are_not_asked_for_together():
    score = rng().normal(size=1000)
    scores = np.stack([score, -score], axis=1)
    halfway = expected(2.0, np.array([[0.5, 0.5]]), scores)
    np.testing.assert_allclose(halfway, scores.mean(0)[None], atol=1e-6)


def test_levels_of_one_sample_do_not_reach_another(blocks):
    tokens, levels = np.full((2, 3), UNDECIDED), np.array([[1.0, np.nan], [-1.0, 2.0]])
    both = blocks.belief(tokens, levels)
    np.testing.assert_allclose(both[:1], blocks.belief(tokens[:1], levels[:1]), atol=1e-5)
    assert np.abs(both[0] - both[1]).max() > 0.01


def test_nothing_told_is_every_level_left_out(blocks):
    tokens = np.full((4, 3), UNDECIDED)
    np.testing.assert_array_equal(blocks.belief(tokens), blocks.belief(tokens, np.full((4, 2), np.nan)))
    assert (blocks.belief(tokens) != blocks.belief(tokens, np.zeros((4, 2)))).any()


def test_gradients_reach_levels_and_the_mark_of_what_is_untold():
    denoiser = untrained(Blocks(), 0, metrics=[KERNEL.metric])
    denoiser(torch.full((2, 3), UNDECIDED), torch.tensor([[1.0], [torch.nan]])).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in denoiser.levels.parameters())
