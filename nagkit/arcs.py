"""Graphs that grow node by node, as arcs over a line of nodes: the odds of each choice, and what a law prefers.

Notation: N nodes, v < w. The arc from v to w is highest at ((v + w) / 2, w - v). No other arc is highest there, so that
what is written on top of the arcs never meets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from nagkit import arguments
from nagkit.diffusion.masked import Frame
from nagkit.errors import ArgumentError
from nagkit.figures import GREY, LEGEND, VERMILION, Picture, page, safe, titled
from nagkit.growth import Growth
from nagkit.looks import lined, look
from nagkit.motifs import DEAD, SLOTS, Motifs
from nagkit.space import UNDECIDED, SearchSpace

if TYPE_CHECKING:
    import pandas

BLUE = "#0072B2"  # of edges without labels
PALE = "#949494"  # what is not there, in a strip
LEVEL, LEVELS = 75, 300  # pixels from one height of arcs to the next, and of all heights at most
ABOVE, BELOW, UNDER = 45, 20, 90  # pixels over the highest arc, and under the nodes without and with operations
OPERATION = 28  # pixels from a node down to its operation
STRIP, THICK = 0.5, 11  # of a strip of odds: units long, and pixels thick
BESIDE, BARE = 7, 3  # pixels to what is written from a strip, and from an arc without one
THIN, BROAD = 1.0, 8.0  # pixels: an arc that is unlikely, and one that is certain
FAINT = 0.35
ALWAYS = {"width": THIN, "color": GREY, "dash": "solid"}  # of edges that are there whatever is decided
COLUMNS, GAP, HEADING = 2, 20, 24  # panels beside each other; pixels between, and above each


def growth_figure(space: SearchSpace, frames: Sequence[Frame], row: int = 0, title: str | None = None) -> Picture:
    """One architecture growing: a panel a node, with the odds of each choice there and what was then chosen.

    The width of an arc is the probability of its edge before the node was decided; a strip holds the odds of all
    symbols, and the number is the probability of what was chosen. Chosen edges are solid, others dotted.

    Args:
        frames: those of an autoregressive generator of the model ``"graph"``, from the first to the last
        row: which of its samples
    """
    growth, frames = _growth(space), arguments.several("frames", frames, Frame)
    if not frames:
        raise ArgumentError("frames must hold all frames of a generator, as in list(generator.frames(1, …)).")
    arguments.whole("row", row, 0, len(frames[-1].tokens) - 1)
    return _Growing(space, growth, frames[-1].tokens[row], _odds(growth, frames, row)).picture(title)


def motifs_figure(space: SearchSpace, motifs: Motifs, title: str | None = None) -> Picture:
    """What a law prefers in each slot, on the graph of the space, with the same facts in the table of the motifs.

    The width of an arc is the share of samples that have the edge, with data on it; a strip holds the shares of all
    symbols. What is written is the most frequent symbol, its share and its lift, bold where that is certain.
    """
    growth = _growth(space)
    sheet = _Sheet(growth, "", growth.nodes - 1)
    arguments.instance("motifs", motifs, Motifs, "Motifs.of_slots(samples, law)")
    if (motifs.space.name, motifs.kinds) != (space.name, SLOTS):
        raise ArgumentError(
            f"motifs must be of the slots of {space.name!r}, as Motifs.of_slots gives them; got those of "
            f"{motifs.space.name!r}, each a {motifs.kinds[0]} and a {motifs.kinds[1]}."
        )
    for v, w in growth.always:
        sheet.arc(v, w, ALWAYS)
    for (v, w), slot in growth.edges.items():
        _Preferred.of(space, motifs, slot).arc(sheet, v, w)
    for node, slot in growth.ops.items():
        _Preferred.of(space, motifs, slot).write(sheet, node, -OPERATION / sheet.level)
    for place, slot in enumerate(growth.first):
        _Preferred.of(space, motifs, slot, named=True).write(sheet, place, growth.nodes - 1)
    sheet.nodes(growth.nodes, growth.nodes)
    layout = _page([sheet], [""]) | titled(title)
    return Picture([*sheet.traces(), *_legend(space)], layout, motifs.sentence(), motifs.table)


def _growth(space: SearchSpace) -> Growth:
    arguments.instance("space", space, SearchSpace, "nagkit.space('nas-bench-201')")
    if space.growth is None:
        raise ArgumentError(f"space must have graphs that grow node by node; {space.name!r} has none. Use the table.")
    return space.growth


def _odds(growth: Growth, frames: Sequence[Frame], row: int) -> dict[int, Float[np.ndarray, "K"]]:
    """For each slot the probabilities of its symbols right before it was decided."""
    found = {}
    if len(frames) == len(growth.blocks) + 1:
        for slots, before, after in zip(growth.blocks, frames, frames[1:], strict=False):
            for slot in slots:
                if before.tokens[row, slot] == UNDECIDED != after.tokens[row, slot]:
                    found[slot] = before.probability[row, slot]
    if len(found) < frames[-1].tokens.shape[1]:
        raise ArgumentError(
            f"frames must decide the graph node by node, in {len(growth.blocks)} steps; take all frames of a generator "
            f"'autoregressive' whose model is 'graph'. Got {len(frames)} frames."
        )
    return found


# -------------------------------------------------------------------------------------------------------- the sheet


@dataclass(eq=False)
class _Sheet:
    """What is drawn on one pair of axes: shapes, and words with what the pointer finds there.

    ``top`` is the height of the highest arc that there is room for.
    """

    growth: Growth
    axis: str
    top: int
    shapes: list[dict[str, Any]] = field(default_factory=list)
    words: list[tuple[float, float, str, str, str]] = field(default_factory=list)

    def arc(self, v: int, w: int, line: dict[str, Any], opacity: float = 1.0) -> None:
        """The arc of an edge, as such a line of Plotly."""
        top = (w - v) / 0.75  # a cubic curve gets to three quarters of its handles
        path = f"M {v},0 C {v},{top:g} {w},{top:g} {w},0"
        line = line | {"width": round(line["width"], 2)}
        self._add({"type": "path", "path": path, "line": line, "opacity": round(opacity, 3)})

    def strip(self, x: float, y: float, shares: Mapping[str, float], marked: str | None = None) -> None:
        """A strip of colours as long as the shares of what they stand for; one of them may be marked."""
        left, outline = x - STRIP / 2, {"x0": x - STRIP / 2, "x1": x + STRIP / 2}
        thick = {"type": "rect", "yanchor": y, "ysizemode": "pixel", "y0": -THICK / 2, "y1": THICK / 2}
        self._add(thick | outline | {"fillcolor": PALE, "line": {"width": 1, "color": GREY}})
        for symbol, share in shares.items():
            ends = {"x0": round(left, 4), "x1": round(left + share * STRIP, 4)}
            left += share * STRIP
            colour = None if symbol == DEAD else look(symbol).colour
            line = {"width": 2, "color": "#000000"} if symbol == marked else {"width": 0.8, "color": GREY}
            self._add(thick | ends | {"fillcolor": colour or PALE, "line": line})

    def write(self, x: float, y: float, text: str, hover: str, away: float = 0.0) -> None:
        """Words over (x, y), or under it where that is below the nodes, so many pixels away."""
        position, turn = ("top center", 1) if y > 0 else ("bottom center", -1)
        self.words.append((x, y + turn * away / self.level, text, hover, position))

    def nodes(self, there: int, count: int) -> None:
        """The nodes on their line: those that are there, and the others dotted."""
        for node in range(count):
            line = {"color": GREY, "width": 1.5, "dash": "solid" if node < there else "dot"}
            at = {"xanchor": node, "yanchor": 0, "xsizemode": "pixel", "ysizemode": "pixel"}
            ends = {"x0": -12, "x1": 12, "y0": -12, "y1": 12}
            fill = {"fillcolor": "#ffffff" if node < there else "rgba(0,0,0,0)"}
            self._add({"type": "circle", **at, **ends, **fill, "line": line, "opacity": 1.0 if node < there else 0.5})
            self.words.append((node, 0, str(node), f"node {node}", "middle center"))

    def _add(self, shape: dict[str, Any]) -> None:
        self.shapes.append(shape | {"xref": f"x{self.axis}", "yref": f"y{self.axis}", "layer": "below"})

    def traces(self) -> list[dict[str, Any]]:
        """The words, for Plotly."""
        if not self.words:
            return []
        x, y, text, hover, position = map(list, zip(*self.words, strict=True))
        return [
            {"type": "scatter", "mode": "text", "x": x, "y": y, "text": text, "textposition": position}
            | {"hovertext": hover, "hoverinfo": "text", "showlegend": False, "textfont": {"size": 11, "color": GREY}}
            | {"xaxis": f"x{self.axis}", "yaxis": f"y{self.axis}"}
        ]

    @property
    def level(self) -> float:
        """Pixels from one height of arcs to the next."""
        return min(LEVEL, LEVELS / (self.growth.nodes - 1))

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest point, in levels."""
        below = UNDER if self.growth.ops else BELOW
        return -below / self.level, self.top + ABOVE / self.level

    @property
    def height(self) -> float:
        """Pixels from the lowest to the highest point."""
        low, high = self.ends
        return (high - low) * self.level


