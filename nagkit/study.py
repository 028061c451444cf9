"""A run as a study of Optuna, so that what reads studies, such as optuna-dashboard, reads runs."""

import shutil
import warnings
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from nagkit.errors import ArgumentError, PackageMissingError
from nagkit.metrics import headings
from nagkit.run import Run

if TYPE_CHECKING:
    import optuna


def write(run: Run, path: Path) -> None:
    """Write the study into this new SQLite file: a trial for each evaluation, with a parameter for each slot.

    It bears the name of the run's file.
    """
    try:
        import optuna
    except ImportError:
        raise PackageMissingError("A study needs the package optuna: pip install 'nagkit[optuna]'.") from None
    if path.exists():
        raise ArgumentError(f"out must be a new file, as a study is never written over; {path} is there already.")
    wanted = [objective.metric for objective in run.objectives]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with TemporaryDirectory() as folder:  # a part of a study is never at the path
        storage = optuna.storages.RDBStorage(f"sqlite:///{folder}/study.db")
        study = optuna.create_study(
            storage=storage,
            study_name=run.path.stem,
            directions=["maximize" if metric.sign > 0 else "minimize" for metric in wanted],
        )
        with warnings.catch_warnings():  # naming metrics is a feature that Optuna may still change
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(headings(wanted))
        study.add_trials(_trials(run))
        storage.remove_session()
        storage.engine.dispose()
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(f"{folder}/study.db", path)


def _trials(run: Run) -> "list[optuna.trial.FrozenTrial]":
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import TrialState, create_trial

    slots = {slot.name: CategoricalDistribution(slot.symbols) for slot in run.space.slots}
    trials, count = [], len(run.objectives)
    for told, at in zip(run.told(), run.times(), strict=True):
        known = bool(np.isfinite(told.values).all())
        bounded = enumerate(zip(run.constraints, told.values[count:, None], strict=True))
        beyond = {f"{place}. {bound.metric.name}": float(bound.beyond(value)[0]) for place, (bound, value) in bounded}
        trial = create_trial(
            state=TrialState.COMPLETE if known else TrialState.FAIL,
            values=told.values[:count].tolist() if known else None,
            params={s.name: s.symbols[token] for s, token in zip(run.space.slots, told.tokens, strict=True)},
            distributions=dict(slots),
            user_attrs={"architecture": run.space.decode(told.tokens).text, "fault": told.fault},
            constraints=beyond if known and beyond else None,
        )
        trial.datetime_complete = datetime.fromisoformat(at).astimezone().replace(tzinfo=None)  # as Optuna has them
        trial.datetime_start = trial.datetime_complete - timedelta(seconds=told.seconds)
        trials.append(trial)
    return trials
