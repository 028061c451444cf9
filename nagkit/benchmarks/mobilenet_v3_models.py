"""Models of accuracy and latency of the networks of MobileNetV3, linear in few features.

They were chosen by cross-validation on the measurements that they are fitted to:

* accuracy: -log(100 - accuracy) is a sum over the blocks of what they, their kernel and their expansion add, a square
  in the log of the parameters, and a term in the inverse of the number of pixels. It can only rise with the resolution,
  and fitted to two of the three measured resolutions it meets the third.
* latency: a constant for each resolution, a sum over the blocks, the same times the pixels of their stage, and a cube
  in the FLOPs.

Notation: n networks, k measured ones, f features, L slots.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from nagkit.benchmarks.linear import Linear
from nagkit.benchmarks.perceptron import Layers, forward
from nagkit.spaces.mobilenet_v3 import BLOCKS, EXPANSIONS, KERNELS, MOST, RESOLUTIONS, MobileNetV3, sides_of

SPACE = MobileNetV3()
DIGITS = 6  # decimals; what arithmetic adds beyond them depends on how many networks are asked for at once
SIDES = np.array(RESOLUTIONS)
OFFICIAL_FROM = 160  # px: below, the official predictor errs by other amounts than above


def accuracies(tokens: Int[np.ndarray, "n L"], model: Linear) -> Float[np.ndarray, "n 1"]:
    """The accuracy in percent that a model of the log of the error expects."""
    return np.round(100 - np.exp(-model.values(accuracy_features(tokens))), DIGITS)


def accuracy_model(tokens: Int[np.ndarray, "k L"], measured: Float[np.ndarray, "k 1"]) -> Callable[..., np.ndarray]:
    """The function of networks that gives their accuracy in percent, learned from these."""
    return partial(accuracies, model=accuracy_linear(tokens, measured))


def accuracy_linear(tokens: Int[np.ndarray, "k L"], measured: Float[np.ndarray, "k 1"]) -> Linear:
    """The model of the log of the error, learned from these accuracies in percent."""
    return Linear.fitted(accuracy_features(tokens), -np.log(100 - measured))


def latencies(tokens: Int[np.ndarray, "n L"], model: Linear) -> Float[np.ndarray, "n 12"]:
    """The latencies in milliseconds that a model expects."""
    return np.round(model.values(latency_features(tokens)), DIGITS)


def latency_model(tokens: Int[np.ndarray, "k L"], measured: Float[np.ndarray, "k 12"]) -> Callable[..., np.ndarray]:
    """The function of networks that gives their latencies in milliseconds, learned from these."""
    return partial(latencies, model=latency_linear(tokens, measured))


def latency_linear(tokens: Int[np.ndarray, "k L"], measured: Float[np.ndarray, "k 12"]) -> Linear:
    """The model of latencies, learned from these in milliseconds."""
    return Linear.fitted(latency_features(tokens), measured)


def official(tokens: Int[np.ndarray, "n L"], layers: Layers) -> Float[np.ndarray, "n 1"]:
    """The accuracy in percent by the predictor that came with Once-For-All, NaN below 160 px.

    It knows the resolution in steps of 16 px and takes the next lower one.
    """
    blocks = _blocks(tokens).reshape(len(tokens), 20, 7)
    step = np.eye(8)[(SIDES[tokens[:, 0]] - 112) // 16]
    parts = (blocks[:, :, 1:4], blocks[:, :, 4:])
    found = np.column_stack([*(part.reshape(len(tokens), 60) for part in parts), step])  # (n, 128)
    accuracy = 100 * forward(found, layers)[:, None]
    return np.where(SIDES[tokens[:, :1]] < OFFICIAL_FROM, np.nan, np.round(accuracy, DIGITS))


def accuracy_features(tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n f"]:
    """Blocks, size, and the inverse of the number of pixels, in which accuracy can only rise with the resolution."""
    size = np.log(SPACE.params(tokens) / 5e6)
    pixels = -((SIDES[tokens[:, 0]] / 160) ** -2.0)
    return np.column_stack([_blocks(tokens).reshape(len(tokens), -1), size, size**2, pixels])


def latency_features(tokens: Int[np.ndarray, "n L"]) -> Float[np.ndarray, "n f"]:
    """Resolution, blocks, blocks times the pixels of their stage, and FLOPs."""
    blocks = _blocks(tokens)  # (n, 5, 4, 7)
    pixels = _stage_pixels()[tokens[:, 0], :, None, None]  # (n, 5, 1, 1)
    flops = SPACE.flops(tokens) / 5e8
    resolution = np.eye(len(RESOLUTIONS))[tokens[:, 0]]
    flat = [part.reshape(len(tokens), -1) for part in (blocks, blocks * pixels)]
    return np.column_stack([resolution, *flat, flops, flops**2, flops**3])


def _blocks(tokens: np.ndarray) -> np.ndarray:
    """Of each place of each stage whether there is a block, its kernel and its expansion (n, 5, 4, 7)."""
    kinds = np.zeros((1 + len(BLOCKS), 7))  # none, then each kind
    for row, (kernel, expansion) in enumerate(BLOCKS, start=1):
        kinds[row, [0, 1 + KERNELS.index(kernel), 4 + EXPANSIONS.index(expansion)]] = 1
    return kinds[tokens[:, 6:].reshape(len(tokens), 5, MOST) + np.array([1, 1, 0, 0])]  # third and fourth may be none


def _stage_pixels() -> np.ndarray:
    """The pixels of what each stage puts out (resolutions, 5), as a share of those at the highest resolution."""
    pixels = np.array([sides_of(resolution)[1:] for resolution in RESOLUTIONS]) ** 2
    return pixels / pixels[-1]
