"""A graph neural network that grows an architecture node by node (after GraphPNAS, Muresan et al., arXiv 2211.15155).

Notation: n architectures, N nodes, W width, M components, S edges of a row, K symbols. A new node's edges come from a
mixture of Bernoullis, one component a row, so that they depend on each other (Liao et al., 2019, *Efficient graph
generation with graph recurrent attention networks*, eq. 6); their labels and the node's operation are categorical.
"""

import torch
from torch import nn
from torch.nn import functional

from nagkit.errors import ArgumentError
from nagkit.generators.messages import Messages
from nagkit.generators.policy import Odds, Policy
from nagkit.space import SearchSpace

WIDTH, LAYERS, COMPONENTS = 32, 2, 10


class GraphPolicy(Policy):
    """What is decided next, from the graph so far; for node labels, edge labels, both, or neither."""

    def __init__(self, space: SearchSpace) -> None:
        if space.growth is None:
            raise ArgumentError(f"space must have graphs that grow node by node; {space.name!r} has no growth.")
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
        """The odds of one block, from the nodes that are there."""
        (count, edged), slots = self.growth.grown[place], self.blocks[place]
        nodes, context = self._read(rows, place)
        if count and not edged:
            return self._row(nodes, context + self.place[count], count)
        own = nodes[:, -1] if count else torch.zeros_like(context)
        odds = self.decided(torch.cat([own, context], dim=1))
        return torch.zeros(len(rows), 1), _within(odds[:, None, None], [self.radices[slot] for slot in slots])

    def _row(self, nodes: torch.Tensor, context: torch.Tensor, target: int) -> Odds:
        """The odds of the edges into a new node."""
        sources = [v for v in range(target) if (v, target) in self.growth.edges]
        pair = torch.cat([nodes[:, sources], context[:, None].expand(-1, len(sources), -1)], dim=2)
        presence = self.presence(pair).transpose(1, 2)[..., None]  # (n, M, S, 1)
        radices = [self.radices[self.growth.edges[v, target]] for v in sources]
        label = _within(self.label(pair)[:, None], [radix - 1 for radix in radices]).log_softmax(3)  # (n, 1, S, K - 1)
        odds = torch.cat([functional.logsigmoid(-presence), functional.logsigmoid(presence) + label], dim=3)
        spare = max(self.radices) - odds.shape[3]
        return self.weights(context).log_softmax(1), functional.pad(odds, (0, spare), value=-torch.inf)

    def _read(self, rows: torch.Tensor, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors of the nodes before this block (n, N, W), and of the whole graph (n, W)."""
        count, edged = self.growth.grown[place]
        context = rows.new_zeros((len(rows), WIDTH), dtype=torch.float32)
        for embedding, slot in zip(self.first[:place], self.growth.first[:place], strict=True):
            context = context + embedding(rows[:, slot])
        if not count:
            return context[:, None], context
        nodes = self.operation(self._operations(rows, count, edged)) + self.place[:count]
        edges = self._edges(rows, count)
        for messages in self.rounds:
            nodes = messages(nodes, edges)
        return nodes, context + self.pooled(nodes).sum(1) / count**0.5

    def _operations(self, rows: torch.Tensor, count: int, edged: bool) -> torch.Tensor:
        without, open_ = self.operation.num_embeddings - 2, self.operation.num_embeddings - 1
        found = rows.new_full((len(rows), count), without)
        for node in range(count):
            if node in self.growth.ops:
                found[:, node] = open_ if edged and node == count - 1 else rows[:, self.growth.ops[node]]
        return found

    def _edges(self, rows: torch.Tensor, count: int) -> list[torch.Tensor]:
        """The edges (n, count, count) of each label among the first so many nodes."""
        inside = [pair for pair in self._pairs if pair[1] < count]
        held = rows[:, [slot for _, _, slot in inside]]
        sources, targets = [v for v, _, _ in inside], [w for _, w, _ in inside]
        found = []
        for label in range(1, self.labels + 1):
            edges = torch.zeros(len(rows), count, count)
            edges[:, sources, targets] = (held == label).float()
            found.append(edges)
        if self.growth.always:
            edges = torch.zeros(len(rows), count, count)
            for v, w in self.growth.always:
                if w < count:
                    edges[:, v, w] = 1.0
            found.append(edges)
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
