"""Every picture reads on the light and the dark theme, and tells its series apart for every eye and in grey."""

import itertools

import numpy as np
import pytest

import nagkit
from nagkit.arcs import growth_figure
from nagkit.attainment import attainment_figure
from nagkit.curves import STROKES, Band, Curve, bands_figure, curves_figure
from nagkit.drawings import architecture_figure, frame_figure
from nagkit.figures import front_figure
from nagkit.fronts import fronts_figure
from nagkit.looks import LOOKS, look
from nagkit.maps import FILLS, Panel, map_figure
from nagkit.metrics import Constraint, Front, Metric
from nagkit.parallel import OTHERS, parallel_figure
from nagkit.preferences import preferences_figure
from nagkit.supernet import PreferenceLaw

WHITE, DARK = "#ffffff", "#111111"  # pages of JupyterLab
ACCURACY, PARAMS, LATENCY = Metric("accuracy", "%", "max"), Metric("params", "M", "min"), Metric("latency", "ms", "min")
CELLS = nagkit.space("nas-bench-201")
RNG = np.random.default_rng(0)
TOKENS, VALUES = CELLS.sample(30, RNG), RNG.random((30, 3))
FAINT = (OTHERS.name,)  # behind what is shown, and meant to be


def front(columns=2):
    return Front.of(CELLS, (ACCURACY, PARAMS, LATENCY)[:columns], TOKENS, VALUES[:, :columns])


def pictures():
    """One of each kind, by name."""
    limit = Constraint(LATENCY, lambda tokens: np.zeros(len(tokens)), high=0.3)
    mixed, belief = np.array([-1, 0, 1, 2, 3, 4]), np.full((6, 5), 0.2)
    panel = Panel("a", RNG.random((5, 2)), RNG.random(5), RNG.random((7, 2)), list("abcdefg"))
    names = [f"search {place}" for place in range(8)]
    frames = list(nagkit.generator("autoregressive", CELLS).frames(1, nagkit.Guidance(), RNG))
    return {
        "front": front_figure(front(), VALUES[:, :2], before=VALUES[:9, :2]),
        "fronts": fronts_figure(dict.fromkeys(names, front()), front()),
        "attainment": attainment_figure({name: [front()] for name in names}),
        "parallel": parallel_figure(front(3), VALUES, [limit]),
        "curves": curves_figure([Curve(n, [0, 1], [0, 1], [1, 2]) for n in names], PARAMS, ACCURACY, "strength"),
        "bands": bands_figure([Band(n, [0, 1], [1, 1], [0, 0], [2, 2]) for n in names], PARAMS, ACCURACY),
        "architecture": architecture_figure(CELLS.decode([0, 1, 2, 3, 4, 1]), "one"),
        "frame": frame_figure(CELLS, mixed, belief, "one"),
        "preferences": preferences_figure({"law": PreferenceLaw.of(CELLS)}, ["loss", "params"]),
        "map": map_figure(RNG.random((200, 2)), RNG.random(200), ACCURACY, [panel]),
        "growth": growth_figure(CELLS, frames),
    }


PICTURES = pictures()


