"""Latent search: what it looks at, what it learns, whom it credits, and that it finds."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from scipy import stats

import nagkit
from blocks import Blocks
from nagkit.errors import ArgumentError, DataMissingError
from nagkit.generators.autoencoder_training import refitted
from nagkit.generators.latent import LatentGenerator
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.search import latent_rounds, run, search
from nagkit.search.ag_net import Published
from nagkit.search.belief import Belief, Kernels
from nagkit.search.latent_belief import FAR, LatentBelief, LatentProcess
from nagkit.search.soft_features import Soft, SoftFeatures

TABLE = nagkit.benchmark("digits/mid8")
SPACE, WISH = TABLE.space, [TABLE.objective("val_accuracy")]


def walked(budget, seed=0, wish=WISH, limits=(), **options):
    """A latent search after so many evaluations."""
    made = search("latent", SPACE, wish, limits, seed=seed, **options)
    for _ in run(made, budget):
        pass
    return made


@pytest.fixture(scope="module")
def begun():
    """A search of 56 evaluations: three rounds begun."""
    return walked(56)


# ------------------------------------------------------------------------------------------------------- surrogates


def soft(odds, trends):
    return Soft(torch.from_numpy(odds), torch.from_numpy(trends))


def test_a_latent_process_is_the_posterior_in_loops():
    rng = np.random.default_rng(0)
    odds, trends, scores = rng.random((12, 6)), rng.standard_normal((12, 3)), rng.standard_normal(12)
    at = rng.random((4, 6)), rng.standard_normal((4, 3))
    process = LatentProcess(soft(odds, trends), torch.from_numpy(scores))
    length, trend, noise = process.length, process.trend, process.noise
    middle = trends.mean(0)
    wide = np.mean([((row - odds.mean(0)) ** 2).sum() for row in odds])
    steep = np.mean([((row - middle) ** 2).sum() for row in trends])

    def kernel(p, t, q, u):
        near = np.exp(-((p - q) ** 2).sum() / (2 * length**2 * wide))
        return (1 - trend) * near + trend * ((t - middle) @ (u - middle)) / steep

    known = list(zip(odds, trends, strict=True))
    covariance = np.array([[kernel(*a, *b) for b in known] for a in known]) + noise * np.eye(12)
    mean, spread = (part.numpy() for part in process.expected(soft(*at)))
    for i, point in enumerate(zip(*at, strict=True)):
        between = np.array([kernel(*point, *b) for b in known])
        expected = scores.mean() + between @ np.linalg.solve(covariance, scores - scores.mean())
        variance = kernel(*point, *point) - between @ np.linalg.solve(covariance, between)
        assert mean[i] == pytest.approx(expected) and spread[i] ** 2 == pytest.approx(variance)


def test_the_likeliest_of_the_grid_is_taken():
    """Scores that follow a line have a trend; scores that differ at one and the same point are noisy."""
    rng = np.random.default_rng(1)
    odds, trends = np.tile(rng.random((15, 8)), (4, 1)), np.tile(rng.standard_normal((15, 4)), (4, 1))
    known = soft(odds, trends)
    line, noise = (torch.from_numpy(s) for s in (trends @ [1.0, -1.0, 0.5, 0.0], rng.standard_normal(60)))
    assert LatentProcess(known, line).trend > 0
    assert LatentProcess(known, noise).noise == 0.5


def test_labels_that_are_all_alike_are_believed_of_everything():
    known = soft(np.full((5, 4), 0.25), np.zeros((5, 2)))
    mean, spread = LatentProcess(known, torch.zeros(5).double()).expected(known)
    assert mean.abs().max() == 0.0 and spread.isfinite().all()


@pytest.mark.parametrize("name", ["nas-bench-201", "nas-bench-101", "mobilenet-v3"])
def test_soft_features_tell_the_architecture_once_it_is_certain(name):
    """At the z of an architecture the odds are nearly one, and its trends nearly those of the space."""
    generator = LatentGenerator.load(nagkit.space(name))
    space, rng = generator.space, np.random.default_rng(1)
    rows = space.canonical(space.sample(300, rng), space.isomorphic)
    z = torch.from_numpy(generator.encode(rows)[0])
    with torch.no_grad():
        odds, trends = SoftFeatures(space).of(generator.autoencoder.decoder, z)
    odds = odds.unflatten(1, (len(space.slots), -1)).numpy()
    np.testing.assert_allclose(odds.sum(2), 1.0)
    assert (odds[:, np.arange(odds.shape[2]) >= space.radices[:, None]] == 0).all()
    assert (odds.argmax(2) == rows).mean() > 0.98
    spread = space.trends(rows).std(0)
    error = np.abs(trends.numpy() - space.trends(rows)).mean(0)
    assert (error[spread > 0] < 0.5 * spread[spread > 0]).all()


def test_climbing_leads_up_and_stays_where_z_is_usual(begun):
    now = begun.rounds[-1]
    rng = np.random.default_rng(0)
    start = rng.standard_normal((40, now.generator.latent))
    end = now.belief.climbed(start, (0.0,), rng)
    assert (now.belief.mean(0, end) > now.belief.mean(0, start)).mean() > 0.9
    assert np.linalg.norm(end, axis=1).max() <= np.sqrt(start.shape[1]) + 1 + 1e-9


def test_climbing_heeds_the_odds_of_limits():
    """With a limit that the best break, what is climbed to is likelier to meet it."""
    params = TABLE.objective("params").values
    limit = Constraint(TABLE.metrics["params"], params, high=float(np.quantile(params(SPACE.all()), 0.2)))
    free, bound = walked(48), walked(48, limits=[limit])
    rng = np.random.default_rng(0)
    start = rng.standard_normal((60, free.generator.latent))
    met = []
    for made in (free, bound):
        now = made.rounds[-1]
        rows = now.generator.decode(now.belief.climbed(start, (0.0,), np.random.default_rng(1)))
        met.append(limit.met(limit.values(rows)).mean())
    assert met[1] > met[0] + 0.1


def test_a_bound_that_is_not_there_leaves_the_gradient_finite():
    one_sided = Constraint(TABLE.metrics["params"], TABLE.objective("params").values, high=0.01)
    made = walked(40, limits=[one_sided])
    archive = made.archive
    z = made.generator.encode(archive.tokens)[0]
    told = partial(SoftFeatures(SPACE).of, made.generator.autoencoder.decoder)
    belief = LatentBelief(archive, Belief(archive, Kernels()), z, told)
    (_, (low, _)), *_ = belief._limits
    assert low == -FAR
    assert np.isfinite(belief.climbed(z[:5], (2.0,), np.random.default_rng(0))).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_both_surrogates_rank_what_they_have_not_seen(seed):
    made = walked(48, seed)
    rows = SPACE.all()
    truth = TABLE.look_up(rows, "val_accuracy")
    unseen = made.archive.new(rows) & np.isfinite(truth)
    belief = Belief(made.archive, Kernels())
    assert stats.spearmanr(belief.mean(0, rows[unseen]), truth[unseen]).statistic > 0.6
    now = made.rounds[-1]
    latent = now.belief.mean(0, now.generator.encode(rows[unseen])[0])
    assert stats.spearmanr(latent, truth[unseen]).statistic > 0.6


# ----------------------------------------------------------------------------------------------------------- rounds


def test_a_refit_draws_by_rank_and_never_what_failed(monkeypatch):
    made, given = search("latent", SPACE, WISH, seed=0), []

    def watched(autoencoder, space, tokens, weights, rng):
        given.append(weights)
        return refitted(autoencoder, space, tokens, weights, rng)

    monkeypatch.setattr(latent_rounds, "refitted", watched)
    made.tell(SPACE.all()[:16], np.array([1.0, 3.0, np.nan, 2.0, *range(-12, 0)])[:, None])
    assert len(made.rounds) == 1
    ranks = np.array([2, 0, np.inf, 1, *range(14, 2, -1)])
    np.testing.assert_allclose(given[0], 1 / (0.01 * 16 + ranks))


def test_a_round_follows_from_the_labels_before_it(begun):
    again = walked(40)
    for one, other in zip(again.rounds, begun.rounds, strict=False):
        np.testing.assert_array_equal(one.tokens, other.tokens)
        assert one.refit.entropy == other.refit.entropy and one.before == other.before
    assert [each.before for each in begun.rounds] == [16, 32, 48]


def test_proposals_move_to_where_the_good_are(begun):
    everywhere = np.nanmean(
        TABLE.look_up(begun.generator.sample(400, nagkit.Guidance(), np.random.default_rng(0)), "val_accuracy")
    )
    of_rounds = [np.nanmean(TABLE.look_up(each.tokens, "val_accuracy")) for each in begun.rounds]
    assert everywhere < of_rounds[0] < of_rounds[-1]


def test_the_generator_of_the_search_is_never_changed(begun):
    z = np.random.default_rng(0).standard_normal((50, begun.generator.latent))
    fresh = nagkit.generator("latent", SPACE)
    np.testing.assert_array_equal(begun.generator.decode(z), fresh.decode(z))
    assert (begun.rounds[-1].generator.logits(z) != fresh.logits(z)).any()


def test_variety_is_watched_in_every_round(begun):
    for each in begun.rounds:
        assert each.refit.entropy[-1] > 0.5 * each.refit.entropy[0] and each.refit.validity[-1] == 1.0


# ----------------------------------------------------------------------------------------------------------- credit


def test_every_question_has_a_source(begun):
    assert begun.asked_of[:16] == ["first"] * 16
    assert set(begun.asked_of[16:]) <= set(begun.candidates)
    asked = {name: asked for name, (asked, _) in begun.credit().items()}
    assert sum(asked.values()) == 40
    assert len(set(begun.asked_of[16:])) > 1


def test_credit_counts_the_best_quarter(begun):
    values = begun.archive.values[:, 0]
    good = values > np.sort(values)[-14 - 1]  # 14 of 56
    for name, (asked, count) in begun.credit().items():
        of = np.array([each == name for each in begun.asked_of])
        assert asked == of.sum() and abs(count - (good & of).sum()) <= 1


def test_a_source_that_pays_off_proposes_more():
    made = search("latent", SPACE, WISH, seed=0)
    rows = SPACE.sample(60, np.random.default_rng(0))
    rows = np.unique(rows, axis=0)[:40]
    made.tell(rows, np.arange(40.0)[:, None])
    for place, row in enumerate(rows):
        made._asked_of[row.tobytes()] = "climbed" if place >= 30 else "sampled"
    shares = made._shares(40)
    assert shares["climbed"] > 0.7 and shares["sampled"] > 0.1
    assert sum(shares.values()) == pytest.approx(1)


def test_sources_survive_an_interruption(begun):
    again = search("latent", SPACE, WISH, seed=9).from_state(json.loads(json.dumps(begun.state())))
    assert again.asked_of == begun.asked_of and again.credit() == begun.credit()


def test_what_nobody_asked_for_was_told():
    made = search("latent", SPACE, WISH, seed=0)
    made.tell(SPACE.all()[:1], np.array([[50.0]]))
    assert made.asked_of == ["told"]


# -------------------------------------------------------------------------------------------------- as published


def test_the_published_rules_ask_what_the_published_asks():
    made = walked(40, published=True)
    published = Published(SPACE, 16, 16).asked(made.archive.first(32), 0)
    asked = made.archive.tokens[16:32]
    np.testing.assert_array_equal(asked[: len(published)], published[:16])
    assert made.rounds == [] and set(made.asked_of[16:]) <= {"published", "random"}


def test_the_published_rules_are_told_of():
    ours, theirs = (search("latent", SPACE, WISH, seed=0, published=p).about()["options"] for p in (False, True))
    assert theirs["published"] and not ours["published"]


# ------------------------------------------------------------------------------------------------------ it finds


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_it_finds_the_best_of_the_table(seed):
    values = TABLE.look_up(SPACE.all(), "val_accuracy")
    assert walked(140, seed).archive.values.max() == np.nanmax(values)


def test_intervals_are_reported_for_each_round(begun):
    rounds = begun.calibration().rounds
    assert [each.known for each in rounds] == [16, 32, 48]
    assert 0.5 < float(begun.calibration().coverage[0]) <= 1


# -------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"batch": 0}, "batch must be a whole number"),
        ({"published": "yes"}, "published must be"),
        ({"candidates": ("climbed", "elites")}, "each of candidates must be one of"),
        ({"acquisition": "luck"}, "acquisition for 1 objectives must be one of"),
        ({"candidates": ("mutation", "random")}, "candidates must hold at least one of .sampled., .climbed."),
    ],
)
def test_wrong_options_are_refused(wrong, match):
    with pytest.raises(ArgumentError, match=match):
        search("latent", SPACE, WISH, seed=0, **wrong)


def test_a_space_without_weights_is_refused_at_once():
    wish = [Objective(Metric("sum", "symbols", "max"), lambda tokens: tokens.sum(1).astype(float))]
    with pytest.raises(DataMissingError, match="nagkit train latent --space blocks"):
        search("latent", Blocks(), wish, seed=0)


# ------------------------------------------------------------------------------------------------- when things fail


def test_with_several_objectives_the_front_is_good():
    made = walked(48, wish=[*WISH, TABLE.objective("params")])
    credit = made.credit().values()
    assert sum(good for _, good in credit) > 0
    assert all(good <= asked for asked, good in credit)


def test_failed_first_evaluations_leave_it_going():
    made = search("latent", SPACE, WISH, seed=0, initial=4, batch=4)
    rows = made.ask(4)
    made.tell(rows, np.full((4, 1), np.nan))
    rows = made.ask(2)
    made.tell(rows, TABLE.look_up(rows, "val_accuracy")[:, None])
    assert len(made.ask(3)) == 3 and made.rounds == []
    assert all(good == 0 for _, good in made.credit(4).values())


def test_credit_of_the_published_rules_is_theirs():
    made = walked(33, published=True)
    assert set(made.credit()) == {"published"} and made.credit()["published"][0] > 0


def test_credit_of_more_labels_than_there_are_is_refused(begun, as_a_user):
    with pytest.raises(ArgumentError, match="labels must be a whole number from 0 to 56"):
        begun.credit(57)
