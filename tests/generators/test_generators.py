"""Every generator keeps the contract."""

import numpy as np
import pytest

import nagkit
from blocks import Blocks
from nagkit.checks.generator import FIRST, GeneratorContract
from nagkit.diffusion.masked import uniform_belief
from nagkit.errors import ArgumentError
from nagkit.generators import GENERATORS
from nagkit.generators.masked_diffusion import MaskedDiffusion

SPACE = nagkit.space("nas-bench-201")


class TestMaskedDiffusion(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return nagkit.generator("masked-diffusion", SPACE)


class TestExactPrior(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return nagkit.generator("exact-prior", SPACE)


class TestFewSteps(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return nagkit.generator("masked-diffusion", SPACE, steps=2)


class TestStubbornBelief(GeneratorContract):
    """Even a belief that is nearly sure of what is not wished obeys the constraints."""

    @pytest.fixture
    def generator(self):
        def belief(tokens):
            logits = uniform_belief(SPACE)(tokens)
            logits[..., 0] += 3
            return logits

        return MaskedDiffusion(SPACE, belief)


class TestGrammar(GeneratorContract):
    """A space whose slots depend on one another."""

    @pytest.fixture
    def generator(self):
        return nagkit.generator("exact-prior", Blocks())


class TestContinuousDiffusion(GeneratorContract):
    @pytest.fixture(params=["heun", "euler"])
    def generator(self, request):
        return nagkit.generator("continuous-diffusion", SPACE, sampler=request.param)


class TestEulerMaruyama(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return nagkit.generator("continuous-diffusion", SPACE, sampler="em", steps=30)


@pytest.mark.slow
class TestPredictorCorrector(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return nagkit.generator("continuous-diffusion", SPACE, sampler="pc", steps=30)


class TestContinuousDiffusionUnderAGrammar(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return nagkit.generator("continuous-diffusion", Blocks())


@pytest.mark.parametrize("logits", [np.full((4, 6, 5), np.nan), np.zeros((4, 6, 4)), np.zeros(3)])
def test_a_belief_that_is_none_is_refused(logits):
    with pytest.raises(ArgumentError, match=r"belief must give logits of shape \(4, 6, 5\) without NaN"):
        MaskedDiffusion(SPACE, lambda tokens: logits).sample(4, nagkit.Guidance(), np.random.default_rng(0))


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("name", GENERATORS)
def test_a_space_by_name_is_refused(name):
    with pytest.raises(ArgumentError, match="space must be a SearchSpace such as"):
        nagkit.generator(name, "nas-bench-201")


def test_every_generator_has_its_contract_here():
    assert GENERATORS == ("masked-diffusion", "exact-prior", "continuous-diffusion")


@pytest.mark.usefixtures("as_a_user")
def test_an_unknown_generator_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'masked-diffusion'"):
        nagkit.generator("mask-diffusion", SPACE)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("steps", [0, 7, 2.0, True])
def test_more_steps_than_slots_are_refused(steps):
    with pytest.raises(ArgumentError, match="steps must be a whole number from 1 to 6"):
        nagkit.generator("exact-prior", SPACE, steps=steps)


def test_steps_are_calls_of_the_belief():
    calls = []

    def belief(tokens):
        calls.append(len(tokens))
        return uniform_belief(SPACE)(tokens)

    MaskedDiffusion(SPACE, belief, steps=3).sample(8, nagkit.Guidance(), np.random.default_rng(0))
    assert calls == [8, 8, 8]


def test_guidance_changes_the_picture_not_the_noise():
    """A little more guidance changes few samples, because all of them replay the same noise."""
    generator = nagkit.generator("exact-prior", SPACE)
    objective = nagkit.Objective(FIRST, lambda tokens: (tokens == 0).sum(1).astype(float))
    one, more, other = (
        generator.sample(500, nagkit.Guidance(strength, [objective]), np.random.default_rng(seed))
        for strength, seed in ((1.0, 0), (1.05, 0), (1.0, 1))
    )
    assert (one != more).any(1).mean() < 0.1
    assert (one != other).any(1).mean() > 0.9
