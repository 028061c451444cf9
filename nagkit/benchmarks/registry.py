"""The public files: what they are, where they come from, which are here, and how to get the others.

The list is ``registry.toml`` in ``nagkit_data``: repository, commit, path, bytes, sha256, licence. A file is looked
for in the folder that ``NAGKIT_UPSTREAM`` names (never written to), then in the cache (``NAGKIT_CACHE``, or the user's
cache folder); in both it lies at ``<source>/<path>``. What is in neither is downloaded. Nothing is used before its
sha256 fits.
"""

import hashlib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from nagkit import arguments
from nagkit.errors import ArgumentError, DataDamagedError, DataMissingError

HOST = "https://raw.githubusercontent.com"
UPSTREAM, CACHE = "NAGKIT_UPSTREAM", "NAGKIT_CACHE"
TIMEOUT = 30  # seconds without an answer from the host


@dataclass(frozen=True)
class File:
    """One file of a public repository at one commit; ``source`` is the registry's short name of the repository."""

    source: str
    repository: str
    commit: str
    licence: str
    path: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts or not re.fullmatch(r"[\w./-]+", self.path):
            raise ArgumentError(f"path must stay inside its folder; got {self.path!r}. Correct the registry.")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256) or not re.fullmatch(r"[0-9a-f]{40}", self.commit):
            raise ArgumentError(f"{self.path} needs a sha256 of 64 and a commit of 40 hexadecimal digits.")

    @property
    def name(self) -> str:
        """Source and path, as the file lies in the cache."""
        return f"{self.source}/{self.path}"

    @property
    def url(self) -> str:
        """Where its repository serves these very bytes."""
        return f"{HOST}/{self.repository}/{self.commit}/{self.path}"


@dataclass(frozen=True)
class Source:
    """One public repository at one commit, and those of its files that nagkit reads."""

    name: str
    repository: str
    commit: str
    licence: str
    what: str
    files: tuple[File, ...]

    def file(self, path: str) -> File:
        """The file at this path of the repository."""
        return {file.path: file for file in self.files}[arguments.one_of("path", path, [f.path for f in self.files])]


@dataclass(frozen=True)
class LocalFile:
    """What is known of a file on this machine. ``"present"``: it has the right size; ``"whole"``: the right sha256."""

    file: File
    path: Path
    state: Literal["present", "whole", "damaged", "missing"]


@cache
def sources() -> Mapping[str, Source]:
    """Every source of the registry, by its short name."""
    listed = tomllib.loads((files("nagkit_data") / "registry.toml").read_text("utf-8"))
    return {name: _source(name, **entry) for name, entry in listed.items()}


def _source(name: str, what: str, file: list[dict[str, Any]], **origin: Any) -> Source:
    return Source(name=name, what=what, files=tuple(File(source=name, **origin, **each) for each in file), **origin)


def cache_folder() -> Path:
    """Where nagkit keeps downloaded files and converted tables."""
    import pooch

    return Path(os.environ.get(CACHE) or pooch.os_cache("nagkit")).expanduser()


def listing(names: Sequence[str] | None = None) -> list[LocalFile]:
    """Each file of these sources (all of them by default), and whether it is here, judged by its size alone."""
    return [_glance(file) for file in _chosen(names)]


def verify(names: Sequence[str] | None = None) -> Iterator[LocalFile]:
    """Each file of these sources, one after the other, judged by its sha256."""
    return map(_judged, _chosen(names))  # names are refused now, not when the first file is asked for


def _judged(file: File) -> LocalFile:
    copy = _glance(file)
    if copy.state != "present":
        return copy
    whole = _sha256(_content(file, copy.path)) == file.sha256
    return LocalFile(file, copy.path, "whole" if whole else "damaged")


def fetch(names: Sequence[str] | None = None) -> Iterator[LocalFile]:
    """Each file of these sources, as soon as it is here and whole; what the cache lacks or holds damaged is fetched."""
    return map(_fetched, _chosen(names))


