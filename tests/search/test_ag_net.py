"""AG-Net as published: what counts how often, what goes on from round to round, and what is left by rejection."""

import numpy as np
import pytest
import torch

from blocks import Blocks
from nagkit.checks import as_a_user, untouched_global_randomness
from nagkit.checks.search import COUNT, symbols
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.search import ag_net
from nagkit.search.ag_net import ALONE, WITH_COSTS, Learner, Published, costs, of_the_law, places
from nagkit.search.archive import Archive
from nagkit.search.elite import rank_weights
from nagkit.spaces.mobilenet_v3 import MobileNetV3
from nagkit.spaces.nas_bench_101 import NasBench101
from nagkit.spaces.nas_bench_201 import NasBench201

SPACE, CELLS = NasBench201(), NasBench101()
MANY = Objective(COUNT, symbols)
ZEROS = Metric("zeros", "count", "min")
INITIAL, BATCH = 16, 8


def zeros(tokens):
    return (tokens == 0).sum(1).astype(float)


FEW = Objective(ZEROS, zeros)


def told(space=SPACE, *, wishes=(MANY,), limits=(), n=INITIAL, seed=0, identity=None):
    """An archive of random architectures."""
    archive = Archive(space, wishes, limits, identity or space.identities[0])
    tell(archive, archive.fresh(n, np.random.default_rng(seed)))
    return archive


def tell(archive, rows):
    if len(rows):
        given = [each.values(rows) for each in (*archive.objectives, *archive.constraints)]
        archive.add(rows, np.stack(given, axis=1))


def walked(made, archive, rounds):
    """What is asked for round by round, each told with random ones where it is not a whole batch."""
    asked = []
    for number in range(rounds):
        asked.append(made.asked(archive, number))
        tell(archive, asked[-1])
        missing = made.initial + (number + 1) * made.batch - len(archive)
        tell(archive, archive.fresh(missing, np.random.default_rng(number)) if missing else archive.tokens[:0])
    return asked


def parameters(learner):
    return [*learner.decoder.state_dict().values(), *learner.surrogate.state_dict().values()]


class Watched(Learner):
    """A learner that writes down what it learns from."""

    def refit(self, rows, values, weights, rng):
        self.given, self.seen = (rows, values, weights), []
        super().refit(rows, values, weights, rng)

    def loss(self, z, x, y, w):
        self.seen.append((z, x, y, w))
        return super().loss(z, x, y, w)


@pytest.mark.parametrize("seed", range(5))
def test_weights_agree_with_counting(seed):
    cost = np.random.default_rng(seed).integers(0, 6, 12).astype(float)  # with equal ones
    for i, weight in enumerate(rank_weights(places(cost))):
        before = sum(other < cost[i] or (other == cost[i] and j < i) for j, other in enumerate(cost))
        assert weight == pytest.approx(1 / (0.01 * len(cost) + before))


@pytest.mark.parametrize("seed", range(5))
def test_costs_agree_with_counting(seed):
    rng = np.random.default_rng(seed)
    values = np.stack([rng.permutation(9), rng.permutation(9), rng.integers(0, 9, 9)], axis=1).astype(float)
    found = costs([MANY, FEW], [Constraint(ZEROS, zeros, low=2, high=6)], values)
    for (many, few, limited), cost in zip(values, found, strict=True):
        places = (values[:, 0] >= many).sum() + (values[:, 1] <= few).sum()  # the best has place 1
        assert cost == places * (1 if 2 <= limited <= 6 else 1000)


def test_what_breaks_a_limit_weighs_less_than_all_that_do_not():
    values = np.array([[9.0, 7], [8, 3], [1, 3], [7, 7]])
    weights = rank_weights(places(costs([MANY], [Constraint(ZEROS, zeros, high=3)], values)))
    assert weights.argsort()[::-1].tolist() == [1, 2, 0, 3]


