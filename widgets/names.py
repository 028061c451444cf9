"""What the studio holds under a name: settings and tray in one file, and the run of a search in another beside it."""

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import numpy as np
from jaxtyping import Float, Int
from nagkit_widgets.exports import Kept
from nagkit_widgets.sampling import Snapshot
from nagkit_widgets.settings import DIFFUSION, Settings
from nagkit_widgets.text import message

from nagkit.diffusion.masked import Frame
from nagkit.errors import ArgumentError, DataDamagedError, NagkitError
from nagkit.files import write_atomically
from nagkit.metrics import Front

LARGEST = 20_000_000  # bytes of a file that is opened
_NAME = re.compile(r"[^\W_][\w .-]{0,59}")


@dataclass(frozen=True, eq=False)
class Saved:
    """The settings of what was generated, the architectures (n, L) with the values drawn (n, k), and the tray."""

    settings: Settings
    tokens: Int[np.ndarray, "n L"]
    values: Float[np.ndarray, "n k"]
    tray: tuple[Kept, ...]

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
        searched = settings.system != DIFFUSION
        front = Front.of(space, settings.axes(), self.tokens, self.values)
        row = self.tokens[:1]
        frame = Frame(1, 1, row, np.eye(space.radices.max())[row])
        total = settings.budget if searched else settings.samples
        counts = len(self.tokens), total
        return Snapshot(settings, space, "", *counts, frame, self.tokens, self.values, front, searched)

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
            return cls(settings, tokens, values, tuple(Kept.told(each) for each in told["tray"]))
        except NagkitError as fault:
            raise DataDamagedError(f"{path} cannot be opened: {fault}") from None
        except (ValueError, KeyError, TypeError, RecursionError) as fault:
            raise DataDamagedError(f"{path} is not a file of the studio ({fault!r:.120}).") from None


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
        """Where the run of a search is kept: under the name, or for as long as the studio is open."""
        if self.name.value.strip():
            self._folder.mkdir(parents=True, exist_ok=True)
            return self._path(".sqlite")
        if settings not in self._unnamed:
            self._unnamed[settings] = Path(tempfile.mkdtemp(prefix="nagkit-")) / "run.sqlite"
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
        path, saved = self._path(".json"), self._save()
        run = self._unnamed.get(saved.settings)
        if run is not None and run.is_file():
            self._path(".sqlite").write_bytes(run.read_bytes())
            self._unnamed[saved.settings] = self._path(".sqlite")
        saved.write(path)
        self.list()
        return f"Saved as {path}: {len(saved.tokens)} architectures, {len(saved.tray)} in the tray."

    def _read(self) -> str:
        path = self._path(".json")
        if not path.is_file():
            known = ", ".join(self.name.options) or "none yet"
            raise ArgumentError(f"Nothing is saved under {self.name.value!r}. Saved names: {known}.")
        self._reopen(Saved.read(path))
        return f"Opened {path}."

    def _do(self, act: Callable[[], str]) -> None:
        try:
            self.said.value = message(act())
        except (NagkitError, OSError) as fault:
            self.said.value = message(str(fault), refused=True)


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of ``Settings`` as JSON has them, lists as tuples again."""
    return {name: _tuple(value) for name, value in fields.items()}


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value
