"""An autoencoder: its loss, its file, its training, and what a refit does and undoes."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from scipy import integrate, stats

import nagkit
from blocks import Blocks
from nagkit.checks import untouched_global_randomness
from nagkit.errors import ArgumentError, DataDamagedError, DataMissingError
from nagkit.generators import autoencoder_training as training
from nagkit.generators import weights
from nagkit.generators.autoencoder import AutoencoderShape, entries, load, untrained
from nagkit.generators.autoencoder_training import held_out, refitted, shown, train
from nagkit.generators.latent import LatentGenerator
from nagkit.spaces.nas_bench_201 import CONV3
from nagkit.weights import write

SPACE, CELLS = nagkit.space("nas-bench-201"), nagkit.space("nas-bench-101")
SPACES = (SPACE, CELLS, nagkit.space("mobilenet-v3"))
by_name = pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)


def rng(seed=0):
    return np.random.default_rng(seed)


def same(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.fixture
def trained():
    return load(weights(SPACE, "latent"), SPACE)


@by_name
def test_shipped_weights_are_those_of_their_space(space):
    assert load(weights(space, "latent"), space).shape == AutoencoderShape.of(space)


def test_a_saved_autoencoder_comes_back_whole(tmp_path):
    made = untrained(SPACE, 1)
    made.save(tmp_path / "a.safetensors", "untrained")
    found = load(tmp_path / "a.safetensors", SPACE)
    assert same(found, made.half().float()) and found.shape == made.shape  # 16 bits are kept


def test_missing_weights_are_named_with_the_remedy(tmp_path):
    with pytest.raises(DataMissingError, match="`nagkit train latent --space blocks` makes it"):
        load(tmp_path / "none.safetensors", Blocks())


@pytest.mark.parametrize("cut", [0, 7, 100, -1])
def test_a_truncated_file_is_refused(tmp_path, cut):
    untrained(SPACE, 1).save(tmp_path / "a.safetensors", "untrained")
    whole = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(whole[:cut])
    with pytest.raises(DataDamagedError, match=r"does not hold an autoencoder .*nagkit train latent"):
        load(tmp_path / "a.safetensors", SPACE)


def test_a_changed_bit_is_noticed(tmp_path):
    untrained(SPACE, 1).save(tmp_path / "a.safetensors", "untrained")
    whole = bytearray((tmp_path / "a.safetensors").read_bytes())
    whole[-1000] ^= 4
    (tmp_path / "a.safetensors").write_bytes(whole)
    with pytest.raises(DataDamagedError, match="not as it was saved"):
        load(tmp_path / "a.safetensors", SPACE)


@pytest.mark.parametrize("header", [{}, {"shape": "7"}, {"shape": "{"}, {"shape": '{"nodes": 8}'}])
def test_a_file_of_something_else_is_refused(tmp_path, header):
    write(tmp_path / "a.safetensors", {"place": np.zeros(3, dtype=np.float32)}, header)
    with pytest.raises(DataDamagedError, match="does not hold an autoencoder"):
        load(tmp_path / "a.safetensors", SPACE)


def test_a_denoiser_is_no_autoencoder():
    with pytest.raises(DataDamagedError, match="does not hold an autoencoder"):
        load(weights(SPACE), SPACE)


def test_weights_of_another_space_are_refused():
    with pytest.raises(ArgumentError, match=r"path must hold an autoencoder of blocks, .*slots=3.*; .* has .*slots=6"):
        load(weights(SPACE, "latent"), Blocks())


def test_the_loss_is_what_slow_sums_and_integrals_say(trained):
    """The cross-entropy slot by slot, and the divergence of each normal law from the standard one by quadrature."""
    tokens = SPACE.sample(3, rng())
    normal = rng(1).standard_normal((3, trained.shape.latent)).astype(np.float32)
    given = entries(SPACE, tokens)
    with torch.inference_mode():
        told, telling = trained.loss(*given, torch.from_numpy(tokens), torch.from_numpy(normal))
        mean, spread = (each.double().numpy() for each in trained.encoder(*given))
        z = mean + np.exp(spread / 2) * normal
        logits = trained.decoder(torch.from_numpy(z).float()).double().numpy()
    for i in range(3):
        cross = sum(np.log(np.exp(logits[i, l]).sum()) - logits[i, l, tokens[i, l]] for l in range(6))
        assert float(told[i]) == pytest.approx(cross, rel=1e-3, abs=1e-4)
        divergence = sum(divergence_from_normal(m, np.exp(s / 2)) for m, s in zip(mean[i], spread[i], strict=True))
        assert float(telling[i]) == pytest.approx(divergence, rel=1e-3)


def divergence_from_normal(mean, deviation):
    law = stats.norm(mean, deviation)
    ends = mean - 12 * deviation, mean + 12 * deviation
    return integrate.quad(lambda z: law.pdf(z) * (law.logpdf(z) - stats.norm.logpdf(z)), *ends)[0]


@by_name
def test_what_the_encoder_says_depends_on_no_other(space):
    encoder = load(weights(space, "latent"), space).encoder
    ops, edges = entries(space, space.sample(30, rng()))
    order = torch.from_numpy(rng(1).permutation(30))
    with torch.inference_mode():
        for i, whole in enumerate(encoder(ops, edges)):
            alone = torch.cat([encoder(ops[j : j + 1], edges[j : j + 1])[i] for j in range(30)])
            torch.testing.assert_close(alone, whole, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(encoder(ops[order], edges[order])[i], whole[order], rtol=1e-4, atol=1e-4)


def test_the_encoder_hears_operations_and_edges():
    tokens = CELLS.encode(["conv3x3-bn-relu(0)|conv3x3-bn-relu(0,1)|output(1,2)"])
    others = CELLS.encode(
        [
            "conv3x3-bn-relu(0)|maxpool3x3(0,1)|output(1,2)",
            "conv3x3-bn-relu(0)|conv3x3-bn-relu(0,1)|output(2)",
            "conv3x3-bn-relu(0)|conv3x3-bn-relu(1)|output(1,2)",
        ]
    )
    mean, _ = LatentGenerator(CELLS, untrained(CELLS, 0)).encode(np.concatenate([tokens, others]))
    assert (np.abs(mean[1:] - mean[0]).max(1) > 1e-3).all()


@by_name
def test_rows_that_are_held_out_are_never_shown(space, monkeypatch):
    rows = shown(space, 5_000, rng())
    assert len(rows) == 5_000 and not held_out(rows).any()
    np.testing.assert_array_equal(rows, space.canonical(rows, space.isomorphic))
    drawn = space.canonical(space.sample(20_000, rng(1)), space.isomorphic)
    assert held_out(drawn).mean() == pytest.approx(0.1, abs=0.02)
    seen, loss_of = [], training.loss_of
    monkeypatch.setattr(training, "loss_of", lambda a, s, rows, r: (seen.append(rows), loss_of(a, s, rows, r))[1])
    list(train(space, steps=3, seed=0))
    assert len(seen) == 3 and not held_out(np.concatenate(seen)).any()


def test_training_repeats_and_learns():
    (*_, first), (*_, second) = (train(SPACE, steps=25, seed=3) for _ in range(2))
    assert first.loss == second.loss and same(first.model, second.model)
    begun = next(train(SPACE, steps=25, seed=3))
    assert first.loss < 0.8 * begun.loss
    assert next(train(SPACE, steps=25, seed=4)).loss != begun.loss


def test_training_is_as_long_as_asked_or_as_is_usual():
    assert [lesson.step for lesson in train(Blocks(), steps=2)] == [1, 2]
    assert next(train(SPACE)).steps == training.STEPS


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 2.5}, {"seed": -1}, {"seed": 2**63}, {"seed": None}])
def test_training_refuses_at_once(wrong):
    with pytest.raises(ArgumentError, match=f"{next(iter(wrong))} must be a whole number"):
        train(SPACE, **wrong)


@pytest.mark.usefixtures("as_a_user")
def test_training_wants_a_space():
    with pytest.raises(ArgumentError, match="space must be a SearchSpace such as"):
        train("nas-bench-201")


@pytest.mark.usefixtures("as_a_user")
def test_global_randomness_is_untouched(trained):
    with untouched_global_randomness():
        untrained(SPACE, 0)
        list(train(SPACE, steps=2, seed=0))
        refitted(trained, SPACE, SPACE.sample(4, rng()), np.ones(4), rng())


def many_convolutions():
    rows = SPACE.all()
    rows = rows[(rows == CONV3).sum(1) >= 4]
    return rows[rng().permutation(len(rows))[:16]]


def convolutions(autoencoder):
    tokens = LatentGenerator(SPACE, autoencoder).sample(2000, nagkit.Guidance(), rng(1))
    return (tokens == CONV3).sum(1).mean()


def test_a_refit_moves_samples_towards_what_has_weight(trained):
    rows = np.concatenate([many_convolutions(), SPACE.at(np.arange(16))])  # the others have hardly any
    moved = refitted(trained, SPACE, rows, np.repeat([1.0, 0.0], 16), rng())
    back = refitted(trained, SPACE, rows, np.repeat([0.0, 1.0], 16), rng())
    assert not moved.stopped and not back.stopped
    assert convolutions(back.autoencoder) < convolutions(trained) < convolutions(moved.autoencoder) - 0.3


def test_weights_count_by_their_shares_alone(trained):
    rows, ranks = many_convolutions(), np.arange(1.0, 17.0)
    one, other = (refitted(trained, SPACE, rows, scale * ranks, rng()) for scale in (1.0, 1024.0))
    assert same(one.autoencoder, other.autoencoder)
    assert not same(one.autoencoder, refitted(trained, SPACE, rows, ranks[::-1].copy(), rng()).autoencoder)


def test_a_refit_leaves_the_given_autoencoder_as_it_was(trained):
    before = deepcopy(trained)
    found = refitted(trained, SPACE, many_convolutions(), np.ones(16), rng())
    assert same(trained, before) and not same(found.autoencoder, before)


def test_the_same_random_state_gives_the_same_refit(trained):
    rows = many_convolutions()
    one, again, other = (refitted(trained, SPACE, rows, np.ones(16), rng(seed)) for seed in (5, 5, 6))
    assert same(one.autoencoder, again.autoencoder)
    assert (one.entropy, one.validity, one.stopped) == (again.entropy, again.validity, again.stopped)
    assert not same(one.autoencoder, other.autoencoder)


def test_a_whole_refit_has_a_figure_before_and_after_each_part(trained):
    found = refitted(trained, SPACE, many_convolutions(), np.ones(16), rng())
    assert len(found.entropy) == len(found.validity) == training.PARTS + 1
    assert found.validity == (1.0,) * (training.PARTS + 1)  # this space has no grammar
    assert all(0.5 * np.log(5) < entropy <= np.log(5) for entropy in found.entropy)


def test_where_any_loss_is_too_much_the_first_part_is_undone(trained, monkeypatch):
    monkeypatch.setattr(training, "LEAST_LEFT", 1.5)
    found = refitted(trained, SPACE, many_convolutions(), np.ones(16), rng())
    assert found.stopped and len(found.entropy) == len(found.validity) == 2
    assert same(found.autoencoder, trained)


def test_a_refit_stops_before_samples_are_all_alike(trained, monkeypatch):
    """Long steps towards a single architecture, though a third of each batch is a replay."""
    monkeypatch.setattr(training, "REFIT_RATE", 0.1)
    found = refitted(trained, SPACE, many_convolutions()[:1], np.ones(1), rng())
    *before, last = np.array(found.entropy)
    assert found.stopped and last < 0.5 * before[0] <= min(before)
    tokens = LatentGenerator(SPACE, found.autoencoder).sample(2000, nagkit.Guidance(), rng(1))
    shares = (tokens[:, :, None] == np.arange(5)).mean(0)
    assert stats.entropy(shares, axis=1).mean() == pytest.approx(before[-1], abs=0.1)  # the last part is undone


def test_a_refit_stops_before_the_grammar_has_to_help_with_all(monkeypatch):
    monkeypatch.setattr(training, "REFIT_RATE", 0.1)
    shipped = load(weights(CELLS, "latent"), CELLS)
    found = refitted(shipped, CELLS, CELLS.sample(16, rng()), np.ones(16), rng())
    *before, last = np.array(found.validity)
    assert found.stopped and last < 0.5 * before[0] <= min(before)
    assert min(found.entropy) > 0.5 * found.entropy[0]  # it is not for the other reason
    assert len(before) > 1 or same(found.autoencoder, shipped)


def test_a_replay_is_in_every_batch(trained, monkeypatch):
    """A third of each comes from the law of the space, and of the given rows only those with weight."""
    seen, loss_of = [], training.loss_of
    monkeypatch.setattr(training, "loss_of", lambda a, s, rows, r: (seen.append(rows), loss_of(a, s, rows, r))[1])
    rows = many_convolutions()
    refitted(trained, SPACE, rows, np.eye(16)[3], rng())
    assert len(seen) == training.REFIT_STEPS
    for batch in seen:
        drawn, replay = np.split(batch, [training.REFIT_BATCH * 2 // 3])
        assert (drawn == rows[3]).all() and not held_out(replay).any()
        assert len(np.unique(replay, axis=0)) > 0.9 * len(replay)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.ones(15), r"weights must have shape \(16,\)"),
        (np.full(16, np.nan), "weights must be finite"),
        ("heavy", "weights must be an array of numbers"),
        (np.zeros(16), "weights must be from 0, and some of them above"),
        (np.arange(16.0) - 1, "weights must be from 0"),
    ],
)
def test_weights_that_are_none_are_refused(trained, wrong, said):
    with pytest.raises(ArgumentError, match=said):
        refitted(trained, SPACE, many_convolutions(), wrong, rng())


def test_larger_spaces_have_more_latent_variables():
    shapes = [AutoencoderShape.of(space) for space in SPACES]
    assert [(shape.nodes, shape.slots, shape.latent) for shape in shapes] == [(8, 6, 13), (7, 27, 19), (23, 26, 64)]