def test_weights_count_squared():
    """Once as the chance to be drawn and once in the loss."""
    archive = told(n=20)
    learner, weights = Watched(SPACE, np.ones(1), np.random.default_rng(0)), rank_weights(np.arange(20))
    learner.epochs = 100
    learner.refit(archive.tokens, archive.values, weights, np.random.default_rng(1))
    x, w = (torch.cat([step[part] for step in learner.seen]).numpy() for part in (1, 3))
    drawn = (x[:, None] == archive.tokens).all(2)  # (draws, N)
    np.testing.assert_allclose(drawn.mean(0), weights / weights.sum(), atol=0.04)
    felt = (drawn * w[:, None]).sum(0)
    np.testing.assert_allclose(felt / felt.sum(), weights**2 / (weights**2).sum(), atol=0.04)


def test_an_epoch_has_as_many_draws_as_there_are_labels_in_steps_of_16():
    for space, epochs in ((SPACE, 30), (CELLS, 15)):
        archive, learner = told(space, n=40), Watched(space, np.ones(1), np.random.default_rng(0))
        learner.refit(archive.tokens, archive.values, rank_weights(np.arange(40)), np.random.default_rng(1))
        assert [len(step[0]) for step in learner.seen] == [16, 16, 8] * epochs


def test_noise_is_new_in_every_step_and_normal():
    archive, learner = told(), Watched(SPACE, np.ones(1), np.random.default_rng(0))
    learner.refit(archive.tokens, archive.values, rank_weights(np.arange(16)), np.random.default_rng(1))
    z = torch.cat([step[0] for step in learner.seen])
    assert len(z.unique(dim=0)) == len(z)
    assert abs(z.std().item() - 1) < 0.02


@pytest.mark.parametrize("metrics", [1, 2])
def test_the_loss_is_that_of_a_loop_over_rows_and_slots(metrics):
    learner, rng = Learner(SPACE, np.ones(metrics), np.random.default_rng(0)), np.random.default_rng(1)
    z, y = (torch.from_numpy(rng.standard_normal((5, k)).astype(np.float32)) for k in (32, metrics))
    y[:, -1] += 3.0  # so that its squared error is beyond 1
    x, w = torch.from_numpy(SPACE.sample(5, rng)), torch.tensor([1.0, 2, 3, 4, 5])
    logits, total = learner.decoder(z), 0.0
    for i in range(5):
        slots = [-torch.log_softmax(logits[i, 5 * l : 5 * l + 5], 0)[x[i, l]] for l in range(6)]
        errors = (learner.surrogate(logits[i]) - y[i]) ** 2
        rec, share = sum(slots) / 6, 0.9
        if metrics == 2:
            rec, errors, share = torch.clamp(rec, max=1.0), torch.clamp(errors, max=1.0), 0.95
        total += w[i] * ((1 - share) * rec + share * errors.mean())
    assert learner.loss(z, x, y, w).item() == pytest.approx(total.item() / 5, rel=1e-5)


def test_terms_beyond_the_most_are_scaled_and_not_cut_off():
    learner = Learner(SPACE, np.ones(2), np.random.default_rng(0))
    terms = torch.tensor([0.5, 1.0, 4.0], requires_grad=True)
    learner._bounded(terms).sum().backward()
    np.testing.assert_allclose(terms.grad, [1, 1, 0.25])


def test_the_error_of_the_surrogate_reaches_the_decoder():
    learner = Learner(SPACE, np.ones(1), np.random.default_rng(0))
    learner.setting = ALONE._replace(share=1.0)  # nothing but that error
    learner.loss(torch.zeros(3, 32), torch.zeros(3, 6, dtype=torch.int64), torch.ones(3, 1), torch.ones(3)).backward()
    assert all(p.grad.abs().sum() > 0 for p in learner.decoder.layers[-1].parameters() if p.ndim == 1)


