"""The denoiser: trained weights that know the law, files that are whole or refused, training that repeats."""

import numpy as np
import pytest
import torch

import nagkit
from blocks import Blocks
from nagkit.diffusion.denoiser import load, untrained
from nagkit.diffusion.training import bound, left_out, train
from nagkit.errors import ArgumentError, DataDamagedError, DataMissingError
from nagkit.generators import weights
from nagkit.metrics import Metric, Objective
from nagkit.space import UNDECIDED

SPACE = nagkit.space("nas-bench-201")


def partial(n, seed):
    rng = np.random.default_rng(seed)
    tokens = SPACE.sample(n, rng)
    tokens[rng.random(tokens.shape) < rng.random((n, 1))] = UNDECIDED
    return tokens


def test_the_shipped_weights_have_learned_the_law():
    """On this space the true belief is uniform; the network is within 0.001 nats of it for each slot."""
    tokens = partial(5000, 0)
    logits = load(weights(SPACE), SPACE).belief(tokens)
    log_probability = logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)
    divergence = (-np.log(5) - log_probability).mean(2)[tokens == UNDECIDED]
    assert divergence.mean() < 1e-3


def test_an_untrained_network_has_not():
    tokens = partial(2000, 0)
    logits = untrained(SPACE, 0).belief(tokens)
    log_probability = logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)
    assert (-np.log(5) - log_probability).mean(2)[tokens == UNDECIDED].mean() > 1e-2


def test_the_bound_of_the_true_belief_is_the_entropy():
    """With uniform conditionals the expected loss is L log K: 6 log 5 nats an architecture."""

    class Uniform(torch.nn.Module):
        def forward(self, tokens):
            return torch.zeros(*tokens.shape, 5)

    rng = np.random.default_rng(0)
    clean = torch.from_numpy(SPACE.sample(200_000, rng))
    rate = torch.from_numpy(1 - rng.random((200_000, 1)))
    masked = torch.from_numpy(rng.random((200_000, 6))) < rate
    assert float(bound(Uniform(), clean, masked, rate)) == pytest.approx(6 * np.log(5), rel=0.02)


@pytest.mark.slow
def test_training_repeats_and_learns():
    first, second = (list(train(SPACE, steps=12, seed=3)) for _ in range(2))
    assert [lesson.loss for lesson in first] == [lesson.loss for lesson in second]
    assert first[-1].loss < first[0].loss
    other = list(train(SPACE, steps=1, seed=4))
    assert other[0].loss != first[0].loss


def test_a_saved_denoiser_comes_back(tmp_path):
    denoiser = untrained(SPACE, 1)
    denoiser.save(tmp_path / "d.safetensors", "untrained")
    np.testing.assert_array_equal(
        load(tmp_path / "d.safetensors", SPACE).belief(partial(9, 1)), denoiser.belief(partial(9, 1))
    )


def test_missing_weights_are_named_with_the_remedy(tmp_path):
    with pytest.raises(DataMissingError, match="`nagkit train --space blocks` makes it"):
        load(tmp_path / "none.safetensors", Blocks())


@pytest.mark.parametrize("cut", [0, 7, 100, -1])
def test_truncated_weights_are_refused(tmp_path, cut):
    untrained(SPACE, 1).save(tmp_path / "d.safetensors", "untrained")
    whole = (tmp_path / "d.safetensors").read_bytes()
    (tmp_path / "d.safetensors").write_bytes(whole[:cut])
    with pytest.raises(DataDamagedError, match="nagkit train"):
        load(tmp_path / "d.safetensors", SPACE)


def test_a_changed_bit_in_weights_is_noticed(tmp_path):
    untrained(SPACE, 1).save(tmp_path / "d.safetensors", "untrained")
    whole = bytearray((tmp_path / "d.safetensors").read_bytes())
    whole[-1000] ^= 4
    (tmp_path / "d.safetensors").write_bytes(whole)
    with pytest.raises(DataDamagedError, match="not as it was saved"):
        load(tmp_path / "d.safetensors", SPACE)


def test_weights_of_another_space_are_refused():
    with pytest.raises(ArgumentError, match="path must hold a denoiser of blocks"):
        load(weights(SPACE), Blocks())


def test_a_folder_is_no_file_of_weights(tmp_path):
    with pytest.raises(DataMissingError, match="nagkit train"):
        load(tmp_path, SPACE)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 2.5}, {"seed": -1}, {"seed": 2**63}, {"seed": None}])
def test_training_refuses_at_once(wrong):
    with pytest.raises(ArgumentError, match=f"{next(iter(wrong))} must be a whole number"):
        train(SPACE, **wrong)


@pytest.mark.usefixtures("as_a_user")
def test_training_wants_a_space():
    with pytest.raises(ArgumentError, match="space must be a SearchSpace such as"):
        train("nas-bench-201")


def test_a_file_of_something_else_is_refused():
    from importlib import resources
    from pathlib import Path

    with pytest.raises(DataDamagedError, match="does not hold a denoiser"):
        load(Path(str(resources.files("nagkit_data"))) / "registry.toml", SPACE)


def test_belief_does_not_change_the_global_random_state():
    before = torch.get_rng_state()
    untrained(SPACE, 0).belief(partial(3, 0))
    assert torch.equal(before, torch.get_rng_state())


WISH = Objective(Metric("sum", "symbols", "max"), lambda tokens: tokens.sum(1).astype(float))


@pytest.mark.slow
def test_training_with_objectives_repeats():
    first, second = ([lesson.loss for lesson in train(SPACE, 3, 1, objectives=[WISH])] for _ in range(2))
    assert first == second


def test_levels_are_left_out_alone_and_together():
    """Each with a tenth, and all with another tenth: .19 of each, and .1 + .9 * .01 of both."""
    gone = np.isnan(left_out(np.zeros((100_000, 2)), np.random.default_rng(0)))
    np.testing.assert_allclose(gone.mean(0), 0.19, atol=0.005)
    assert gone.all(1).mean() == pytest.approx(0.109, abs=0.004)


def test_objectives_of_one_metric_are_refused():
    with pytest.raises(ArgumentError, match="sum comes twice"):
        train(Blocks(), objectives=[WISH, WISH])


def test_only_masked_diffusion_is_told_levels():
    with pytest.raises(ArgumentError, match="process must be 'masked' to train with objectives"):
        train(SPACE, process="continuous", objectives=[WISH])


@pytest.mark.slow
def test_training_takes_longer_where_there_is_more_to_learn():
    assert [next(train(Blocks(), objectives=o)).steps for o in ((), (WISH,))] == [500, 1500]


def test_metrics_that_are_none_are_noticed(tmp_path):
    denoiser = untrained(SPACE, 1, metrics=[WISH.metric])
    denoiser.save(tmp_path / "d.safetensors", "untrained")
    whole = (tmp_path / "d.safetensors").read_bytes()
    (tmp_path / "d.safetensors").write_bytes(whole.replace(b"direction", b"direktion"))
    with pytest.raises(DataDamagedError, match="does not hold a denoiser"):
        load(tmp_path / "d.safetensors", SPACE)
