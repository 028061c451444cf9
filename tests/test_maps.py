"""Maps of latent spaces: what they promise of distances and of ranks, and that picture, table and sentence agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagkit.errors import ArgumentError
from nagkit.maps import IN_BEST, Map, Panel, map_figure
from nagkit.metrics import Metric

ACCURACY, LATENCY = Metric("val_accuracy", "%", "max"), Metric("latency", "ms", "min")


def space_of(seed, n=300, d=6):
    """z, and values that a direction which is no axis tells, but for some noise."""
    rng = np.random.default_rng(seed)
    z, towards = rng.standard_normal((n, d)), rng.standard_normal(d)
    return z, 50 + 5 * (z @ towards) / np.linalg.norm(towards) + rng.standard_normal(n)


def panel(**changed):
    given = {"name": "Round 1", "proposed": np.zeros((4, 2)), "worth": np.array([40.0, 50.0, 60.0, np.nan])}
    given |= {"asked": np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), "sources": ["climbed", "mutation", "climbed"]}
    return Panel(**given | changed)


def figure(*panels):
    places = np.random.default_rng(0).standard_normal((101, 2))
    return map_figure(places, np.linspace(0.0, 100.0, 101), ACCURACY, panels)


@given(st.integers(0, 10**6))
def test_the_plane_is_a_projection_that_enlarges_no_distance(seed):
    z, values = space_of(seed, n=120)
    plane = Map.of(z, values, ACCURACY)
    np.testing.assert_allclose(plane.directions.T @ plane.directions, np.eye(2), atol=1e-9)
    at = plane.places(z)
    np.testing.assert_allclose(at.mean(0), 0, atol=1e-9)
    assert (np.linalg.norm(at[1:] - at[:-1], axis=1) <= np.linalg.norm(z[1:] - z[:-1], axis=1) + 1e-9).all()
    assert plane.kept == pytest.approx(at.var(0).sum() / z.var(0).sum())


@pytest.mark.parametrize(("metric", "towards"), [(ACCURACY, 1), (LATENCY, -1)])
def test_better_lies_to_the_right(metric, towards):
    z, values = space_of(1)
    assert np.corrcoef(Map.of(z, values, metric).places(z)[:, 0], values)[0, 1] * towards > 0.9


def test_a_map_tells_much_of_what_a_direction_tells_and_nothing_of_noise():
    z, values = space_of(2, n=1000)
    assert Map.of(z, values, ACCURACY).told > 0.85
    assert Map.of(z, np.random.default_rng(0).permutation(values), ACCURACY).told < 0.1
    assert "of the variance of z" in Map.of(z, values, ACCURACY).sentence()


def test_unknown_values_are_left_out():
    z, values = space_of(3)
    some = np.where(np.arange(len(z)) < 200, values, np.nan)
    whole, known = Map.of(z, some, ACCURACY), Map.of(z[:200], values[:200], ACCURACY)
    np.testing.assert_array_equal(whole.directions, known.directions)
    assert (whole.told, whole.kept) == (known.told, known.kept)


@pytest.mark.parametrize(
    ("z", "values", "said"),
    [
        (np.zeros((200, 1)), np.arange(200.0), "d at least 2"),
        (np.zeros((200, 3)), np.arange(199.0), "must have shapes"),
        (np.ones((200, 3)), np.ones(200), "not all be the same"),
        (np.ones((50, 3)), np.arange(50.0), "at least 100"),
        (np.full((200, 3), np.nan), np.arange(200.0), "z must be finite"),
    ],
)
def test_what_has_no_map_is_refused(as_a_user, z, values, said):
    with pytest.raises(ArgumentError, match=said):
        Map.of(z, values, ACCURACY)


def test_table_and_sentence_state_what_the_panels_show():
    shown = figure(panel(), panel(name="Round 2", worth=np.array([95.0, 95.0, 5.0, 91.0])))
    first, second = shown.table.to_dict("records")
    assert (first["panel"], first["proposed"], first[IN_BEST]) == ("Round 1", 4, 0)
    assert first["median val_accuracy of these (%)"] == 50
    assert first["asked"] == "2 climbed, 1 mutation"
    assert second[IN_BEST] == 75
    assert shown.sentence == (
        "Round 1: 4 proposals with a median of 50 %, 0 % of them in the best tenth. "
        "Round 2: 4 proposals with a median of 93 %, 75 % of them in the best tenth."
    )


def test_every_panel_has_its_axes_and_the_legend_names_each_once():
    shown = figure(panel(), panel(name="<b>", sources=["random", "mutation", "random"]))
    assert {trace["xaxis"] for trace in shown.data} == {"x", "x2"}
    assert shown.layout["xaxis"]["range"] == shown.layout["xaxis2"]["range"]
    named = [trace["name"] for trace in shown.data if trace["showlegend"]]
    assert named == ["proposed", "asked: climbed", "asked: mutation", "asked: random"]
    marks = {trace["marker"]["symbol"] for trace in shown.data if trace["name"].startswith("asked")}
    assert len(marks) == 3, "sources differ in shape"
    assert [note["text"] for note in shown.layout["annotations"]] == ["<b>Round 1</b>", "<b>&lt;b&gt;</b>"]
    assert shown.layout["coloraxis"]["colorbar"]["title"]["text"] == "val accuracy (%, more is better)"
    assert shown.layout["xaxis"]["title"]["text"].endswith("better to the right)")


def test_marks_lie_where_the_questions_are():
    trace = next(trace for trace in figure(panel()).data if trace["name"] == "asked: climbed")
    assert (trace["x"], trace["y"]) == ([1.0, 5.0], [2.0, 6.0])


def test_panels_that_do_not_fit_are_refused(as_a_user):
    with pytest.raises(ArgumentError, match="proposed and worth must be as many"):
        panel(worth=np.zeros(3))
    with pytest.raises(ArgumentError, match="worth must be known of at least one"):
        panel(worth=np.full(4, np.nan))
    with pytest.raises(ArgumentError, match="panels must hold at least one"):
        figure()
