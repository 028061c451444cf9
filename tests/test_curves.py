import pytest

from nagkit.curves import STROKES, Band, Curve, bands_figure, curves_figure
from nagkit.errors import ArgumentError
from nagkit.metrics import Metric

SHARE, DISTINCT = Metric("share", "%", "max"), Metric("distinct", "%", "max")


def figure(*curves):
    return curves_figure(curves, DISTINCT, SHARE, "strength")


def test_trace_table_and_sentence_state_the_same_points():
    shown = figure(Curve("guided", [95, 60, 30], [1, 20, 60], [0, 2, 8]))
    (trace,) = shown.data
    assert (trace["x"], trace["y"], trace["text"]) == ([95, 60, 30], [1, 20, 60], ["0", "2", "8"])
    assert shown.table.to_numpy().tolist() == [["guided", 0, 95, 1], ["guided", 2, 60, 20], ["guided", 8, 30, 60]]
    assert shown.sentence == (
        "guided: while strength goes from 0 to 8, distinct goes from 95 to 30 % and share from 1 to 60 %."
    )
    assert shown.layout["xaxis"]["title"]["text"] == "distinct (%, more is better)"


def test_one_point_is_said_as_one():
    shown = figure(Curve("guided", [60], [20], [2]))
    assert shown.sentence == "guided: at strength 2, distinct is 60 % and share 20 %."


def test_curves_differ_in_colour_dash_and_mark():
    traces = figure(*(Curve(f"curve {i}", [i], [i], [i]) for i in range(len(STROKES)))).data
    strokes = [(trace["line"]["color"], trace["line"]["dash"], trace["marker"]["symbol"]) for trace in traces]
    assert all(len(set(seen)) == 8 for seen in zip(*strokes[:8], strict=True))
    assert len({stroke[:2] for stroke in strokes}) == len({stroke[::2] for stroke in strokes}) == len(STROKES)


def test_names_are_shown_as_they_are():
    assert figure(Curve("<b>bold</b>", [1], [1], [1])).data[0]["name"] == "&lt;b&gt;bold&lt;/b&gt;"


def test_points_that_are_unknown_or_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match="y must be finite"):
        Curve("guided", [1, 2], [1, float("nan")], [0, 1])
    with pytest.raises(ArgumentError, match=r"settings must have shape \(2,\)"):
        Curve("guided", [1, 2], [1, 2], [0])
    with pytest.raises(ArgumentError, match="curves must hold 1 to 24 curves; got 0"):
        figure()


def test_what_is_no_curve_or_metric_is_refused(as_a_user):
    metric, curve = Metric("a", "%", "max"), Curve("one", [1, 2], [3, 4], [0, 1])
    for wrong in ([1], curve, None):
        with pytest.raises(ArgumentError, match="curves must"):
            curves_figure(wrong, metric, metric, "strength")
    with pytest.raises(ArgumentError, match="up must be a Metric"):
        curves_figure([curve], metric, None, "strength")


def test_a_band_is_a_line_before_its_area():
    steps, regret = Metric("steps", "count", "min"), Metric("regret", "%", "min")
    bands = [Band("local", [1, 2], [3.0, 1.0], [2.0, 0.5], [4.0, 1.5]), Band("random", [1, 2], [3, 2], [3, 2], [3, 2])]
    shown = bands_figure(bands, steps, regret)
    area, line, *others = shown.data
    assert (area["x"], area["y"]) == ([1, 2, 2, 1], [4, 1.5, 0.5, 2])
    assert (line["x"], line["y"]) == ([1, 2], [3, 1])
    assert area["fillcolor"] == line["line"]["color"] != others[1]["line"]["color"]
    assert [trace["showlegend"] for trace in shown.data] == [False, True, False, True]
    assert area["legendgroup"] == line["legendgroup"] != others[0]["legendgroup"]
    assert shown.table.to_numpy().tolist()[1] == ["local", 2, 1, 0.5, 1.5]
    assert shown.sentence == (
        "Regret (%, less is better). local: 1 % (0.5 to 1.5) at steps 2. random: 2 % (2 to 2) at steps 2."
    )


def test_bands_that_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match=r"low must have shape \(2,\)"):
        Band("local", [1, 2], [3, 1], [2], [4, 2])
    with pytest.raises(ArgumentError, match="low, y and high must be in this order"):
        Band("local", [1, 2], [3, 1], [2, 2], [4, 2])
    with pytest.raises(ArgumentError, match="bands must hold 1 to 24 bands; got 25"):
        bands_figure([Band("a", [1], [1], [1], [1])] * 25, DISTINCT, SHARE)
