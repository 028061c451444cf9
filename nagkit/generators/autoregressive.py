"""A generator that decides block after block by a policy: of graphs, node after node.

Notation: n samples, L slots, K symbols.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import special

from nagkit import arguments
from nagkit.diffusion.energy import Energy
from nagkit.diffusion.guidance import Guidance
from nagkit.diffusion.masked import Frame
from nagkit.generators.framed import FramedGenerator
from nagkit.generators.graph_law import load
from nagkit.generators.graph_policy import GraphPolicy
from nagkit.generators.independent_policy import IndependentPolicy
from nagkit.generators.policy import Drawn, Policy, among, odds_of
from nagkit.generators.policy_training import untrained
from nagkit.generators.recurrent_policy import RecurrentPolicy
from nagkit.generators.regrowth import Regrowth
from nagkit.space import UNDECIDED, SearchSpace
from nagkit.weights import shipped

CHUNK = 4_096  # rows that are read at once
MODELS: dict[str, Callable[[SearchSpace], Policy]] = {  # each makes a policy with the law of a space
    "graph": lambda space: GraphPolicy(load(shipped(f"{space.name}-autoregressive"), space)),
    "recurrent": lambda space: untrained(RecurrentPolicy, space, 0),
    "independent": lambda space: untrained(IndependentPolicy, space, 0),
}
LISTED = 128  # ways to decide a block, at most, for the grammar to be followed through all of them


class AutoregressiveGenerator(FramedGenerator):
    """Samples of a policy, each legal by construction, and how likely each architecture is.

    A frame shows one block more than the one before. Its probabilities are those of the policy for the block that
    comes next, each slot by itself: how often it will be each symbol. They are exact where the block can be listed;
    beyond ``LISTED`` ways, what the grammar makes of a slot once another of the block is decided is left out. For what
    comes later they are those of the space.
    """

    methods = ("tilt", "first-order")

    def __init__(self, policy: Policy) -> None:
        self.policy = arguments.instance("policy", policy, Policy, "that of the last lesson of policy_training.train")
        super().__init__(policy.space)

    @classmethod
    def load(cls, space: SearchSpace, floor: float = 0.0, model: str = "graph") -> "AutoregressiveGenerator":
        """One with the law of a space; a share ``floor`` of each choice is uniform over what is legal.

        The policy of ``model="graph"`` came with nagkit; ``"recurrent"`` and ``"independent"`` need no weights for it.
        """
        policy = MODELS[arguments.one_of("model", model, MODELS)](space)
        policy.floor = arguments.real("floor", floor, 0, 0.99)
        return cls(policy)

    def log_probability(self, tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n"]:
        """The logarithm of how likely each architecture is to be sampled, unguided (nats, exact)."""
        rows = self.space.check(tokens)
        found = []
        with torch.inference_mode():
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                logs = self.policy.log_probability(self.policy.read(torch.tensor(np.ascontiguousarray(part))))
                found.append(logs.sum(1).double().numpy())
        return np.concatenate(found)

    def _guide(self, guidance: Guidance) -> Energy:
        return Energy(self.space, guidance)

    def _answer(self, n: int, guide: Energy | None, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
        if guide is not None:
            chain = Regrowth(self.policy, guide, n, rng)
            chain.settle()
            return chain.rows
        return Drawn(self.policy, n, rng).finish().rows

    def _frames(self, n: int, guide: Energy | None, rng: np.random.Generator) -> Iterator[Frame]:
        answer, blocks = self._answer(n, guide, rng), self.policy.blocks
        tokens = np.full_like(answer, UNDECIDED)
        for place, slots in enumerate(blocks):
            yield Frame(place, len(blocks), tokens.copy(), self._probability(tokens, place))
            tokens[:, slots] = answer[:, slots]
        held = np.arange(int(self.space.radices.max()))
        yield Frame(len(blocks), len(blocks), tokens, (tokens[:, :, None] == held).astype(float))

    def _probability(self, tokens: Int[np.ndarray, "n L"], place: int) -> Float[np.ndarray, "n L K"]:
        """What is decided, what the policy makes of the next block, and what the space says of all others."""
        legal, held = self.space.legal(tokens), tokens[:, :, None]
        open_ = special.softmax(np.where(legal, self.space.belief(tokens), -np.inf), axis=2)
        different, row = np.unique(tokens, axis=0, return_inverse=True)  # far fewer, as long as little is decided
        slots = list(self.policy.blocks[place])
        open_[:, slots] = self._marginals(different, place)[row.ravel()]
        return np.where(held == UNDECIDED, open_, held == np.arange(open_.shape[2]))

    def _marginals(self, tokens: Int[np.ndarray, "n L"], place: int) -> Float[np.ndarray, "n S K"]:
        """How often each slot of the next block will be each symbol."""
        weights, odds = odds_of(self.policy, tokens, place)
        slots, floor = list(self.policy.blocks[place]), self.policy.floor
        if self.space.radices[slots].prod(dtype=float) > LISTED:
            prior = np.stack([self.policy.prior_in(tokens, slot) for slot in slots], axis=1)
            each = np.exp(among(odds, prior[:, None], floor))
            return np.einsum("nm,nmsk->nsk", np.exp(weights), each)
        rows, source = tokens, np.arange(len(tokens))  # the ways to decide the block so far, and of which row each is
        logs = weights  # of each way, by component
        for s, slot in enumerate(slots):
            prior = self.policy.prior_in(rows, slot)
            each = among(odds[source, :, s], prior[:, None], floor)  # (ways, M, K)
            way, symbol = np.nonzero(np.isfinite(prior))
            rows, source, logs = rows[way], source[way], logs[way] + each[way, :, symbol]
            rows[:, slot] = symbol
        found = np.zeros((len(tokens), len(slots), odds.shape[3]))
        np.add.at(found, (source[:, None], np.arange(len(slots)), rows[:, slots]), _total(logs)[:, None])
        return found


def _total(logs: Float[np.ndarray, "w M"]) -> Float[np.ndarray, "w"]:
    """The probability of each way, over all components."""
    return np.exp(special.logsumexp(logs, axis=1))
