"""One network that holds the weights of all architectures of a space; a pass goes through those of one of them.

Normalisation is by the statistics of the batch alone: the running ones would mix those of all architectures.

Notation: n images, C channels, h and w sides of images, k classes; L slots.
"""

import functools
import operator
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.networks import darts, network
from nagkit.networks.digits import Task
from nagkit.networks.network import Network, initialise
from nagkit.space import SearchSpace
from nagkit.spaces import darts_cells, nas_bench_201
from nagkit.spaces.darts import CIFAR, Darts
from nagkit.spaces.darts_costs import Place
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import MOST_CLASSES, PUBLISHED, Skeleton

DEVICES = ("cpu", "cuda")

Edge = tuple[int, int]
Known = dict[Hashable, Any]  # what has been computed, by what it is


class Begun(NamedTuple):
    """Images after the stem, and what passes have found since that depends on no architecture."""

    values: Float[Tensor, "n C h w"]
    known: Known


class SharedEdges(nn.Module):
    """Every operation on every edge of a cell, each once: ``edge_0_2.skip_connect`` leads from node 0 to node 2.

    Args:
        layers: the operation of a symbol on edges from a node
    """

    def __init__(self, edges: Sequence[Edge], symbols: Sequence[str], layers: Callable[[str, int], nn.Module]) -> None:
        super().__init__()
        self.nodes = 1 + max(target for _, target in edges)
        for source, target in edges:
            choices = {symbol: _after_relu(layers(symbol, source)) for symbol in symbols if symbol != "none"}
            self.add_module(f"edge_{source}_{target}", nn.ModuleDict(choices))

    def values(self, inputs: Sequence[Tensor], chosen: Mapping[Edge, str], known: Known) -> list[Tensor]:
        """The values of all nodes, given those of the inputs: each the sum of its edges, 0 without an edge.

        Args:
            known: what has been computed from the inputs; what is found joins it
        """
        values, found = [*inputs], Known()
        for node in range(len(inputs), self.nodes):
            terms = [
                self._term(edge, symbol, values[edge[0]], known if edge[0] < len(inputs) else found)
                for edge, symbol in chosen.items()
                if edge[1] == node
            ]
            values.append(functools.reduce(operator.add, terms) if terms else torch.zeros_like(inputs[0]))
        return values

    def _term(self, edge: Edge, symbol: str, value: Tensor, known: Known) -> Tensor:
        """What an edge brings; ReLU and poolings are the same for all edges of one source."""
        source, target = edge
        layer = self.get_submodule(f"edge_{source}_{target}.{symbol}")
        if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d | nn.Identity):
            return _once(known, (source, symbol), lambda: layer(value))
        rectified = _once(known, (source, "relu"), lambda: nn.functional.relu(value))
        return _once(known, (edge, symbol), lambda: layer(rectified))


