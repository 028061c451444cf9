"""The picture of a law: its cells are the law's, what has left is empty, and table and sentence say the same."""

import numpy as np
import pytest

from nagkit.errors import ArgumentError
from nagkit.preferences import preferences_figure
from nagkit.spaces import space
from nagkit.supernet import PreferenceLaw

CELLS, DARTS = space("nas-bench-201"), space("darts")


@pytest.fixture
def law():
    dropped = np.zeros((6, 5), dtype=bool)
    dropped[2, 1] = True
    found = PreferenceLaw.of(CELLS).moved([1.0, 0.0], np.linspace(-0.1, 0.3, 30).reshape(6, 5))
    return found.without(dropped)


def test_cells_are_the_odds_of_the_law_and_empty_where_a_symbol_left(law):
    picture = preferences_figure({"first": PreferenceLaw.of(CELLS), "last": law}, ["loss", "params"])
    assert len(picture.data) == 6  # two laws, three preferences
    for place, weights in enumerate(([0.5, 0.5], [1, 0], [0, 1])):
        trace = picture.data[3 + place]
        shown = np.array([[np.nan if z is None else z for z in row] for row in trace["z"]])
        np.testing.assert_allclose(shown, np.where(law.allowed, 100 * law.at(weights), np.nan), atol=0.051)
        assert trace["z"][2][1] is None
        assert trace["text"][2][1] == ""
        assert trace["text"][0][0] == f"{trace['z'][0][0]:.0f}"
    titles = [each["text"] for each in picture.layout["annotations"]]
    assert titles[:3] == ["first, all alike", "first, loss alone", "first, params alone"]


def test_table_and_sentence_say_the_same(law):
    picture = preferences_figure({"law": law}, ["loss", "params"])
    table = picture.table
    assert len(table) == 3 * 29
    one = table[(table["preference"] == "loss alone") & (table["slot"] == CELLS.slots[0].name)]
    np.testing.assert_allclose(one["probability (%)"], 100 * law.at([1, 0])[0])
    assert "law: 29 of 30 choices are left" in picture.sentence
    assert f"{law.entropy().min():.2f} at least" in picture.sentence


def test_panels_do_not_overlap_and_every_space_fits():
    picture = preferences_figure(
        {"one": PreferenceLaw.of(DARTS, 3), "two": PreferenceLaw.of(DARTS, 3)}, ["a", "b", "c"]
    )
    axes = [
        (tuple(picture.layout[f"xaxis{n}"]["domain"]), tuple(picture.layout[f"yaxis{n}"]["domain"]))
        for n in ("", *map(str, range(2, 9)))
    ]
    for place, (x, y) in enumerate(axes):
        assert 0 <= x[0] < x[1] <= 1 + 1e-9
        assert 0 <= y[0] < y[1] <= 1
        for u, v in axes[:place]:
            assert x[0] >= u[1] or u[0] >= x[1] or y[0] >= v[1] or v[0] >= y[1]
    assert preferences_figure({"alone": PreferenceLaw.of(CELLS, 1)}, ["loss"]).data[0]["zmax"] == 100


def test_what_is_no_law_is_refused(law, as_a_user):
    with pytest.raises(ArgumentError, match="laws must hold one law or more"):
        preferences_figure({}, ["loss"])
    with pytest.raises(ArgumentError, match=r"objectives must name what .* 2 of them; got \['loss'\]"):
        preferences_figure({"law": law}, ["loss"])
    with pytest.raises(ArgumentError, match=r"laws\['law'\] must be of a space whose slots all have the same symbols"):
        preferences_figure({"law": PreferenceLaw.of(space("nas-bench-101"))}, ["loss", "params"])
    with pytest.raises(ArgumentError, match=r"laws\['law'\] must be"):
        preferences_figure({"law": 3}, ["loss"])
