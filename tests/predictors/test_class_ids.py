"""The predictor of classes: it learns both parts of made-up triples, reads both files, and runs neither."""

import os
from collections import OrderedDict

import numpy as np
import pytest
import torch
from scipy import stats

import nagkit
from nagkit.errors import ArgumentError, DataDamagedError, DataMissingError
from nagkit.predictors import Predictor
from nagkit.predictors.class_ids import TASKS, ClassPredictor, Triples

SPACE = nagkit.space("nas-bench-201")


def made_up(n, seed=0):
    """Triples in which some of 40 classes are harder and cells gain by convolutions."""
    rng = np.random.default_rng(seed)
    tokens, hard = SPACE.sample(n, rng), np.linspace(0, 2, 40)
    classes = np.argsort(rng.random((n, 40)))[:, :5]
    live = SPACE.counts(tokens)[:, 2:4] @ [1.0, 2.0]
    return Triples(tokens, classes, 70 + live - hard[classes].sum(1) + rng.normal(0, 0.5, n))


@pytest.fixture(scope="module")
def triples():
    return made_up(600)


def test_it_is_a_predictor_that_tells_easy_classes_from_hard_ones_and_cells_apart(triples):
    easy = ClassPredictor(triples, [0, 1, 2, 3, 4])
    hard = easy.for_classes(np.array([35, 36, 37, 38, 39]))
    assert isinstance(easy, Predictor)
    tokens = SPACE.sample(200, np.random.default_rng(1))
    assert (easy.mean(tokens) > hard.mean(tokens)).all()
    assert stats.spearmanr(easy.mean(tokens), SPACE.counts(tokens)[:, 2:4] @ [1.0, 2.0])[0] > 0.95


def test_intervals_hold_what_they_say(triples):
    new = made_up(200, seed=9)
    hits = []
    for tokens, classes, accuracy in zip(new.tokens[:60], new.classes, new.accuracy, strict=False):
        mean, spread = ClassPredictor(triples, classes).predict(tokens[None])
        hits.append(abs(mean[0] - accuracy) < 2 * spread[0])
    assert 0.85 < np.mean(hits) <= 1


def test_trainings_of_the_task_are_learned_from_and_leave_it_as_it_was(triples):
    predictor = ClassPredictor(triples, [0, 5, 10, 15, 20])
    tokens = SPACE.sample(30, np.random.default_rng(2))
    before = predictor.mean(tokens)
    fitted = predictor.fit(tokens, before + 8)
    assert (fitted.mean(tokens) > before + 1).all()
    assert (fitted.predict(tokens)[1] < predictor.predict(tokens)[1]).all()
    np.testing.assert_array_equal(predictor.mean(tokens), before)


def test_it_is_ridge_regression(triples):
    from sklearn.linear_model import Ridge

    def inputs(tokens, classes):
        held = np.zeros((len(tokens), 40))
        for row, members in zip(held, classes, strict=True):
            row[members] += 1
        cells = SPACE.features(SPACE.canonical(tokens, "function"))
        return np.hstack([np.ones((len(tokens), 1)), cells, held])

    centre, unit = triples.accuracy.mean(), triples.accuracy.std()
    oracle = Ridge(5.0, fit_intercept=False)
    oracle.fit(inputs(triples.tokens, triples.classes), (triples.accuracy - centre) / unit)
    tokens, classes = SPACE.sample(20, np.random.default_rng(3)), [1, 2, 3, 4, 30]
    expected = centre + unit * oracle.predict(inputs(tokens, [classes] * 20))
    np.testing.assert_allclose(ClassPredictor(triples, classes).mean(tokens), expected)


def test_both_files_are_read(triples, tmp_path):
    np.savez(tmp_path / "t.npz", tokens=triples.tokens, classes=triples.classes, accuracy=triples.accuracy)
    x = np.zeros((600, 8, 7))
    x[:, 0, 0] = x[:, 7, 1] = 1
    np.put_along_axis(x[:, 1:7], triples.tokens[:, :, None] + 2, 1, axis=2)
    told = {"x": list(torch.tensor(x)), "task": list(range(600)), "acc": triples.accuracy.tolist()}
    torch.save(told, tmp_path / "meta_train_tasks_predictor.pt")
    torch.save((triples.classes + 1).tolist(), tmp_path / TASKS)
    for name in ("t.npz", "meta_train_tasks_predictor.pt"):
        found = Triples.read(tmp_path / name)
        np.testing.assert_array_equal(found.tokens, triples.tokens)
        np.testing.assert_array_equal(found.classes, triples.classes)
        np.testing.assert_allclose(found.accuracy, triples.accuracy)


class Attack:
    """What a pickle could do: run a command while it is loaded."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


def test_a_file_that_would_run_something_is_refused_and_runs_nothing(tmp_path):
    torch.save({"x": Attack(tmp_path / "ran")}, tmp_path / "a.pt")
    torch.save([], tmp_path / TASKS)
    np.savez(tmp_path / "a.npz", tokens=np.array([Attack(tmp_path / "ran")], dtype=object))
    for name in ("a.pt", "a.npz"):
        with pytest.raises(DataDamagedError, match=r"Make an .npz file of it with numpy.savez"):
            Triples.read(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("as_a_user")
def test_what_is_no_file_of_triples_is_refused(triples, tmp_path):
    with pytest.raises(DataMissingError, match="There is no file"):
        Triples.read(tmp_path / "nowhere.npz")
    torch.save(OrderedDict(), tmp_path / "alone.pt")
    with pytest.raises(DataMissingError, match=TASKS):
        Triples.read(tmp_path / "alone.pt")
    with pytest.raises(ArgumentError, match="path must be a file"):
        Triples.read(None)
    with pytest.raises(ArgumentError, match=r"classes must be whole numbers from 0 of shape \(600, m\) with"):
        Triples(triples.tokens, triples.classes[0], triples.accuracy)
    with pytest.raises(ArgumentError, match="with m at least 1"):
        Triples(triples.tokens, triples.classes[:, :0], triples.accuracy)
    for wrong in ([], [0.5], [-1], None, 3):
        with pytest.raises(ArgumentError, match="classes must be"):
            ClassPredictor(triples, wrong)
