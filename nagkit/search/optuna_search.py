"""Searches of Optuna behind ask and tell: the tree-structured Parzen estimator, and NSGA-II."""

from abc import abstractmethod
from collections.abc import Iterator
from copy import deepcopy
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.errors import PackageMissingError
from nagkit.search.archived import ArchivedSearch
from nagkit.space import UNDECIDED

if TYPE_CHECKING:
    import optuna

_TRIES = 20  # proposals that are known already, before a random one takes their place


class OptunaSearch(ArchivedSearch):
    """Each architecture is a trial, with a categorical parameter for each slot.

    Optuna's samplers propose the same more than once. Such a trial gets the values that are known already and costs
    nothing. The study is made anew for every question, from what is told and from what the sampler noted on its
    trials, so that nothing else decides.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        _optuna()
        self._trials: list[tuple[list[int], dict[str, Any]]] = []  # tokens, and what the sampler noted, in this order
        self._finished: dict[int, optuna.trial.FrozenTrial] = {}  # of these by place, as Optuna knows them

    def tell(self, tokens: Int[np.ndarray, "n L"], values: Float[np.ndarray, "n m"]) -> None:
        """What evaluations gave, asked for or not; a row with NaN is one that failed."""
        new = self.archive.new(self.space.check(tokens))
        super().tell(tokens, values)
        self._trials += [(row, {}) for row in np.asarray(tokens)[new].tolist()]

    def state(self) -> dict[str, Any]:
        """The archive, the random state and the trials with what the sampler noted on them."""
        return {**super().state(), "trials": [{"tokens": row, "noted": noted} for row, noted in deepcopy(self._trials)]}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self._trials = [(list(trial["tokens"]), dict(trial["noted"])) for trial in state["trials"]]
        self._finished = {}

    def _propose(self) -> Int[np.ndarray, "k L"]:
        study = self._study(int(self.rng.integers(2**32)))
        for _ in range(_TRIES):
            trial = study.ask()
            row = self._suggested(trial)
            noted = study.get_trials(deepcopy=False)[trial.number].system_attrs
            self._trials.append((row[0].tolist(), deepcopy(noted)))
            if self.archive.new(row)[0]:
                return row
            self._tell_known(study, trial)
        row = self.archive.fresh(1, self.rng)
        self._trials += [(each, {}) for each in row.tolist()]
        return row

    def _suggested(self, trial: "optuna.Trial") -> Int[np.ndarray, "1 L"]:
        """What the sampler wants, slot by slot among the symbols that are legal so far (of ``row``, which fills)."""
        row = np.full((1, len(self.space.slots)), UNDECIDED)
        for l, (name, choices) in enumerate(self._parameters(row)):
            row[0, l] = trial.suggest_categorical(name, choices)
        return row

    def _parameters(self, row: Int[np.ndarray, "1 L"]) -> Iterator[tuple[str, list[int]]]:
        """Name and choices of each slot; a slot with another choice of symbols is another parameter to Optuna."""
        for l, slot in enumerate(self.space.slots):
            choices = np.flatnonzero(self.space.legal_in(row, l)[0]).tolist()
            every = len(choices) == len(slot.symbols)
            yield slot.name if every else f"{slot.name} of {choices}", choices

    def _tell_known(self, study: "optuna.Study", trial: "optuna.Trial") -> None:
        """Give the last trial what is known of its architecture, if that is told already."""
        known = self._trial(len(self._trials) - 1)
        for name, beyond in known.constraints.items():
            trial.set_constraint(name, beyond)
        if known.state.is_finished():
            study.tell(trial, known.values, state=known.state)

    def _study(self, seed: int) -> "optuna.Study":
        optuna = _optuna()
        directions = ["maximize" if objective.metric.sign > 0 else "minimize" for objective in self.objectives]
        study = optuna.create_study(sampler=self._sampler(seed), directions=directions)
        study.add_trials([self._trial(place) for place in range(len(self._trials))])
        return study

    def _trial(self, place: int) -> "optuna.trial.FrozenTrial":
        """A trial as far as it is known: finished, failed, or running while its evaluation is waited for."""
        if place not in self._finished:
            trial = self._frozen(*self._trials[place])
            if not trial.state.is_finished():
                return trial
            self._finished[place] = trial
        return self._finished[place]

    def _frozen(self, tokens: list[int], noted: dict[str, Any]) -> "optuna.trial.FrozenTrial":
        from optuna.distributions import CategoricalDistribution
        from optuna.trial import TrialState, create_trial

        row = np.array([tokens])
        partial, params, distributions = np.full_like(row, UNDECIDED), {}, {}
        for l, (name, choices) in enumerate(self._parameters(partial)):
            params[name], distributions[name] = tokens[l], CategoricalDistribution(choices)
            partial[0, l] = tokens[l]
        (values,) = self.archive.values_of(row)
        about: dict[str, Any] = {"params": params, "distributions": distributions, "system_attrs": deepcopy(noted)}
        if values is None:  # waited for, or never asked for as it is beyond an exact constraint
            exact = {place: c.values(row)[0] for place, c in enumerate(self.constraints) if c.exact}
            state = TrialState.RUNNING if self.archive.allowed(row)[0] else TrialState.PRUNED
            return create_trial(state=state, constraints=self._beyond(exact), **about)
        if not np.isfinite(values).all():
            return create_trial(state=TrialState.FAIL, **about)
        count = len(self.objectives)
        beyond = self._beyond(dict(enumerate(values[count:])))
        return create_trial(values=values[:count].tolist(), constraints=beyond, **about)

    def _beyond(self, values: dict[int, float]) -> dict[str, float]:
        """How far each is beyond the bounds of the constraint at this place, below 0 where it is within."""
        return {
            f"{place}. {(bound := self.constraints[place]).metric.name}": float(bound.beyond(np.array([value]))[0])
            for place, value in values.items()
        }

    @abstractmethod
    def _sampler(self, seed: int) -> "optuna.samplers.BaseSampler":
        """The sampler that asks next."""


class ParzenSearch(OptunaSearch):
    """The tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011; for several objectives Ozaki et al., 2022).

    Args:
        initial: how many random architectures come first
    """

    name = "tpe"
    options = ("initial",)

    def __init__(self, *given: Any, initial: int = 10, **named: Any) -> None:
        super().__init__(*given, **named)
        self.initial = arguments.whole("initial", initial)

    def _sampler(self, seed: int) -> "optuna.samplers.BaseSampler":
        return _optuna().samplers.TPESampler(n_startup_trials=self.initial, seed=seed)


class GeneticSearch(OptunaSearch):
    """NSGA-II (Deb et al., 2002): generations by fronts and distance, uniform crossover, mutation.

    Args:
        population: how many make a generation
    """

    name = "nsga-ii"
    options = ("population",)

    def __init__(self, *given: Any, population: int = 20, **named: Any) -> None:
        super().__init__(*given, **named)
        self.population = arguments.whole("population", population, low=2)

    def _sampler(self, seed: int) -> "optuna.samplers.BaseSampler":
        return _optuna().samplers.NSGAIISampler(population_size=self.population, seed=seed)


def _optuna() -> ModuleType:
    try:
        import optuna
    except ImportError:
        raise PackageMissingError("The searches tpe and nsga-ii need Optuna: pip install 'nagkit[optuna]'.") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