def channels(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def linear(colour):
    c = channels(colour) if isinstance(colour, str) else colour
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(colour, page, opacity=1.0):
    """Of what is seen on a page (WCAG 2.2)."""
    seen = opacity * channels(colour) + (1 - opacity) * channels(page)
    bright, dark = sorted((linear(c) @ [0.2126, 0.7152, 0.0722] for c in (seen, channels(page))), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def writing(picture):
    """The colours of all that is written on the page itself, not on a box."""
    layout = picture.layout
    fonts = [layout["font"], layout.get("title", {}).get("font", {})]
    fonts += [note.get("font", {}) for note in layout.get("annotations", [])]
    fonts += [axis.get("tickfont", {}) for name, axis in layout.items() if "axis" in name and isinstance(axis, dict)]
    fonts += [trace.get("textfont", {}) for trace in picture.data]
    return {font["color"] for font in fonts if isinstance(font.get("color"), str)}


def marks(picture):
    """Of every line and mark that carries meaning: its name, opacity, and colours of which one must be seen."""
    for trace in picture.data:
        line, marker, opacity = trace.get("line", {}), trace.get("marker", {}), trace.get("opacity", 1.0)
        if trace["name" if "name" in trace else "type"] in FAINT or trace.get("fill"):
            continue
        if "lines" in trace.get("mode", ""):
            yield trace["name"], opacity, [line["color"]]
        if "markers" in trace.get("mode", "") and isinstance(marker.get("color", ""), str):
            outline = marker.get("line", {}).get("color")
            inside = marker.get("color") or outline or line["color"]
            yield trace["name"], opacity * marker.get("opacity", 1.0), [inside, *([outline] if outline else [])]
    for shape in picture.layout.get("shapes", []):
        if shape.get("opacity", 1.0) == 1:
            outline = [shape["line"]["color"]] if shape["line"].get("width") else []
            yield "shape", 1.0, [*outline, shape.get("fillcolor", "rgba")]


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("page", [WHITE, DARK])
def test_all_that_is_written_and_drawn_stands_out_from_the_page(name, page):
    picture = PICTURES[name]
    assert {picture.layout[key] for key in ("paper_bgcolor", "plot_bgcolor")} == {"rgba(0,0,0,0)"}
    for colour in writing(picture):
        assert contrast(colour, page) >= 3, f"writing in {colour}"
    for what, opacity, colours in marks(picture):
        solid = [colour for colour in colours if colour.startswith("#")]
        if solid:
            assert max(contrast(colour, page, opacity) for colour in solid) >= 3, (what, solid, opacity)


# Machado, Oliveira & Fernandes (2009), table of matrices at full severity, on linear RGB.
EYES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "grey": [[0.2126, 0.7152, 0.0722]] * 3,
}


def lab(rgb):
    """CIE L*a*b* of linear RGB under D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    f = [np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz / [0.9505, 1.0, 1.089]]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def apart(one, other, eye):
    """Delta E (1976) as an eye sees two colours."""
    return np.linalg.norm(np.subtract(*(lab(np.array(EYES[eye]) @ linear(colour)) for colour in (one, other))))


def test_the_eyes_see_what_is_known_of_them():
    assert apart("#ff0000", "#00ff00", "grey") < apart("#ff0000", "#00ff00", "tritanopia")
    assert apart("#D55E00", "#009E73", "deuteranopia") < apart("#D55E00", "#009E73", "tritanopia")
    assert apart("#000000", "#ffffff", "grey") == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize("eye", EYES)
def test_lines_that_share_a_dash_differ_in_colour_or_in_mark(eye):
    for one, other in itertools.combinations(STROKES, 2):
        assert one[1:] != other[1:] or apart(one[0], other[0], eye) >= 15, (one, other)


def test_the_first_eight_series_need_no_colour():
    for one, other in itertools.combinations(STROKES[:8], 2):
        assert one[1] != other[1]
        assert one[2] != other[2]


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("name", ["nas-bench-201", "nas-bench-101", "enas", "darts", "mobilenet-v3"])
def test_operations_of_a_space_differ_by_outline_or_for_every_eye_by_colour(name, eye):
    symbols = {symbol for slot in nagkit.space(name).slots for symbol in slot.symbols if symbol in LOOKS}
    for one, other in itertools.combinations(map(look, sorted(symbols)), 2):
        same = (one.kind, one.dash, one.width) == (other.kind, other.dash, other.width)
        assert not same or apart(one.colour, other.colour, eye) >= 15, (one, other)
        assert one.label != other.label


def test_the_front_and_what_is_beside_it_have_marks_of_their_own():
    marks_ = [t["marker"]["symbol"] for t in PICTURES["front"].data if "marker" in t]
    assert len(set(marks_)) == 3
    assert len({symbol for *_, symbol in STROKES[: len(FILLS)]}) == len(FILLS)
