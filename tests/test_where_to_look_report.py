"""The report on where a latent search looks: what it refuses, and that its figures say what the searches did."""

import json

import numpy as np
import pytest

import nagkit
from nagkit.combinations import latencies
from nagkit.errors import ArgumentError
from nagkit.report import report
from nagkit.search import run, search
from reports import executed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"devices": "latency_raspi4"}, "each of devices with the table 'digits/mid8' must be one of 'latency_cpu'"),
        ({"devices": "latency_cpu, latency_cpu_spread"}, "each of devices .* Did you mean 'latency_cpu'"),
        ({"objective": "params"}, "objective must be one of 'val_accuracy', 'test_accuracy'"),
        ({"table": "mobilenet-v3/imagenet"}, "table must be one of"),
        ({"budget": 40}, "budget must be a whole number from 48"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_a_kernel_starts(tmp_path, given, said):
    with pytest.raises(ArgumentError, match=said):
        report("where_to_look", given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_devices_are_the_first_of_the_table_unless_named():
    table = nagkit.benchmark("digits/mid8")
    assert latencies(table, " ") == latencies(table, "latency_cpu, latency_cpu") == ["latency_cpu"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The folder of a small report, and its figures."""
    folder = executed("where_to_look", {"budget": 48, "seeds": 1}, tmp_path_factory.mktemp("report"))
    return folder, json.loads((folder / "result.json").read_text())


@pytest.mark.slow
def test_z_tells_the_architecture_and_that_of_the_paper_does_not(shown):
    figures = {name: figure["value"] for name, figure in shown[1].items()}
    assert figures["latent: reconstructed of what was held out"] >= 99
    assert figures["as published: told by z"] < 0.05
    assert 5 < figures["latent: told by z"] <= figures["all that there is to tell"]


@pytest.mark.slow
def test_figures_are_those_of_the_same_search_here(shown):
    table = nagkit.benchmark("digits/mid8")
    found = search("latent", table.space, [table.objective("val_accuracy")], seed=0)
    for _ in run(found, 48):
        pass
    for name, (asked, good) in found.credit().items():
        figure = shown[1].get(f"source {name}: good of what was asked")
        assert (figure and (figure["n"], figure["value"])) == (
            (asked, pytest.approx(100 * good / asked)) if asked else None
        )
    truth = table.look_up(table.space.all(), "val_accuracy")
    for place, name in ((0, "first"), (1, "last")):
        mean = np.nanmean(table.look_up(found.rounds[place].tokens, "val_accuracy"))
        assert shown[1][f"latent: mean of proposals, {name} round"]["value"] == pytest.approx(mean)
        assert mean > np.nanmean(truth) + 2, "the generator has learned where to look"
    regret = np.nanmax(truth) - found.archive.values.max()
    assert shown[1]["latent: regret of val_accuracy @48"]["value"] == pytest.approx(regret)


@pytest.mark.slow
def test_every_course_has_every_entrant_and_its_pictures(shown):
    folder, figures = shown
    for course in ("latency_cpu at most", "accuracy and latency_cpu"):
        named = {name.split(": ")[1] for name in figures if name.startswith(course)}
        assert {"latent", "as published", "evolution", "random", "local", "enumeration"} <= named
    assert 0.5 < figures["accuracy and latency_cpu: latent: hypervolume ratio @48"]["value"] <= 1
    page = (folder / "report.html").read_text()
    assert page.count("Plotly.newPlot(") == 3, "the map, the regret and a front"
    assert "Round 1, after 16 labels" in page
