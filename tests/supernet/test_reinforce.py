"""The published policy gradient, against a slow oracle, and as resumable as ours."""

import numpy as np
import pytest
import torch

from nagkit.errors import ArgumentError
from nagkit.spaces import space
from nagkit.supernet.reinforce import BETAS, CLIP, DECAY, FOLLOWS, RATE, Reinforce, rewards

CELLS = space("nas-bench-201")
ANY = [1.0]


def rng(seed=0):
    return np.random.default_rng(seed)


def walked(policy, steps, random):
    for _ in range(steps):
        drawn = policy.law().draw(policy.law().anchors[0], 10, random)
        policy.learn(drawn, rewards(50.0 + drawn.tokens[:, 0], CELLS.params(drawn.tokens), 1e6, -0.4))
    return policy


@pytest.mark.parametrize("size", [1.0, 1e3], ids=["small", "clipped"])
def test_it_goes_as_a_loop_over_architectures_and_slots_says(size):
    policy = Reinforce(CELLS, seed=0)
    logits = torch.from_numpy(policy.state()["logits"]).requires_grad_()
    adam, baseline, random = torch.optim.Adam([logits], lr=RATE, betas=BETAS, weight_decay=DECAY), 0.0, rng()
    for _ in range(5):
        drawn = policy.law().draw(ANY, 10, random)
        told = rewards(size * rng(1).random(10), CELLS.params(drawn.tokens), 1e6, -0.4)
        policy.learn(drawn, told)
        baseline = baseline + FOLLOWS * (told.mean() - baseline)
        loss = 0.0
        for row, reward in zip(drawn.tokens, told, strict=True):
            for slot, symbol in enumerate(row):
                loss = loss - torch.log_softmax(logits[slot], 0)[symbol] * (reward - baseline) / 10
        adam.zero_grad()
        loss.backward()
        norm = float(torch.linalg.vector_norm(logits.grad))
        assert (norm > CLIP) == (size > 1)
        logits.grad *= min(1.0, CLIP / (norm + 1e-6))
        adam.step()
        np.testing.assert_allclose(policy.state()["logits"], logits.detach().numpy(), atol=1e-9)


def test_a_reward_falls_with_parameters_as_its_exponent_says():
    np.testing.assert_allclose(rewards(np.array([80.0, 80.0]), np.array([1e6, 4e6]), 1e6, -0.5), [80.0, 40.0])


def test_it_learns_what_is_rewarded():
    policy, random = Reinforce(CELLS, seed=0), rng()
    for _ in range(150):
        drawn = policy.law().draw(ANY, 10, random)
        policy.learn(drawn, (drawn.tokens == 3).mean(1))
    assert policy.law().shares[0, :, 3].mean() > 0.5


def test_resumed_from_its_state_it_goes_on_as_it_would_have():
    one, random = walked(Reinforce(CELLS, seed=0), 4, rng()), rng(9)
    kept = {name: value.copy() for name, value in one.state().items()}
    end = walked(one, 3, random).state()
    again = Reinforce(CELLS, seed=0)
    again.restore(kept)
    for name, value in walked(again, 3, rng(9)).state().items():
        assert np.array_equal(value, end[name]), name


@pytest.mark.parametrize("name", ["darts", "enas", "nas-bench-101", "mobilenet-v3"])
def test_where_slots_differ_or_have_a_grammar_it_draws_what_is_legal_and_learns(name):
    searched, random = space(name), rng()
    policy = Reinforce(searched, seed=0)
    wished = searched.sample(1, rng(1))[0]
    before = policy.law().log_probability(wished[None], ANY)[0]
    for _ in range(30):
        drawn = policy.law().draw(ANY, 20, random)
        assert searched.belongs(drawn.tokens).all()
        policy.learn(drawn, (drawn.tokens == wished).mean(1))
        assert np.isfinite(policy.law().shares).all()
    assert policy.law().log_probability(wished[None], ANY)[0] > before + 0.5


def test_what_is_dropped_is_drawn_no_more_also_after_a_resume():
    policy, dropped = walked(Reinforce(CELLS, seed=0, objectives=2), 2, rng()), np.zeros((6, 5), dtype=bool)
    dropped[:, :2] = True
    policy.drop(dropped)
    again = Reinforce(CELLS, seed=1, objectives=2)
    again.restore(policy.state())
    for law in (policy.law(), again.law()):
        assert (law.draw([0.3, 0.7], 200, rng()).tokens >= 2).all()
    with pytest.raises(ArgumentError, match="dropped must leave each slot a symbol"):
        policy.drop(~dropped)
    with pytest.raises(ArgumentError, match="seed"):
        Reinforce(CELLS, seed=-1)