def _page(sheets: Sequence[_Sheet], headings: Sequence[str]) -> dict[str, Any]:
    """The sheets in panels from left to right and from top to bottom; those beside each other are equally high."""
    columns = min(COLUMNS, len(sheets))
    high = [max(sheet.height for sheet in sheets[at : at + columns]) for at in range(0, len(sheets), columns)]
    whole = sum(high) + len(high) * HEADING + (len(high) - 1) * GAP
    layout: dict[str, Any] = page() | {"shapes": [], "annotations": [], "legend": LEGEND}
    hidden = {"visible": False, "fixedrange": True}
    for place, (sheet, heading) in enumerate(zip(sheets, headings, strict=True)):
        row, column = divmod(place, columns)
        top = whole - sum(high[:row]) - row * (HEADING + GAP) - HEADING  # pixels from the foot of the page
        x = [(column + 0.02) / columns, (column + 0.98) / columns] if columns > 1 else [0.0, 1.0]
        y = [max(top - sheet.height, 0.0) / whole, top / whole]
        side = [-0.5, sheet.growth.nodes - 0.5]
        layout[f"xaxis{sheet.axis}"] = hidden | {"domain": x, "range": side, "anchor": f"y{sheet.axis}"}
        layout[f"yaxis{sheet.axis}"] = hidden | {"domain": y, "range": list(sheet.ends), "anchor": f"x{sheet.axis}"}
        layout["shapes"] += sheet.shapes
        note = {"text": f"<b>{safe(heading)}</b>", "x": x[0], "y": y[1], "xref": "paper", "yref": "paper"}
        note |= {"xanchor": "left", "yanchor": "bottom", "showarrow": False, "font": {"size": 13}}
        layout["annotations"] += [note] if heading else []
    return layout | {"height": round(whole) + 70, "margin": {"l": 10, "r": 10, "t": 60, "b": 10}}


