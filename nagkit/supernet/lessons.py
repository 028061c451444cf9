"""Training of shared weights, update by update, on one thread, repeatable bit for bit, and resumable after any of them.

An update shows the same images to several architectures and goes down the mean of their gradients. By default each
symbol of each slot has the same share in every update (Chu, Zhang & Xu, ICCV 2021, *FairNAS*, algorithm 1). Training
through a softmax mixture of operations is not offered: weights learned so do not rank single architectures.

Notation: n architectures in an update, b images in it, L slots, K symbols.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Int
from torch import nn

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.networks.digits import Task
from nagkit.spaces import space as find_space
from nagkit.spaces.skeleton import Skeleton
from nagkit.supernet.sampling import Sampler, fair
from nagkit.supernet.shared import SharedNetwork, suited
from nagkit.threads import one_thread

_WARMING, _FIRST, _LAST = 0.3, 1 / 25, 1e-5 / 25  # of the updates until the peak; of the peak the rates at both ends


@dataclass(frozen=True)
class SharedRecipe:
    """Stochastic gradient descent with Nesterov momentum under a one-cycle learning rate with this peak.

    Images come in random order, and in a new one when all have been shown; ``batch`` of them an update, to as many
    architectures as ``paths`` says. With ``None`` these are as many as there are operations to choose from: 5 of
    ``nas-bench-201``, 7 of ``darts``.
    """

    updates: int = 640
    batch: int = 64
    paths: int | None = None
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        arguments.whole("updates", self.updates)
        arguments.whole("batch", self.batch, low=2)
        if self.paths is not None:
            arguments.whole("paths", self.paths)
        arguments.real("learning_rate", self.learning_rate, 0, 100)
        arguments.real("momentum", self.momentum, 0, 1)
        arguments.real("weight_decay", self.weight_decay, 0, 1)

    def rate(self, update: int) -> float:
        """The learning rate of an update, the first of which is 0: half a cosine up, half a cosine down."""
        done = (update + 1) / self.updates
        if done < _WARMING:
            start, end, way = _FIRST, 1.0, done / _WARMING
        else:
            start, end, way = 1.0, _LAST, (done - _WARMING) / (1 - _WARMING)
        return self.learning_rate * (end + (start - end) * (1 + math.cos(math.pi * way)) / 2)


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is known after an update, of so many: the mean loss in nats of the batch, CPU seconds of all updates so far.

    The loss is from before the update. It is that of the architectures drawn, ``tokens (n, L)``.
    """

    update: int
    updates: int
    loss: float
    seconds: float
    tokens: Int[np.ndarray, "n L"]


