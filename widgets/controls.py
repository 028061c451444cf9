"""The controls of the studio: native, labelled inputs whose positions together are one ``Settings``."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as ipw
from nagkit_widgets.settings import (
    BUDGET,
    DIFFUSION,
    EFFECTIVE,
    LABELLED,
    SAMPLES,
    SEED,
    STRENGTH,
    SYSTEMS,
    Settings,
    stops,
)
from nagkit_widgets.sources import (
    HERE,
    OWN,
    SIZES,
    TRAINABLE,
    available,
    benchmark,
    check_name,
    devices_and_here,
    goals,
    metrics,
    parts,
    space_of,
)

from nagkit.benchmarks import Table
from nagkit.errors import NagkitError

LABEL = {"description_width": "92px"}
WIDE = ipw.Layout(width="auto", margin="2px 4px")


class Controls:
    """Four groups of inputs.

    ``changed`` is called once after every change a person makes, ``refused`` when a table cannot be opened; the
    one of before, ``ground``, is then kept.
    """

    def __init__(self, initial: Settings, changed: Callable[[], None], refused: Callable[[NagkitError], None]) -> None:
        self._changed, self._refused, self._quiet = changed, refused, False
        self.ground = initial.table
        self._make_grounds(initial)
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
        self.steps = _whole("Steps", initial.steps, (1, len(space_of(initial.table).slots)))
        self.system.value = initial.system
        self._open(initial)
        for control in (self.table, self.space, self.images):
            control.observe(self._reopen, "value")
        self.system.observe(self._switch, "value")
        self.device.observe(self._retime, "value")
        self.automatic.observe(self._switch, "value")
        for control in self._watched():
            control.observe(self._report, "value")

    def _make_grounds(self, initial: Settings) -> None:
        """The lists of tables, spaces and systems, and the file of images of one's own."""
        own = initial.table.startswith(OWN)
        tables = dict.fromkeys((*(() if own else (initial.table,)), *available()))
        offered = [*((name, name) for name in tables), ("images of your own", OWN)]
        self.table = ipw.Dropdown(options=offered, value=OWN if own else initial.table, description="Table", **_LOOK)
        space, path = parts(initial.table) if own else (TRAINABLE[0], "")
        apart = [ipw.Layout(width="auto", margin="2px 4px") for _ in range(2)]  # these come and go
        self.space = ipw.Dropdown(options=TRAINABLE, value=space, description="Space", style=LABEL, layout=apart[0])
        self.images = ipw.Text(
            str(path),
            description="Images",
            placeholder="file.npz with x and y",
            continuous_update=False,
            style=LABEL,
            layout=apart[1],
        )
        self.system = ipw.Dropdown(
            options=[(told, name) for name, told in SYSTEMS.items()], description="System", **_LOOK
        )
        self.budget = _whole("Budget", initial.budget, BUDGET, 10)
        self.budget.tooltip = "architectures that a search evaluates"

    @property
    def settings(self) -> Settings:
        """The present positions; a limit at the end of its slider limits nothing."""
        limits = [(name, slider) for name, slider in self.sizes.items()] + [(self.device.value, self.latency)]
        return Settings(
            table=self.ground,
            objectives=self.objectives.value,
            strength=self.strength.value,
            effective=self.effective.value if self.automatic.value else None,
            limits=tuple((name, s.value) for name, s in limits if not s.disabled and s.value < s.max),
            samples=self.samples.value,
            steps=self.steps.value,
            seed=self.seed.value,
            labels=self.labels.value,
            system=self.system.value,
            budget=self.budget.value,
        )

    def box(self) -> ipw.Widget:
        """The four groups side by side; they wrap where the page is narrow."""
        groups = {
            "Goal": [self.table, self.space, self.images, self.objectives, self.system],
            "Guidance": [self.strength, self.automatic, self.effective, self.labels],
            "Limits": [*self.sizes.values(), self.device, self.latency],
            "Sampling and search": [self.samples, self.steps, self.budget, self.seed],
        }
        boxes = [ipw.VBox([_heading(name), *controls], layout=_GROUP) for name, controls in groups.items()]
        return ipw.HBox(boxes, layout=ipw.Layout(flex_flow="row wrap", align_items="flex-start"))

    def _watched(self) -> list[Any]:
        return [
            *(self.objectives, self.labels, self.strength, self.automatic, self.effective, self.seed),
            *(*self.sizes.values(), self.device, self.latency, self.samples, self.steps),
            *(self.system, self.budget),
        ]

    def _report(self, _: Any) -> None:
        if not self._quiet:
            self._changed()

    def _reopen(self, _: Any) -> None:
        """Open the table or the images that were chosen."""
        self._name_images()
        if self._quiet:
            return
        chosen = f"{OWN}{self.space.value}:{self.images.value}" if self.table.value == OWN else self.table.value
        try:
            offered = metrics(check_name(chosen))
            kept = [name for name in self.objectives.value if name in offered] or [benchmark(chosen).seen]
            steps = min(self.steps.value, len(space_of(chosen).slots))
            self._open(Settings(table=chosen, objectives=tuple(kept), steps=steps))
        except NagkitError as refusal:
            if self.table.value != OWN:
                with self._hushed():
                    self.table.value = OWN if self.ground.startswith(OWN) else self.ground
                self._name_images()
            if self.table.value != OWN or self.images.value:
                self._refused(refusal)  # a file that is not named yet is no mistake
        else:
            self._changed()

    def show(self, settings: Settings) -> None:
        """Put the controls where these settings have them, without a word to anyone."""
        metrics(settings.table)  # refused before anything moves
        with self._hushed():
            if settings.table.startswith(OWN):
                space, path = parts(settings.table)
                self.space.value, self.images.value, self.table.value = space, str(path), OWN
            else:
                if settings.table not in [value for _, value in self.table.options]:
                    self.table.options = [(settings.table, settings.table), *self.table.options]
                self.table.value = settings.table
            self._name_images()
            for name in ("strength", "samples", "seed", "labels", "system", "budget"):
                getattr(self, name).value = getattr(settings, name)
            self.automatic.value = settings.effective is not None
            self.effective.value = settings.effective or self.effective.value
            self._open(settings)

    def _name_images(self) -> None:
        """Space and file are asked for where images of one's own are chosen."""
        for control in (self.space, self.images):
            control.layout.display = "flex" if self.table.value == OWN else "none"

    def _open(self, settings: Settings) -> None:
        """Offer what the table has: its metrics, its devices, and sliders over the values that occur."""
        held, self.ground = benchmark(settings.table).metrics, settings.table
        self._name_images()
        with self._hushed():
            self.steps.max, self.steps.value = len(space_of(settings.table).slots), settings.steps
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
        """What the system does not use cannot be moved."""
        samples, by_itself = self.system.value == DIFFUSION, self.automatic.value
        for control in (self.samples, self.steps, self.automatic):
            control.disabled = not samples
        self.strength.disabled, self.effective.disabled = not samples or by_itself, not samples or not by_itself
        self.labels.disabled = not samples or not isinstance(benchmark(self.ground), Table)  # else nothing is learned
        self.budget.disabled = samples


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
