"""What a law over architectures draws for several preferences, slot by slot and stage by stage.

Notation: L slots, K symbols, k objectives.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from nagkit import arguments
from nagkit.errors import ArgumentError
from nagkit.figures import Picture, page, safe
from nagkit.looks import look
from nagkit.supernet import PreferenceLaw

SCALE = [[0.0, "#ffffff"], [0.5, "#56B4E9"], [1.0, "#0b3d5c"]]  # white to dark blue; the number is written beside
ROW = 22  # pixels of a slot
ABOVE, BELOW, DOWN = 70, 70, 70  # pixels around panels, and from one to the next under it
ACROSS = 0.03  # of the width between two panels


def preferences_figure(laws: Mapping[str, PreferenceLaw], objectives: Sequence[str]) -> Picture:
    """A panel for each law, one under the other, and for each preference, one beside the other.

    A cell is how likely a symbol is in its slot, in percent; it is empty where the symbol has left. The preferences are
    that for all objectives alike, and those for each of them alone.

    Args:
        laws: by name, such as that of a stage
        objectives: what a preference weighs, by name
    """
    import pandas as pd

    names = _checked(laws, objectives)
    wished = _preferences(names)
    panels = [(name, title, law, law.at(weights)) for name, law in laws.items() for title, weights in wished.items()]
    data = [_panel(place, law, shares) for place, (*_, law, shares) in enumerate(panels)]
    rows = [
        (name, title, slot.name, symbol, 100 * shares[at, k])
        for name, title, law, shares in panels
        for at, slot in enumerate(law.space.slots)
        for k, symbol in enumerate(slot.symbols)
        if law.allowed[at, k]
    ]
    columns = ["law", "preference", "slot", "symbol", "probability (%)"]
    titles = [f"{name}, {title}" for name, title, *_ in panels]
    layout = _layout(titles, len(wished), len(next(iter(laws.values())).space.slots))
    return Picture(data, layout, _sentence(laws), lambda: pd.DataFrame(rows, columns=columns))


def _checked(laws: Mapping[str, PreferenceLaw], objectives: Sequence[str]) -> tuple[str, ...]:
    """The names of the objectives, which are those that all laws weigh."""
    arguments.instance("laws", laws, Mapping, "{'stage 1': search.law()}")
    if not laws:
        raise ArgumentError("laws must hold one law or more; got none.")
    names = arguments.several("objectives", objectives, str)
    for name, law in laws.items():
        arguments.instance(f"laws[{name!r}]", law, PreferenceLaw, "search.law()")
        if len({slot.symbols for slot in law.space.slots}) > 1:
            raise ArgumentError(
                f"laws[{name!r}] must be of a space whose slots all have the same symbols, to stand over one axis; "
                f"those of {law.space.name} differ. Use law.at(preference)."
            )
        if law.anchors.shape[1] != len(names):
            raise ArgumentError(
                f"objectives must name what the preferences of the laws weigh, {law.anchors.shape[1]} of them; got "
                f"{list(names)}."
            )
    return names


def _preferences(names: Sequence[str]) -> dict[str, Float[np.ndarray, "k"]]:
    """By title the weights of the objectives."""
    alone = {f"{name} alone": weights for name, weights in zip(names, np.eye(len(names)), strict=True)}
    return alone if len(names) == 1 else {"all alike": np.full(len(names), 1 / len(names))} | alone


def _panel(place: int, law: PreferenceLaw, shares: Float[np.ndarray, "L K"]) -> dict[str, Any]:
    """A heat map, first slot on top, each cell with its number."""
    axis = "" if place == 0 else str(place + 1)
    symbols = law.space.slots[0].symbols
    percent = np.where(law.allowed, 100 * shares, np.nan)
    known = [[None if np.isnan(value) else round(value, 1) for value in row] for row in percent.tolist()]
    return {
        "type": "heatmap",
        "z": known,
        "x": [safe(look(symbol).label) for symbol in symbols],
        "y": [safe(slot.name) for slot in law.space.slots],
        "text": [["" if value is None else f"{value:.0f}" for value in row] for row in known],
        "texttemplate": "%{text}",
        "zmin": 0,
        "zmax": 100,
        "colorscale": SCALE,
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
        "hovertemplate": "%{y}: %{x} %{z} %<extra></extra>",
    }


def _layout(titles: Sequence[str], columns: int, slots: int) -> dict[str, Any]:
    """Panels in rows of so many."""
    rows = -(-len(titles) // columns)
    tall = rows * (slots * ROW + DOWN)
    layout = page() | {"height": ABOVE + tall + BELOW, "margin": {"l": 80, "r": 20, "t": ABOVE, "b": BELOW}}
    layout["annotations"] = []
    for place, title in enumerate(titles):
        row, column = divmod(place, columns)
        axis, wide = "" if place == 0 else str(place + 1), (1 - ACROSS * (columns - 1)) / columns
        left, top = column * (wide + ACROSS), 1 - row / rows
        bottom = top - slots * ROW / tall
        layout[f"xaxis{axis}"] = {"domain": [left, left + wide], "anchor": f"y{axis}", "tickangle": -40, "ticks": ""}
        layout[f"yaxis{axis}"] = {"domain": [max(bottom, 0.0), top], "anchor": f"x{axis}", "autorange": "reversed"}
        layout[f"yaxis{axis}"] |= {"showticklabels": column == 0, "ticks": ""}
        layout["annotations"].append(
            {
                "text": safe(title),
                "x": left,
                "y": top,
                "xref": "paper",
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "bottom",
                "showarrow": False,
            }
        )
    return layout


def _sentence(laws: Mapping[str, PreferenceLaw]) -> str:
    """What has left, and how decided each law is."""
    told = []
    for name, law in laws.items():
        left, every = int(law.allowed.sum()), int(law.space.radices.sum())
        entropy = law.entropy()
        told.append(
            f"{name}: {left} of {every} choices are left; the entropy of a slot is {entropy.mean():.2f} nats in the "
            f"mean and {entropy.min():.2f} at least."
        )
    return " ".join(told)
