"""The live side of nagkit in JupyterLab: the studio, the race, and the worker behind them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nagkit_widgets.race import LiveRace
    from nagkit_widgets.settings import Settings
    from nagkit_widgets.studio import Studio
    from nagkit_widgets.worker import Worker

__all__ = ["LiveRace", "Settings", "Studio", "Worker"]
_PLACES = {"LiveRace": "race", "Settings": "settings", "Studio": "studio", "Worker": "worker"}


def __getattr__(name: str) -> Any:  # each loads when it is asked for, so that a page shows something at once
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"nagkit_widgets.{_PLACES[name]}"), name)
