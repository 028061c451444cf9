"""The public measurements of networks of MobileNetV3: accuracies, latencies, and the official accuracy predictor.

Notation: k networks, L slots.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nagkit.benchmarks import readers, registry
from nagkit.benchmarks.mobilenet_v3_models import SPACE
from nagkit.errors import DataDamagedError
from nagkit.spaces.mobilenet_v3 import DEPTHS, EXPANSIONS, KERNELS, MOST, NONE, RESOLUTIONS

Accuracies = tuple[Int[np.ndarray, "k L"], Float[np.ndarray, "k"]]  # networks, and their measured accuracy in percent
Latencies = tuple[Int[np.ndarray, "t L"], Float[np.ndarray, "t 12"]]  # networks, and milliseconds as in ``TIMED``
IMAGES = 50_000  # validation images; every measured accuracy is a whole number of them
GPUS = {"2080ti": "RTX 2080 Ti", "titan_rtx": "Titan RTX", "titan_xp": "Titan Xp", "v100": "Tesla V100"}
TIMED = {f"{gpu}_{batch}": (f"NVIDIA {name}", batch) for gpu, name in GPUS.items() for batch in (1, 32, 64)}
SHAPES = {0: (400, 128), 2: (400, 400), 4: (400, 400), 6: (1, 400)}  # of the layers of the official predictor


def accuracy_file() -> registry.File:
    """The measured accuracies."""
    return registry.sources()["moofa"].file("acc_predictor_datasets/adapted/MIT_OFA/dataset.pkl")


def official_file() -> registry.File:
    """The weights of the official predictor."""
    return registry.sources()["compofa"].file("NAS/checkpoints/acc_predictor.pth")


def network_file() -> registry.File:
    """The networks that were timed."""
    return registry.sources()["help"].file("data/ofa/ofa_archs.pt")


def latency_file(name: str) -> registry.File:
    """What they took on a device, one of ``TIMED``."""
    return registry.sources()["help"].file(f"data/ofa/latency/{name}.pt")


def measured_accuracies() -> Accuracies:
    """The networks of which the accuracy was measured, and it in percent."""
    file = accuracy_file()
    held = readers.read_pickle(registry.read(file), file.name)
    tokens = _tokens(held["configs"], "image_size", file)
    accuracy = readers.numbers(held["accuracies"], file.name)
    if accuracy.shape != (len(tokens),) or not np.allclose(accuracy * IMAGES, np.round(accuracy * IMAGES), 0, 1e-6):
        raise DataDamagedError(f"{file.name} does not hold one accuracy on {IMAGES:,} images for each network.")
    return tokens, np.round(accuracy * IMAGES) / (IMAGES / 100)


def measured_latencies() -> Latencies:
    """The networks whose latencies were measured, and these in milliseconds."""
    file = network_file()
    tokens = _tokens(readers.read_zipped_pickle(registry.read(file), file.name)["arch"], "r", file)
    columns = []
    for name in TIMED:
        file = latency_file(name)
        columns.append(readers.numbers(readers.read_zipped_pickle(registry.read(file), file.name), file.name))
        if columns[-1].shape != (len(tokens),):
            raise DataDamagedError(f"{file.name} does not hold a latency for each of the {len(tokens):,} networks.")
    return tokens, np.stack(columns, axis=1).astype(np.float64)


def official_layers() -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Weights and biases of the official predictor, layer by layer."""
    import torch

    file = official_file()
    try:
        state = torch.load(io.BytesIO(registry.read(file)), weights_only=True, map_location="cpu")
        layers = {n: (state[f"{n}.weight"].numpy(), state[f"{n}.bias"].numpy()) for n in SHAPES}
    except Exception as error:  # torch documents no closed list of what a broken file raises
        raise DataDamagedError(f"{file.name} does not hold the weights of a network: {error!s:.200}") from None
    if any(w.shape != SHAPES[n] or b.shape != w.shape[:1] or w.dtype != np.float32 for n, (w, b) in layers.items()):
        raise DataDamagedError(f"{file.name} does not hold the layers of the official predictor. Fetch it again.")
    return layers


def _tokens(listed: Any, resolution: str, file: registry.File) -> Int[np.ndarray, "k L"]:
    """The rows of networks told by kernels and expansions of 20 places, depths of 5 stages, and a resolution."""
    try:
        side = _places(listed, resolution, 1, RESOLUTIONS, file)
        kernel, expansion = (
            _places(listed, key, 20, KERNELS if key == "ks" else EXPANSIONS, file) for key in ("ks", "e")
        )
        depth = _places(listed, "d", 5, DEPTHS, file)
    except (LookupError, TypeError, ValueError) as error:
        raise DataDamagedError(f"{file.name} does not hold networks of {SPACE.name}: {error!s:.200}.") from None
    place = np.arange(MOST)
    kind = (len(EXPANSIONS) * kernel + expansion).reshape(-1, 5, MOST) + (place > 1)
    blocks = np.where(place < depth[:, :, None] + DEPTHS[0], kind, NONE)
    tokens = SPACE.check(np.column_stack([side, depth, blocks.reshape(-1, 5 * MOST)]))
    if len(np.unique(tokens, axis=0)) < len(tokens):
        raise DataDamagedError(f"{file.name} holds the same network twice. Fetch it again.")
    return tokens


def _places(
    listed: Sequence[Mapping[str, Any]], key: str, width: int, allowed: Sequence[int], file: registry.File
) -> Int[np.ndarray, "k width"]:
    """Of each number under a key its place among those allowed."""
    found = np.array([readers.numbers(each[key], file.name) for each in listed]).reshape(len(listed), width)
    if not np.isin(found, allowed).all():
        raise ValueError(f"{key} must be among {', '.join(map(str, allowed))}")
    return np.searchsorted(allowed, found)
