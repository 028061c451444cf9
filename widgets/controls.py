"""The controls of the studio: native, labelled inputs whose positions together are one ``Settings``."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as ipw
from nagkit_widgets.settings import Settings, available, benchmark

from nagkit.errors import NagkitError

LABEL = {"description_width": "92px"}
WIDE = ipw.Layout(width="auto", margin="2px 4px")
SIZES = ("params", "flops")


class Controls:
    """Four groups of inputs.

    ``changed`` is called once after every change a person makes, ``refused`` when a table cannot be opened; the
    table of before is then kept.
    """

    def __init__(self, initial: Settings, changed: Callable[[], None], refused: Callable[[NagkitError], None]) -> None:
        self._changed, self._refused, self._quiet = changed, refused, False
        tables = dict.fromkeys((initial.table, *available()))
        self.table = ipw.Dropdown(options=list(tables), value=initial.table, description="Table", **_LOOK)
        self.objectives = ipw.SelectMultiple(description="Objectives", rows=5, **_LOOK)
        self.labels = _whole("Labels", initial.labels, 20, 1000, 10)
        self.strength = ipw.FloatSlider(
            initial.strength, min=0, max=20, step=0.5, description="Strength", readout_format=".1f", **_LOOK
        )
        self.automatic = ipw.Checkbox(initial.effective is not None, description="Automatic strength", **_LOOK)
        self.effective = ipw.FloatLogSlider(
            initial.effective or 100, min=0, max=4, step=0.05, description="In play", readout_format=".0f", **_LOOK
        )
        self.labels.tooltip = "known architectures that the predictor learns from"
        self.effective.tooltip = "effective number of architectures that the automatic strength leaves in play"
        self.seed = ipw.BoundedIntText(initial.seed, min=0, max=2**31 - 1, description="Seed", **_LOOK)
        self.sizes = {name: ipw.FloatSlider(description=name, **_LOOK) for name in SIZES}
        self.device = ipw.Dropdown(description="Device", **_LOOK)
        self.latency = ipw.FloatSlider(description="Latency", **_LOOK)
        self.samples = _whole("Samples", initial.samples, 8, 1000, 8)
        self.steps = _whole("Steps", initial.steps, 1, 6)
        self._open(initial)
        self.table.observe(self._reopen, "value")
        self.device.observe(self._retime, "value")
        self.automatic.observe(self._switch, "value")
        for control in self._watched():
            control.observe(self._report, "value")

    @property
    def settings(self) -> Settings:
        """The present positions; a limit at the end of its slider limits nothing."""
        limits = [(name, slider) for name, slider in self.sizes.items()] + [(self.device.value, self.latency)]
        return Settings(
            table=self.table.value,
            objectives=self.objectives.value,
            strength=self.strength.value,
            effective=self.effective.value if self.automatic.value else None,
            limits=tuple((name, s.value) for name, s in limits if not s.disabled and s.value < s.max),
            samples=self.samples.value,
            steps=self.steps.value,
            seed=self.seed.value,
            labels=self.labels.value,
        )

    def box(self) -> ipw.Widget:
        """The four groups side by side; they wrap where the page is narrow."""
        groups = {
            "Goal": [self.table, self.objectives],
            "Guidance": [self.strength, self.automatic, self.effective, self.labels],
            "Limits": [*self.sizes.values(), self.device, self.latency],
            "Sampling": [self.samples, self.steps, self.seed],
        }
        boxes = [ipw.VBox([_heading(name), *controls], layout=_GROUP) for name, controls in groups.items()]
        return ipw.HBox(boxes, layout=ipw.Layout(flex_flow="row wrap", align_items="flex-start"))

    def _watched(self) -> list[Any]:
        return [
            *(self.objectives, self.labels, self.strength, self.automatic, self.effective, self.seed),
            *(*self.sizes.values(), self.device, self.latency, self.samples, self.steps),
        ]

    def _report(self, _: Any) -> None:
        if not self._quiet:
            self._changed()

    def _reopen(self, change: Any) -> None:
        if self._quiet:
            return
        try:
            self._open(Settings(table=change.new, objectives=self.objectives.value))
        except NagkitError as refusal:
            with self._hushed():
                self.table.value = change.old
            self._refused(refusal)
        else:
            self._changed()

    def _open(self, settings: Settings) -> None:
        """Offer what the table has: its metrics, its devices, and sliders over the values that occur."""
        metrics = benchmark(settings.table).metrics
        with self._hushed():
            self.objectives.options = list(metrics)
            self.objectives.value = [name for name in settings.objectives if name in metrics] or [next(iter(metrics))]
            limits = dict(settings.limits)
            for name, slider in self.sizes.items():
                _limit(slider, settings, name if name in metrics else None, limits)
            devices: dict[str, str] = {}
            for name, metric in metrics.items():
                if metric.device and metric.unit == "ms":
                    batch = f", batch {metric.batch}" if metric.batch else ""
                    devices.setdefault(f"{metric.device}{batch}", name)  # the first: others say how sure it is
            self.device.options = devices.items()
            limited = [name for name in devices.values() if name in limits]
            self.device.value = next(iter([*limited, *devices.values()]), None)
            self.device.disabled = not devices
            _limit(self.latency, settings, self.device.value, limits)
            self._switch(None)

    @contextmanager
    def _hushed(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _retime(self, _: Any) -> None:
        if not self._quiet:
            with self._hushed():
                _limit(self.latency, self.settings, self.device.value, {})

    def _switch(self, _: Any) -> None:
        self.strength.disabled, self.effective.disabled = self.automatic.value, not self.automatic.value


_LOOK: dict[str, Any] = {"style": LABEL, "layout": WIDE}
_GROUP = ipw.Layout(flex="1 1 250px", min_width="240px", max_width="400px", padding="0 8px 4px 0")


def _heading(text: str) -> ipw.HTML:
    return ipw.HTML(f"<b style='color:var(--jp-ui-font-color1,inherit)'>{text}</b>")


def _whole(name: str, value: int, low: int, high: int, step: int = 1) -> ipw.IntSlider:
    return ipw.IntSlider(value, min=low, max=max(high, value), step=step, description=name, **_LOOK)


def _limit(slider: ipw.FloatSlider, settings: Settings, metric: str | None, limits: dict[str, float]) -> None:
    """Let the slider run over all values of the metric; some value meets its lowest stop, its end means no limit."""
    slider.disabled = metric is None
    if metric is None:
        return
    low, high = settings.span(metric)
    step = 10 ** math.floor(math.log10((high - low) / 50)) if high > low else 1.0
    bottom, top = math.ceil(low / step) * step, math.ceil(high / step) * step
    bottom += step * (bottom < low)  # where the product was rounded down
    with slider.hold_trait_notifications():
        slider.min, slider.max, slider.step = min(bottom, slider.max), top, step
        slider.min, slider.value = bottom, min(limits.get(metric, top), top)
    unit = benchmark(settings.table).metrics[metric].unit
    slider.readout_format = f".{max(0, -math.floor(math.log10(step)))}f"
    if metric in SIZES:
        slider.description = f"{metric} ≤ ({unit})"
    else:
        slider.description = f"≤ ({unit})"
