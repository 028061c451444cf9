"""How a policy learns: the law of a space first, then where the good architectures are.

Notation: n architectures, B blocks. Three updates go on from a policy. ``refitted`` makes architectures likelier that
were told, by weight (GraphPNAS as its code does it, with a warm start). ``reinforced`` follows the policy gradient on
architectures that the policy itself has drawn, with clipped importance weights (Schulman et al., 2017, *Proximal policy
optimization algorithms*, eq. 7) and advantages over the mean of the others (Kool et al., 2019, *Buy 4 REINFORCE
samples, get a baseline for free!*, eq. 8). ``preferring`` learns from all that was told, whoever drew it, the bad as
well as the good: of two architectures the better one shall gain more (Rafailov et al., 2023, *Direct preference
optimization*, eq. 7). All pull entropy up where it is below a floor.
"""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch.nn import functional

from nagkit import arguments
from nagkit.diffusion.lessons import Lesson, lessons
from nagkit.errors import ArgumentError
from nagkit.generators.graph_law import GraphLaw
from nagkit.generators.policy import Drawn, Policy
from nagkit.space import SearchSpace

STEPS, BATCH, RATE = 1_000, 256, 4e-3
REFIT_RATE = 3e-3
CLIP = 0.2  # how far the ratio of probabilities may leave 1
PREFERENCE = 0.3  # what a nat more than another is worth, on the scale of log odds that it is the better one
ALL_PAIRS = 128  # of so many architectures each step takes all pairs, of more as many pairs as this
LEAST_ENTROPY = 0.35  # of that of the uniform law of the space, below which entropy is pulled up
ENTROPY = 1.0  # how much, for each nat below
DRAWS, WATCHED = 64, 5  # by which entropy is told, and after how many steps again

Learner = TypeVar("Learner", bound=Policy)


def train(space: SearchSpace, steps: int | None = None, seed: int = 0) -> Iterator[Lesson[GraphLaw]]:
    """Lessons, one a step; the last holds a policy that draws by the law of the space. Same seed, same weights."""
    arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
    steps = STEPS if steps is None else arguments.whole("steps", steps)
    rng = np.random.default_rng(arguments.seed("seed", seed))

    def loss(learner: GraphLaw) -> torch.Tensor:
        rows = torch.from_numpy(space.sample(BATCH, rng))
        return -learner.log_probability(learner.read(rows)).sum(1).mean()

    return lessons(untrained(GraphLaw, space, seed), steps, loss, RATE)


