"""Several networks of one architecture as one, which trains faster on a CPU than each alone.

Small layers leave most of a processor's vector units idle; the layers of several networks side by side fill them,
with memory in the order of channels.

Notation: G networks side by side; channels are ordered by network first.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.networks.network import Cell, Convolution, Network, Reduction


def fuse(*networks: Network) -> Network:
    """The networks, all of one architecture and skeleton, as one: weight for weight with equal gradients.

    It takes the images of all of them side by side, ``(n, G * channels, h, w)``, and gives their logits side by side,
    ``(n, G * k)``; none depends on the others.
    """
    if not networks:
        raise ArgumentError("networks must be one or more of one architecture, such as fuse(build(architecture)).")
    for network in networks:
        arguments.instance("networks", network, Network, "build(architecture)")
        if not all(isinstance(module, Cell | Convolution | Reduction) for module in network.body):
            raise ArgumentError("networks must be of the space 'nas-bench-201'; others cannot stand side by side.")
        if _structure(network) != _structure(networks[0]):
            raise ArgumentError(
                "networks must all be built of one architecture with one skeleton and number of classes; the first and "
                "another differ. Fuse those of each architecture apart."
            )
    fused = copy.deepcopy(networks[0])
    for name, module in networks[0].named_modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear):
            fused.set_submodule(name, _side_by_side([network.get_submodule(name) for network in networks]))
    fused.copies = len(networks)
    return fused.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from PyTorch's stubs


def _structure(network: Network) -> list[tuple[str, str]]:
    return [(name, repr(module)) for name, module in network.named_modules()]


def _side_by_side(layers: Sequence[Any]) -> nn.Module:
    """One layer that treats each group of its channels as one of the layers would."""
    with torch.device("meta"):
        wide = _wide(layers[0], len(layers))
    wide = wide.to_empty(device="cpu")
    states = [layer.state_dict() for layer in layers]
    wide.load_state_dict(
        {
            name: torch.cat([state[name] for state in states]) if value.ndim else value  # a counter has no channels
            for name, value in states[0].items()
        }
    )
    return wide


def _wide(layer: nn.Conv2d | nn.BatchNorm2d | nn.Linear, copies: int) -> nn.Module:
    if isinstance(layer, nn.Conv2d):
        sizes: dict[str, Any] = {name: getattr(layer, name) for name in ("kernel_size", "stride", "padding")}
        return nn.Conv2d(layer.in_channels * copies, layer.out_channels * copies, groups=copies, bias=False, **sizes)
    if isinstance(layer, nn.BatchNorm2d):
        return nn.BatchNorm2d(layer.num_features * copies)
    return Classifiers(layer.in_features, layer.out_features, copies)


class Classifiers(nn.Module):
    """Linear classifiers side by side."""

    def __init__(self, features: int, classes: int, copies: int) -> None:
        super().__init__()
        self.copies = copies
        self.weight = nn.Parameter(torch.empty(copies * classes, features))
        self.bias = nn.Parameter(torch.empty(copies * classes))

    def forward(self, x: Float[Tensor, "n GC"]) -> Float[Tensor, "n Gk"]:
        """The logits of all of them."""
        weight = self.weight.unflatten(0, (self.copies, -1))
        return torch.einsum("ngc,gkc->ngk", x.unflatten(1, (self.copies, -1)), weight).flatten(1) + self.bias
