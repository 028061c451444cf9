"""A clock that nothing but the layers of networks moves, so that what is timed is the same on every machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

SECONDS = {nn.Conv2d: 0.001, nn.AvgPool2d: 0.002, nn.Identity: 0.0005}


class Clock:
    """Seconds since it was made; convolutions tick by the size of their kernel."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def tick(self, layer: nn.Module, _: Any, __: Any) -> None:
        """Let the time pass that this layer takes."""
        self.now += SECONDS.get(type(layer), 0) * (layer.kernel_size[0] if isinstance(layer, nn.Conv2d) else 1)


@contextmanager
def ticking() -> Iterator[Clock]:
    """Networks are timed by a clock of this kind inside."""
    clock = Clock()
    hook = register_module_forward_hook(clock.tick)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nagkit.networks.latency.time", SimpleNamespace(perf_counter=clock, thread_time=clock))
        patch.setattr("nagkit.networks.timing.time", SimpleNamespace(monotonic=clock))
        yield clock
    hook.remove()
