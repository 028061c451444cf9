"""The live side of nagkit in JupyterLab: the studio, the race, and the worker behind them."""

from nagkit_widgets.race import LiveRace
from nagkit_widgets.settings import Settings
from nagkit_widgets.studio import Studio
from nagkit_widgets.worker import Worker

__all__ = ["LiveRace", "Settings", "Studio", "Worker"]