def _fetched(file: File) -> LocalFile:
    here = _find(file)
    if here is None or here == _cached(file):
        here = _download(file)
    _whole(file, here)
    return LocalFile(file, here, "whole")


def read(file: File) -> bytes:
    """The whole content of a file, verified; it is downloaded if it is not here.

    Raises ``DataMissingError`` when it cannot be had, ``DataDamagedError`` when its sha256 does not fit.
    """
    return _whole(file, _find(file) or _download(file))


def present(file: File) -> bool:
    """Whether the file is here, judged by its size alone."""
    return _glance(file).state == "present"


def _chosen(names: Sequence[str] | None) -> list[File]:
    known = sources()
    chosen: Iterable[str] = known if names is None else arguments.several("names", names, str)
    for name in chosen:
        arguments.one_of("source", name, known)
    return [file for name in chosen for file in known[name].files]


def _cached(file: File) -> Path:
    return cache_folder() / file.source / file.path


def _find(file: File) -> Path | None:
    """Where the file lies; one of the wrong size in the folder of others is passed over, as it cannot be mended."""
    if os.environ.get(UPSTREAM):
        theirs = Path(os.environ[UPSTREAM]).expanduser() / file.source / file.path
        if theirs.is_file() and theirs.stat().st_size == file.bytes:
            return theirs
    return _cached(file) if _cached(file).is_file() else None


def _glance(file: File) -> LocalFile:
    path = _find(file)
    if path is None:
        return LocalFile(file, _cached(file), "missing")
    return LocalFile(file, path, "present" if path.stat().st_size == file.bytes else "damaged")


def _content(file: File, path: Path) -> bytes:
    with path.open("rb") as opened:
        return opened.read(file.bytes + 1)  # one more than there should be: enough to notice, whatever the size


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _whole(file: File, path: Path) -> bytes:
    content = _content(file, path)
    found = _sha256(content)
    if found != file.sha256:
        remedy = "Delete it" if path == _cached(file) else f"Mend it or unset {UPSTREAM}, where it lies,"
        size = f"{path.stat().st_size:,} of {file.bytes:,} bytes"
        raise DataDamagedError(
            f"{path} is damaged: it should have sha256 {file.sha256}, it has {found} ({size}). It was not used. "
            f"{remedy} and run `nagkit data fetch {file.source}`, or download {file.url} in its place."
        )
    return content


def _download(file: File) -> Path:
    """The path in the cache; a file with another sha256 is downloaded again, and moved there only when whole."""
    import pooch

    pooch.get_logger().setLevel("WARNING")  # the caller reports progress
    target = _cached(file)
    try:
        fetcher = pooch.HTTPDownloader(timeout=TIMEOUT, stream=False)  # small files; a stream is left open on errors
        pooch.retrieve(file.url, f"sha256:{file.sha256}", fname=target.name, path=target.parent, downloader=fetcher)
    except OSError as error:  # every trouble with the network is one
        raise _missing(file, target, error) from None
    except ValueError as error:  # the host served other bytes
        raise DataDamagedError(f"{file.url} did not give the expected bytes, nothing was kept: {error}") from None
    return target


def _missing(file: File, target: Path, error: Exception) -> DataMissingError:
    upstream = os.environ.get(UPSTREAM)
    looked = f"{UPSTREAM} is {upstream}" if upstream else f"{UPSTREAM} is not set"
    return DataMissingError(
        f"{file.name} is not on this machine and could not be downloaded ({error!s:.200}).\n"
        f"It has {file.bytes:,} bytes and sha256 {file.sha256}; licence {file.licence}. Ways to get it:\n"
        f"  - with a network: nagkit data fetch {file.source}\n"
        f"  - by hand: save {file.url}\n"
        f"    as {target}\n"
        f"  - from a folder that holds {file.name}: set {UPSTREAM} to that folder ({looked})\n"
        f"  - from another machine's cache: copy it, and set {CACHE} to the copy (now {cache_folder()})"
    )
