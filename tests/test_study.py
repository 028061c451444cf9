"""A study of Optuna tells the same as the run that it was written from."""

import numpy as np
import pytest

from nagkit.checks.search import COUNT, symbols
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.run import Run
from nagkit.search import search
from nagkit.study import write
from runs import SPACE

pytestmark = pytest.mark.slow

COST = Metric("cost", "ms", "min")


def cost(tokens):
    return (tokens == 3).sum(1).astype(float)


@pytest.fixture
def run(tmp_path):
    wanted, bound = [Objective(COUNT, symbols), Objective(COST, cost)], Constraint(COUNT, symbols, low=4, high=14)
    made = Run(tmp_path / "run.sqlite", search("random", SPACE, wanted, [bound], seed=0), 30)

    def worth(tokens):
        values = np.stack([symbols(tokens), cost(tokens), symbols(tokens)], axis=1)
        return np.where(symbols(tokens)[:, None] % 7 == 0, np.nan, values)

    list(made.walk(worth))
    return made


def test_every_evaluation_is_a_trial(run, tmp_path):
    import optuna

    write(run, tmp_path / "study.db")
    study = optuna.load_study(study_name="run", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["symbols (count)", "cost (ms)"]
    assert len(study.trials) == 30
    for trial, told in zip(study.trials, run.told(), strict=True):
        assert [trial.params[slot.name] for slot in SPACE.slots] == list(SPACE.decode(told.tokens).ops[1:-1])
        assert (trial.state.name == "FAIL") == (told.fault is not None)
        assert trial.values == (None if told.fault else told.values[:2].tolist())
        assert trial.user_attrs["fault"] == told.fault
        assert abs(trial.duration.total_seconds() - told.seconds) < 1e-3


def test_the_best_trials_are_the_front(run, tmp_path):
    import optuna

    write(run, tmp_path / "new" / "study.db")
    study = optuna.load_study(study_name="run", storage=f"sqlite:///{tmp_path / 'new' / 'study.db'}")
    best = {trial.user_attrs["architecture"] for trial in study.best_trials}
    assert best == set(run.front().table()["architecture"])


def test_a_file_that_is_there_is_not_written_over(run, tmp_path):
    (tmp_path / "study.db").write_text("mine")
    with pytest.raises(ArgumentError, match="out must be a new file"):
        write(run, tmp_path / "study.db")
    assert (tmp_path / "study.db").read_text() == "mine"
