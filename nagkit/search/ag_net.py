"""AG-Net as it was published: a decoder of noise and a surrogate, refitted to what ranks high, propose each batch.

Lukasik, Jung and Keuper, ECCV 2022, *Learning Where To Look: Generative NAS is Surprisingly Efficient*, sections 3 and
4, with the settings of the code that was released with it.

Notation: n architectures, L slots, K symbols, F symbols of all slots together, m metrics that the surrogate predicts,
N labels, z (n, 32) noise.
"""

import itertools
from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn
from torch.nn import functional

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Objective
from nagkit.search.archive import Archive
from nagkit.search.elite import rank_weights
from nagkit.space import SearchSpace
from nagkit.threads import one_thread

LATENT = 32
WIDTH = 64  # of the decoder, with which duplicates become as frequent as in the released search
LAYERS = 5  # of the surrogate, each as wide as its input but for the last
PENALTY = 1_000  # times which the place of what breaks a limit counts
ROWS = 16  # of a step of the refit
EPOCHS, FEWER_EPOCHS = 30, {"nas-bench-101": 15}
BETAS = 0.5, 0.999
REACH = 3.0  # search noise is uniform from -3 to 3
SUBSAMPLE = 100  # candidates, as soon as there are more
WARM_SAMPLES, WARM_STEPS, WARM_ROWS, WARM_RATE = 8192, 300, 256, 2e-3  # before the first search of a space


class Setting(NamedTuple):
    """What differs between a search for accuracy alone and one with measured costs."""

    share: float  # of the surrogate's error in the loss, a
    rate: float
    decay: float
    most: float  # each term of the loss counts as this at most, with its gradient scaled down alike
    draws: Sequence[int]  # of one round after another


ALONE = Setting(0.9, 1e-3, 0.0, np.inf, range(100, 1000, 100))
WITH_COSTS = Setting(0.95, 2e-4, 1e-4, 1.0, range(500, 3000, 500))


class Published:
    """AG-Net as published and released, so that it can be compared; it serves one search.

    Kept: a decoder without an encoder, trained with fresh noise z ~ N(0, I) that has nothing to do with its target; a
    surrogate that sees the decoder's soft logits at such noise; rank weights 1 / (k N + r) both as the chance to be
    drawn and in the loss, so that they count squared; the joint loss w [(1 - a) CE + a MSE], whose gradient reaches the
    decoder; weights and optimiser that go on from round to round; search noise uniform in [-3, 3]; rejection of what is
    illegal or known, instead of a grammar, once vertices without effect are left out of cells of NAS-Bench-101; 100 of
    what remains, of which the best by prediction are asked for. Where costs are measured (a second metric), the places
    by all objectives are added, and of what breaks a limit they count times 1,000, among labels as among predictions;
    the loss is then that of the released search for hardware.

    Not kept: the layers of the decoder. The released one adds node after node, but all of it follows from z; here a
    small multilayer perceptron gives the logits of all slots. It begins with the law of the space, learned in a moment
    instead of from 2.5 million samples. The archive says what counts as the same architecture. Places of candidates
    are from 1 as those of labels, not from 0, with which the best could break a limit for nothing. Where the released
    code fails, as nothing is legal and new, nothing is asked for.

    Args:
        initial: how many labels the first round learns from
        batch: after how many labels the next one does, and how many architectures a round asks for
    """

    def __init__(self, space: SearchSpace, initial: int, batch: int) -> None:
        self.space = arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
        self.initial, self.batch = arguments.whole("initial", initial), arguments.whole("batch", batch)
        self._latest: _Round | None = None

    def asked(self, archive: Archive, rounds: int) -> Int[np.ndarray, "k L"]:
        """What is asked for after so many whole rounds (>= 0) beyond the first ``initial`` labels, best first.

        Up to ``batch`` rows, new to the archive of that time; fewer where rejection leaves fewer, none while all labels
        failed. The same labels give the same rows: what is not known from the round before is learned again.
        """
        count = self.initial + arguments.whole("rounds", rounds, low=0) * self.batch
        if len(archive) < count:
            raise ArgumentError(f"rounds must be such that there are labels; {rounds} take {count} of {len(archive)}.")
        latest, self._latest = self._latest, None  # what is interrupted is not kept
        if latest is None or latest.told > count or not latest.within(archive):
            latest = _Round(archive.first(0), 0, None, archive.tokens[:0])
        with one_thread():
            while latest.told < count:
                now = archive.first(latest.told + self.batch if latest.told else self.initial)
                latest = self._round(now, latest.learner)
        self._latest = latest
        return latest.rows

    def _round(self, archive: Archive, learner: "Learner | None") -> "_Round":
        """Refit to all labels that did not fail, and the best of what the decoder then makes."""
        rng = np.random.default_rng(archive.tokens.ravel())  # seeded by what is known, as a state may be another's
        known = np.isfinite(archive.values).all(1)
        if not known.any():
            return _Round(archive, len(archive), learner, archive.tokens[:0])
        measured = [not constraint.exact for constraint in archive.constraints]
        columns = np.flatnonzero([*(True for _ in archive.objectives), *measured])
        values = archive.values[known][:, columns]
        if learner is None:
            learner = Learner(self.space, _scale(archive, values, columns), rng)
        cost = costs(archive.objectives, archive.constraints, archive.values[known])
        learner.refit(archive.tokens[known], values, rank_weights(places(cost)), rng)
        rows, predicted = _candidates(archive, learner, rng)
        limits = [constraint for constraint in archive.constraints if not constraint.exact]
        best = costs(archive.objectives, limits, predicted).argsort(kind="stable")[: self.batch]
        return _Round(archive, len(archive), learner, rows[best])


