"""Operations are told apart in more than one way, and what is written on them reads."""

import numpy as np

from nagkit.figures import GREY
from nagkit.looks import LOOKS, ink_on
from nagkit.spaces.nas_bench_201 import SYMBOLS


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(a, b):
    bright, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_operations_differ_in_label_and_outline_and_not_in_colour_alone():
    looks = [LOOKS[symbol] for symbol in SYMBOLS]
    assert len({look.label for look in looks}) == len(looks)
    assert len({(look.dash, look.width) for look in looks}) == len(looks)


def test_writing_reads_on_every_box_and_grey_reads_on_both_themes():
    for look in LOOKS.values():
        if look.colour is not None:
            assert contrast(look.colour, ink_on(look.colour)) >= 4.5
    assert contrast(GREY, "#ffffff") >= 3
    assert contrast(GREY, "#111111") >= 3
