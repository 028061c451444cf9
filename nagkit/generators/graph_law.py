"""A graph neural network that grows an architecture node by node (after GraphPNAS, Li et al., 2022, arXiv 2211.15155).

Notation: n architectures, N nodes, W width, M components, S edges of a row, K symbols. A new node's edges come from a
mixture of Bernoullis, one component a row, so that they depend on each other (Liao et al., 2019, *Efficient graph
generation with graph recurrent attention networks*, eq. 6); their labels and the node's operation are categorical.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from nagkit.errors import ArgumentError
from nagkit.generators.messages import Messages
from nagkit.generators.policy import Odds, Policy, Reading
from nagkit.space import SearchSpace
from nagkit.weights import damaged, read, write

WIDTH, LAYERS, COMPONENTS = 32, 2, 10
_COMMAND = "nagkit train autoregressive --space {}"  # makes the weights


class GraphLaw(Policy):
    """What is decided next, from the graph so far; for node labels, edge labels, both, or neither.

    It is taught the law of a space once and for all; ``GraphPolicy`` learns from there. ``facts`` are the numbers that
    a choice is read off, twice the width: of the node that an edge would leave, or that the choice is about, and of the
    whole graph.
    """

    def __init__(self, space: SearchSpace) -> None:
        if space.growth is None:
            raise ArgumentError(
                f"space must have graphs that grow node by node; {space.name!r} has no growth. "
                "The models 'recurrent' and 'independent' do without."
            )
        radices = space.radices[list(space.growth.edges.values())]
        if not len(radices) or radices.min() < 2:
            raise ArgumentError(f"space must leave edges open in its growth; {space.name!r} has {radices.tolist()}.")
        super().__init__(space, space.growth.blocks)
        self.growth, symbols = space.growth, max(self.radices)
        pairs = sorted(self.growth.edges, key=lambda pair: (pair[1], pair[0]))
        self._pairs = [(v, w, self.growth.edges[v, w]) for v, w in pairs]
        self.labels = max(self.radices[slot] for _, _, slot in self._pairs) - 1
        self.place = nn.Parameter(torch.randn(self.growth.nodes, WIDTH) / 10)
        self.operation = nn.Embedding(symbols + 2, WIDTH)  # the last two: without operation, and not decided
        self.first = nn.ModuleList(nn.Embedding(self.radices[slot], WIDTH) for slot in self.growth.first)
        kinds = self.labels + bool(self.growth.always)
        self.rounds = nn.ModuleList(Messages(WIDTH, kinds) for _ in range(LAYERS))
        self.pooled = nn.Linear(WIDTH, WIDTH)
        self.weights = _head(WIDTH, COMPONENTS)
        self.presence = _head(2 * WIDTH, COMPONENTS)
        self.label = _head(2 * WIDTH, self.labels)
        self.decided = _head(2 * WIDTH, symbols)  # of operations and of what comes first

    def block(self, rows: torch.Tensor, place: int) -> Odds:
        """The odds of one block, from the graph as it is then."""
        return self.facts(rows, [place])[0][1]

    def each(self, reading: Reading) -> list[Odds]:
        """The odds of all blocks, from all graphs that the rows go through, read at once."""
        return [odds for _, odds in self.facts(reading.rows, range(len(self.blocks)))]

    def facts(self, rows: torch.Tensor, places: Sequence[int]) -> list[tuple[torch.Tensor, Odds]]:
        """Of each of these blocks the facts (n, S, 2 W) that its slots are decided by, and the odds."""
        found = []
        for place, nodes, context in zip(places, *self._read(rows, places), strict=True):
            count, edged = self.growth.grown[place]
            if count and not edged:
                found.append(self._row(nodes[:, :count], context + self.place[count], count))
            else:
                own = nodes[:, count - 1] if count else torch.zeros_like(context)
                fact = torch.cat([own, context], dim=1)[:, None]
                radices = [self.radices[slot] for slot in self.blocks[place]]
                odds = _within(self.decided(fact)[:, None], radices)
                found.append((fact.expand(-1, len(radices), -1), (torch.zeros(len(rows), 1), odds)))
        return found

    def save(self, path: Path, about: str) -> None:
        """Write the weights in 16 bits, the name of the space and a sentence of provenance as one safetensors file."""
        arrays = {name: tensor.half().numpy() for name, tensor in self.state_dict().items()}
        write(path, arrays, {"space": self.space.name, "about": about})

    def _row(self, nodes: torch.Tensor, context: torch.Tensor, target: int) -> tuple[torch.Tensor, Odds]:
        """Facts and odds of the edges into a new node."""
        sources = [v for v in range(target) if (v, target) in self.growth.edges]
        pair = torch.cat([nodes[:, sources], context[:, None].expand(-1, len(sources), -1)], dim=2)
        presence = self.presence(pair).transpose(1, 2)[..., None]  # (n, M, S, 1)
        radices = [self.radices[self.growth.edges[v, target]] for v in sources]
        label = _within(self.label(pair)[:, None], [radix - 1 for radix in radices]).log_softmax(3)  # (n, 1, S, K - 1)
        odds = torch.cat([functional.logsigmoid(-presence), functional.logsigmoid(presence) + label], dim=3)
        spare = max(self.radices) - odds.shape[3]
        return pair, (self.weights(context).log_softmax(1), functional.pad(odds, (0, spare), value=-torch.inf))

    def _read(self, rows: torch.Tensor, places: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors of the nodes before each of P blocks (P, n, N, W), and of the whole graphs then (P, n, W)."""
        counts = torch.tensor([self.growth.grown[place][0] for place in places])
        most = max(int(counts.max()), 1)
        there = torch.arange(most) < counts[:, None]  # (P, N)
        nodes = self.operation(self._operations(rows, places, most)) + self.place[:most]
        edges = [joined * there[:, None, None] for joined in self._edges(rows, most)]  # (P, n, N, N)
        nodes, flat = nodes.flatten(0, 1), [joined.flatten(0, 1) for joined in edges]
        for messages in self.rounds:
            nodes = messages(nodes, flat)
        nodes = nodes.unflatten(0, (len(places), len(rows))) * there[:, None, :, None]
        context = (self.pooled(nodes) * there[:, None, :, None]).sum(2) / counts.clamp(min=1).sqrt()[:, None, None]
        for turn, (embedding, slot) in enumerate(zip(self.first, self.growth.first, strict=True)):
            decided = torch.tensor(places) > turn
            if decided.any():
                symbol = rows[:, slot].clamp(min=0)  # undecided ones are not looked at
                context = context + decided[:, None, None] * embedding(symbol)
        return nodes, context

    def _operations(self, rows: torch.Tensor, places: Sequence[int], most: int) -> torch.Tensor:
        """Of each node (P, n, N) the symbol of its operation."""
        without, open_ = self.operation.num_embeddings - 2, self.operation.num_embeddings - 1
        found = rows.new_full((len(places), len(rows), most), without)
        for node in range(most):
            if node in self.growth.ops:
                found[:, :, node] = rows[:, self.growth.ops[node]].clamp(min=0)
        for state, place in zip(found, places, strict=True):
            count, edged = self.growth.grown[place]
            if edged:
                state[:, count - 1] = open_
        return found

    def _edges(self, rows: torch.Tensor, most: int) -> list[torch.Tensor]:
        """The edges (n, N, N) of each label among the first so many nodes."""
        inside = [pair for pair in self._pairs if pair[1] < most]
        sources, targets = [v for v, _, _ in inside], [w for _, w, _ in inside]
        held = rows[:, [slot for _, _, slot in inside]]
        found = [torch.zeros(len(rows), most, most) for _ in range(self.labels + bool(self.growth.always))]
        for label, joined in enumerate(found[: self.labels], start=1):
            joined[:, sources, targets] = (held == label).float()
        for v, w in self.growth.always:
            if w < most:
                found[-1][:, v, w] = 1.0
        return found


