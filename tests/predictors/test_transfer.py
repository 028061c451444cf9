"""The transfer predictor: what it knows of a task never seen, what it may learn from, and that it repeats."""

import numpy as np
import pytest
from scipy import linalg, stats

import nagkit
from nagkit.benchmarks import digits, worlds
from nagkit.checks import untouched_global_randomness
from nagkit.errors import ArgumentError, DataDamagedError, DataMissingError
from nagkit.networks.recipes import HELD_OUT, RECIPES
from nagkit.predictors import Predictor, meta_training
from nagkit.predictors.data_set import DataSet
from nagkit.predictors.meta_training import Experience, experiences, learn
from nagkit.predictors.ranks import rank_normal
from nagkit.predictors.transfer import NOISE, Cells, TransferPredictor, covariance, likeness

SPACE = nagkit.space("nas-bench-201")
TRAINED = [name for name in worlds() if name.removeprefix("digits/") not in HELD_OUT]


@pytest.fixture(scope="module")
def transfer():
    return TransferPredictor.load(SPACE)


@pytest.fixture(scope="module")
def task():
    """Images of a task that no table is of: digits that are mostly turned on their heads."""
    from dataclasses import replace

    recipe = replace(RECIPES["hard8"], name="own", images=(300, 1, 1), rotation=180.0, seed=5)
    train = nagkit.networks.render(recipe).train
    return train.images, train.labels


@pytest.fixture(scope="module")
def predictor(transfer, task):
    return transfer.for_data(*task)


@pytest.fixture(scope="module")
def told():
    """Three small tasks with made-up accuracies: parameters count on all, and most on the last."""
    rng, found = np.random.default_rng(0), []
    for number in range(3):
        tokens = SPACE.sample(20, rng)
        accuracy = 50 + 5 * number + 20 * SPACE.params(tokens) / 2e6 * (1 + number) + rng.random(20)
        found.append(Experience(f"made up {number}", rng.random(37), tokens, accuracy))
    return found


def test_it_is_a_predictor_without_any_label(predictor):
    assert isinstance(predictor, Predictor)
    tokens = SPACE.sample(50, np.random.default_rng(0))
    mean, spread = predictor.predict(tokens)
    np.testing.assert_array_equal(predictor.mean(tokens), mean)
    np.testing.assert_array_equal(predictor.objective().values(tokens), mean)
    assert (spread > 0).all()
    assert ((mean > 0) & (mean < 100)).all()


def test_cells_that_compute_the_same_are_predicted_alike(predictor):
    tokens = SPACE.sample(200, np.random.default_rng(0))
    np.testing.assert_allclose(predictor.mean(tokens), predictor.mean(SPACE.canonical(tokens, "function")), rtol=1e-6)


def test_a_row_is_predicted_alike_in_any_company_and_order(predictor):
    tokens = SPACE.sample(50, np.random.default_rng(0))
    np.testing.assert_allclose(predictor.mean(tokens)[:5], predictor.mean(tokens[:5]))
    np.testing.assert_allclose(predictor.mean(tokens)[::-1], predictor.mean(tokens[::-1]))


def test_prediction_does_not_depend_on_the_order_of_images(transfer, predictor, task):
    order = np.random.default_rng(1).permutation(len(task[0]))
    tokens = SPACE.sample(50, np.random.default_rng(0))
    again = transfer.for_data(task[0][order], task[1][order])
    np.testing.assert_allclose(again.mean(tokens), predictor.mean(tokens), rtol=1e-4)


@pytest.mark.usefixtures("as_a_user")
def test_global_randomness_is_untouched(transfer, task):
    with untouched_global_randomness():
        transfer.for_data(*task).fit(SPACE.all()[:3], np.array([1.0, 2.0, 3.0])).predict(SPACE.all()[:9])


def test_labels_of_the_task_are_learned_from_and_leave_the_predictor_as_it_was(predictor):
    tokens = SPACE.sample(40, np.random.default_rng(2))
    before = predictor.mean(tokens)
    values = np.clip(before - 12 + np.random.default_rng(3).normal(0, 1, 40), 1, 99)
    fitted = predictor.fit(tokens[:30], values[:30])
    assert np.abs(fitted.mean(tokens[30:]) - values[30:]).mean() < 0.4 * np.abs(before[30:] - values[30:]).mean()
    assert (fitted.predict(tokens)[1] < predictor.predict(tokens)[1]).all()
    np.testing.assert_array_equal(predictor.mean(tokens), before)
    np.testing.assert_allclose(
        fitted.fit(tokens[:1], values[:1]).mean(tokens), predictor.fit(tokens[:1], values[:1]).mean(tokens)
    )


def test_labels_are_learned_from_by_the_rule_of_bayes(predictor, transfer):
    """Against the textbook formula for the joint normal law of all scores, written in loops."""
    tokens = SPACE.sample(12, np.random.default_rng(4))
    prior = transfer.scores(predictor.facts, tokens)
    level, slope, variance, length, noise = transfer.doubt
    features = SPACE.features(SPACE.canonical(tokens, "function")).astype(float)
    joint = np.array(
        [
            [
                level + slope * p * q + variance * np.exp(-np.abs(x - y).sum() / length)
                for q, y in zip(prior, features, strict=True)
            ]
            for p, x in zip(prior, features, strict=True)
        ]
    )
    told = np.linspace(-1, 1, 5)
    expected = prior + joint[:, :5] @ linalg.solve(joint[:5, :5] + noise * np.eye(5), told - prior[:5])
    values = predictor._to_unit(told)
    np.testing.assert_allclose(predictor.fit(tokens[:5], values).mean(tokens), predictor._to_unit(expected), rtol=1e-5)


