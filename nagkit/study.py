"""A run as a study of Optuna, so that what reads studies, such as optuna-dashboard, reads runs."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nagkit.errors import ArgumentError, PackageMissingError
from nagkit.run import Run

if TYPE_CHECKING:
    import optuna

_CONSTRAINTS = "constraints"  # the attribute in which Optuna keeps by how much a trial is beyond its bounds


def write(run: Run, path: Path) -> "optuna.Study":
    """The study in this new SQLite file: a trial for each evaluation, with a parameter for each slot."""
    try:
        import optuna
    except ImportError:
        raise PackageMissingError("A study needs the package optuna: pip install 'nagkit[optuna]'.") from None
    if path.exists():
        raise ArgumentError(f"out must be a new file, as a study is never written over; {path} is there already.")
    wanted = [objective.metric for objective in run.objectives]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{path}",
        study_name=run.path.stem,
        directions=["maximize" if metric.sign > 0 else "minimize" for metric in wanted],
    )
    with warnings.catch_warnings():  # naming metrics is a feature that Optuna may still change
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([f"{metric.name} ({metric.unit})" for metric in wanted])
    study.add_trials(_trials(run))
    return study


def _trials(run: Run) -> "list[optuna.trial.FrozenTrial]":
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import TrialState, create_trial

    slots = {slot.name: CategoricalDistribution(slot.symbols) for slot in run.space.slots}
    trials, count = [], len(run.objectives)
    for told in run.told():
        known = np.isfinite(told.values).all()
        beyond = [
            float(max(constraint.low - value, value - constraint.high))
            for constraint, value in zip(run.constraints, told.values[count:], strict=True)
        ]
        trial = create_trial(
            state=TrialState.COMPLETE if known else TrialState.FAIL,
            values=told.values[:count].tolist() if known else None,
            params={s.name: s.symbols[token] for s, token in zip(run.space.slots, told.tokens, strict=True)},
            distributions=dict(slots),
            user_attrs={"architecture": run.space.decode(told.tokens).text, "fault": told.fault},
            system_attrs={_CONSTRAINTS: beyond} if known and beyond else {},
        )
        trials.append(trial)
    return trials
