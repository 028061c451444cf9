"""Continuous diffusion: one-hot rows scaled to ±1 drown in normal noise, and come back along the score.

Notation: n samples, L slots, K symbols; x (n, L, K) a noisy row at the standard deviation sigma, w (n, L, K) the
posterior of its symbols. The noise explodes as sigma(t) = low (high / low)^t (Song et al., 2021, section 3.4), the mean
of the clean row is 2w - 1, and the score (2w - 1 - x) / sigma^2 (Tweedie's formula). A gradient that guides is added
to the score. Wherever noise levels are a grid it is even in log sigma, which is even in t.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, Int

from nagkit import arguments
from nagkit.diffusion.posterior import Posterior
from nagkit.diffusion.tilt import Tilt
from nagkit.errors import ArgumentError
from nagkit.space import UNDECIDED, SearchSpace

SNR = 0.16  # signal to noise of a Langevin step, as published with DiffusionNAG
STEPS = {"heun": 10, "euler": 20, "em": 200, "pc": 1000}  # with which each rule follows guided laws closely
RULES = tuple(STEPS)
MOST_STEPS = 10_000

Gradient = Callable[[Float[np.ndarray, "n L K"], float], Float[np.ndarray, "n L K"]]  # of x and sigma


@dataclass(frozen=True)
class Sampler:
    """How noise becomes rows: by which rule, in how many steps, from which noise down to which.

    ``"heun"`` and ``"euler"`` follow the probability flow; ``"em"`` (Euler-Maruyama) the reverse equation, ``"pc"`` the
    same with a Langevin step before each. ``low`` and ``high`` are standard deviations of what was ±1. The start is
    ``centred`` on the mean of the law, or on zero as published; on zero a guided law is not reached from little noise.
    """

    rule: str = "heun"
    steps: int | None = None  # those of STEPS
    low: float = 0.25
    high: float = 10.0
    centred: bool = True

    def __post_init__(self) -> None:
        arguments.one_of("sampler", self.rule, RULES)
        steps = STEPS[self.rule] if self.steps is None else self.steps
        object.__setattr__(self, "steps", arguments.whole("steps", steps, low=2, high=MOST_STEPS))
        low, high = arguments.real("low", self.low, 1e-3, 1e3), arguments.real("high", self.high, 1e-3, 1e3)
        if low >= high:
            raise ArgumentError(f"low must be less than high; got {low:g}, {high:g}.")

    def start(self, field: "Field", normal: Float[np.ndarray, "n L K"]) -> Float[np.ndarray, "n L K"]:
        """The first noisy rows, from standard normal numbers."""
        noise = self.high * normal
        return noise + 2 * field.posterior(np.zeros_like(noise), self.high) - 1 if self.centred else noise

    def states(self, field: "Field", x: Float[np.ndarray, "n L K"], rng: np.random.Generator) -> Iterator["State"]:
        """The states of a batch from x on, ``steps + 1`` of them; the last has the posterior of the one before."""
        steps = cast(int, self.steps)
        ratio = (self.low / self.high) ** (1 / (steps - 1))
        for number in range(steps):
            step = Step(field, rng, self.high * ratio**number, ratio, number == steps - 1)
            probability, mean = field.means(x, step.sigma)
            yield State(number, steps, step.sigma, x, probability)
            x = _RULES[self.rule](step, x, mean)
        yield State(steps, steps, 0.0, x, probability)


@dataclass(frozen=True, eq=False)
class State:
    """A noisy batch before one of ``steps`` steps, and the posterior of its symbols; ``step == steps`` is the end."""

    step: int
    steps: int
    sigma: float
    x: Float[np.ndarray, "n L K"]
    probability: Float[np.ndarray, "n L K"]


@dataclass(frozen=True, eq=False)
class Field:
    """Where a noisy row leads: the posterior under the law, and the gradient that guides, if any."""

    posterior: Posterior
    gradient: Gradient | None = None

    def means(self, x: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
        """The posterior, and the clean mean that stands for the guided score: x + sigma^2 score."""
        probability = _believed(self.posterior(x, sigma), x.shape)
        mean = 2 * probability - 1
        return probability, mean if self.gradient is None else mean + sigma**2 * self.gradient(x, sigma)

    def mean(self, x: np.ndarray, sigma: float) -> np.ndarray:
        """The clean mean alone."""
        return self.means(x, sigma)[1]


def _believed(probability: object, shape: tuple[int, ...]) -> np.ndarray:
    found = arguments.array("posterior", probability)
    if found.shape != shape or not np.isfinite(found).all():
        raise ArgumentError(f"posterior must give finite probabilities of shape {shape}; it gave {found.shape}.")
    return found


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a sampler: from sigma to ``ratio`` times that, or, if it is the last, to the answer."""

    field: Field
    rng: np.random.Generator
    sigma: float
    ratio: float
    last: bool

    @property
    def to(self) -> float:
        """The noise after it."""
        return 0.0 if self.last else self.sigma * self.ratio


