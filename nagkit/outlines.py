"""The outlines of boxes, by which kinds of operations are told apart without colour.

Notation: (x, y) is the middle of a box, in units of the layout.
"""

BOX_WIDTH, BOX_HEIGHT, CORNER = 0.88, 0.58, 0.13
ROUND, CUT, SHARP, LEAF, PILL, POINTED = "round", "cut", "sharp", "leaf", "pill", "pointed"

_SMALL, _LARGE, _NONE = (CORNER, CORNER), (2 * CORNER, 2 * CORNER), (0.0, 0.0)
_KINDS = {  # how far each corner is taken off, sidewards and upwards, from the lower left on; and whether by a curve
    ROUND: ((_SMALL,) * 4, True),
    CUT: ((_SMALL,) * 4, False),
    SHARP: ((_NONE,) * 4, False),
    LEAF: ((_LARGE, _NONE) * 2, True),
    PILL: (((BOX_HEIGHT / 2, BOX_HEIGHT / 2),) * 4, True),
    POINTED: (((CORNER, BOX_HEIGHT / 2),) * 4, False),
}
_CORNERS = ((-1, -1, False), (1, -1, True), (1, 1, False), (-1, 1, True))  # to the side, up, level edge comes first


def outline(kind: str, x: float, y: float) -> str:
    """The path of a box of this kind, against the clock from its lower left."""
    insets, curved = _KINDS[kind]
    path = ""
    for (side, up, level_first), (wide, tall) in zip(_CORNERS, insets, strict=True):
        corner_x, corner_y = x + side * BOX_WIDTH / 2, y + up * BOX_HEIGHT / 2
        upright, level = (corner_x, corner_y - up * tall), (corner_x - side * wide, corner_y)
        first, last = (level, upright) if level_first else (upright, level)
        path += f"{'L' if path else 'M'} {first[0]:g},{first[1]:g} "
        if wide:
            path += f"Q {corner_x:g},{corner_y:g} " if curved else "L "
            path += f"{last[0]:g},{last[1]:g} "
    return path + "Z"