def _legend(space: SearchSpace) -> list[dict[str, Any]]:
    """A square for each symbol of edges with labels and of operations; where there are only edges, none."""
    growth = _growth(space)
    slots = [*growth.edges.values(), *growth.ops.values()]
    kinds = [space.slots[slot].symbols for slot in slots if len(space.slots[slot].symbols) > 2]
    common = {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "hoverinfo": "skip"}
    box = {"symbol": "square", "size": 11, "line": {"width": 1, "color": GREY}}
    return [
        common | {"name": look(symbol).label, "marker": box | {"color": colour or PALE}}
        for symbol in dict.fromkeys(symbol for symbols in kinds for symbol in symbols)
        for colour in [look(symbol).colour]
    ]


# ---------------------------------------------------------------------------------------------------------- growing


@dataclass(frozen=True, eq=False)
class _Growing:
    """One row of a space, and the odds that each of its symbols was chosen by."""

    space: SearchSpace
    growth: Growth
    row: Int[np.ndarray, "L"]
    odds: Mapping[int, Float[np.ndarray, "K"]]

    @property
    def panels(self) -> list[tuple[str, int, tuple[int, ...]]]:
        """What each panel is about, how many nodes there are, and the slots that are decided in it."""
        found = [("before any node", 0, self.growth.first)] if self.growth.first else []
        for node in range(self.growth.nodes):
            slots = [slot for (_, w), slot in self.growth.edges.items() if w == node]
            slots += [self.growth.ops[node]] if node in self.growth.ops else []
            found += [(f"node {node}", node + 1, tuple(slots))] if slots else []
        return found

    def picture(self, title: str | None) -> Picture:
        sheets = [
            self._sheet("" if place == 0 else str(place + 1), self._top(place), there, slots)
            for place, (_, there, slots) in enumerate(self.panels)
        ]
        layout = _page(sheets, [name for name, _, _ in self.panels]) | titled(title)
        traces = [trace for sheet in sheets for trace in sheet.traces()]
        return Picture([*traces, *_legend(self.space)], layout, self.sentence(), self.table)

    def _top(self, place: int) -> int:
        """The height of the highest arc that a panel, or the one beside it, may have."""
        return max(there for _, there, _ in self.panels[place - place % COLUMNS :][:COLUMNS]) - 1

    def _sheet(self, axis: str, top: int, there: int, now: tuple[int, ...]) -> _Sheet:
        """The graph with so many nodes, of which some slots are decided now."""
        sheet = _Sheet(self.growth, axis, top)
        for v, w in self.growth.always:
            if w < there:
                sheet.arc(v, w, ALWAYS)
        for (v, w), slot in self.growth.edges.items():
            if slot in now or (w < there and self.row[slot]):
                self._edge(sheet, v, w, slot, slot in now)
        for node, slot in self.growth.ops.items():
            if node < there:
                self._strip(sheet, node, -OPERATION / sheet.level, slot, slot in now)
        for place, slot in enumerate(self.growth.first):
            if slot in now:
                self._strip(sheet, place + (self.growth.nodes - 1) / 2, 1.0, slot, now=True)
        sheet.nodes(there, self.growth.nodes)
        return sheet

    def _edge(self, sheet: _Sheet, v: int, w: int, slot: int, now: bool) -> None:
        """The arc of an edge with its odds, as long as they are those of this panel."""
        there, labels = bool(self.row[slot]), len(self.space.slots[slot].symbols) > 2
        likely = float(self.odds[slot][1:].sum())
        width = THIN + (BROAD - THIN) * (likely if now else 0.25)
        colour = lined(look(self.chosen(slot)).colour or GREY) if there and labels else BLUE if there else GREY
        line = {"width": width, "color": colour, "dash": "solid" if there else "dot"}
        sheet.arc(v, w, line, 1.0 if there else FAINT)
        if now and not labels:
            sheet.write((v + w) / 2, w - v, self.number(slot, likely), self.hover(slot), BARE)
        elif now:
            self._strip(sheet, (v + w) / 2, w - v, slot, now)

    def _strip(self, sheet: _Sheet, x: float, y: float, slot: int, now: bool) -> None:
        """What was chosen in a slot, with its odds while they are those of this panel."""
        said = _narrow(self._called(slot)) if y < 0 else self._called(slot)
        if now:
            shares = dict(zip(self.space.slots[slot].symbols, self.odds[slot].tolist(), strict=False))
            sheet.strip(x, y, shares, self.chosen(slot))
            number = self.number(slot, self.odds[slot][self.row[slot]])
            said = f"{number}<br>{said}" if y > 0 else f"{said}<br>{number}"  # the shorter where arcs are nearer
        sheet.write(x, y, said, self.hover(slot), BESIDE)

    def chosen(self, slot: int) -> str:
        """The symbol of a slot."""
        return self.space.slots[slot].symbols[self.row[slot]]

    def number(self, slot: int, share: float) -> str:
        """A probability in percent, in bold where the edge or the symbol was chosen."""
        of_edge = len(self.space.slots[slot].symbols) == 2
        return f"{share:.0%}" if of_edge and not self.row[slot] else f"<b>{share:.0%}</b>"

    def hover(self, slot: int) -> str:
        """The odds of a slot in words, and what was chosen."""
        return f"{safe(self.space.slots[slot].name)}: {self.spread(slot)}; chosen: {look(self.chosen(slot)).label}"

    def spread(self, slot: int) -> str:
        """The odds of a slot, from the likeliest symbol on."""
        pairs = zip(self.space.slots[slot].symbols, self.odds[slot].tolist(), strict=False)
        likely = sorted(pairs, key=lambda pair: -pair[1])
        return ", ".join(f"{look(symbol).label} {share:.0%}" for symbol, share in likely if share > 0)

    def sentence(self) -> str:
        """What was chosen at each step and how likely it was; edges that are there, of those without labels."""
        parts = []
        for name, _, slots in self.panels:
            said = [slot for slot in slots if self.row[slot] or len(self.space.slots[slot].symbols) > 2]
            each = [f"{self._named(slot)} ({self.odds[slot][self.row[slot]]:.0%})" for slot in said]
            parts.append(f"{name}: {', '.join(each) or 'no edge'}")
        return f"{'; '.join(parts)}.".capitalize()

    def _named(self, slot: int) -> str:
        name, label = self.space.slots[slot].name, look(self.chosen(slot)).label
        return name if len(self.space.slots[slot].symbols) == 2 else f"{name} {label}"

    def _called(self, slot: int) -> str:
        return safe(self._named(slot)) if slot in self.growth.first else look(self.chosen(slot)).label

    def table(self) -> "pandas.DataFrame":
        """A row for each choice."""
        import pandas as pd

        rows = [
            (name, self.space.slots[slot].name, self.chosen(slot), self.odds[slot][self.row[slot]], self.spread(slot))
            for name, _, slots in self.panels
            for slot in slots
        ]
        return pd.DataFrame(rows, columns=["step", "slot", "chosen", "probability", "odds"])


