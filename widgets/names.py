"""What the studio holds under a name: settings and tray in one file, and the run of a search in another beside it."""

import json
import re
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import numpy as np
from jaxtyping import Float, Int
from nagkit_widgets.exports import Kept
from nagkit_widgets.sampling import Snapshot
from nagkit_widgets.searching import evaluated
from nagkit_widgets.settings import DIFFUSION, Settings
from nagkit_widgets.text import message

from nagkit.database import refusals
from nagkit.diffusion.masked import Frame
from nagkit.errors import ArgumentError, DataDamagedError, NagkitError
from nagkit.files import write_atomically
from nagkit.metrics import Front
from nagkit.run import Run

LARGEST = 20_000_000  # bytes of a file that is opened
_NAME = re.compile(r"[^\W_][\w .-]{0,59}")


@dataclass(frozen=True, eq=False)
class Saved:
    """The settings of what was generated, the architectures (n, L) with the values drawn (n, k), and the tray.

    ``run`` is the file of the search that they are from, if they are from one and it is there.
    """

    settings: Settings
    tokens: Int[np.ndarray, "n L"]
    values: Float[np.ndarray, "n k"]
    tray: tuple[Kept, ...]
    run: Path | None = None

    def write(self, path: Path) -> None:
        """One JSON file."""
        told = {
            "settings": asdict(self.settings),
            "tokens": self.tokens.tolist(),
            "values": [[value if np.isfinite(value) else None for value in row] for row in self.values.tolist()],
            "tray": [asdict(each) for each in self.tray],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(told).encode())

    def snapshot(self) -> Snapshot:
        """What the studio shows of it: the first architecture, and all of them."""
        settings, space = self.settings, self.settings.space
        if settings.system != DIFFUSION:
            return evaluated(settings, self.tokens, self.values, self.run)
        front = Front.of(space, settings.axes(), self.tokens, self.values)
        row = self.tokens[:1]
        frame = Frame(1, 1, row, np.eye(space.radices.max())[row])
        counts = len(self.tokens), settings.samples
        return Snapshot(settings, space, "", *counts, frame, self.tokens, self.values, front)

    @classmethod
    def read(cls, path: Path) -> "Saved":
        """What ``write`` wrote; whatever else a file holds is refused."""
        if path.stat().st_size > LARGEST:
            raise DataDamagedError(f"{path} has more than {LARGEST:,} bytes, so the studio did not write it.")
        try:
            told = json.loads(path.read_bytes())
            settings = Settings(**_tuples(told["settings"]))
            axes = len(settings.axes())
            tokens = settings.space.check(
                np.array(told["tokens"], dtype=np.int64).reshape(-1, len(settings.space.slots))
            )
            values = np.array(told["values"], dtype=np.float64).reshape(len(tokens), axes)
            tray = tuple(Kept.told(each) for each in told["tray"])
        except NagkitError as fault:
            raise DataDamagedError(f"{path} cannot be opened: {fault}") from None
        except (ValueError, KeyError, TypeError, RecursionError) as fault:
            raise DataDamagedError(f"{path} is not a file of the studio ({fault!r:.120}).") from None
        run = path.with_name(f"{path.stem}.sqlite")
        return cls(settings, tokens, values, tray, run if settings.system != DIFFUSION and run.is_file() else None)