def test_measured_costs_change_the_setting_and_exact_ones_do_not():
    exact, measured = (Constraint(ZEROS, zeros, high=6, exact=exact) for exact in (True, False))
    for wishes, limits, setting in (
        ([MANY], [], ALONE),
        ([MANY], [exact], ALONE),
        ([MANY], [measured], WITH_COSTS),
        ([MANY, FEW], [exact], WITH_COSTS),
    ):
        made = Published(SPACE, INITIAL, BATCH)
        assert len(made.asked(told(wishes=wishes, limits=limits), 0)) == BATCH
        learner = made._latest.learner
        assert learner.setting is setting
        assert len(learner.scale) == len(wishes) + (limits == [measured])
        assert learner.optimizer.defaults["lr"] == setting.rate


def test_a_later_round_from_nothing_is_the_same_as_one_that_goes_on():
    archive, made = told(), Published(SPACE, INITIAL, BATCH)
    asked = walked(made, archive, 3)
    made.asked(archive, 2)
    for rounds in (2, 0, 1):  # the last two are earlier than what is kept
        again = Published(SPACE, INITIAL, BATCH)
        np.testing.assert_array_equal(again.asked(archive, rounds), asked[rounds])
        np.testing.assert_array_equal(made.asked(archive, rounds), asked[rounds])
        for one, other in zip(parameters(made._latest.learner), parameters(again._latest.learner), strict=True):
            assert torch.equal(one, other)


def test_what_is_told_later_does_not_matter():
    longer, made = told(n=INITIAL + 2 * BATCH - 1), Published(SPACE, INITIAL, BATCH)
    other = Published(SPACE, INITIAL, BATCH)
    np.testing.assert_array_equal(made.asked(longer.first(INITIAL + BATCH), 1), other.asked(longer, 1))


@pytest.mark.parametrize("part", ["tokens", "values"])
def test_another_archive_is_learned_anew(part):
    archive, other = told(n=INITIAL + BATCH), told(n=INITIAL + BATCH, seed=part == "tokens")
    other.values[:] = archive.values if part == "tokens" else archive.values[::-1]
    made = Published(SPACE, INITIAL, BATCH)
    made.asked(archive, 0)
    np.testing.assert_array_equal(made.asked(other, 1), Published(SPACE, INITIAL, BATCH).asked(other, 1))