def load(path: str | Path, space: SearchSpace) -> GraphLaw:
    """The law of a space in a file that ``save`` wrote; a changed bit is noticed."""
    what = "a law of graphs", _COMMAND.format(space.name)
    with torch.random.fork_rng(devices=[]):
        found = GraphLaw(space)
    arrays, header = read(path, *what)
    if header.get("space") != space.name:
        raise ArgumentError(f"path must hold a law of {space.name}; {path} has one of {header.get('space')}.")
    try:
        found.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    except RuntimeError as fault:
        raise damaged(path, *what, fault) from None
    return found


def _head(inputs: int, outputs: int) -> nn.Sequential:
    last = nn.Linear(WIDTH, outputs)
    nn.init.zeros_(last.weight)  # at first all symbols have the same odds
    nn.init.normal_(last.bias, std=0.1)  # but components differ, or they would stay alike
    return nn.Sequential(nn.Linear(inputs, WIDTH), nn.GELU(), last)


def _within(odds: torch.Tensor, radices: list[int]) -> torch.Tensor:
    """Odds (..., S, K), minus infinity beyond the symbols of each slot."""
    beyond = torch.arange(odds.shape[-1]) >= torch.tensor(radices)[:, None]
    return odds.expand(*odds.shape[:-2], len(radices), -1).masked_fill(beyond, -torch.inf)
