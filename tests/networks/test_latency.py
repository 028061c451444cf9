"""Latency is measured in milliseconds, on one thread, and leaves the network as it was."""

import sys
import time

import pytest
import torch
from torch import nn

from nagkit.errors import ArgumentError
from nagkit.networks.latency import measure, processor
from nagkit.networks.network import build
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import MICRO


class Worker(nn.Module):
    """Works as long as it is told, or sleeps, and remembers how it was called."""

    def __init__(self, seconds: list[float], asleep: float = 0.0) -> None:
        super().__init__()
        self.seconds, self.asleep, self.calls = iter(seconds), asleep, []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls.append(
            (tuple(images.shape), self.training, torch.get_num_threads(), torch.is_inference_mode_enabled())
        )
        end = time.thread_time() + next(self.seconds)
        while time.thread_time() < end:
            pass
        time.sleep(self.asleep)
        return images


def test_the_median_is_in_milliseconds_and_leaves_out_the_warm_up():
    latency = measure(Worker([0.2, 0.2] + [0.02] * 9), (1, 4, 4), runs=9, warm_up=2)
    assert 20 <= latency.median < 100
    assert latency.runs == 9


def test_the_spread_is_the_distance_between_the_quartiles():
    latency = measure(Worker([0.01] * 5 + [0.06] * 5), (1, 4, 4), runs=10, warm_up=0)
    assert 40 <= latency.spread < 200


@pytest.mark.skipif(sys.platform == "win32", reason="processor time is too coarse there")
def test_while_others_have_the_processor_the_clock_stands_still():
    latency = measure(Worker([0.01] * 5, asleep=0.1), (1, 4, 4), runs=5, warm_up=0)
    assert 10 <= latency.fastest <= latency.median < 50


def test_the_network_evaluates_on_one_thread_and_gets_its_mode_back():
    worker = Worker([0.0] * 4).train()
    measure(worker, (3, 4, 5), batch=2, runs=2, warm_up=2)
    assert worker.calls == [((2, 3, 4, 5), False, 1, True)] * 4
    assert worker.training


def test_the_processor_has_a_name():
    assert processor().strip()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"network": "network"}, "build makes one"),
        ({"image_shape": (8, 8)}, "channels, height, width"),
        ({"image_shape": (1, 0, 8)}, "image_shape"),
        ({"image_shape": 5}, "channels, height, width"),
        ({"image_shape": None}, "channels, height, width"),
        ({"image_shape": "1x8"}, "image_shape must be a whole number"),
        ({"image_shape": (1, 8, 10**9)}, "from 1 to 4096"),
        ({"network": build(NasBench201().decode([1] * 6), skeleton=MICRO), "image_shape": (3, 8, 8)}, "begin with 1"),
        ({"batch": 10**9}, "batch"),
        ({"batch": 0}, "batch"),
        ({"runs": 0}, "runs"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, words, as_a_user):
    with pytest.raises(ArgumentError, match=words):
        measure(**{"network": Worker([]), "image_shape": (1, 8, 8), **arguments})