# ---------------------------------------------------------------------------------------------------------- motifs


@dataclass(frozen=True, eq=False)
class _Preferred:
    """One slot of a law: the shares of its symbols, and of the one that is written its lift."""

    name: str
    shares: dict[str, float]
    absent: tuple[str, ...]  # symbols of an edge that is not there, or has no data
    said: str
    lift: float
    certain: bool
    named: bool  # whether the name of the slot is written too

    @classmethod
    def of(cls, space: SearchSpace, motifs: Motifs, slot: int, named: bool = False) -> "_Preferred":
        name, symbols = space.slots[slot].name, space.slots[slot].symbols
        places = motifs.of(name)
        shares = {symbol: float(motifs.share[places[symbol]]) for symbol in (*symbols, DEAD) if symbol in places}
        likely = max(shares, key=shares.__getitem__)
        said = symbols[1] if len(symbols) == 2 and symbols[1] in shares else likely
        place = places[said]
        return cls(
            name, shares, (symbols[0], DEAD), said, float(motifs.lift[place]), bool(motifs.certain[place]), named
        )

    def arc(self, sheet: _Sheet, v: int, w: int) -> None:
        """On the arc of an edge."""
        labels = len(self.shares.keys() - set(self.absent)) > 1
        share = sum(share for symbol, share in self.shares.items() if symbol not in self.absent)
        preferred = GREY if not self.certain else VERMILION if self.lift > 1 else BLUE
        colour = lined(look(self.said).colour or GREY) if labels and self.said not in self.absent else preferred
        line = {"width": THIN + (BROAD - THIN) * share, "color": GREY if self.said == DEAD else colour}
        sheet.arc(v, w, line | {"dash": "solid" if share >= 0.5 else "dash"}, max(share, FAINT))
        self.write(sheet, (v + w) / 2, w - v)

    def write(self, sheet: _Sheet, x: float, y: float) -> None:
        """The shares as a strip, where there are several, and what is most frequent in words."""
        several = len(self.shares) > 2
        if several:
            sheet.strip(x, y, self.shares, self.said)
        label = f"{self.name} {self.said}" if self.named else DEAD if self.said == DEAD else look(self.said).label
        times = f"× {self.lift:.0f}" if self.lift >= 10 else f"× {self.lift:.2g}"
        number = f"{self.shares[self.said]:.0%} {f'<b>{times}</b>' if self.certain else times}"
        spread = ", ".join(f"{symbol} {share:.0%}" for symbol, share in self.shares.items())
        lines = [number, label] if several and y > 0 else [_narrow(label), number] if several else [number]
        sheet.write(x, y, "<br>".join(lines), safe(f"{self.name}: {spread}"), BESIDE if several else BARE)


def _narrow(label: str) -> str:
    """A label in two lines where it can be."""
    return "<br>".join(label.rsplit(" ", 1))
