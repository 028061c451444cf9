"""How long a network takes on this machine, on one thread."""

import math
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from nagkit import arguments
from nagkit.networks.network import image_shape as check_image_shape
from nagkit.threads import one_thread


@dataclass(frozen=True)
class Latency:
    """The median over ``runs`` forward passes, the distance between their quartiles and the fastest, in milliseconds.

    It is the time that a processor works on them; other work on the machine still slows it down, so the fastest repeats
    best.
    """

    median: float
    spread: float
    runs: int
    fastest: float


def measure(
    network: nn.Module, image_shape: Sequence[int], batch: int = 1, runs: int = 30, warm_up: int = 10
) -> Latency:
    """The latency of one forward pass in evaluation mode.

    Args:
        image_shape: channels, height and width, for example ``(1, 8, 8)``.
        batch: images in a pass.
        warm_up: passes before the clock starts.
    """
    shape = (arguments.whole("batch", batch, high=65_536), *check_image_shape(image_shape, network))
    arguments.whole("runs", runs)
    arguments.whole("warm_up", warm_up, low=0)
    images = torch.linspace(-1, 1, math.prod(shape)).reshape(shape)
    training = network.training
    try:
        with one_thread(), torch.inference_mode():
            seconds = _clock(network.eval(), images, runs, warm_up)
    finally:
        network.train(training)
    fastest, low, median, high = np.quantile(seconds, [0, 0.25, 0.5, 0.75]) * 1000
    return Latency(float(median), float(high - low), runs, float(fastest))


def _clock(network: nn.Module, images: torch.Tensor, runs: int, warm_up: int) -> list[float]:
    # The processor time of this thread, as it stands still while others have the processor: alone on a machine it is
    # what a clock shows, and on a busy one it repeats better. Windows counts it in steps of 16 ms, far too coarse.
    now = time.perf_counter if sys.platform == "win32" else time.thread_time
    for _ in range(warm_up):
        network(images)
    seconds = []
    for _ in range(runs):
        start = now()
        network(images)
        seconds.append(now() - start)
    return seconds


def processor() -> str:
    """The name of this machine's processor, as far as the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> str:
    """What a latency depends on besides the network, its images and what else the machine does."""
    return f"{processor()}, PyTorch {torch.__version__}"