class Names(ipw.VBox):
    """A name, and buttons to save under it and to open it again.

    Args:
        folder: where the files are
        save: gives what is to be saved
        reopen: is given what was opened
    """

    def __init__(self, folder: Path, save: Callable[[], Saved], reopen: Callable[[Saved], None]) -> None:
        self._folder, self._save, self._reopen = folder, save, reopen
        self._unnamed: dict[Settings, Path] = {}
        self._seen: dict[Path, tuple[int, int]] = {}  # the files that this studio saved, opened or warned of
        look: dict[str, Any] = {"layout": ipw.Layout(width="320px"), "style": {"description_width": "92px"}}
        self.name = ipw.Combobox(description="Name", placeholder="of what you save, or search for", **look)
        self.save = ipw.Button(description="Save", icon="save", layout=ipw.Layout(width="auto"))
        self.load = ipw.Button(description="Open", icon="folder-open", layout=ipw.Layout(width="auto"))
        self.save.on_click(lambda _: self._do(self._write))
        self.load.on_click(lambda _: self._do(self._read))
        self.said = ipw.HTML()
        self.list()
        line = ipw.Layout(flex_flow="row wrap", align_items="center")
        super().__init__([ipw.HBox([self.name, self.save, self.load], layout=line), self.said])

    def list(self) -> None:
        """Offer the names that there are."""
        self.name.options = tuple(sorted(path.stem for path in self._folder.glob("*.json")))

    def run(self, settings: Settings) -> Path:
        """Where the run of a search is kept: under the name, or for as long as the kernel lives."""
        if self.name.value.strip():
            return self._path(".sqlite")
        if settings not in self._unnamed:
            folder = tempfile.mkdtemp(prefix="nagkit-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self._unnamed[settings] = Path(folder) / "run.sqlite"
        return self._unnamed[settings]

    def _path(self, suffix: str) -> Path:
        name = self.name.value.strip()
        if not _NAME.fullmatch(name):
            raise ArgumentError(
                f"A name begins with a letter or digit, and has at most 60 letters, digits, blanks, dots, dashes and "
                f"underscores; got {name!r:.80}."
            )
        return self._folder / f"{name}{suffix}"

    def _write(self) -> str:
        path, run, saved = self._path(".json"), self._path(".sqlite"), self._save()
        if saved.run not in (None, run) and run.exists():
            raise ArgumentError(f"{run} holds the run of another search, which is not replaced. Give another name.")
        if path.is_file() and self._seen.get(path) != _stamp(path):
            self._seen[path] = _stamp(path)
            raise ArgumentError(
                f"{path} was saved before, by another visitor or another day. Press Save again to replace it, or give "
                "another name."
            )
        if saved.run not in (None, run):
            _copy(saved.run, run)
        saved.write(path)
        self._seen[path] = _stamp(path)
        self.list()
        return f"Saved as {path}: {len(saved.tokens)} architectures, {len(saved.tray)} in the tray."

    def _read(self) -> str:
        path, run = self._path(".json"), self._path(".sqlite")
        self.list()
        if not path.is_file() and run.is_file():
            raise ArgumentError(
                f"A search has this name and was not saved yet. Choose its settings and press Search to go on with it. "
                f"{Run.open(run).sentence()}"
            )
        if not path.is_file():
            known = ", ".join(self.name.options) or "none yet"
            raise ArgumentError(f"Nothing is saved under {self.name.value!r}. Saved names: {known}.")
        stamp = _stamp(path)
        self._reopen(Saved.read(path))
        self._seen[path] = stamp
        return f"Opened {path}."

    def _do(self, act: Callable[[], str]) -> None:
        try:
            self.said.value = message(act())
        except NagkitError as fault:
            self.said.value = message(str(fault), refused=True)
        except OSError as fault:
            self.said.value = message(
                f"folder must be one that can be read and written; {self._folder} cannot ({fault.strerror}). Make room "
                "there, or open the studio with another one, as in Studio(folder='runs/mine').",
                refused=True,
            )


def _stamp(path: Path) -> tuple[int, int]:
    """What changes whenever a file is replaced."""
    told = path.stat()
    return told.st_ino, told.st_mtime_ns


def _copy(run: Path, to: Path) -> None:
    """The same run in another file, whole also while another process writes to the first."""
    with refusals(run, "run"), closing(sqlite3.connect(run)) as held:
        content = held.serialize()
    write_atomically(to, content)


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of ``Settings`` as JSON has them, lists as tuples again."""
    return {name: _tuple(value) for name, value in fields.items()}


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value