def untrained(kind: Callable[[SearchSpace], Learner], space: SearchSpace, seed: int) -> Learner:
    """A new policy; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(space)


def refitted(
    policy: Policy,
    tokens: Int[np.ndarray, "n L"],
    weights: Float[np.ndarray, "n"],
    steps: int,
    rng: np.random.Generator,
) -> Policy:
    """The policy after so many steps towards these architectures, by weight; the one given stays as it was."""
    tokens, weights = policy.space.check(tokens), arguments.finite("weights", weights, len(tokens))
    if weights.min() < 0 or not weights.sum() > 0:
        raise ArgumentError(
            f"weights must be from 0, and some of them above; got {weights.min():g} to {weights.max():g}."
        )
    known = weights > 0
    reading = policy.read(torch.tensor(tokens[known]))
    share = torch.from_numpy((weights[known] / weights.sum()).astype(np.float32))

    def loss(learner: Policy) -> torch.Tensor:
        return -(share * learner.log_probability(reading).sum(1)).sum()

    return _learned(policy, loss, steps, rng)


def reinforced(
    policy: Policy,
    tokens: Int[np.ndarray, "n L"],
    rewards: Float[np.ndarray, "n"],
    steps: int,
    rng: np.random.Generator,
) -> Policy:
    """The policy after so many steps up the rewards of architectures that it has drawn itself.

    Where all rewards are equal there is nothing to learn.
    """
    tokens, rewards = policy.space.check(tokens), arguments.finite("rewards", rewards, len(tokens))
    if not np.ptp(rewards):
        return deepcopy(policy)
    reading = policy.read(torch.tensor(tokens))
    others = (rewards.sum() - rewards) / max(len(rewards) - 1, 1)
    gained = torch.from_numpy(((rewards - others) / (rewards.std() + 1e-9)).astype(np.float32))
    with torch.no_grad():
        before = policy.log_probability(reading).sum(1)

    def loss(learner: Policy) -> torch.Tensor:
        ratio = (learner.log_probability(reading).sum(1) - before).exp()
        return -torch.minimum(ratio * gained, ratio.clamp(1 - CLIP, 1 + CLIP) * gained).mean()

    return _learned(policy, loss, steps, rng)


def preferring(
    policy: Policy,
    tokens: Int[np.ndarray, "n L"],
    ranks: Int[np.ndarray, "n"],
    steps: int,
    rng: np.random.Generator,
) -> Policy:
    """The policy after so many steps by which the better of each two gains on the other.

    Low ranks are the better ones; a pair counts by one over the place of its better one, so that the order of the best
    matters most. Of many architectures each step takes other pairs, at random by what they count. Where all ranks are
    equal there is nothing to learn.
    """
    tokens, ranks = policy.space.check(tokens), arguments.finite("ranks", ranks, len(tokens))
    if not np.ptp(ranks):
        return deepcopy(policy)
    reading = policy.read(torch.tensor(tokens))
    with torch.no_grad():
        before = policy.log_probability(reading).sum(1)

    def loss(learner: Policy) -> torch.Tensor:
        better, worse, share = _pairs(ranks, rng)
        rows, place = np.unique([better, worse], return_inverse=True)
        better, worse = place.reshape(2, -1)
        gained = learner.log_probability(reading.take(rows)).sum(1) - before[rows]
        behind = functional.softplus(PREFERENCE * (gained[worse] - gained[better]))
        return (torch.from_numpy(share) * behind).sum() / PREFERENCE

    return _learned(policy, loss, steps, rng)


def _pairs(
    ranks: Float[np.ndarray, "n"], rng: np.random.Generator
) -> tuple[Int[np.ndarray, "p"], Int[np.ndarray, "p"], Float[np.ndarray, "p"]]:
    """The better and the worse one of each pair, and its share of the loss; all pairs where there are not too many."""
    if len(ranks) <= ALL_PAIRS:
        better, worse = np.nonzero(ranks[:, None] < ranks)
        counts = 1 / (1 + (ranks[None] < ranks[:, None]).sum(1)[better])
        return better, worse, (counts / counts.sum()).astype(np.float32)
    order = np.argsort(ranks, kind="stable")
    place, upto = (np.searchsorted(ranks[order], ranks, side) for side in ("left", "right"))
    counts = (len(ranks) - upto) / (1 + place)
    better = rng.choice(len(ranks), ALL_PAIRS, p=counts / counts.sum())
    worse = order[rng.integers(upto[better], len(ranks))]
    return better, worse, np.full(ALL_PAIRS, 1 / ALL_PAIRS, dtype=np.float32)


def entropy(policy: Policy, rng: np.random.Generator, n: int = 1_000) -> float:
    """How many nats an architecture of the policy takes to tell, by n draws."""
    return -float(Drawn(policy, n, rng).finish().logs.sum(1).mean())


def _learned(policy: Policy, loss: Callable[[Policy], torch.Tensor], steps: int, rng: np.random.Generator) -> Policy:
    """The policy after steps down a loss; where its entropy is below the floor, that is pulled up.

    The gradient of entropy is that of minus the log probability of own draws, each by how much it is above their mean
    (the score function).
    """
    arguments.whole("steps", steps)
    arguments.generator("rng", rng)
    learner = deepcopy(policy)
    optimizer = torch.optim.Adam(learner.parameters(), REFIT_RATE, fused=True)
    least = LEAST_ENTROPY * math.log(policy.space.size)
    for step in range(steps):
        total = loss(learner)
        if step % WATCHED == 0:
            drawn = Drawn(learner, DRAWS, rng).finish()
            missing = least + float(drawn.logs.sum(1).mean())
            own = learner.read(torch.from_numpy(drawn.rows))
        if missing > 0:
            logs = learner.log_probability(own).sum(1)
            above = logs.detach() - logs.detach().mean()
            total = total + ENTROPY * missing * (above * logs).mean()
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
    return learner