def test_weights_and_optimiser_go_on_from_round_to_round():
    archive, made = told(n=INITIAL + BATCH), Published(SPACE, INITIAL, BATCH)
    steps = 0
    for rounds in (0, 1):
        made.asked(archive, rounds)
        steps += 30 * -(-(INITIAL + rounds * BATCH) // 16)
        states = made._latest.learner.optimizer.state.values()
        assert {int(state["step"]) for state in states} == {steps}


def test_an_interrupted_round_leaves_nothing_behind():
    class Stopped(Learner):
        def draw(self, n, rng):
            raise InterruptedError

    archive, made = told(n=INITIAL + BATCH), Published(SPACE, INITIAL, BATCH)
    made.asked(archive, 0)
    made._latest.learner.__class__ = Stopped
    with pytest.raises(InterruptedError):
        made.asked(archive, 1)
    np.testing.assert_array_equal(made.asked(archive, 1), Published(SPACE, INITIAL, BATCH).asked(archive, 1))


@pytest.mark.parametrize(
    ("space", "identity"), [(SPACE, "string"), (SPACE, "function"), (CELLS, "graph")], ids=["201", "same", "101"]
)
def test_what_is_asked_for_is_legal_new_and_asked_for_once(space, identity):
    archive, made = told(space, identity=identity), Published(space, INITIAL, BATCH)
    asked = np.concatenate(walked(made, archive, 3))
    assert len(asked) > BATCH
    for row in asked:
        assert space.faults(row) == ()
    assert len(np.unique(space.canonical(archive.tokens, identity), axis=0)) == len(archive)


@pytest.mark.parametrize(
    "space", [SPACE, CELLS, MobileNetV3(), pytest.param(Blocks(), marks=pytest.mark.slow)], ids=lambda space: space.name
)
def test_draws_are_legal_where_the_space_says_so(space):
    rows, predicted = Learner(space, np.ones(2), np.random.default_rng(0)).draw(300, np.random.default_rng(1))
    assert predicted.shape == (300, 2)
    assert (rows < space.radices).all()
    assert space.belongs(rows).tolist() == [not space.faults(row) for row in rows]


def test_about_70_percent_of_the_first_draws_are_cells_of_nas_bench_101():
    """72 % in the released search."""
    rows, _ = Learner(CELLS, np.ones(1), np.random.default_rng(0)).draw(2000, np.random.default_rng(1))
    assert CELLS.belongs(rows).mean() == pytest.approx(0.7, abs=0.05)


def test_where_hardly_anything_is_legal_fewer_are_asked_for():
    space = MobileNetV3()
    archive, made = told(space), Published(space, INITIAL, 100)
    asked = made.asked(archive, 0)
    assert 0 < len(asked) < 100
    space.check(asked)


@pytest.mark.slow
def test_a_space_is_asked_for_to_its_end_and_then_no_more():
    space = Blocks()
    archive, made = told(space, n=4), Published(space, 4, 4)
    assert len(walked(made, archive, 3)[0]) == 4
    rest = Archive(space, [MANY], [], "string")
    tell(rest, space.all())
    assert made.asked(rest, 1).shape[1] == 3
    everything = Published(space, space.size, 1)
    assert everything.asked(rest, 0).shape == (0, 3)


def test_exact_limits_hold_for_everything():
    limit = Constraint(ZEROS, zeros, high=0, exact=True)
    archive = told(limits=[limit])
    asked = walked(Published(SPACE, INITIAL, BATCH), archive, 3)
    assert (zeros(np.concatenate(asked)) == 0).all()


def test_of_many_candidates_a_hundred_are_left_at_random():
    archive, learner = told(), Learner(SPACE, np.ones(1), np.random.default_rng(0))
    rows, predicted = ag_net._candidates(archive, learner, np.random.default_rng(1))
    assert len(rows) == len(predicted) == 100
    first, _ = learner.draw(100, np.random.default_rng(1))
    assert not (rows[0] == first[0]).all()


def test_the_best_by_prediction_are_asked_for_best_first(monkeypatch):
    """With a surrogate that can rank: one that is told the truth of what is drawn."""

    class Knowing(Learner):
        def draw(self, n, rng):
            rows, _ = super().draw(n, rng)
            return rows, np.stack([symbols(rows), zeros(rows)], axis=1)[:, : len(self.scale)]

    monkeypatch.setattr(ag_net, "Learner", Knowing)
    asked = symbols(Published(SPACE, INITIAL, BATCH).asked(told(), 0))
    assert (np.diff(asked) <= 0).all()
    assert asked[-1] > symbols(SPACE.all()).mean() + 2
    limit = Constraint(ZEROS, zeros, high=0)
    asked = Published(SPACE, INITIAL, BATCH).asked(told(limits=[limit]), 0)
    assert (zeros(asked) == 0).all()
    assert (np.diff(symbols(asked)) <= 0).all()
    asked = Published(SPACE, INITIAL, BATCH).asked(told(wishes=[MANY, FEW]), 0)
    assert symbols(asked).mean() > 14
    assert zeros(asked).max() <= 1


def test_failed_labels_are_left_out(monkeypatch):
    monkeypatch.setattr(ag_net, "Learner", Watched)
    archive, made = told(), Published(SPACE, INITIAL, BATCH)
    archive.values[::2] = np.nan
    asked = made.asked(archive, 0)
    rows, values, weights = made._latest.learner.given
    np.testing.assert_array_equal(rows, archive.tokens[1::2])
    assert len(values) == len(weights) == INITIAL // 2
    assert all(torch.isfinite(each).all() for each in parameters(made._latest.learner))
    assert archive.new(asked).all()


def test_while_everything_failed_nothing_is_asked_for_and_then_it_begins():
    archive, made = told(n=INITIAL + BATCH), Published(SPACE, INITIAL, BATCH)
    archive.values[:INITIAL] = np.nan
    assert made.asked(archive, 0).shape == (0, 6)
    assert made.asked(archive, 1).shape == (BATCH, 6)


def test_percent_count_in_hundreds_and_the_rest_in_the_largest():
    percent = Metric("accuracy", "%", "max")
    values = np.array([[50.0, -4, 0], [60, 2, 0]])
    archive = Archive(SPACE, [Objective(percent, symbols), FEW, FEW], [], "string")
    assert ag_net._scale(archive, values, np.arange(3)).tolist() == [100, 4, 1]


@pytest.mark.parametrize("space", [SPACE, CELLS], ids=lambda space: space.name)
def test_the_decoder_begins_with_the_law_of_every_slot_and_noise_says_hardly_more(space):
    decoder = of_the_law(space)
    z = torch.from_numpy(np.random.default_rng(0).standard_normal((4000, 32)).astype(np.float32))
    with torch.no_grad():
        belief = torch.softmax(decoder.by_slot(decoder(z)).double(), dim=2).numpy()  # (n, L, K)
    rows = space.sample(20_000, np.random.default_rng(1))
    law = (rows[:, :, None] == np.arange(space.radices.max())).mean(0)
    np.testing.assert_allclose(belief.mean(0), law, atol=0.03)
    told_by_noise = entropy(belief.mean(0)).sum() - entropy(belief).sum(1).mean()
    assert told_by_noise < 0.01 * entropy(law).sum()


def entropy(belief):
    return -(belief * np.log(np.maximum(belief, 1e-300))).sum(-1)


def test_the_decoder_of_a_space_is_made_once_and_stays_as_it_was():
    decoder = of_the_law(SPACE)
    before = [p.clone() for p in decoder.parameters()]
    Published(SPACE, INITIAL, BATCH).asked(told(), 0)
    assert of_the_law(NasBench201()) is decoder
    assert all(torch.equal(*pair) for pair in zip(before, decoder.parameters(), strict=True))


def test_what_is_asked_for_moves_towards_what_is_good():
    archive, made = told(), Published(SPACE, INITIAL, 16)
    asked = walked(made, archive, 5)
    assert symbols(asked[4]).mean() > symbols(archive.tokens[:INITIAL]).mean() + 2


def test_global_randomness_is_untouched(monkeypatch):
    monkeypatch.setattr(ag_net, "_DECODERS", {})
    with as_a_user(), untouched_global_randomness():
        Published(SPACE, INITIAL, BATCH).asked(told(), 0)


def test_it_learns_on_one_thread_and_leaves_their_number_as_it_was(monkeypatch):
    threads = []

    class Counting(Learner):
        def draw(self, n, rng):
            threads.append(torch.get_num_threads())
            return super().draw(n, rng)

    monkeypatch.setattr(ag_net, "Learner", Counting)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        Published(SPACE, INITIAL, BATCH).asked(told(), 0)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert set(threads) == {1}


def test_rounds_without_labels_are_refused(as_a_user):
    made = Published(SPACE, INITIAL, BATCH)
    with pytest.raises(ArgumentError, match="rounds must be such that there are labels; 1 take 24 of 23"):
        made.asked(told(n=23), 1)
    for rounds in (-1, 0.5):
        with pytest.raises(ArgumentError, match="rounds must be a whole number from 0"):
            made.asked(told(), rounds)
    with pytest.raises(ArgumentError, match="initial must be"):
        Published(SPACE, 0, BATCH)
    with pytest.raises(ArgumentError, match="space must be"):
        Published("nas-bench-201", INITIAL, BATCH)