class SharedCell(SharedEdges):
    """All cells of NAS-Bench-201 of so many channels in one."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nas_bench_201.CELL_EDGES, nas_bench_201.SYMBOLS, lambda symbol, _: network.operation(symbol, channels)
        )

    def forward(self, value: Tensor, chosen: Mapping[Edge, str], known: Known) -> Tensor:
        """The value of the last node, given that of the first."""
        return self.values([value], chosen, known)[-1]


class SharedDartsCell(SharedEdges):
    """All DARTS cells of one place in one."""

    def __init__(self, place: Place) -> None:
        def layers(symbol: str, source: int) -> nn.Module:
            strided = place.reduces and source < darts_cells.NODES.start
            return darts.operation(symbol, place.channels, stride=2 if strided else 1)

        super().__init__(darts_cells.CELL_EDGES, darts_cells.SYMBOLS, layers)
        plain = darts.Cell({}, place)
        self.input_0, self.input_1, self.reduces = plain.input_0, plain.input_1, place.reduces

    def forward(self, former: Tensor, last: Tensor, chosen: Mapping[Edge, str], known: Known) -> Tensor:
        """The output of the cell with the chosen operations, given those of the cell before the last and of the last.

        Args:
            known: what has been computed from the two; what is found joins it
        """
        inputs = _once(known, "inputs", lambda: (self.input_0(former), self.input_1(last)))
        return torch.cat(self.values(inputs, chosen, known)[darts_cells.NODES.start :], 1)


class SharedNetwork(nn.Module):
    """The weights of all architectures of a space. ``SharedNetwork.of`` makes one.

    What no path reaches is skipped. Under the names of its parameters the weights of one architecture are those that
    ``nagkit.networks.build`` gives it, with the symbol after the edge: ``body.0.edge_0_1.nor_conv_1x1.1.weight`` is
    ``body.0.edge_0_1.1.weight`` there.
    """

    space: SearchSpace

    def __init__(self, parts: Network, classes: int, skeleton: Skeleton) -> None:
        super().__init__()
        self.classes, self.skeleton = classes, skeleton
        self.stem, self.body, self.head, self.classifier = parts.stem, parts.body, parts.head, parts.classifier

    @staticmethod
    def of(
        space: SearchSpace,
        classes: int = 10,
        skeleton: Skeleton | None = None,
        seed: int = 0,
        device: str = "cpu",
    ) -> "SharedNetwork":
        """The network of a space, ``nas-bench-201`` or ``darts``; its initial weights depend on nothing but the seed.

        Args:
            skeleton: what is around the cells, for images of so many channels; with ``None`` the published one
            seed: of PyTorch's usual initial law, as in ``nagkit.networks.build``
            device: where it learns and is evaluated, "cpu" or "cuda"
        """
        arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
        kind = _KINDS[arguments.one_of("space", space.name, _KINDS)]
        classes = arguments.whole("classes", classes, high=MOST_CLASSES)
        skeleton = kind.published if skeleton is None else skeleton
        arguments.instance("skeleton", skeleton, Skeleton, "MICRO")
        place = _place(device)
        with torch.device("meta"):  # the constructors would draw from the global random state
            found = kind(classes, skeleton)
        for module in found.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.track_running_stats = False
                module.running_mean = module.running_var = module.num_batches_tracked = None
        found = initialise(found.to_empty(device="cpu"), seed)
        return found.to(place).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from stubs

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.classifier.weight.device

    def forward(self, images: Float[Tensor, "n c h w"], row: Int[np.ndarray, "L"]) -> Float[Tensor, "n k"]:
        """The logits of k classes by one architecture."""
        return self.end(self.begin(images), row)

    def begin(self, images: Float[Tensor, "n c h w"]) -> Begun:
        """What all architectures share of a pass over these images."""
        return Begun(self.stem(images), {})

    def end(self, begun: Begun, row: Int[np.ndarray, "L"]) -> Float[Tensor, "n k"]:
        """The logits by one architecture. Others may start from the same beginning, while the weights stay."""
        return self.classifier(self.head(self._through(begun, self.space.check_row(row))))

    @abstractmethod
    def _through(self, begun: Begun, row: Sequence[int]) -> Tensor:
        """The output of the last cell."""


class _SharedNasBench201(SharedNetwork):
    space, published = NasBench201(), PUBLISHED

    def __init__(self, classes: int, skeleton: Skeleton) -> None:
        super().__init__(network.of_cells(SharedCell, classes, skeleton), classes, skeleton)

    def _through(self, begun: Begun, row: Sequence[int]) -> Tensor:
        alive = self.space.alive(np.array([row]))[0].tolist()
        chosen = {
            edge: nas_bench_201.SYMBOLS[k]
            for edge, k, live in zip(nas_bench_201.CELL_EDGES, row, alive, strict=True)
            if live
        }
        value, known = begun
        for module in self.body:
            value = module(value, chosen, known) if isinstance(module, SharedCell) else module(value)
            known = {}
        return value


class _SharedDarts(SharedNetwork):
    space, published = Darts(), CIFAR

    def __init__(self, classes: int, skeleton: Skeleton) -> None:
        super().__init__(darts.of_cells(SharedDartsCell, classes, skeleton), classes, skeleton)

    def _through(self, begun: Begun, row: Sequence[int]) -> Tensor:
        normal, reduction = (
            {
                edge: darts_cells.SYMBOLS[k]
                for edge, k in zip(darts_cells.CELL_EDGES, tokens, strict=True)
                if k != darts_cells.NONE
            }
            for tokens in (row[: darts_cells.EDGES], row[darts_cells.EDGES :])
        )
        former, (last, known) = begun.values, begun
        for cell in self.body:
            former, last = last, cell(former, last, reduction if cell.reduces else normal, known)
            known = {}
        return last


def suited(network: SharedNetwork, task: Task) -> Task:
    """The task, whose images have as many channels and classes as the network takes."""
    arguments.instance("network", network, SharedNetwork, "SharedNetwork.of(space, 10, MICRO)")
    arguments.instance("task", task, Task, "render('mid8')")
    wanted = network.skeleton.image_channels, network.classes
    if (found := (task.train.images.shape[1], task.classes)) != wanted:
        raise ArgumentError(
            f"task must have images of {wanted[0]} channels in {wanted[1]} classes, as the network takes; got "
            f"{found[0]} channels and {found[1]} classes. Write SharedNetwork.of(space, {found[1]}, "
            f"dataclasses.replace(skeleton, image_channels={found[0]}))."
        )
    return task


_KINDS: dict[str, type[_SharedNasBench201 | _SharedDarts]] = {
    NasBench201.name: _SharedNasBench201,
    Darts.name: _SharedDarts,
}


def _place(device: object) -> torch.device:
    """The device of this name, if it is there."""
    name = arguments.one_of("device", device, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise ArgumentError("device must be 'cpu' here, where PyTorch finds no CUDA device; got 'cuda'.")
    return torch.device(name)


def _after_relu(layer: nn.Module) -> nn.Module:
    """The layer without the ReLU that it begins with, if it does; the others keep their names."""
    if not isinstance(layer, nn.Sequential):
        return layer
    _, *others = layer.named_children()
    return nn.Sequential(OrderedDict(others))


def _once(known: Known, key: Hashable, make: Callable[[], Any]) -> Any:
    if key not in known:
        known[key] = make()
    return known[key]
