"""Architectures as PyTorch networks: build, train, time, export; and the builder of the embedded tables."""

from nagkit.networks.digits import Task, render
from nagkit.networks.export import to_onnx, to_python
from nagkit.networks.latency import Latency, measure
from nagkit.networks.network import Network, build
from nagkit.networks.recipes import ImageRecipe
from nagkit.networks.training import Epoch, TrainingRecipe, train

__all__ = [
    "Epoch",
    "ImageRecipe",
    "Latency",
    "Network",
    "Task",
    "TrainingRecipe",
    "build",
    "measure",
    "render",
    "to_onnx",
    "to_python",
    "train",
]
