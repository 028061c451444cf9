"""The controls of the studio: native, labelled inputs whose positions together are one ``Settings``."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as ipw
from nagkit_widgets.settings import EFFECTIVE, LABELLED, SAMPLES, SEED, STRENGTH, Settings, stops
from nagkit_widgets.sources import HERE, SIZES, available, benchmark, devices_and_here, goals, metrics, slots

from nagkit.benchmarks import Table
from nagkit.errors import NagkitError

LABEL = {"description_width": "92px"}
WIDE = ipw.Layout(width="auto", margin="2px 4px")


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
        self.labels = _whole("Labels", initial.labels, LABELLED, 10)
        low, high = STRENGTH
        self.strength = ipw.FloatSlider(
            initial.strength, min=low, max=high, step=0.5, description="Strength", readout_format=".1f", **_LOOK
        )
        self.automatic = ipw.Checkbox(initial.effective is not None, description="Automatic strength", **_LOOK)
        low, high = map(math.log10, EFFECTIVE)
        self.effective = ipw.FloatLogSlider(
            initial.effective or 100, min=low, max=high, step=0.05, description="In play", readout_format=".0f", **_LOOK
        )
        self.labels.tooltip = "known architectures that the predictor learns from"
        self.effective.tooltip = "effective number of architectures that the automatic strength leaves in play"
        self.seed = ipw.BoundedIntText(initial.seed, min=SEED[0], max=SEED[1], description="Seed", **_LOOK)
        self.sizes = {name: ipw.FloatSlider(description=name, **_LOOK) for name in SIZES}
        self.device = ipw.Dropdown(description="Device", **_LOOK)
        self.latency = ipw.FloatSlider(description="Latency", **_LOOK)
        self.samples = _whole("Samples", initial.samples, SAMPLES, 8)
        self.steps = _whole("Steps", initial.steps, (1, slots(initial.table)))
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
            offered = metrics(change.new)
            kept = [name for name in self.objectives.value if name in offered] or [benchmark(change.new).seen]
            steps = min(self.steps.value, slots(change.new))
            self._open(Settings(table=change.new, objectives=tuple(kept), steps=steps))
        except NagkitError as refusal:
            with self._hushed():
                self.table.value = change.old
            self._refused(refusal)
        else:
            self._changed()

    def _open(self, settings: Settings) -> None:
        """Offer what the table has: its metrics, its devices, and sliders over the values that occur."""
        held = benchmark(settings.table).metrics
        with self._hushed():
            self.steps.max, self.steps.value = slots(settings.table), settings.steps
            self.labels.disabled = not isinstance(benchmark(settings.table), Table)  # nothing is learned from them
            self.objectives.options = goals(settings.table)
            self.objectives.value = settings.objectives
            limits = dict(settings.limits)
            for name, slider in self.sizes.items():
                _limit(slider, settings, name if name in held else None, limits)
            timed = devices_and_here(settings.table)
            limited = [name for name in timed.values() if name in limits]
            self._offer_devices(settings, next(iter([*limited, *timed.values()]), None))
            self._switch(None)

    def offer_here(self) -> None:
        """Offer the latency on this machine, which has become known; it is chosen unless another is limited."""
        settings = self.settings
        limited = [name for name, _ in settings.limits if name == self.device.value]
        with self._hushed():
            self.objectives.options = goals(settings.table)
            self.objectives.value = settings.objectives
            self._offer_devices(settings, next(iter([*limited, HERE])))

    def _offer_devices(self, settings: Settings, chosen: str | None) -> None:
        timed = devices_and_here(settings.table)
        self.device.options = timed.items()
        self.device.value = chosen
        self.device.disabled = not timed
        _limit(self.latency, settings, chosen, dict(settings.limits))

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


def _whole(name: str, value: int, within: tuple[int, int], step: int = 1) -> ipw.IntSlider:
    return ipw.IntSlider(value, min=within[0], max=within[1], step=step, description=name, **_LOOK)


def _limit(slider: ipw.FloatSlider, settings: Settings, metric: str | None, limits: dict[str, float]) -> None:
    """Let the slider run over all values of the metric; its end means no limit."""
    slider.disabled = metric is None
    if metric is None:
        return
    bottom, top, step = stops(settings, metric)
    slider.continuous_update = False  # else a page sends back where its handle stood, as far as the new ends allow it
    with slider.hold_sync(), slider.hold_trait_notifications():
        slider.min, slider.max, slider.step = min(bottom, slider.max), top, step
        slider.min, slider.value = bottom, min(limits.get(metric, top), top)
    slider.continuous_update = True
    unit = metrics(settings.table)[metric].unit
    slider.readout_format = f".{max(0, -math.floor(math.log10(step)))}f"
    if metric in SIZES:
        slider.description = f"{metric} ≤ ({unit})"
    else:
        slider.description = f"≤ ({unit})"
