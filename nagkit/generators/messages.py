"""Messages along labelled edges and against them: one layer of a graph neural network on DAGs.

Notation: n graphs, N nodes, W width.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional
from torch_geometric.nn import DenseGraphConv


class Messages(nn.Module):
    """One round; edges of each label have weights of their own (Schlichtkrull et al., 2018, arXiv 1703.06103)."""

    def __init__(self, width: int, labels: int = 1) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        along = [(DenseGraphConv(width, width), DenseGraphConv(width, width)) for _ in range(labels)]
        self.along, self.against = (nn.ModuleList(part) for part in zip(*along, strict=True))

    def forward(self, nodes: torch.Tensor, edges: Sequence[torch.Tensor]) -> torch.Tensor:
        """Vectors of the nodes (n, N, W) after it.

        ``edges``, (n, N, N) for each label, lead from the second axis to the third.
        """
        before = self.norm(nodes)
        heard = nodes.new_zeros(())
        for along, against, joined in zip(self.along, self.against, edges, strict=True):
            heard = heard + along(before, joined.transpose(1, 2)) + against(before, joined)
        return nodes + functional.gelu(heard)