class Lessons(Iterator[Lesson]):
    """Shared weights that learn, one ``Lesson`` an update; ``network`` holds them after the last one yielded.

    On the CPU the same network, task, recipe, sampler, seed and versions give the same bits. Nothing is drawn from
    global random states.

    Args:
        task: images of as many channels and classes as the network takes
        sampler: called with a number and a random generator it draws as many architectures, (n, L), for an update; by
            default ``fair``
        seed: of the order of the images and of the sampler
    """

    def __init__(
        self,
        network: SharedNetwork,
        task: Task,
        recipe: SharedRecipe | None = None,
        sampler: Sampler | None = None,
        seed: int = 0,
    ) -> None:
        self.network, self.task = network, suited(network, task)
        recipe = SharedRecipe() if recipe is None else recipe
        self.recipe = arguments.instance("recipe", recipe, SharedRecipe, "SharedRecipe(updates=640)")
        self.sampler = partial(fair, network.space) if sampler is None else sampler
        self.rng = np.random.default_rng(arguments.seed("seed", seed))
        self.update, self.seconds = 0, 0.0
        splits = task.train.images, task.train.labels
        self._images, self._labels = (torch.from_numpy(each).to(self.network.device) for each in splits)
        self._order = np.empty(0, dtype=np.int64)  # places of the images that come next
        self._optimiser = self._at_rest()

    def __next__(self) -> Lesson:
        """The next update."""
        if self.update == self.recipe.updates:
            raise StopIteration
        with one_thread():
            start = time.thread_time()
            tokens = self._drawn()
            loss = self._learn(tokens, self._shown())
            self.seconds += time.thread_time() - start
        self.update += 1
        return Lesson(self.update, self.recipe.updates, loss, self.seconds, tokens)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """What the next updates depend on: arrays by name and a header of texts, as ``weights.write`` takes them.

        Task and sampler are not in it; of the task the digest is.
        """
        momenta = {name: self._optimiser.state[weight]["momentum_buffer"] for name, weight in self._named()}
        arrays = {f"weight.{name}": _copied(weight) for name, weight in self._named()}
        arrays |= {f"momentum.{name}": _copied(momentum) for name, momentum in momenta.items()}
        network = self.network
        header = {
            "space": network.space.name,
            "classes": network.classes,
            "skeleton": asdict(network.skeleton),
            "recipe": asdict(self.recipe),
            "images": self.task.digest(),
            "update": self.update,
            "seconds": self.seconds,
            "rng": self.rng.bit_generator.state,
        }
        return arrays | {"order": self._order.copy()}, {name: json.dumps(value) for name, value in header.items()}

    @staticmethod
    def from_state(
        state: tuple[Mapping[str, np.ndarray], Mapping[str, str]],
        task: Task,
        sampler: Sampler | None = None,
        device: str = "cpu",
    ) -> "Lessons":
        """Lessons that go on where those that gave the ``state`` were, with the same task and sampler."""
        arrays, told = state[0], {name: json.loads(value) for name, value in state[1].items()}
        arguments.instance("task", task, Task, "render('mid8')")
        if task.digest() != told["images"]:
            raise ArgumentError(
                f"task must be the one that the weights learned from, with the sha256 {told['images']}; got one with "
                f"{task.digest()}. Bring the same images."
            )
        skeleton = Skeleton.again(told["skeleton"])
        network = SharedNetwork.of(find_space(told["space"]), told["classes"], skeleton, device=device)
        found = Lessons(network, task, SharedRecipe(**told["recipe"]), sampler)
        with torch.no_grad():
            for name, weight in found._named():
                weight.copy_(torch.from_numpy(arrays[f"weight.{name}"]))
                found._optimiser.state[weight]["momentum_buffer"].copy_(torch.from_numpy(arrays[f"momentum.{name}"]))
        found.update, found.seconds, found._order = told["update"], told["seconds"], arrays["order"].copy()
        found.rng.bit_generator.state = told["rng"]
        return found

    def _named(self) -> Iterator[tuple[str, nn.Parameter]]:
        return self.network.named_parameters()

    def _drawn(self) -> Int[np.ndarray, "n L"]:
        """The architectures of the next update."""
        space = self.network.space
        paths = self.recipe.paths or _PATHS[space.name]
        tokens = space.check(self.sampler(paths, self.rng), "sampler's rows")
        if len(tokens) != paths:
            raise ArgumentError(f"sampler must give as many rows as it is asked for, {paths}; it gave {len(tokens)}.")
        return tokens

    def _shown(self) -> Int[np.ndarray, "b"]:
        """The places of the images of the next update."""
        batch = self.recipe.batch
        while len(self._order) < batch:
            self._order = np.concatenate([self._order, self.rng.permutation(len(self._labels))])
        shown, self._order = np.split(self._order, [batch])
        return shown

    def _learn(self, tokens: Int[np.ndarray, "n L"], shown: Int[np.ndarray, "b"]) -> float:
        """The mean loss before this update."""
        chosen = torch.from_numpy(shown).to(self.network.device)
        begun, labels = self.network.begin(self._images[chosen]), self._labels[chosen]
        each = [nn.functional.cross_entropy(self.network.end(begun, row), labels) for row in tokens]
        loss = torch.stack(each).mean()
        self._optimiser.zero_grad()
        loss.backward()
        (group,) = self._optimiser.param_groups
        group["lr"] = self.recipe.rate(self.update)
        self._optimiser.step()
        return float(loss.detach())

    def _at_rest(self) -> torch.optim.SGD:
        """The optimiser before the first update: each weight has a momentum, which is 0."""
        momentum = self.recipe.momentum
        optimiser = torch.optim.SGD(
            self.network.parameters(),
            lr=self.recipe.learning_rate,
            momentum=momentum,
            weight_decay=self.recipe.weight_decay,
            nesterov=momentum > 0,
            fused=True,
        )
        for weight in self.network.parameters():
            optimiser.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        return optimiser


def _copied(weight: torch.Tensor) -> np.ndarray:
    return weight.detach().cpu().numpy().copy()


_PATHS = {"nas-bench-201": 5, "darts": 7}