def _euler(step: Step, x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The probability flow dx / dsigma = (x - mean) / sigma (Karras et al., 2022, eq. 4), by Euler's rule."""
    return mean + step.to / step.sigma * (x - mean)


def _heun(step: Step, x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The same by Heun's rule (ibid., algorithm 1)."""
    there = _euler(step, x, mean)
    if step.last:
        return there
    slope = (x - mean) / step.sigma + (there - step.field.mean(there, step.to)) / step.to
    return x + (step.to - step.sigma) * slope / 2


def _euler_maruyama(step: Step, x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The reverse equation dx = -g^2 score dt + g dw with g^2 dt = -2 sigma^2 log(ratio); no noise at the end."""
    share = -2 * np.log(step.ratio)
    x = x + share * (mean - x)
    return x if step.last else x + step.sigma * share**0.5 * step.rng.standard_normal(x.shape)


def _corrected(step: Step, x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """A Langevin step at the same noise (Song et al., 2021, algorithm 4), then Euler-Maruyama."""
    score, noise = (mean - x) / step.sigma**2, step.rng.standard_normal(x.shape)
    size = 2 * (SNR * _length(noise) / _length(score)) ** 2
    x = x + size * score + (2 * size) ** 0.5 * noise
    return _euler_maruyama(step, x, step.field.mean(x, step.sigma))


def _length(vectors: Float[np.ndarray, "n L K"]) -> float:
    """The mean norm of a batch."""
    return float(np.sqrt((vectors**2).sum((1, 2))).mean())


_RULES = {"heun": _heun, "euler": _euler, "em": _euler_maruyama, "pc": _corrected}


def decode(space: SearchSpace, x: Float[np.ndarray, "n L K"], limits: Tilt | None = None) -> Int[np.ndarray, "n L"]:
    """The largest entry of each slot among those that grammar and limits leave, slot by slot in the order of phases."""
    rows = np.arange(len(x))
    tokens = np.full(x.shape[:2], UNDECIDED)
    for l in sorted(range(len(space.slots)), key=lambda l: space.slots[l].phase):
        allowed = space.legal_in(tokens, l)
        if limits is not None:
            allowed = allowed & np.isfinite(limits.of(tokens, np.full(len(x), l), np.zeros_like(rows)))
        tokens[:, l] = np.where(allowed, x[:, l], -np.inf).argmax(1)
    return tokens


def valid_by_threshold(space: SearchSpace, x: Float[np.ndarray, "n L K"]) -> Bool[np.ndarray, "n"]:
    """Which rows are legal if every entry is rounded by itself (above 0.5 of [0, 1]), as DiffusionNAG counts validity.

    A slot with no symbol or with several makes its row invalid. With ``decode`` every row is valid, whatever x.
    """
    above = x > 0
    one = (above.sum(2) == 1).all(1)
    tokens = above.argmax(2)
    legal = np.take_along_axis(space.legal(np.where(tokens < space.radices, tokens, 0)), tokens[:, :, None], axis=2)
    return one & legal.all((1, 2))
