"""Architectures as PyTorch networks: build, train, time, export; and the builder of the embedded tables."""

from nagkit.networks.digits import Task, render
from nagkit.networks.export import to_onnx, to_python
from nagkit.networks.latency import Latency, measure
from nagkit.networks.network import Network, build
from nagkit.networks.recipes import ImageRecipe
from nagkit.networks.timing import Timings, time_networks
from nagkit.networks.training import Epoch, TrainingRecipe, train
from nagkit.networks.workload import Workload

__all__ = [
    "Epoch",
    "ImageRecipe",
    "Latency",
    "Network",
    "Task",
    "Timings",
    "TrainingRecipe",
    "Workload",
    "build",
    "measure",
    "render",
    "time_networks",
    "to_onnx",
    "to_python",
    "train",
]
