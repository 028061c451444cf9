"""The report on claims: it measures what can be measured where it runs, and says what brings the rest."""

import html
import json

import numpy as np
import pytest

import nagkit
from nagkit.benchmarks.registry import CACHE, UPSTREAM
from nagkit.claims import SYSTEMS, kept
from nagkit.distribution import Distribution
from nagkit.errors import ArgumentError
from nagkit.report import report
from reports import executed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"systems": "DiffusionNAG, AGNet"}, "each of systems must be one of .* Did you mean 'AG-Net'"),
        ({"datasets": "cifar"}, "each of datasets must be one of"),
        ({"seeds": 0}, "seeds must be a whole number from 1"),
        ({"large": "maybe"}, "large must be one of 'no', 'yes'"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_a_kernel_starts(tmp_path, given, said):
    with pytest.raises(ArgumentError, match=said):
        report("claims", given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_without_public_tables_it_measures_what_needs_none_and_says_what_brings_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv(UPSTREAM, "")
    monkeypatch.setenv(CACHE, str(tmp_path / "nothing"))
    before = kept()
    folder = executed("claims", {"seeds": 1, "systems": "DiffusionNAG, AG-Net, GraphPNAS"}, tmp_path / "out")
    assert kept() == before, "nothing is kept unless one asks for it"
    figures, page = (
        json.loads((folder / "result.json").read_text()),
        html.unescape((folder / "report.html").read_text()),
    )
    assert {name.partition(":")[0] for name in figures} == {"nas-bench-201", "mobilenet-v3"}
    generator = nagkit.generator("masked-diffusion", nagkit.space("nas-bench-201"))
    batch = Distribution.of(generator, 1000, np.random.default_rng(0), "string")
    assert figures["nas-bench-201: unique"]["value"] == pytest.approx(len(np.unique(batch.samples, axis=0)) / 10)
    assert figures["mobilenet-v3: valid"]["n"] == 1000
    assert figures["mobilenet-v3: valid"]["value"] == 100 > figures["mobilenet-v3: valid"]["low"] > 99
    for system in SYSTEMS:
        assert f"{system}: row by row" in page
    assert "seed 0; measured by this report" in page
    assert "Its tables are not on this machine: nagkit data fetch constrained-tpe freerea" in page
    assert page.count("Plotly.newPlot(") == 1
    assert page.count('scope="row"') > 40


@pytest.mark.slow
def test_with_a_public_table_it_searches_and_one_seed_decides_nothing(upstream, tmp_path):
    folder = executed("claims", {"seeds": 1, "systems": "GraphPNAS", "datasets": "cifar100"}, tmp_path / "out")
    figures, page = (
        json.loads((folder / "result.json").read_text()),
        html.unescape((folder / "report.html").read_text()),
    )
    table = nagkit.benchmark("nas-bench-201/cifar100")
    truth = table.look_up(table.space.all(), ["val_accuracy", "test_accuracy"])
    for kind in ("policy", "policy:unfiltered"):
        found = figures[f"cifar100: {kind}: test accuracy @100"]
        assert (found["low"], found["n"]) == (None, 1)
        (place,) = np.flatnonzero(truth[:, 1] == found["value"])
        assert (truth[:, 0] > truth[place, 0]).mean() < 0.01, "100 evaluations find one of the best 1 %"
        assert figures[f"cifar100: {kind}: mean of fresh samples"]["value"] > np.nanmean(truth[:, 0]) + 3
    assert page.count("seed 0; measured by this report") == 2
