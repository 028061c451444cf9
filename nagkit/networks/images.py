"""Images of your own as a task: arrays, or a file that holds them, split by a seed; and tasks that are kept open.

Notation: n images, h and w their sides in pixels, g and v those after averaging, c channels.
"""

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num

from nagkit import arguments
from nagkit.errors import ArgumentError, DataMissingError
from nagkit.networks.digits import Split, Task, render
from nagkit.networks.recipes import SPLITS, ImageRecipe, named

SMALLEST, LARGEST = 4, 1024  # pixels a side
FEWEST = 10  # images
_MOST_TASKS, _MOST_FILES = 128, 8  # whose images a process keeps
_SHARES = (0.6, 0.8)  # where training ends, and validation
_CHANNELS = range(1, 5)
_PACKED = 1_032  # times smaller than its content a deflated entry can be, at most
_REMEDY = "np.savez_compressed(path, x=images, y=classes) makes one"


@dataclass(frozen=True)
class ImageFile:
    """A file of NumPy (``.npz``) with images ``x`` and classes ``y``, as ``task`` takes them.

    Where a ``side`` is given, neighbouring pixels are averaged until images have so many a side. The seed splits them.
    """

    path: str | PathLike[str]
    side: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.path, str | PathLike) or not fspath(self.path):
            raise ArgumentError(f"path must be that of a file of images; got {self.path!r:.80}. {_REMEDY}.")
        object.__setattr__(self, "path", str(Path(self.path).absolute()))  # a worker may be in another folder

    @property
    def state(self) -> tuple[int, ...]:
        """The size in bytes and the times of the last changes in ns, other ones once it was written anew."""
        try:
            found = Path(self.path).stat()
        except OSError:
            return ()
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def open(self) -> Task:
        """The images as a task; nothing that the file holds is run, and no more is read than it holds."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                names = [name.removesuffix(".npy") for name in archive.namelist()]
                arrays = {name: _array(archive, name) for name in ("x", "y") if name in names}
        except FileNotFoundError:
            raise DataMissingError(f"There is no file of images at {self.path}; {_REMEDY}.") from None
        except Exception as fault:  # zipfile documents no closed list of what a broken archive raises
            raise ArgumentError(f"{self.path} cannot be read as a file of images ({fault}); {_REMEDY}.") from None
        if len(arrays) < 2:
            raise ArgumentError(
                f"{self.path} must hold arrays x and y; it holds {', '.join(names) or 'nothing'}. {_REMEDY}."
            )
        return task(arrays["x"], arrays["y"], self.side, self.seed)


Images = str | ImageRecipe | ImageFile | Task


def opened(images: Images) -> Task:
    """The task, which a process renders or reads once; a file again when it has changed."""
    match images:
        case Task():
            return images
        case ImageFile():
            return _read(images, images.state)
    return _rendered(named(images))


def told(images: Images | Mapping[str, Any]) -> str | dict[str, Any]:
    """What the images are, for JSON; ``found`` finds them again, but a task that is neither rendered nor in a file."""
    match images:
        case Mapping():
            return dict(images)
        case ImageRecipe() | ImageFile():
            return json.loads(json.dumps(asdict(images)))
        case Task():
            return {"sha256": images.digest()} if images.recipe is None else told(images.recipe)
    return named(images).name


def found(images: Images | Mapping[str, Any]) -> Images:
    """The images of which ``told`` gave this; images stay as they are."""
    if not isinstance(images, Mapping):
        return images
    if "sha256" in images:
        raise ArgumentError(
            f"images must be there to be found again; those with the sha256 {images['sha256']} came from a program. "
            "Put them into a file, and give ImageFile(path)."
        )
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in images.items()
    }
    try:
        return ImageFile(**fields) if "path" in images else ImageRecipe(**fields)
    except TypeError as fault:
        raise ArgumentError(f"images must be what nagkit tells of images; these fields are not: {fault}.") from None


@lru_cache(maxsize=_MOST_TASKS)
def _rendered(recipe: ImageRecipe) -> Task:
    return render(recipe)


@lru_cache(maxsize=_MOST_FILES)
def _read(file: ImageFile, state: tuple[int, ...]) -> Task:  # noqa: ARG001 (it is known by its state, too)
    return file.open()


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array, of which the entry and its header are found to be true before there is memory for it."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} or entry.flag_bits & 1:
        raise ValueError(f"{name} is encrypted, or compressed as NumPy does not")
    packed = min(entry.compress_size, Path(str(archive.filename)).stat().st_size)
    if entry.file_size > packed * (1 if entry.compress_type == zipfile.ZIP_STORED else _PACKED):
        raise ValueError(f"{name} cannot have the {entry.file_size:,} bytes that the archive tells")
    with archive.open(entry) as content:
        version = np.lib.format.read_magic(content)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = header(content)
        if (told := content.tell() + math.prod(shape) * kind.itemsize) != entry.file_size:
            raise ValueError(f"by its header {name} has {told:,} bytes, and not {entry.file_size:,}")
        content.seek(0)
        return np.lib.format.read_array(content, allow_pickle=False)


def task(images: Any, classes: Any, side: int | None = None, seed: int = 0) -> Task:
    """Images of your own, three of five for training, one for validation, one for test, at random.

    Each channel is brought to mean 0 and standard deviation 1 over the training images.

    Args:
        images: (n, h, w), or (n, h, w, c) with up to 4 channels; at least 10, of 4 to 1,024 pixels a side
        classes: (n,) whole numbers, at least two different ones; they are numbered anew in ascending order
        side: average neighbouring pixels until there are so many a side; it has to divide both. As they are when None
    """
    found, classes = _checked(images), arguments.array("classes", classes)
    if classes.shape != found.shape[:1] or classes.dtype.kind not in "iu":
        raise ArgumentError(
            f"classes must be whole numbers of shape ({len(found)},), one for each image; got {classes.dtype} "
            f"{classes.shape}."
        )
    names, labels = np.unique(classes, return_inverse=True)
    if len(names) < 2:
        raise ArgumentError(f"classes must hold two different ones or more; all are {names[0]}.")
    order = np.random.default_rng(arguments.seed("seed", seed)).permutation(len(found))
    parts = np.split(order, [int(share * len(order)) for share in _SHARES])
    with np.errstate(over="ignore", invalid="ignore"):  # refused by name
        scaled = _averaged(found, side).astype(np.float32)
    if not np.isfinite(scaled).all():
        raise ArgumentError(
            f"images must be finite, and within ±{np.finfo(np.float32).max:.2g}; some pixels are not. Drop these "
            "images first, or divide all by one number."
        )
    axes = (0, 2, 3)
    mean, spread = (how(scaled[parts[0]], axes, dtype=np.float64, keepdims=True) for how in (np.mean, np.std))
    scaled = ((scaled - mean) / np.where(spread > 0, spread, 1.0)).astype(np.float32)
    splits = {name: Split(scaled[part], labels[part], part) for name, part in zip(SPLITS, parts, strict=True)}
    return Task(None, **splits)


def _checked(images: Any) -> Num[np.ndarray, "n c h w"]:
    """The images with their channels first."""
    found = arguments.array("images", images)
    if found.ndim == 3:
        found = found[..., None]
    if found.ndim != 4 or found.shape[3] not in _CHANNELS or found.dtype.kind not in "fiu":
        raise ArgumentError(
            f"images must be numbers of shape (n, h, w), or (n, h, w, c) with 1 to {_CHANNELS[-1]} channels; got "
            f"{found.dtype} of shape {np.shape(images)}. np.moveaxis(images, 1, -1) brings channels to the end."
        )
    if len(found) < FEWEST:
        raise ArgumentError(f"images must be at least {FEWEST}, to be split into three; got {len(found)}.")
    for sides in found.shape[1:3]:
        arguments.whole("images' sides", sides, SMALLEST, LARGEST)
    return np.moveaxis(found, 3, 1)


def _averaged(images: Num[np.ndarray, "n c h w"], side: int | None) -> Num[np.ndarray, "n c g v"]:
    if side is None:
        return images
    height, width = images.shape[2:]
    arguments.whole("side", side, SMALLEST, min(height, width))
    if height % side or width % side:
        raise ArgumentError(f"side must divide the sides of the images, {height} and {width}; got {side}.")
    shape = (*images.shape[:2], side, height // side, side, width // side)
    return images.reshape(shape).mean((3, 5), dtype=np.float32)
