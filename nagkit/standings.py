"""What a race has shown so far: the best so far, regret, queries to the optimum, fronts, and what they cost.

Notation: s seeds, q evaluations of a heat, a numbers of evaluations, n architectures, k objectives.

A search sees one value (say, accuracy on validation) and is judged by another (accuracy on test): the best so far is
the best of what was seen, and its other value is reported. Regret is how far that lies behind the best on the ground:
of all architectures that meet the constraints where a space can be listed, else of all that any heat asked for. There
the best of all is not known, and another race may find a better one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.curves import Band, bands_figure
from nagkit.errors import ArgumentError
from nagkit.figures import Picture
from nagkit.metrics import Constraint, Front, Metric, Objective
from nagkit.pairs import Paired, median, reached
from nagkit.race import Course, Heat
from nagkit.report import Estimate
from nagkit.search.loop import Values

LEVELS = 10  # limits to the second objective, for each of which the best of the first is asked
POINTS = 49  # of a line of hypervolumes
START = 0.08  # of the evaluations, for which the picture of regret has no room
EVALUATIONS = Metric("evaluations", "count", "min")
HYPERVOLUME = Metric("hypervolume ratio", "1", "max")


@dataclass(frozen=True, eq=False)
class _Known:
    """Values of architectures, signed so that more is better; ``usable`` are those known that meet the constraints."""

    tokens: Int[np.ndarray, "n L"]
    seen: Float[np.ndarray, "n k"]
    judged: Float[np.ndarray, "n k"]
    usable: Bool[np.ndarray, "n"]

    @classmethod
    def of(cls, course: Course, tokens: Int[np.ndarray, "n L"], values: Float[np.ndarray, "n m"]) -> "_Known":
        """Those of architectures, of which a search sees these values."""
        signs = np.array([objective.metric.sign for objective in course.objectives])
        seen = signs * values[:, : len(signs)]
        judged = np.stack([judge.metric.sign * judge.values(tokens) for judge in course.judges], axis=1)
        usable = np.isfinite(seen).all(1) & np.isfinite(judged).all(1)
        for constraint, column in zip(course.constraints, values[:, len(signs) :].T, strict=True):
            usable &= constraint.met(column)
        return cls(tokens, seen, judged, usable)

    @classmethod
    def together(cls, several: Sequence["_Known"]) -> "_Known":
        """Those of all of these."""
        return cls(*(np.concatenate([getattr(each, name) for each in several]) for name in cls.__dataclass_fields__))

    def best(self, value: Float[np.ndarray, "n"], among: Bool[np.ndarray, "n"]) -> int:
        """The first place with the largest value among some of the usable; -1 where there is none."""
        places = np.flatnonzero(self.usable & among)
        return int(places[value[places].argmax()]) if len(places) else -1

    def leading(self, count: int) -> Bool[np.ndarray, "n"]:
        """Which of the first so many usable ones no other of them dominates, by what was seen."""
        import moocore

        found, early = np.zeros(len(self.seen), dtype=bool), np.flatnonzero(self.usable[:count])
        found[early] = moocore.is_nondominated(-self.seen[early], keep_weakly=True) if len(early) else False
        return found


class Standings:
    """The heats of a race, against the ground.

    A heat that ended early counts as if it had stayed where it was. Until a heat has anything that meets the
    constraints, it lies behind by as much as the worst on the ground.
    """

    def __init__(self, course: Course, heats: Sequence[Heat]) -> None:
        self.course = arguments.instance("course", course, Course, "Course(space, objectives)")
        self.heats = [heat for heat in arguments.several("heats", heats, Heat) if len(heat)]
        if not self.heats:
            raise ArgumentError("heats must hold at least one with an evaluation; step the race first.")
        self.entrants = tuple(dict.fromkeys(heat.entrant for heat in self.heats))
        self._heats = [_Known.of(course, heat.tokens, heat.values) for heat in self.heats]
        if course.listed:
            tokens, values = course.space.all(), Values(tuple(course.objectives), tuple(course.constraints))
            self._ground = _Known.of(course, tokens, values(tokens))
        else:
            self._ground = _Known.together(self._heats)
        if not self._ground.usable.any():
            raise ArgumentError("course must allow at least one architecture whose values are known; loosen a bound.")

    def sentence(self) -> str:
        """What the figures are relative to, and which of them rest on predicted values, in words."""
        course, space = self.course, self.course.space
        if course.listed:
            told = f"The ground is all of the {space.size:,} architectures of {space.name}"
        else:
            asked = len(np.unique(self._ground.tokens, axis=0))
            told = (
                f"The space {space.name} cannot be listed, so the ground is the {asked:,} architectures that any "
                "entrant of this race asked for; its best is not the best of all"
            )
        bounds = f" with {' and '.join(map(str, course.constraints))}" if course.constraints else ""
        if len(course.judges) > 1:
            ends = zip(course.judges, self._reference, strict=True)
            corner = ", ".join(f"{j.metric.name} {-j.metric.sign * end:.4g} {j.metric.unit}" for j, end in ends)
            whose = "as given" if course.reference else "the worst of each on the ground"
            bounds += f"; the reference point of hypervolumes is {corner}, {whose}"
        both: list[Objective | Constraint] = [*course.objectives, *course.constraints, *course.judges]
        errors = {each.metric.name: each.metric.error for each in both if each.metric.error}
        predicted = "".join(f" {name} is predicted: {error}." for name, error in errors.items())
        return f"{told}{bounds}.{predicted}"

    # ------------------------------------------------------------------------------------------- one objective

    def regret(self, entrant: str) -> Float[np.ndarray, "s q"]:
        """How far the best so far lies behind by the judge, in its unit, after every evaluation."""
        return self._behind(entrant, lambda known: known.judged[:, 0])

    def regret_seen(self, entrant: str) -> Float[np.ndarray, "s q"]:
        """The same by what the searches see."""
        return self._behind(entrant, lambda known: known.seen[:, 0])

    def queries(self, entrant: str) -> Float[np.ndarray, "s"]:
        """After how many evaluations each heat had the best on the ground, as it is seen; infinite if never."""
        return reached(self.regret_seen(entrant), 0.0)

    def _behind(self, entrant: str, value: Callable[[_Known], Float[np.ndarray, "n"]]) -> Float[np.ndarray, "s q"]:
        self._needs(1)
        ground, rows = value(self._ground)[self._ground.usable], []
        for heat in self._of(entrant):
            seen = np.where(heat.usable, heat.seen[:, 0], -np.inf)
            before = np.concatenate([[-np.inf], np.maximum.accumulate(seen)[:-1]])
            place = np.maximum.accumulate(np.where(seen > before, np.arange(len(seen)), -1))
            rows.append(ground.max() - np.where(place < 0, ground.min(), value(heat)[place]))
        return _padded(rows)

    # ----------------------------------------------------------------------------------------- several objectives

    def hypervolume(self, entrant: str, at: Sequence[int]) -> Float[np.ndarray, "s a"]:
        """Which part of the ground's hypervolume the front of each heat dominates after so many evaluations.

        The front is that of what was seen; its hypervolume is that of the judged values. The reference point is that of
        the course, or the worst of each judge on the ground.
        """
        return _share(self.volume(entrant, at), _volume(self._front, self._reference))

    def volume(self, entrant: str, at: Sequence[int]) -> Float[np.ndarray, "s a"]:
        """The same in the product of the units of the judges: from the same reference point comparable across races."""
        return self._dominated(entrant, at, lambda known: known.judged, self._reference)

    def hypervolume_seen(self, entrant: str, at: Sequence[int]) -> Float[np.ndarray, "s a"]:
        """The ratio by what the searches see; its reference point is the worst of that on the ground."""
        ground = -self._ground.seen[self._ground.usable]
        reference = ground.max(0)
        return _share(self._dominated(entrant, at, lambda known: known.seen, reference), _volume(ground, reference))

    @cached_property
    def _reference(self) -> Float[np.ndarray, "k"]:
        """Where hypervolumes end, signed so that less is better; some of the ground is better in all."""
        ground = -self._ground.judged[self._ground.usable]
        if not self.course.reference:
            return ground.max(0)
        signs = np.array([judge.metric.sign for judge in self.course.judges])
        reference = -signs * np.array(self.course.reference)
        if not (ground < reference).all(1).any():
            raise ArgumentError(
                "reference must be worse than some architecture on the ground, as nothing lies before it; got "
                f"{self.course.reference}."
            )
        return reference

    @cached_property
    def _front(self) -> Float[np.ndarray, "f k"]:
        """The front of the ground by the judges, signed so that less is better."""
        import moocore

        ground = -self._ground.judged[self._ground.usable]
        return ground[moocore.is_nondominated(ground)]

    def _dominated(
        self,
        entrant: str,
        at: Sequence[int],
        value: Callable[[_Known], Float[np.ndarray, "n k"]],
        reference: Float[np.ndarray, "k"],
    ) -> Float[np.ndarray, "s a"]:
        each, counts = self._of(entrant), _counts(at)
        return np.array([[_volume(-value(k)[k.leading(count)], reference) for count in counts] for k in each])

    def fronts(self, entrant: str) -> list[Front]:
        """For each heat the front of what was seen, with judged values, of which those that stay are a front, too."""
        metrics = [judge.metric for judge in self.course.judges]
        signs, longest = np.array([metric.sign for metric in metrics]), max(map(len, self.heats))
        each = [(k.tokens, np.where(k.leading(longest)[:, None], signs * k.judged, np.nan)) for k in self._of(entrant)]
        return [Front.of(self.course.space, metrics, *pair) for pair in each]

    def limit_regret(self, entrant: str, at: Sequence[int]) -> Float[np.ndarray, "s a"]:
        """Regret of the first objective under a limit to the second, the mean of ten limits, after so many evaluations.

        The limits are the deciles of the second objective, a cost, over the ground.
        """
        self._needs(2)
        ground, rows = self._ground, []
        limits = np.quantile(ground.seen[ground.usable, 1], np.linspace(1, 0, LEVELS + 1)[1:])  # signed: from below
        best = [ground.judged[ground.best(ground.judged[:, 0], ground.seen[:, 1] >= limit), 0] for limit in limits]
        worst = ground.judged[ground.usable, 0].min()
        for heat in self._of(entrant):
            row = []
            for count in _counts(at):
                early = np.arange(len(heat.seen)) < count
                places = [heat.best(heat.seen[:, 0], early & (heat.seen[:, 1] >= limit)) for limit in limits]
                row.append(np.mean(best - np.where(np.array(places) < 0, worst, heat.judged[places, 0])))
            rows.append(row)
        return np.array(rows)

    # -------------------------------------------------------------------------------------- one against another

    def paired(self, first: str, second: str) -> Paired:
        """The two over the seeds that both have, after as many evaluations as every heat that goes on has come to.

        The final figure is regret by the judge, or with several objectives the hypervolume ratio.
        """
        for which, name in (("first", first), ("second", second)):
            arguments.one_of(which, name, [each for each in self.entrants if which == "first" or each != first])
        seeds = {name: [heat.seed for heat in self.heats if heat.entrant == name] for name in (first, second)}
        if not (common := [seed for seed in seeds[first] if seed in seeds[second]]):
            raise ArgumentError(f"first and second must have a seed in common; {first!r} and {second!r} have none.")
        heats = [heat for heat in self.heats if heat.entrant in seeds]
        at = min((len(heat) for heat in heats if not heat.ended), default=max(map(len, heats)))

        def told(figure: Callable[[str], Float[np.ndarray, "s q"]]) -> Float[np.ndarray, "2 s q"]:
            rows = [figure(name)[[seeds[name].index(seed) for seed in common], :at] for name in seeds]
            return np.array([np.pad(each, ((0, 0), (0, at - each.shape[1])), mode="edge") for each in rows])

        if len(self.course.objectives) == 1:
            ends, metric = told(self.regret)[:, :, -1], self._regret_metric
            return Paired.of((first, second), metric, at, ends, told(self.regret_seen))
        return Paired.of((first, second), HYPERVOLUME, at, told(lambda name: self.hypervolume(name, [at]))[:, :, -1])

    # ----------------------------------------------------------------------------------------------------- pictures

    def figure(self) -> Picture:
        """How the regret of every entrant falls, or with several objectives the hypervolume grows; means over seeds."""
        single = len(self.course.objectives) == 1
        errors = ", ".join(f"{j.metric.name}: {j.metric.error}" for j in self.course.judges if j.metric.error)
        up = self._regret_metric if single else replace(HYPERVOLUME, error=errors or None)
        up = replace(up, name=up.name.replace("_", " "))
        bands = [self._band(entrant, single) for entrant in self.entrants]
        picture = bands_figure(bands, EVALUATIONS, up)
        picture.layout["xaxis"]["title"] = {"text": EVALUATIONS.name}
        if single:  # the first few fall from so high that the rest would lie on the ground
            later = [y for band in bands for x, y in zip(band.x, band.high, strict=True) if x > len(band.x) * START]
            picture.layout["yaxis"]["range"] = [0, 1.05 * max(later) or 1]
        return picture

    def _band(self, entrant: str, single: bool) -> Band:
        if single:
            rows = self.regret(entrant)
            at = np.arange(1, rows.shape[1] + 1)
        else:
            at = np.unique(np.linspace(1, max(map(len, self.heats)), POINTS).astype(int))
            rows = self.hypervolume(entrant, at.tolist())
        mean, reach = rows.mean(0), _reach(rows)
        return Band(entrant, at, mean, np.maximum(mean - reach, 0), mean + reach)

    # ------------------------------------------------------------------------------------------------------ prices

    def met(self, entrant: str) -> Float[np.ndarray, "s"]:
        """Which part of the evaluations of each heat gave known values that meet the constraints."""
        return np.array([heat.usable.mean() for heat in self._of(entrant)])

    def spent(self, entrant: str) -> Float[np.ndarray, "s q"]:
        """The price of all evaluations so far, by the cost of the course; one of unknown price counts as nothing."""
        if self.course.cost is None:
            raise ArgumentError("course must have a cost for this: Course(…, cost=table.objective('train_time')).")
        arguments.one_of("entrant", entrant, self.entrants)
        each = [self.course.cost.values(heat.tokens) for heat in self.heats if heat.entrant == entrant]
        return _padded([np.nan_to_num(prices).cumsum() for prices in each])

    def seconds(self, entrant: str) -> Float[np.ndarray, "s"]:
        """CPU seconds of each heat: of asking, looking up and telling."""
        arguments.one_of("entrant", entrant, self.entrants)
        return np.array([heat.seconds for heat in self.heats if heat.entrant == entrant])

    # ----------------------------------------------------------------------------------------------------- figures

    def figures(self, at: Sequence[int]) -> dict[tuple[str, str], Estimate]:
        """Every figure by entrant and name, means over seeds with 95 % intervals; ``at`` numbers of evaluations.

        Numbers that no heat has come to are left out.
        The median of queries comes with the interval of its order statistics, and is missing where half of the heats
        never had the optimum.
        """
        longest = max(map(len, self.heats))
        at = [count for count in _counts(at) if count <= longest]
        found: dict[tuple[str, str], Estimate] = {}
        for entrant in self.entrants:
            what = self._of_one(entrant, at) if len(self.course.objectives) == 1 else self._of_several(entrant, at)
            found |= {(entrant, name): estimate for name, estimate in (what | self._prices(entrant)).items()}
        return found

    def _of_one(self, entrant: str, at: Sequence[int]) -> dict[str, Estimate]:
        judged, seen, queries = self.regret(entrant), self.regret_seen(entrant), self.queries(entrant)
        judge, objective, found = self.course.judges[0].metric, self.course.objectives[0].metric, {}
        for count in at:
            place = min(count, judged.shape[1]) - 1
            found[f"regret of {judge.name} @{count}"] = Estimate.of(judged[:, place], judge.unit)
            if objective != judge:
                found[f"regret of {objective.name} @{count}"] = Estimate.of(seen[:, place], objective.unit)
            found[f"at the {self._best} @{count}"] = Estimate.share(queries <= count)
        found[f"mean regret of {judge.name} on the way"] = Estimate.of(judged.mean(1), judge.unit)
        if np.isfinite(np.median(queries)):
            found[f"median queries to the {self._best}"] = median(queries, "evaluations")
        return found

    def _of_several(self, entrant: str, at: Sequence[int]) -> dict[str, Estimate]:
        found, (first, *others) = {}, (judge.metric for judge in self.course.judges)
        for count, ratios in zip(at, self.hypervolume(entrant, at).T, strict=True):
            found[f"hypervolume ratio @{count}"] = Estimate.of(ratios, "1")
        if self.course.reference:
            unit = "·".join(judge.metric.unit for judge in self.course.judges)
            for count, volumes in zip(at, self.volume(entrant, at).T, strict=True):
                found[f"hypervolume @{count}"] = Estimate.of(volumes, unit)
        if [judge.metric for judge in self.course.judges] != [each.metric for each in self.course.objectives]:
            for count, ratios in zip(at, self.hypervolume_seen(entrant, at).T, strict=True):
                found[f"hypervolume ratio as seen @{count}"] = Estimate.of(ratios, "1")
        if len(others) == 1 and others[0].sign < 0:
            for count, regrets in zip(at, self.limit_regret(entrant, at).T, strict=True):
                found[f"regret of {first.name} by limits to {others[0].name} @{count}"] = Estimate.of(
                    regrets, first.unit
                )
        return found

    def _prices(self, entrant: str) -> dict[str, Estimate]:
        found = {"CPU seconds": Estimate.of(self.seconds(entrant), "CPU-s")}
        if self.course.constraints:
            found["evaluations that met the constraints"] = Estimate.of(100 * self.met(entrant), "%")
        if self.course.cost is not None:
            found["spent on evaluations"] = Estimate.of(self.spent(entrant)[:, -1], self.course.cost.metric.unit)
        return found

    @property
    def _best(self) -> str:
        """What regret is measured from."""
        return "optimum" if self.course.listed else "best that any found"

    @property
    def _regret_metric(self) -> Metric:
        judge = self.course.judges[0].metric
        return replace(judge, name=f"regret of {judge.name}", direction="min")

    def _of(self, entrant: str) -> list[_Known]:
        arguments.one_of("entrant", entrant, self.entrants)
        return [known for heat, known in zip(self.heats, self._heats, strict=True) if heat.entrant == entrant]

    def _needs(self, count: int) -> None:
        if (here := len(self.course.objectives)) != count:
            raise ArgumentError(
                f"course must have {count} objective{'s' * (count > 1)} for this figure; it has {here}."
            )


def _counts(at: Sequence[int]) -> list[int]:
    """Numbers of evaluations, checked."""
    return [arguments.whole("at", count) for count in arguments.several("at", at, int)]


def _reach(rows: Float[np.ndarray, "s q"]) -> Float[np.ndarray, "q"]:
    """Half of the 95 % interval of each mean by Student's t; nothing for a single row."""
    from scipy import stats

    count = len(rows)
    if count == 1:
        return np.zeros(rows.shape[1])
    return stats.t.ppf(0.975, count - 1) * rows.std(0, ddof=1) / np.sqrt(count)


def _padded(rows: Sequence[Float[np.ndarray, "_"]]) -> Float[np.ndarray, "s q"]:
    """The rows in one array; the last number of a short one is repeated."""
    longest = max(map(len, rows))
    return np.array([np.pad(row, (0, longest - len(row)), mode="edge") for row in rows])


def _volume(points: Float[np.ndarray, "n k"], reference: Float[np.ndarray, "k"]) -> float:
    """The hypervolume that these points dominate, less is better; one that is not better in all adds nothing."""
    import moocore

    return float(moocore.hypervolume(points, ref=reference)) if len(points) else 0.0


def _share(volumes: Float[np.ndarray, "s a"], whole: float) -> Float[np.ndarray, "s a"]:
    """Parts of the whole; nothing of nothing, as when the ground has only the ends of a front so far."""
    return volumes / whole if whole else np.zeros_like(volumes)
