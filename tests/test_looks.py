"""Operations are told apart in more than one way, and what is written on them reads."""

import numpy as np
import pytest

from nagkit.figures import GREY
from nagkit.looks import LOOKS, ink_on, look
from nagkit.spaces import darts_cells, enas
from nagkit.spaces.mobilenet_v3 import BLOCKS
from nagkit.spaces.nas_bench_101 import OPERATIONS
from nagkit.spaces.nas_bench_201 import SYMBOLS


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(a, b):
    bright, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("symbols", [SYMBOLS, OPERATIONS, enas.OPERATIONS, darts_cells.SYMBOLS])
def test_operations_differ_in_label_and_outline_and_not_in_colour_alone(symbols):
    looks = [LOOKS[symbol] for symbol in symbols]
    assert len({look.label for look in looks}) == len(looks)
    assert len({(look.dash, look.width) for look in looks}) == len(looks)


def test_writing_reads_on_every_box_and_grey_reads_on_both_themes():
    for each in LOOKS.values():
        if each.colour is not None:
            assert contrast(each.colour, ink_on(each.colour)) >= 4.5
    assert contrast(GREY, "#ffffff") >= 3
    assert contrast(GREY, "#111111") >= 3


def test_blocks_differ_in_colour_by_kernel_and_in_outline_by_expansion():
    looks = {(kernel, expansion): look(f"k{kernel}e{expansion}") for kernel, expansion in BLOCKS}
    for (kernel, expansion), each in looks.items():
        for (other, widened), that in looks.items():
            assert (each.colour == that.colour) == (kernel == other)
            assert (each[2:] == that[2:]) == (expansion == widened)


def test_more_words_are_written_and_change_nothing_else():
    assert look("k5e6 stage 2") == look("k5e6")._replace(label="k5e6 stage 2")
    assert look("resize 224") == look("resize")._replace(label="resize 224")
