"""The report on what a policy search has learned: what it refuses, and that its figures say what the law is."""

import json

import numpy as np
import pytest

import nagkit
from nagkit.distribution import Distribution
from nagkit.errors import ArgumentError
from nagkit.report import check, report
from nagkit.search import run, search
from reports import executed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"table": "mobilenet-v3/imagenet"}, "table must be one of"),
        ({"objective": "test_acuracy"}, "with the table 'digits/mid8' must be .* Did you mean 'test_accuracy'"),
        ({"objective": "test_accuracy_surrogate"}, "objective with the table 'digits/mid8' must be"),
        ({"update": "refits"}, "update must be one of 'preference', 'refit', 'gradient'; got 'refits'. Did you mean"),
        ({"filtered": "maybe"}, "filtered must be one of 'no', 'yes'"),
        ({"budget": 10}, "budget must be a whole number from 20"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_a_kernel_starts(tmp_path, given, said):
    with pytest.raises(ArgumentError, match=said):
        report("growing", given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["nas-bench-101/cifar10", "enas/cifar10"])
def test_a_surrogate_has_another_objective_than_a_table(upstream, tmp_path, name):
    with pytest.raises(ArgumentError, match=f"objective with the table '{name}' must be .*; got 'val_accuracy'"):
        report("growing", {"table": name, "objective": "val_accuracy"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert check("growing", {"table": name, "objective": nagkit.benchmark(name).seen})["objective"] in (
        "test_accuracy_surrogate",
        "weight_sharing_accuracy_surrogate",
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The folder of a small report, and its figures."""
    given = {"budget": 40, "seeds": 1, "seed": 3, "samples": 100}
    folder = executed("growing", given, tmp_path_factory.mktemp("report"))
    return folder, json.loads((folder / "result.json").read_text())


@pytest.mark.slow
def test_figures_are_those_of_the_same_search_here(shown):
    figures, table = shown[1], nagkit.benchmark("digits/mid8")
    wish = table.objective("val_accuracy")
    found = search("policy", table.space, [wish], seed=3, filtered=False)
    before = found.generator()
    for _ in run(found, 40):
        pass
    truth, forms = (
        table.look_up(table.space.all(), "val_accuracy"),
        table.space.canonical(table.space.all(), "function"),
    )
    best = table.space.all()[(forms == forms[np.nanargmax(truth)]).all(1)]
    for name, generator in (("before", before), ("after", found.generator())):
        chance = np.exp(generator.log_probability(best)).sum()
        assert figures[f"{name}: log probability of the best"]["value"] == pytest.approx(np.log(chance))
        law = Distribution.of(generator, 400, np.random.default_rng(0), found.identity).figures(
            wish, found.archive.tokens
        )
        for what, reach in (
            ("mean val_accuracy", 4.0),
            ("entropy", 1.0),
            ("novel", 20.0),
            ("distance of two samples", 1),
        ):
            assert figures[f"{name}: {what}"]["value"] == pytest.approx(law[what].value, abs=reach)
    assert figures["rise of the mean"]["value"] == pytest.approx(
        figures["after: mean val_accuracy"]["value"] - figures["before: mean val_accuracy"]["value"]
    )
    assert figures["rise of the mean"]["value"] > 3, "the policy has learned"
    assert figures["after: valid"]["value"] == 100


@pytest.mark.slow
def test_in_a_space_that_cannot_be_listed_the_best_is_that_of_what_was_told(upstream, tmp_path):
    """And the law is judged by what the surrogate predicts of fresh samples, before and after."""
    name = "enas/cifar10"
    given = {"table": name, "budget": 20, "seeds": 1, "samples": 40}
    folder = executed("growing", given, tmp_path)
    figures, page = json.loads((folder / "result.json").read_text()), (folder / "report.html").read_text()
    table = nagkit.benchmark(name)
    found = search("policy", table.space, [table.objective(table.seen)], seed=0, filtered=False)
    for _ in run(found, 20):
        pass
    assert f"told of has {found.archive.values.max():.2f} %" in page
    best = found.archive.tokens[[found.archive.values[:, 0].argmax()]]
    chance = found.generator().log_probability(best)[0]
    assert figures["after: log probability of the best"]["value"] == pytest.approx(chance)
    assert figures["searches that asked for the best"]["value"] == 100
    assert {f"{law}: mean {table.seen}" for law in ("the space", "before", "after")} <= set(figures)
    assert page.count("Plotly.newPlot(") == 7


@pytest.mark.slow
def test_the_page_has_its_pictures_with_their_sentences_and_is_small(shown):
    page = (shown[0] / "report.html").read_text()
    assert page.count("Plotly.newPlot(") == 7, "three graphs that grow, two cells, worth and motifs"
    assert page.count("Node 1: 0-1") == 3
    assert "differ from the other law for certain; the most preferred is" in page
    assert len(page) < 6e6
