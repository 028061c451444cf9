"""What guidance makes of complete architectures where a space cannot be tabled: a log weight, and a sum close to it.

Notation: n architectures, L slots, K symbols, m objectives, c constraints, d directions, s the strength. The guided
law is q(x) proportional to p(x) exp(s z(x)) on the feasible rows, z the normal score of x's rank along a direction, as
in ``tilt``. Where a space is too large to rank, ranks are those among random draws, and beyond the best of them the
scale goes on in a straight line.

The sum h(x) = sum_l h[l, x_l] is s z(x) as a linear function of which symbol each slot holds, less so much of each
limited metric that its limit is likely to hold. It is fitted by ridge regression, first to draws from p, then again to
draws from its own law, where the guided law has its weight. ``Chain`` proposes by h and corrects by the weight.
Uncorrected it is first-order guidance: as with the gradient of a predictor (Schiff et al., 2024, *Simple guidance
mechanisms for discrete diffusion models*, section 4), all symbols of all slots come at once, but for any predictor.
No sum is near a target, though: with an objective near one, first-order guidance is the corrected one of objectives
whose metrics, and not their scores, are replaced by sums.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import linalg

from nagkit.diffusion.directions import Directions, reference, representatives, strength_for, values_of
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.limits import log_odds, met
from nagkit.metrics import Distance, Objective
from nagkit.space import UNDECIDED, SearchSpace

ROUNDS, MOST_ROUNDS, REFINED = 2, 20, 1_024  # fits to draws of its own; more where nothing feasible is found; draws
PRESSES = 8  # steps towards the pressure that keeps within limits
NEAR = 8.0  # how much more each of those counts than one from p
RIDGE = 1.0
INSIDE = 0.7  # standard deviations within a limit that its metric shall have in the mean


class Energy:
    """Log weight and sum of a guidance, for each of d directions; the same guidance gives the same, always.

    ``strength`` is the one used, ``sums (d, L, K)`` are h. Raises ``UnsatisfiableError`` where nothing within the
    limits is found.
    """

    def __init__(self, space: SearchSpace, guidance: Guidance) -> None:
        steered = guidance.strength or guidance.effective is not None
        self.space, self.constraints = space, guidance.constraints
        self.objectives = guidance.objectives if steered else ()
        self.first_order, self.particles = guidance.method == "first-order", guidance.method == "particles"
        rng = np.random.default_rng(0)
        rows = representatives(space, rng)
        if self.first_order and any(isinstance(each.values, Distance) for each in self.objectives):
            self.objectives, self.first_order = tuple(summed(space, each, rows) for each in self.objectives), False
        values, limited = (reference(space, terms, rows) for terms in (self.objectives, self.constraints))
        if space.size == len(rows):
            met(space, self.constraints, limited)  # refuses at once what no draw can meet
        self._spread = np.maximum(np.nanstd(limited, axis=0), 1e-12)  # (c,)
        self.directions = Directions(self.objectives, values)
        self.strength = guidance.strength
        if guidance.effective is not None:
            if self.constraints and space.size != len(rows):  # as many within the limits stand for what they leave
                self._fit(rows, values, limited, rng)
                values_within = self._within_limits(len(rows), rng)
            else:
                values_within = values[self._within(limited)]
            self.strength = strength_for(guidance.effective, self.directions.every(values_within))
        self._fit(rows, values, limited, rng)

    def weight(self, tokens: Int[np.ndarray, "n L"], direction: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """The log weight of each row along its direction, limits aside."""
        odds = log_odds(self.constraints, tokens)
        if self.first_order:
            rows, slots = np.arange(len(tokens))[:, None], np.arange(tokens.shape[1])
            return odds + self._wished[direction][rows, slots, tokens].sum(1)
        return odds + self.strength * self.directions.of(values_of(self.objectives, tokens), direction)

    def beyond(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """How far each row is beyond the limits, in standard deviations of their metrics; 0 within all of them."""
        total = np.zeros(len(tokens))
        values = values_of(self.constraints, tokens)
        for constraint, column, spread in zip(self.constraints, values.T, self._spread, strict=True):
            total += np.where(np.isnan(column), np.inf, np.maximum(constraint.beyond(column), 0) / spread)
        return total

    def _fit(self, rows: np.ndarray, values: np.ndarray, limited: np.ndarray, rng: np.random.Generator) -> None:
        """Find directions and sums, by draws; refused where none of the draws is within the limits."""
        first, pressure = len(rows), np.zeros((len(self.directions), len(self.constraints)))
        for rounds in range(MOST_ROUNDS + 1):
            self.directions = Directions(self.objectives, values[:first], values[first:])
            weights = np.where(np.arange(len(rows)) < first, 1.0, NEAR)
            wished = _slopes(self.space, rows, self.directions.every(values), weights)
            self._wished = wished * (0 if self.particles else self.strength)
            self._costs = _slopes(self.space, rows, limited.T / self._spread[:, None], weights)
            pressure = self._pressed(pressure, rng)
            if rounds == MOST_ROUNDS or (rounds >= ROUNDS and self._within(limited).any()):
                break
            more = drawn(self.space, self.sums[np.arange(REFINED) % len(pressure)], rng)
            rows, values = np.concatenate([rows, more]), np.concatenate([values, values_of(self.objectives, more)])
            limited = np.concatenate([limited, values_of(self.constraints, more)])
        met(self.space, self.constraints, limited)

    def _within_limits(self, count: int, rng: np.random.Generator) -> Float[np.ndarray, "k m"]:
        """Values of the objectives of architectures within the limits, up to so many, by the sums found so far."""
        found = np.empty((0, len(self.objectives)))
        for _ in range(MOST_ROUNDS):
            rows = drawn(self.space, self.sums[np.arange(count) % len(self.sums)], rng)
            rows = rows[self._within(values_of(self.constraints, rows))]
            found = np.concatenate([found, values_of(self.objectives, rows)])
            if len(found) >= count:
                break
        return found[:count]

    def _within(self, limited: Float[np.ndarray, "n c"]) -> Bool[np.ndarray, "n"]:
        within = np.ones(len(limited), dtype=bool)
        for constraint, values in zip(self.constraints, limited.T, strict=True):
            within &= constraint.met(values)
        return within

    def _pressed(self, pressure: Float[np.ndarray, "d c"], rng: np.random.Generator) -> Float[np.ndarray, "d c"]:
        """The pressure on each limited metric that brings its mean just within its limits, and the sums under it.

        The mean of an exponential family falls by its variance for each unit of pressure, which is as far as a step
        goes; where two steps go opposite ways, the next are half as long.
        """
        direction = np.arange(max(REFINED // 4, 8 * len(pressure))) % len(pressure)
        self.sums, before, length = self._wished, np.zeros_like(pressure), np.ones_like(pressure)
        for _ in range(PRESSES if pressure.size else 0):
            self.sums = self._wished - np.einsum("dc,clk->dlk", pressure, self._costs)
            values = values_of(self.constraints, drawn(self.space, self.sums[direction], rng)) / self._spread
            step = self._missing(values.reshape(-1, len(pressure), values.shape[1]), pressure)
            length = np.where(step * before < 0, length / 2, length)
            pressure, before = pressure + length * step, step
        self.sums = self._wished - np.einsum("dc,clk->dlk", pressure, self._costs)
        return pressure

    def _missing(self, values: Float[np.ndarray, "b d c"], pressure: Float[np.ndarray, "d c"]) -> np.ndarray:
        """How much more pressure each metric needs in each direction, or less where it is pressed too much.

        None where it is unknown for all draws.
        """
        known = np.isfinite(values).any(0)  # (d, c)
        values = np.where(known, values, 0.0)
        mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        low, high = (np.array([getattr(c, end) for c in self.constraints]) / self._spread for end in ("low", "high"))
        inside = np.minimum(INSIDE * spread, (high - low) / 2)
        low, high = low + inside, high - inside
        wanted = np.where(pressure > 0, high, np.where(pressure < 0, low, np.clip(mean, low, high)))
        step = (mean - wanted) / np.maximum(spread**2, 0.05)
        released = np.where(pressure > 0, np.maximum(step, -pressure), np.minimum(step, -pressure))
        step = np.where(pressure == 0, step, released)  # what is released does not turn into its opposite
        return np.where(known, step, 0.0)


def summed(space: SearchSpace, objective: Objective, rows: Int[np.ndarray, "N L"]) -> Objective:
    """The objective with its metric as a sum over what the slots hold, fitted to these rows."""
    values = objective.values
    if isinstance(values, Distance):
        metric = summed(space, replace(objective, values=values.values), rows)
        return replace(objective, values=replace(values, values=metric.values))
    return replace(objective, values=Sum(space, rows, reference(space, [objective], rows)[:, 0]))


class Sum:
    """A number for each symbol of each slot; what they add up to is values (N,) of rows as far as a sum tells them."""

    def __init__(self, space: SearchSpace, rows: Int[np.ndarray, "N L"], values: Float[np.ndarray, "N"]) -> None:
        self._slopes, self._offset = _slopes(space, rows, values[None], np.ones(len(rows)))[0], 0.0  # (L, K)
        self._offset = float(np.nanmean(values - self(rows)))

    def __call__(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The sums of these architectures."""
        return self._slopes[np.arange(tokens.shape[1]), tokens].sum(1) + self._offset


