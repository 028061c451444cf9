"""Every generator keeps the contract."""

import numpy as np
import pytest

import nagkit
from blocks import Blocks
from nagkit.checks.generator import FIRST, GeneratorContract, rng
from nagkit.diffusion.continuous import Sampler
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
            logits = SPACE.belief(tokens)
            logits[..., 0] += 3
            return logits

        return MaskedDiffusion(SPACE, belief)


class TestAutoregressive(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return nagkit.generator("autoregressive", SPACE)


class TestRecurrent(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return nagkit.generator("autoregressive", SPACE, model="recurrent")


class TestIndependent(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return nagkit.generator("autoregressive", SPACE, model="independent")


class TestUniformDiffusion(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return nagkit.generator("uniform-diffusion", SPACE)


@pytest.mark.slow
class TestUniformDiffusionInALargeSpace(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return nagkit.generator("uniform-diffusion", nagkit.space("mobilenet-v3"), steps=2)


class TestFirstOrder(GeneratorContract):
    """Guided by what each symbol adds."""

    method = "first-order"

    @pytest.fixture
    def generator(self):
        return nagkit.generator("exact-prior", SPACE)


class TestParticles(GeneratorContract):
    """Guided by the best of several completions."""

    method = "particles"

    @pytest.fixture
    def generator(self):
        return nagkit.generator("exact-prior", SPACE)


@pytest.mark.slow
class TestLargeSpace(GeneratorContract):
    """A space that cannot be listed, where a chain of complete architectures is guided."""

    @pytest.fixture
    def generator(self):
        return nagkit.generator("exact-prior", nagkit.space("mobilenet-v3"), steps=4)


class TestGrammar(GeneratorContract):
    """A space whose slots depend on one another."""

    @pytest.fixture
    def generator(self):
        return nagkit.generator("exact-prior", Blocks())


@pytest.mark.slow
class TestLargeGrammar(GeneratorContract):
    """A space that cannot be listed, whose slots depend on one another: twelve always hold their first symbol."""

    @pytest.fixture
    def generator(self):
        return nagkit.generator("exact-prior", nagkit.space("darts"), steps=3)

    @pytest.fixture
    def objective(self):
        return nagkit.Objective(FIRST, first_two)

    @pytest.fixture
    def constraint(self):
        return nagkit.Constraint(FIRST, first_two, high=13)

    def test_the_effective_number_is_kept_to(self, generator, objective):
        """No two samples are ever the same here; a smaller number follows the wish farther."""
        few, many = (
            objective.values(generator.sample(400, nagkit.Guidance(objectives=[objective], effective=e), rng())).mean()
            for e in (2, 2_048)
        )
        assert few > many + 0.5


def first_two(tokens):
    """How many slots of each row hold one of their first two symbols."""
    return (tokens <= 1).sum(1).astype(float)


class TestLatent(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return nagkit.generator("latent", SPACE)


class TestLatentByFirstOrder(GeneratorContract):
    method = "first-order"

    @pytest.fixture
    def generator(self):
        return nagkit.generator("latent", SPACE, steps=3)


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


@pytest.mark.slow
class TestGradient(GeneratorContract):
    """Guided as published: a predictor's gradient is weaker, but keeps every promise."""

    method = "gradient"

    @pytest.fixture
    def generator(self):
        return nagkit.generator("continuous-diffusion", SPACE)


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
    diffusion = ("masked-diffusion", "exact-prior", "uniform-diffusion", "continuous-diffusion")
    assert (*diffusion, "latent", "autoregressive") == GENERATORS


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["masked-diffusion", "exact-prior", "uniform-diffusion"])
def test_samples_of_a_space_of_graphs_are_cells_and_hardly_any_comes_twice(name):
    space = nagkit.space("nas-bench-101")
    tokens = nagkit.generator(name, space, steps=8).sample(1000, nagkit.Guidance(), np.random.default_rng(0))
    assert len(np.unique(space.canonical(tokens, "graph"), axis=0)) >= 970


@pytest.mark.slow
@pytest.mark.parametrize("method", ["tilt", "first-order", "particles"])
def test_limits_hold_in_a_space_of_graphs(method):
    space, metric = nagkit.space("nas-bench-101"), nagkit.Metric("params", "M", "max")
    params = nagkit.Objective(metric, lambda tokens: space.params(tokens) / 1e6)
    guidance = nagkit.Guidance(4.0, [params], [nagkit.Constraint(metric, params.values, 2, 5)], method=method)
    tokens = nagkit.generator("exact-prior", space, steps=4).sample(200, guidance, np.random.default_rng(0))
    values = params.values(space.check(tokens))
    assert (values >= 2).all() and (values <= 5).all()
    assert values.mean() > 4


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
        return SPACE.belief(tokens)

    MaskedDiffusion(SPACE, belief, steps=3).sample(8, nagkit.Guidance(), np.random.default_rng(0))
    assert calls == [8, 8, 8]


@pytest.mark.usefixtures("as_a_user")
def test_an_unknown_option_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match=r"option of continuous-diffusion .* Did you mean 'sampler'"):
        nagkit.generator("continuous-diffusion", SPACE, samplers="heun")
    with pytest.raises(ArgumentError, match="option of exact-prior must be one of 'steps'"):
        nagkit.generator("exact-prior", SPACE, sampler="heun")


@pytest.mark.parametrize("given", [{"sampler": "heun"}, {"steps": 10}])
def test_published_settings_are_not_mixed_with_others(given):
    with pytest.raises(ArgumentError, match="leave out sampler and steps"):
        nagkit.generator("continuous-diffusion", SPACE, published=True, **given)


def test_the_published_settings_are_those_of_the_released_code():
    for space, high in (("nas-bench-201", 5.0), ("mobilenet-v3", 1.0)):
        generator = nagkit.generator("continuous-diffusion", nagkit.space(space), published=True)
        assert generator.sampler == Sampler("pc", 1000, 0.1, high, centred=False)


def test_a_method_of_guidance_that_a_generator_does_not_know_is_refused():
    guidance = nagkit.Guidance(1, [nagkit.Objective(FIRST, lambda tokens: tokens.sum(1) * 1.0)], method="first-order")
    with pytest.raises(ArgumentError, match="method of guidance of a ContinuousDiffusion must be one of 'tilt'"):
        nagkit.generator("continuous-diffusion", SPACE).sample(2, guidance, np.random.default_rng(0))


def test_limits_are_refused_where_no_table_can_keep_them():
    space = nagkit.space("mobilenet-v3")
    small = nagkit.Constraint(FIRST, lambda tokens: space.params(tokens) * 1.0, high=5e6)
    generator = nagkit.generator("continuous-diffusion", space)
    with pytest.raises(ArgumentError, match="constraints must be left out where a space is too large"):
        generator.sample(2, nagkit.Guidance(constraints=[small]), np.random.default_rng(0))


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


FLOPS = nagkit.Objective(nagkit.Metric("flops", "M", "min"), lambda tokens: SPACE.flops(tokens) / 1e6)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("masked-diffusion", "tilt"),
        ("masked-diffusion", "first-order"),
        ("masked-diffusion", "particles"),
        ("uniform-diffusion", "tilt"),
        ("continuous-diffusion", "tilt"),
    ],
)
def test_flops_come_near_a_target_with_strength(name, method, share):
    target = float(np.quantile(FLOPS.values(SPACE.all()), share))
    guidances = [nagkit.Guidance(s, [FLOPS.near(target)], method=method) for s in (0, 1, 2, 4)]
    generator = nagkit.generator(name, SPACE)
    batches = [generator.sample(300, guidance, np.random.default_rng(0)) for guidance in guidances]
    distances = [np.abs(FLOPS.values(tokens) - target).mean() for tokens in batches]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.1 * distances[0]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "left"), [("tilt", 0.1), ("first-order", 0.2)])
@pytest.mark.parametrize("target", [150.0, 300.0])
def test_networks_too_many_to_list_come_near_a_target(target, method, left):
    """By the first order as near as a sum over slots tells the metric."""
    space = nagkit.space("mobilenet-v3")
    flops = nagkit.Objective(FLOPS.metric, lambda tokens: space.flops(tokens, 1000) / 1e6)
    generator = nagkit.generator("exact-prior", space, steps=4)
    guidances = [nagkit.Guidance(s, [flops.near(target)], method=method) for s in (0, 3)]
    batches = [generator.sample(200, guidance, np.random.default_rng(0)) for guidance in guidances]
    before, after = (np.abs(flops.values(tokens) - target).mean() for tokens in batches)
    assert after < left * before