def test_the_shipped_one_knows_no_task_that_is_held_out(transfer):
    assert set(transfer.tasks) == set(TRAINED)
    assert len(transfer.tasks) == 49
    assert not {name.removeprefix("digits/") for name in transfer.tasks} & HELD_OUT


def test_tables_and_images_of_tasks_held_out_are_never_read(monkeypatch):
    opened, columns = [], digits.columns
    rendered, render = [], nagkit.networks.render

    def unreadable(name):
        assert name not in HELD_OUT and name not in ("mid8", "hard8"), f"{name} is read"
        opened.append(name)
        return columns(name)

    def unseen(recipe):
        assert recipe.name not in HELD_OUT and recipe.name not in ("mid8", "hard8"), f"{recipe.name} is rendered"
        rendered.append(recipe.name)
        return render(recipe)

    monkeypatch.setattr(digits, "columns", unreadable)
    monkeypatch.setattr(nagkit.networks, "render", unseen)
    monkeypatch.setattr(meta_training, "IMAGES", 150)
    found = [each.name.removeprefix("digits/") for each in experiences()]
    assert found == opened == rendered
    assert len(found) == 49


@pytest.mark.parametrize("name", ["digits/worlds/alike-photo", "worlds/even-coarse"])
def test_a_task_held_out_is_refused_by_name(name):
    with pytest.raises(ArgumentError, match="is held out: it is there to judge by"):
        list(experiences([name]))


def test_learning_is_that_of_a_gaussian_process(told):
    found = learn(told)
    facts = np.stack([each.facts for each in told])
    facts = (facts - facts.mean(0)) / facts.std(0)
    scores = np.concatenate([rank_normal(each.accuracy) for each in told])
    cells = Cells.of(SPACE, np.concatenate([each.tokens for each in told]))
    near = np.kron(likeness(facts, facts), np.ones((20, 20)))
    prior = covariance(cells, near)
    expected = prior @ linalg.solve(prior + NOISE * np.eye(60), scores)
    for number, each in enumerate(told):
        rows = slice(20 * number, 20 * number + 20)
        np.testing.assert_allclose(found.scores(facts[number], each.tokens), expected[rows], atol=1e-4)


def test_learning_repeats(told):
    first, second = learn(told), learn(told)
    np.testing.assert_array_equal(first.weights, second.weights)
    np.testing.assert_array_equal(first.doubt, second.doubt)


def test_too_few_tasks_are_refused(told):
    with pytest.raises(ArgumentError, match="at least 3 tasks"):
        learn(told[:2])


def test_it_is_saved_and_a_changed_bit_is_noticed(told, tmp_path):
    file, found = tmp_path / "t.safetensors", learn(told)
    found.save(file, "made up")
    again = TransferPredictor.load(SPACE, file)
    assert again.tasks == found.tasks
    tokens = SPACE.sample(5, np.random.default_rng(0))
    np.testing.assert_array_equal(again.scores(told[0].facts, tokens), found.scores(told[0].facts, tokens))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(DataDamagedError, match="nagkit train transfer"):
        TransferPredictor.load(SPACE, file)
    with pytest.raises(DataMissingError, match="nagkit train transfer"):
        TransferPredictor.load(SPACE, tmp_path / "nowhere")
    with pytest.raises(DataMissingError, match="There is no transfer predictor for mobilenet-v3"):
        TransferPredictor.load(nagkit.space("mobilenet-v3"))


@pytest.mark.usefixtures("as_a_user")
def test_wrong_labels_are_refused(predictor):
    tokens = SPACE.all()[:2]
    with pytest.raises(ArgumentError, match="values must be finite"):
        predictor.fit(tokens, [np.nan, 1.0])
    with pytest.raises(ArgumentError, match=r"values must have shape \(2,\)"):
        predictor.fit(tokens, [1.0])
    with pytest.raises(ArgumentError, match="tokens must be a batch"):
        predictor.mean(tokens[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits/worlds/alike-turned", "digits/worlds/odd-coarse"])
def test_it_ranks_the_cells_of_a_task_held_out_better_than_their_size(transfer, name):
    table = nagkit.benchmark(name)
    tokens = table.known("val_accuracy")
    truth = table.look_up(tokens, "val_accuracy")
    train = nagkit.networks.render(name).train
    predicted = transfer.for_data_set(DataSet.of(train.images, train.labels)).mean(tokens)
    by_prediction, by_size = (stats.spearmanr(x, truth)[0] for x in (predicted, SPACE.params(tokens)))
    assert by_prediction > max(0.85, by_size)


@pytest.mark.slow
def test_the_shipped_one_is_what_learning_gives(transfer):
    """Renders 49 tasks and learns from 4,128 trainings, in about 20 seconds of one core."""
    found = learn(list(experiences()))
    np.testing.assert_array_equal(found.tokens, transfer.tokens)
    tokens = SPACE.sample(500, np.random.default_rng(0))
    here = transfer.facts[0]
    np.testing.assert_allclose(found.scores(here, tokens), transfer.scores(here, tokens), atol=1e-3)
