"""A network rearranged to train faster on a CPU: the same function of the same weights.

Convolutions with the same source and kernel become one wide convolution, and edges that pool the same source share
the result. On one thread this saves about a tenth of the time, and another quarter by the memory order it sets.
"""

import copy
import functools
import itertools
import operator
from collections import defaultdict
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nagkit.networks.network import Cell, Convolution, Network


def fuse(network: Network) -> Network:
    """A copy with fused cells: equal outputs and, weight for weight, equal gradients."""
    fused = copy.deepcopy(network)
    for place, layer in enumerate(fused.body):
        if isinstance(layer, Cell):
            fused.body[place] = FusedCell(layer)
    return fused.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from PyTorch's stubs


class FusedCell(nn.Module):
    """A cell with one module for each source and kind of operation."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        groups = defaultdict(list)  # (source, kind) -> [(target, module)]
        for source, target in cell.edges:
            edge = cell.get_submodule(f"edge_{source}_{target}")
            groups[source, _kind(edge)].append((target, edge))
        self.targets = {}  # name of the module -> (source, targets), sources ascending
        for (source, kind), members in sorted(groups.items(), key=lambda item: item[0]):
            targets, modules = zip(*members, strict=True)
            self.add_module(f"{kind}_{source}", _merged(modules))
            self.targets[f"{kind}_{source}"] = (source, targets)

    def forward(self, x: Float[Tensor, "n C h w"]) -> Float[Tensor, "n C h w"]:
        """The value of node 3 when node 0 is ``x``."""
        terms: dict[int, list[Tensor]] = {0: [x], 1: [], 2: [], 3: []}
        nodes: dict[int, Tensor] = {}
        for name, (source, targets) in self.targets.items():
            if source not in nodes:
                nodes[source] = _total(terms[source], x)
            parts = self.get_submodule(name)(nodes[source]).split(x.shape[1], dim=1)  # one, or one for each target
            for target, part in zip(targets, itertools.cycle(parts), strict=False):
                terms[target].append(part)
        return _total(terms[3], x)


def _total(terms: list[Tensor], like: Tensor) -> Tensor:
    return functools.reduce(operator.add, terms) if terms else torch.zeros_like(like)


def _kind(edge: nn.Module) -> str:
    if isinstance(edge, Convolution):
        return f"conv{edge.kernel}"
    return "skip" if isinstance(edge, nn.Identity) else "pool"


def _merged(edges: Sequence[nn.Module]) -> nn.Module:
    """One module with the outputs of all edges side by side; what has no weights is the same for all of them."""
    first = edges[0]
    if not isinstance(first, Convolution):
        return first
    with torch.device("meta"):
        wide = Convolution(first.before, first.after * len(edges), first.kernel)
    wide = wide.to_empty(device="cpu")
    states = [edge.state_dict() for edge in edges]
    wide.load_state_dict(
        {
            name: torch.cat([state[name] for state in states]) if value.ndim else value
            for name, value in states[0].items()
        }
    )
    return wide
