"""The live side of nagkit in JupyterLab: the studio and the worker behind it."""

from nagkit_widgets.settings import Settings
from nagkit_widgets.studio import Studio
from nagkit_widgets.worker import Worker

__all__ = ["Settings", "Studio", "Worker"]
