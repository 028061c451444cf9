"""The race as a report: what it refuses, and that its figures are those of the race."""

import html
import json

import numpy as np
import pytest

import nagkit
from nagkit.errors import ArgumentError
from nagkit.report import report
from reports import executed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"searches": "bayesian, evolutoin"}, "each of searches must be one of .* Did you mean 'evolution'"),
        ({"searches": "tpe:ei"}, "an acquisition of bayesian or latent only"),
        ({"searches": "bayesian:ei:guidde"}, "Did you mean 'guided'"),
        ({"cost": "latency_raspi4"}, "cost with the table 'digits/mid8' must be one of"),
        ({"limit": 3}, "cost must name a metric of 'digits/mid8' when there is a limit"),
        ({"reference": "guided"}, "reference must be one of '', 'evolution', 'bayesian', 'random'"),
        ({"reference_point": "70, 5"}, "reference_point must be empty, or two numbers where there is a cost"),
        ({"reference_point": "70", "cost": "params"}, "reference_point must be empty, or two numbers"),
        ({"reference_point": "70; 5", "cost": "params"}, "reference_point must be numbers with commas"),
        ({"cost_is": "exact"}, "cost_is must be usual or measured"),
    ],
)
def test_what_cannot_race_is_refused_before_a_kernel_starts(tmp_path, given, said):
    with pytest.raises(ArgumentError, match=said):
        report("race", given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "figure", "higher"),
    [
        ({}, "mean regret of test_accuracy on the way", "random"),
        ({"cost": "latency_cpu", "limit": 0.4}, "mean regret of test_accuracy on the way", "random"),
        ({"cost": "params"}, "hypervolume ratio @60", "bayesian"),
    ],
)
def test_a_race_says_who_was_better(tmp_path, asked, figure, higher):
    folder = executed("race", {"searches": "bayesian", "budget": 60, "seeds": 3, **asked}, tmp_path / "out")
    figures = json.loads((folder / "result.json").read_text())
    assert {name.partition(":")[0] for name in figures} == {"random", "local", "enumeration", "bayesian"}
    assert "random: against bayesian: difference of" in " ".join(figures)
    others = {"random": "bayesian", "bayesian": "random"}
    assert figures[f"{higher}: {figure}"]["value"] > figures[f"{others[higher]}: {figure}"]["value"]
    assert "Race of searches" in (folder / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cost": "accuracy_measured"}, "cost with the table 'mobilenet-v3/imagenet' must be one of"),
        ({"cost": "accuracy_ofa", "cost_is": "exact"}, "does not know of every architecture, such as 'accuracy_ofa'"),
        ({"reference": "enumeration"}, "reference must be one of"),
    ],
)
def test_what_a_surrogate_lacks_is_refused_before_a_kernel_starts(upstream, tmp_path, given, said):
    with pytest.raises(ArgumentError, match=said):
        report("race", {"table": "mobilenet-v3/imagenet", **given}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_race_over_a_surrogate_says_its_error_and_what_regret_is_relative_to(upstream, tmp_path):
    asked = {"table": "nas-bench-101/cifar10", "searches": "bayesian::mutation", "budget": 14, "seeds": 3}
    folder = executed("race", asked, tmp_path / "out")
    figures = json.loads((folder / "result.json").read_text())
    error = nagkit.benchmark("nas-bench-101/cifar10").errors["test_accuracy_surrogate"]
    assert figures["surrogate: mean absolute error of test_accuracy_surrogate"]["value"] == error.mae
    assert figures["surrogate: Kendall's tau of test_accuracy_surrogate"]["value"] == error.tau
    ends = {name: figures[f"{name}: regret of test_accuracy_surrogate @14"]["value"] for name in ("random", "local")}
    end = figures["bayesian::mutation: regret of test_accuracy_surrogate @14"]["value"]
    for name, value in ends.items():
        difference = figures[f"{name}: against bayesian::mutation: difference of regret of test_accuracy_surrogate @14"]
        assert difference["value"] == pytest.approx(value - end)
        assert difference["n"] == 3
    assert any(
        figures[f"{name}: at the best that any found @14"]["value"] > 0 for name in (*ends, "bayesian::mutation")
    ), "the best that any found was found by one of them"
    shown = html.unescape((folder / "report.html").read_text())
    assert error.held_out in shown
    assert f"surrogate ±{error.mae:.2g} %" in shown
    assert "architectures that any entrant of this race asked for; its best is not the best of all" in shown
    assert "queries of it to the end of bayesian::mutation" in shown
    assert not [name for name in figures if name.startswith("enumeration") or "optimum" in name]


@pytest.mark.slow
def test_a_race_for_fronts_over_a_surrogate_has_the_figures_of_its_standings(upstream, tmp_path):
    """The same race here, and its hypervolumes from the points themselves."""
    corner = (66.0, 30.0)
    asked = {"table": "mobilenet-v3/imagenet", "searches": "nsga-ii, guided", "cost": "latency_v100_64"}
    asked |= {"budget": 12, "seeds": 2, "reference": "guided", "reference_point": "66, 30"}
    figures = json.loads((report("race", asked, tmp_path / "out") / "result.json").read_text())
    table = nagkit.benchmark("mobilenet-v3/imagenet")
    race = nagkit.Race(
        nagkit.Course(table.space, [table.objective(name) for name in ("accuracy", "latency_v100_64")]),
        {"nsga-ii": {}, "guided": {}},
        12,
        range(2),
    )
    found = {}
    for heat in race.run():
        values = table.look_up(heat.tokens, ["accuracy", "latency_v100_64"])
        found.setdefault(heat.entrant, []).append(_area(values[:, 0], values[:, 1], *corner))
    for entrant, areas in found.items():
        figure = figures[f"{entrant}: hypervolume @12"]
        assert figure["value"] == pytest.approx(np.mean(areas))
        assert figure["unit"] == "%·ms"
    ratio = {name: figures[f"{name}: hypervolume ratio @12"]["value"] for name in found}
    assert ratio["random"] / ratio["guided"] == pytest.approx(np.mean(found["random"]) / np.mean(found["guided"]))
    share = figures["nsga-ii: against guided: seeds in which it is better @12"]["value"]
    assert share == 50 * sum(a > b for a, b in zip(found["nsga-ii"], found["guided"], strict=True))
    assert figures["surrogate: mean absolute error of latency_v100_64"]["unit"] == "ms"


def _area(accuracy, latency, worst_accuracy, worst_latency):
    """What points dominate before a corner, from the quickest to the slowest."""
    total, best = 0.0, worst_accuracy
    for each in np.argsort(latency):
        if latency[each] < worst_latency and accuracy[each] > best:
            total += (accuracy[each] - best) * (worst_latency - latency[each])
            best = accuracy[each]
    return total


@pytest.mark.slow
@pytest.mark.parametrize("known", ["exact", "measured"])
def test_a_limit_to_a_latency_is_known_beforehand_where_a_report_is_told_so(upstream, tmp_path, known):
    asked = {"table": "mobilenet-v3/imagenet", "searches": "evolution", "cost": "latency_v100_64", "limit": 16}
    folder = executed("race", {**asked, "cost_is": known, "budget": 12, "seeds": 2}, tmp_path / "out")
    figures = json.loads((folder / "result.json").read_text())
    met = figures["random: evaluations that met the constraints"]["value"]
    assert (met == 100) == (known == "exact")
