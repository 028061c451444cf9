import pytest

from nagkit.curves import STROKES, Curve, curves_figure
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


def test_curves_differ_in_colour_dash_and_mark():
    traces = figure(*(Curve(f"curve {i}", [i], [i], [i]) for i in range(len(STROKES)))).data
    for place, key in (("line", "color"), ("line", "dash"), ("marker", "symbol")):
        assert len({trace[place][key] for trace in traces}) == len(STROKES)


def test_names_are_shown_as_they_are():
    assert figure(Curve("<b>bold</b>", [1], [1], [1])).data[0]["name"] == "&lt;b&gt;bold&lt;/b&gt;"


def test_points_that_are_unknown_or_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match="y must be finite"):
        Curve("guided", [1, 2], [1, float("nan")], [0, 1])
    with pytest.raises(ArgumentError, match=r"settings must have shape \(2,\)"):
        Curve("guided", [1, 2], [1, 2], [0])
    with pytest.raises(ArgumentError, match="curves must hold 1 to 5 curves; got 0"):
        figure()


def test_what_is_no_curve_or_metric_is_refused(as_a_user):
    metric, curve = Metric("a", "%", "max"), Curve("one", [1, 2], [3, 4], [0, 1])
    for wrong in ([1], curve, None):
        with pytest.raises(ArgumentError, match="curves must"):
            curves_figure(wrong, metric, metric, "strength")
    with pytest.raises(ArgumentError, match="up must be a Metric"):
        curves_figure([curve], metric, None, "strength")