def drawn(
    space: SearchSpace,
    logits: Float[np.ndarray, "n L K"],
    rng: np.random.Generator,
    given: Int[np.ndarray, "n L"] | None = None,
) -> Int[np.ndarray, "n L"]:
    """Architectures drawn slot by slot, structure first, from these logits among what is legal so far.

    What is decided in ``given`` stays.
    """
    tokens = np.full(logits.shape[:2], UNDECIDED) if given is None else given.copy()
    for slot in np.argsort([slot.phase for slot in space.slots], kind="stable"):
        legal = space.legal_in(tokens, int(slot))
        symbol = np.where(legal, logits[:, slot] + rng.gumbel(size=legal.shape), -np.inf).argmax(1)
        tokens[:, slot] = np.where(tokens[:, slot] == UNDECIDED, symbol, tokens[:, slot])
    return tokens


def _slopes(
    space: SearchSpace, rows: Int[np.ndarray, "N L"], targets: Float[np.ndarray, "t N"], weights: Float[np.ndarray, "N"]
) -> Float[np.ndarray, "t L K"]:
    """What each symbol of each slot adds to targets, by ridge regression; the unknown (NaN) counts as the mean."""
    facts = np.append(space.one_hot(rows), np.ones((len(rows), 1)), axis=1).astype(np.float32)  # (N, f + 1)
    weighted = facts * weights[:, None].astype(np.float32)
    mean = np.nanmean(targets, axis=1, keepdims=True) if len(targets) else 0.0
    filled = np.where(np.isnan(targets), mean, targets).astype(np.float32)
    gram = (weighted.T @ facts).astype(np.float64) + RIDGE * np.eye(facts.shape[1])
    found = linalg.solve(gram, (weighted.T @ filled.T).astype(np.float64), assume_a="pos")  # (f + 1, t)
    slopes = np.zeros((len(targets), len(space.slots), int(space.radices.max())))
    slopes[:, np.arange(space.radices.max()) < space.radices[:, None]] = found[:-1].T
    return slopes
