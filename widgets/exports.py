"""Architectures leave the studio as files: CSV, JSON, Python modules, ONNX; several modules as one archive."""

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nagkit_widgets.sampling import Snapshot

import nagkit
from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.space import Architecture


@dataclass(frozen=True)
class Kept:
    """An architecture to take along: where its values come from, its notation, and each metric with value and unit."""

    ground: str
    space: str
    text: str
    values: tuple[tuple[str, float, str], ...]
    evaluated: bool

    @property
    def architecture(self) -> Architecture:
        """The architecture itself."""
        space = nagkit.space(self.space)
        return space.decode(space.encode([self.text])[0])

    @classmethod
    def of(cls, snapshot: Snapshot, rows: Iterable[int]) -> "list[Kept]":
        """These of the finished architectures of a snapshot."""
        metrics, ground = snapshot.front.metrics, (snapshot.settings.table, snapshot.space.name)
        found = []
        for row in rows:
            values = zip(metrics, snapshot.values[row], strict=True)
            told = tuple((metric.name, float(value), metric.unit) for metric, value in values)
            found.append(cls(*ground, snapshot.space.decode(snapshot.tokens[row]).text, told, snapshot.evaluated))
        return found

    @classmethod
    def told(cls, fields: Mapping[str, object]) -> "Kept":
        """What ``asdict`` gave; anything else is refused."""
        try:
            values = tuple((str(name), float(value), str(unit)) for name, value, unit in fields["values"])  # type: ignore[attr-defined]
            texts = {name: str(fields[name]) for name in ("ground", "space", "text")}
            found = cls(values=values, evaluated=bool(fields["evaluated"]), **texts)
        except (KeyError, TypeError, ValueError) as fault:
            raise ArgumentError(f"an entry of a tray must hold {', '.join(cls.__annotations__)}: {fault!r}.") from None
        _ = found.architecture  # refuses what is no architecture of its space
        return found


def exported(kept: Sequence[Kept], kind: str) -> tuple[str, bytes]:
    """The name and the content of a file with these; ``kind`` is one of ``KINDS``."""
    if not kept:
        raise ArgumentError("There is nothing to export yet. Generate architectures, or keep some in the tray.")
    suffix, write = KINDS[arguments.one_of("format", kind, KINDS)]
    if kind in TABLES:
        return f"architectures.{suffix}", write(kept)
    files = {f"{_stem(number, each)}.{suffix}": write([each]) for number, each in enumerate(kept, 1)}
    if len(files) == 1:
        return files.popitem()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return "architectures.zip", archive.getvalue()


def _stem(number: int, kept: Kept) -> str:
    return f"{kept.space.replace('-', '_')}_{number:02d}"


def _csv(kept: Sequence[Kept]) -> bytes:
    headings = list(dict.fromkeys(f"{name} ({unit})" for each in kept for name, _, unit in each.values))
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(["architecture", "space", "values of", "evaluated", *headings])
    for each in kept:
        values = {f"{name} ({unit})": value for name, value, unit in each.values}
        shown = [repr(values[heading]) if heading in values else "" for heading in headings]
        rows.writerow([each.text, each.space, each.ground, each.evaluated, *shown])
    return written.getvalue().encode()


def _json(kept: Sequence[Kept]) -> bytes:
    return (json.dumps([asdict(each) for each in kept], indent=2) + "\n").encode()


def _python(kept: Sequence[Kept]) -> bytes:
    from nagkit_widgets.tables import source

    return source(kept[0].ground, kept[0].architecture).encode()


def _onnx(kept: Sequence[Kept]) -> bytes:
    from nagkit.networks import to_onnx

    network, shape = built(kept[0].ground, kept[0].architecture)
    with tempfile.TemporaryDirectory() as folder:
        return to_onnx(network, Path(folder) / "network.onnx", shape).read_bytes()


def built(ground: str, architecture: Architecture) -> "tuple[nagkit.networks.Network, tuple[int, ...]]":
    """The network that the values of a ground are about, with its first weights, and the shape of its images."""
    from nagkit_widgets.sources import OWN, benchmark

    from nagkit.networks import build
    from nagkit.networks.workload import Workload

    if ground.startswith(OWN):
        trainer = benchmark(ground).trainer
        network = build(architecture, trainer.task.classes, trainer.skeleton)
        return network, trainer.task.train.images.shape[1:]
    if architecture.space in ("nas-bench-101", "enas"):
        return build(architecture, 10), (3, 32, 32)
    workload = Workload.of(ground)
    row = architecture.tokens
    return workload.network(row), workload.image_shape(row)


TABLES = ("CSV", "JSON")  # formats that hold all architectures in one file
KINDS: dict[str, tuple[str, Callable[[Sequence[Kept]], bytes]]] = {
    "CSV": ("csv", _csv),
    "JSON": ("json", _json),
    "Python module": ("py", _python),
    "ONNX": ("onnx", _onnx),
}
