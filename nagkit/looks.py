"""How operations look: told apart by label, colour, and the form and the line of their outline.

Colours are those of Okabe & Ito (2008).
"""

from collections.abc import Sequence
from typing import NamedTuple

from nagkit.figures import GREY, safe
from nagkit.outlines import CUT, LEAF, PILL, POINTED, ROUND, SHARP


class Look(NamedTuple):
    """How an operation is told apart three times: by its label, its colour and its outline.

    The kind of the outline is that of the operation: round convolutions, leaves where they are separable or dilated,
    cut corners of pooling, points of what passes data on, pills of input and output, and sharp corners of the rest.
    """

    label: str
    colour: str | None
    dash: str
    width: float = 1.5
    kind: str = ROUND


LOOKS = {
    "input": Look("input", None, "solid", 1.0, kind=PILL),
    "output": Look("output", None, "solid", 1.0, kind=PILL),
    "none": Look("none", None, "dot", 1.0, kind=SHARP),
    "resize": Look("resize", None, "solid", 1.0, kind=SHARP),
    "skip_connect": Look("skip", "#E69F00", "dash", kind=POINTED),
    "nor_conv_1x1": Look("conv 1×1", "#56B4E9", "solid"),
    "nor_conv_3x3": Look("conv 3×3", "#0072B2", "solid", 3.0),
    "avg_pool_3x3": Look("pool 3×3", "#009E73", "dashdot", kind=CUT),
    "conv1x1-bn-relu": Look("conv 1×1", "#56B4E9", "solid"),
    "conv3x3-bn-relu": Look("conv 3×3", "#0072B2", "solid", 3.0),
    "maxpool3x3": Look("max pool 3×3", "#009E73", "dashdot", kind=CUT),
    "conv3x3": Look("conv 3×3", "#0072B2", "solid", 1.5),
    "sepconv3x3": Look("sep conv 3×3", "#56B4E9", "dash", 1.5, kind=LEAF),
    "conv5x5": Look("conv 5×5", "#0072B2", "solid", 3.0),
    "sepconv5x5": Look("sep conv 5×5", "#56B4E9", "dash", 3.0, kind=LEAF),
    "avgpool3x3": Look("mean pool 3×3", "#E69F00", "dot", kind=CUT),
    "max_pool_3x3": Look("max pool 3×3", "#F0E442", "dot", kind=CUT),
    "sep_conv_3x3": Look("sep conv 3×3", "#56B4E9", "solid", 1.5, kind=LEAF),
    "sep_conv_5x5": Look("sep conv 5×5", "#0072B2", "solid", 3.0, kind=LEAF),
    "dil_conv_3x3": Look("dil conv 3×3", "#CC79A7", "longdash", 1.5, kind=LEAF),
    "dil_conv_5x5": Look("dil conv 5×5", "#D55E00", "longdash", 3.0, kind=LEAF),
    "sum": Look("sum", None, "solid", 1.0, kind=SHARP),
    "concatenation": Look("concatenation", None, "solid", 1.0, kind=SHARP),
    "relu-sepconv3x3-bn": Look("separable 3×3", "#0072B2", "solid", kind=LEAF),
}
# Blocks of MobileNetV3: the kernel is the colour, the expansion the outline.
LOOKS |= {
    f"k{kernel}e{expansion}": Look(f"k{kernel}e{expansion}", colour, dash, width)
    for kernel, colour in ((3, "#F0E442"), (5, "#56B4E9"), (7, "#0072B2"))  # each darker, in grey too
    for expansion, dash, width in ((3, "dash", 1.0), (4, "solid", 1.5), (6, "solid", 3.0))
}
PLAIN = ("input", "input before", "output", "sum", "concatenation")  # nodes that are no choice of an architecture
_OTHERS = ("#F0E442", "#CC79A7", "#D55E00", "#56B4E9", "#E69F00")


def look(operation: str) -> Look:
    """The look of an operation; one that is not known gets a colour of its own name, always the same."""
    if operation in LOOKS:
        return LOOKS[operation]
    kind = operation.partition(" ")[0]  # "resize 224", "k3e6 stage 2"
    if kind in LOOKS:
        return LOOKS[kind]._replace(label=safe(operation))
    colour = _OTHERS[sum(operation.encode()) % len(_OTHERS)]
    return Look(safe(operation.replace("_", " ")), colour, "longdash")


def _channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def darker(colour: str) -> str:
    """The colour of the outline of a box of this colour."""
    return "#" + "".join(f"{round(channel * 0.55):02x}" for channel in _channels(colour))


def _luminance(channels: Sequence[float]) -> float:
    """From 0, black, to 1, white (WCAG 2.2, relative luminance)."""
    linear = [(c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def lined(colour: str) -> str:
    """The colour of a line of this colour, darker where it would not read on white: its contrast is 3 there."""
    channels: list[float] = [*_channels(colour)]
    while 1.05 / (_luminance(channels) + 0.05) < 3:
        channels = [0.98 * channel for channel in channels]
    return "#" + "".join(f"{int(channel):02x}" for channel in channels)


def ink_on(colour: str | None) -> str:
    """Black or white, whichever reads better on the colour; mid-grey where the page shows through."""
    if colour is None:
        return GREY
    luminance = _luminance(_channels(colour))
    return "#ffffff" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#000000"
