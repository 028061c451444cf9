"""Motifs of a law: which symbols, and which pairs of operations, its samples prefer to those of another law.

Notation: n samples, q motifs, L slots, K symbols, N nodes. A motif is preferred if its share among the samples is
larger than among those of the other law: their ratio, the *lift*, is above 1.

Among many motifs some lifts are far from 1 by chance. What is said to be *certain* is chosen by the procedure of
Benjamini & Hochberg (J. R. Stat. Soc. B 57, 1995), so that of all such statements about two laws no more than 5 of 100
are expected to be wrong.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from nagkit import arguments
from nagkit.distribution import Distribution
from nagkit.errors import ArgumentError
from nagkit.graphs import Graphs
from nagkit.looks import look
from nagkit.space import SearchSpace

if TYPE_CHECKING:
    import pandas

DEAD = "no data"  # what is in a slot whose symbol has no effect
UNUSED = "none"  # the operation that lets nothing through
SLOTS, PAIRS = ("slot", "symbol"), ("from", "to")  # kinds of motifs
NORMAL = 1.959964  # 95 % of a normal law lie within so many standard deviations
WRONG = 0.05  # the share of what is called certain that may be wrong


@dataclass(frozen=True, eq=False)
class Motifs:
    """What may be in an architecture of a space, and how often it is: two words each, of ``kinds`` as slot and symbol.

    ``share`` and ``law`` are its shares among the samples and among those of the other law, ``lift`` their ratio with
    the interval from ``low`` to ``high`` that holds the true one 95 times of 100, each by itself.
    """

    space: SearchSpace
    kinds: tuple[str, str]
    names: tuple[tuple[str, str], ...]
    share: Float[np.ndarray, "q"]
    law: Float[np.ndarray, "q"]
    lift: Float[np.ndarray, "q"]
    low: Float[np.ndarray, "q"]
    high: Float[np.ndarray, "q"]

    @classmethod
    def of_slots(cls, samples: Distribution, law: Distribution) -> "Motifs":
        """Each symbol of each slot, where it has an effect; rows count as they are written.

        Of a slot with two symbols there is the second one alone, as the share of the first follows from it.
        """
        space = _space(samples, law)
        dead = int(space.radices.max())
        names, columns = [], []
        held = [np.where(space.alive(each.tokens), each.tokens, dead) for each in (samples, law)]
        for l, slot in enumerate(space.slots):
            seen = np.union1d(*(rows[:, l] for rows in held)).tolist()
            for k in [1] if seen == [0, 1] and len(slot.symbols) == 2 else seen:
                names.append((slot.name, DEAD if k == dead else slot.symbols[k]))
                columns.append([rows[:, l] == k for rows in held])
        return cls._of(space, SLOTS, names, *(np.stack(hits, axis=1) for hits in zip(*columns, strict=True)))

    @classmethod
    def of_pairs(cls, samples: Distribution, law: Distribution) -> "Motifs":
        """Each pair of operations that an edge with data joins, anywhere in the DAG; a pair counts once a sample."""
        space = _space(samples, law)
        hits = [_joined(space, each) for each in (samples, law)]  # (n, K, K) each
        seen = np.argwhere(hits[0].any(0) | hits[1].any(0)).T
        names = [(space.operations[a], space.operations[b]) for a, b in seen.T]
        return cls._of(space, PAIRS, names, *(each[:, seen[0], seen[1]] for each in hits))

    @classmethod
    def _of(
        cls,
        space: SearchSpace,
        kinds: tuple[str, str],
        names: list[tuple[str, str]],
        samples: Bool[np.ndarray, "n q"],
        law: Bool[np.ndarray, "m q"],
    ) -> "Motifs":
        """From which samples have each motif; half a sample more with it keeps ratios finite (Katz et al., 1978)."""
        n, m = len(samples), len(law)
        x, y = samples.sum(0) + 0.5, law.sum(0) + 0.5
        lift = (x / (n + 0.5)) / (y / (m + 0.5))
        reach = np.exp(NORMAL * np.sqrt(1 / x - 1 / (n + 0.5) + 1 / y - 1 / (m + 0.5)))
        return cls(space, kinds, tuple(names), samples.mean(0), law.mean(0), lift, lift / reach, lift * reach)

    @cached_property
    def certain(self) -> Bool[np.ndarray, "q"]:
        """Whether the shares differ: the interval leaves 1 out by so much that chance explains few of all such."""
        from scipy import stats

        spread = np.log(self.high / self.low) / (2 * NORMAL)
        away = np.divide(np.abs(np.log(self.lift)), spread, out=np.zeros(len(spread)), where=spread > 0)
        return stats.false_discovery_control(2 * stats.norm.sf(away)) <= WRONG

    def of(self, where: str) -> dict[str, int]:
        """The places of the motifs with this first name, by their second."""
        return {what: place for place, (first, what) in enumerate(self.names) if first == where}

    def table(self, least: float = 0.0) -> "pandas.DataFrame":
        """The motifs from the most to the least preferred; those that at least one law has with this share.

        Args:
            least: a share from 0 to 1
        """
        import pandas as pd

        often = np.maximum(self.share, self.law) >= arguments.real("least", least, 0, 1)
        order = [place for place in np.argsort(-self.lift, kind="stable").tolist() if often[place]]
        lifts = {"lift": self.lift[order], "low": self.low[order], "high": self.high[order]}
        columns = {
            self.kinds[0]: [self.names[place][0] for place in order],
            self.kinds[1]: [self.names[place][1] for place in order],
            "share (%)": 100 * self.share[order],
            "of the other law (%)": 100 * self.law[order],
        }
        return pd.DataFrame(columns | lifts | {"certain": self.certain[order]})

    def sentence(self) -> str:
        """How many are certain, the most preferred of those that are more frequent, and the least of the others."""
        certain = np.flatnonzero(self.certain)
        if not len(certain):
            return "Nothing differs from the other law for certain."
        order = certain[np.argsort(-self.lift[certain], kind="stable")].tolist()
        said = [f"the most preferred is {self._called(order[0])}"] if self.low[order[0]] > 1 else []
        said += [f"the least preferred is {self._called(order[-1])}"] if self.high[order[-1]] < 1 else []
        differ = f"{len(order)} of {len(self.names)} {'differs' if len(order) == 1 else 'differ'} from the other law"
        return f"{differ} for certain; {', '.join(said)}."

    def _called(self, place: int) -> str:
        one, other = self.names[place]
        label = other if other == DEAD else look(other).label
        what = f"{label} at {one}" if self.kinds == SLOTS else f"{look(one).label} → {label}"
        return f"{what} ({self.lift[place]:.2g} times)"


def _space(samples: Distribution, law: Distribution) -> SearchSpace:
    """The space of two laws, which is one."""
    arguments.instance("samples", samples, Distribution, "Distribution.of(generator, 200, rng)")
    arguments.instance("law", law, Distribution, "Distribution.of_space(space, 10_000, rng)")
    if samples.space.name != law.space.name:
        raise ArgumentError(f"law must be of the space {samples.space.name!r} of the samples; got {law.space.name!r}.")
    return samples.space


def _joined(space: SearchSpace, samples: Distribution) -> Bool[np.ndarray, "n K K"]:
    """Which operations an edge with data joins in each sample."""
    graphs = space.graphs(samples.tokens)
    alive = _alive(graphs, space.operations.index(UNUSED) if UNUSED in space.operations else None)
    found = np.zeros((len(graphs.ops), len(space.operations), len(space.operations)), dtype=bool)
    for v, w in np.argwhere(graphs.edges.any(0)):
        rows = np.flatnonzero(graphs.edges[:, v, w] & alive[:, v] & alive[:, w])
        found[rows, graphs.ops[rows, v], graphs.ops[rows, w]] = True
    return found


def _alive(graphs: Graphs, unused: int | None) -> Bool[np.ndarray, "n N"]:
    """Whether data flows through each node from one without inputs to one without outputs."""
    used = (graphs.ops >= 0) if unused is None else (graphs.ops >= 0) & (graphs.ops != unused)
    reached, reaches = used & ~graphs.edges.any(1), used & ~graphs.edges.any(2)
    for node in range(used.shape[1]):
        reached[:, node] |= used[:, node] & (reached & graphs.edges[:, :, node]).any(1)
    for node in reversed(range(used.shape[1])):
        reaches[:, node] |= used[:, node] & (reaches & graphs.edges[:, node]).any(1)
    return reached & reaches
