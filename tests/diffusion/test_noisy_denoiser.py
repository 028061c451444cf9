"""The learned posterior: near the exact one where both are known, kept in files as the other denoiser is."""

import numpy as np
import pytest
import torch

import nagkit
from blocks import Blocks
from nagkit.diffusion.denoiser import load, untrained
from nagkit.diffusion.noisy_denoiser import NoisyDenoiser
from nagkit.diffusion.posterior import unguided
from nagkit.diffusion.training import noisy_loss, train
from nagkit.errors import ArgumentError, DataDamagedError, DataMissingError
from nagkit.generators.continuous_diffusion import ContinuousDiffusion, posterior_of, settings

SPACE = nagkit.space("nas-bench-201")


def noisy(space, sigma, n, seed=0):
    rng = np.random.default_rng(seed)
    clean = space.sample(n, rng)[:, :, None] == np.arange(space.radices.max())
    return 2.0 * clean - 1 + sigma * rng.standard_normal(clean.shape)


def divergence(found, exact):
    """The mean Kullback-Leibler divergence of a slot, in nats."""
    return (exact * (np.log(np.maximum(exact, 1e-12)) - np.log(np.maximum(found, 1e-12)))).sum(2).mean()


@pytest.mark.slow
def test_it_learns_what_the_exact_posterior_knows():
    """Under the grammar of blocks, where a slot tells of the others, within 0.05 nats at any noise."""
    space, pool = Blocks(), Blocks().sample(4000, np.random.default_rng(0))

    class Pool(Blocks):
        """Draws fast."""

        def sample(self, n, rng):
            return pool[rng.integers(len(pool), size=n)]

    *_, last = train(Pool(), steps=300, seed=0, process="continuous")
    found, before = (d.posterior(space) for d in (last.model, untrained(space, 0, NoisyDenoiser)))
    for sigma in (0.3, 1.0, 3.0, 10.0):
        x = noisy(space, sigma, 500)
        learned, untold = (divergence(p(x, sigma), unguided(space)(x, sigma)) for p in (found, before))
        assert learned < min(0.05, untold / 2)
    generator = ContinuousDiffusion(space, found, settings(space))
    tokens = generator.sample(500, nagkit.Guidance(), np.random.default_rng(0))
    assert len(np.unique(space.check(tokens), axis=0)) == space.size


def test_its_loss_is_that_of_the_posterior_it_has():
    """The cross-entropy of six slots whose posterior is uniform is 6 log 5 nats."""

    class Uniform(torch.nn.Module):
        def forward(self, x, sigma):
            return torch.zeros(x.shape)

    clean = torch.from_numpy(SPACE.sample(50, np.random.default_rng(0)))
    loss = noisy_loss(Uniform(), clean, torch.ones(50), torch.zeros(50, 6, 5))
    assert float(loss) == pytest.approx(6 * np.log(5))


def test_it_sees_rows_with_the_noise_it_is_told_of():
    seen = {}

    class Spy(torch.nn.Module):
        def forward(self, x, sigma):
            seen["x"], seen["sigma"] = x, sigma
            return torch.zeros(x.shape)

    clean = torch.tensor([[1, 0]])
    noisy_loss(Spy(), clean, torch.tensor([2.0]), torch.ones(1, 2, 3))
    np.testing.assert_array_equal(seen["x"].numpy(), [[[1, 3, 1], [3, 1, 1]]])
    assert float(seen["sigma"]) == 2


def test_symbols_that_a_slot_has_not_are_impossible():
    found = untrained(Blocks(), 0, NoisyDenoiser).posterior(Blocks())(noisy(Blocks(), 1.0, 9), 1.0)
    np.testing.assert_allclose(found.sum(2), 1)
    assert not found[:, 0, 3].any() and not found[:, 1, 2:].any()


def test_a_saved_one_comes_back_and_is_not_taken_for_the_other_kind(tmp_path):
    denoiser = untrained(Blocks(), 1, NoisyDenoiser)
    denoiser.save(tmp_path / "d.safetensors", "untrained")
    x = noisy(Blocks(), 1.0, 9)
    again = load(tmp_path / "d.safetensors", Blocks(), NoisyDenoiser)
    np.testing.assert_array_equal(again.posterior(Blocks())(x, 1.0), denoiser.posterior(Blocks())(x, 1.0))
    with pytest.raises(DataDamagedError, match="does not hold a denoiser"):
        load(tmp_path / "d.safetensors", Blocks())


def test_a_space_with_a_closed_form_needs_no_file(tmp_path):
    assert posterior_of(SPACE, tmp_path / "none").directions == 1
    with pytest.raises(DataMissingError, match="nagkit train --process continuous"):
        posterior_of(nagkit.space("nas-bench-101"), tmp_path / "none")


@pytest.mark.usefixtures("as_a_user")
def test_training_wants_a_process_it_knows():
    with pytest.raises(ArgumentError, match="process must be one of 'masked', 'continuous'"):
        train(SPACE, process="continous")


def test_learning_and_asking_leave_global_randomness_alone():
    before = torch.get_rng_state()
    lesson = next(train(Blocks(), steps=1, seed=0, process="continuous"))
    lesson.model.posterior(Blocks())(noisy(Blocks(), 1.0, 3), 1.0)
    assert torch.equal(before, torch.get_rng_state())