class _Round(NamedTuple):
    """After a round: the labels of then and how many, the learner, and what is asked for."""

    archive: Archive
    told: int
    learner: "Learner | None"
    rows: np.ndarray

    def within(self, archive: Archive) -> bool:
        """Whether the other begins with the same labels."""
        same = np.array_equal(self.archive.values, archive.values[: self.told], equal_nan=True)
        return same and np.array_equal(self.archive.tokens, archive.tokens[: self.told])


class Decoder(nn.Module):
    """Noise (n, 32) to the logits (n, F) of the symbols of all slots, one slot after the other."""

    def __init__(self, radices: Int[np.ndarray, "L"]) -> None:
        super().__init__()
        self.there = torch.from_numpy(np.arange(radices.max()) < radices[:, None])  # (L, K)
        first, last = nn.Linear(LATENT, WIDTH), nn.Linear(WIDTH, int(radices.sum()))
        nn.init.zeros_(last.weight)  # noise says nothing yet, and little after learning
        self.layers = nn.Sequential(first, nn.ReLU(), last)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """The logits as the surrogate sees them."""
        found: torch.Tensor = self.layers(z)
        return found

    def by_slot(self, logits: torch.Tensor) -> torch.Tensor:
        """The same by slot (n, L, K), minus infinity where a slot has no such symbol."""
        spread = logits.new_full((len(logits), *self.there.shape), -torch.inf)
        spread[:, self.there] = logits
        return spread

    def unlikeliness(self, logits: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The cross-entropy of each row (n,), as the mean of its slots in nats."""
        return functional.cross_entropy(self.by_slot(logits).transpose(1, 2), rows, reduction="none").mean(1)


class Learner:
    """Decoder, surrogate and their optimiser, which all go on from one refit to the next.

    Args:
        scale: what each predicted metric counts in, so that it is about 1
        rng: of the first weights of the surrogate; the decoder begins with the law of the space
    """

    def __init__(self, space: SearchSpace, scale: Float[np.ndarray, "m"], rng: np.random.Generator) -> None:
        self.space, self.scale = space, scale
        self.setting = WITH_COSTS if len(scale) > 1 else ALONE
        self.epochs = FEWER_EPOCHS.get(space.name, EPOCHS)
        self.decoder = deepcopy(of_the_law(space))
        symbols = int(space.radices.sum())
        self.surrogate = _perceptron([symbols] * LAYERS + [len(scale)], int(rng.integers(2**63)))
        parameters = [*self.decoder.parameters(), *self.surrogate.parameters()]
        rate, decay = self.setting.rate, self.setting.decay
        self.optimizer = torch.optim.Adam(parameters, rate, BETAS, weight_decay=decay, fused=True)

    def refit(
        self,
        rows: Int[np.ndarray, "N L"],
        values: Float[np.ndarray, "N m"],
        weights: Float[np.ndarray, "N"],
        rng: np.random.Generator,
    ) -> None:
        """Epochs of as many draws as there are labels, with replacement and by weight."""
        x, y = torch.from_numpy(rows), torch.from_numpy((values / self.scale).astype(np.float32))
        w = torch.from_numpy(weights.astype(np.float32))
        for _ in range(self.epochs):
            drawn = torch.from_numpy(rng.choice(len(rows), len(rows), p=weights / weights.sum()))
            for part in drawn.split(ROWS):
                z = torch.from_numpy(rng.standard_normal((len(part), LATENT), dtype=np.float32))
                self.optimizer.zero_grad()
                self.loss(z, x[part], y[part], w[part]).backward()
                self.optimizer.step()

    def loss(self, z: torch.Tensor, x: torch.Tensor, y: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """The mean of w [(1 - a) CE + a MSE]: how well noise z decodes to rows x, and is predicted to be worth y."""
        logits = self.decoder(z)
        unlike, error = self.decoder.unlikeliness(logits, x), (self.surrogate(logits) - y).square()
        unlike, error = self._bounded(unlike), self._bounded(error).mean(1)
        found: torch.Tensor = (w * ((1 - self.setting.share) * unlike + self.setting.share * error)).mean()
        return found

    def _bounded(self, terms: torch.Tensor) -> torch.Tensor:
        if self.setting.most == np.inf:
            return terms
        return terms / terms.detach().clamp(min=self.setting.most)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Int[np.ndarray, "n L"], Float[np.ndarray, "n m"]]:
        """Rows sampled at search noise, legal or not, and what the surrogate says of their logits, in their units."""
        z = torch.from_numpy(rng.uniform(-REACH, REACH, (n, LATENT)).astype(np.float32))
        with torch.inference_mode():
            logits = self.decoder(z)
            predicted = self.surrogate(logits).double().numpy() * self.scale
            spread = self.decoder.by_slot(logits).numpy()
        return self.space.trimmed((spread + rng.gumbel(size=spread.shape)).argmax(2)), predicted


def costs(
    objectives: Sequence[Objective], constraints: Sequence[Constraint], values: Float[np.ndarray, "n m"]
) -> Float[np.ndarray, "n"]:
    """The sum of the places, from 1, by each objective, times 1,000 for what breaks a constraint; less is better.

    Columns are those of the objectives, then those of the constraints. Of equal values the first has the lower place.
    """
    place, broken = np.zeros(len(values)), np.zeros(len(values), dtype=bool)
    for objective, column in zip(objectives, values.T, strict=False):
        place += 1 + places(-objective.metric.sign * column)
    for constraint, column in zip(constraints, values.T[len(objectives) :], strict=True):
        broken |= ~constraint.met(column)
    return place * np.where(broken, PENALTY, 1)


def of_the_law(space: SearchSpace) -> Decoder:
    """The decoder that every search of a space begins with, made once in a process.

    It learns to decode noise to samples of the space that have nothing to do with it, hence the law of each slot.
    """
    kind = space.name, tuple(space.radices.tolist())
    if kind not in _DECODERS:
        with one_thread():
            _DECODERS[kind] = _taught(space)
    return _DECODERS[kind]


_DECODERS: dict[tuple[str, tuple[int, ...]], Decoder] = {}


def _taught(space: SearchSpace) -> Decoder:
    rng = np.random.default_rng(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = Decoder(space.radices)
    optimizer = torch.optim.Adam(decoder.parameters(), WARM_RATE, BETAS, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, WARM_RATE, total_steps=WARM_STEPS, cycle_momentum=False)
    rows = torch.from_numpy(space.sample(WARM_SAMPLES, rng))
    for _ in range(WARM_STEPS):
        some = torch.from_numpy(rng.integers(WARM_SAMPLES, size=WARM_ROWS))
        z = torch.from_numpy(rng.standard_normal((WARM_ROWS, LATENT), dtype=np.float32))
        optimizer.zero_grad()
        decoder.unlikeliness(decoder(z), rows[some]).mean().backward()
        optimizer.step()
        schedule.step()
    return decoder


def _candidates(
    archive: Archive, learner: Learner, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "k L"], Float[np.ndarray, "k m"]]:
    """What is legal and new of rounds of draws, up to 100 at random, with predictions."""
    rows, predicted = archive.tokens[:0], np.empty((0, len(learner.scale)))
    for n in learner.setting.draws:
        more, its = learner.draw(n, rng)
        fits = archive.space.belongs(more)
        rows, predicted = np.concatenate([rows, more[fits]]), np.concatenate([predicted, its[fits]])
        if len(rows):
            new = archive.new(rows)
            rows, predicted = rows[new], predicted[new]
        if len(rows) > SUBSAMPLE:
            some = rng.permutation(len(rows))[:SUBSAMPLE]
            return rows[some], predicted[some]
    return rows, predicted


def _scale(archive: Archive, values: Float[np.ndarray, "N m"], columns: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    """100 for what is told in percent; of other metrics the largest of the first labels, up to the sign."""
    largest = np.abs(values).max(0)
    percent = [archive.metrics[column].unit == "%" for column in columns]
    return np.where(percent, 100.0, np.where(largest > 0, largest, 1.0))


def places(values: Float[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """0 for the least, and so on; of equal values the first comes first."""
    return values.argsort(kind="stable").argsort(kind="stable")


def _perceptron(sizes: Sequence[int], seed: int) -> nn.Sequential:
    """Linear layers of these sizes with rectifiers between them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        linear = [nn.Linear(before, after) for before, after in itertools.pairwise(sizes)]
    return nn.Sequential(*[part for layer in linear for part in (layer, nn.ReLU())][:-1])
