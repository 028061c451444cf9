import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nagkit
from nagkit.errors import ArgumentError, NagkitError
from nagkit.report import Estimate, Parameter, check, names, page, parameters, report, save_result
from reports import executed

PARAMETERS = """\
strength: float = 4.0  # 0 to 100: how strongly to guide
samples: int = 10  # 1 to 1000: how many
order: str = "up"  # up | down: which way
title: str = "a title"  # any text
out: str = ""  # where the figures go"""
BODY = """\
from nagkit.report import Estimate, save_result
save_result({"strength": Estimate(strength, "1"), "samples": Estimate(samples, "1")}, out)"""
FIGURE = """\
from IPython.display import display
figure = {"data": [{"y": [1, 3, 2], "name": "</script>"}], "layout": {"height": 300}}
display({"application/vnd.plotly.v1+json": figure, "text/plain": "Rises & falls.\\n\\n  y"}, raw=True)"""


def notebook(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel | {"language_info": {"name": "python"}})


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A checkout with one report called "small"."""
    monkeypatch.chdir(tmp_path)

    def write(*body):
        book = notebook(PARAMETERS, *body)
        book.cells[0].metadata.tags = ["parameters"]
        folder = tmp_path / "notebooks" / "reports"
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(book, folder / "small.ipynb")

    write(BODY)
    return write


def test_the_parameter_cell_says_types_ranges_and_choices(small):
    strength, samples, order, title = parameters("small").values()
    assert (strength.kind, strength.low, strength.high, strength.default) == (float, 0.0, 100.0, 4.0)
    assert strength.meaning == "how strongly to guide"
    assert (samples.kind, samples.default) == (int, 10)
    assert order.choices == ("up", "down")
    assert (title.default, title.choices) == ("a title", ())


def test_texts_become_numbers_and_defaults_fill_in(small):
    assert check("small", {"strength": "2.5", "samples": "7"}) == {
        "strength": 2.5,
        "samples": 7,
        "order": "up",
        "title": "a title",
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"strenght": 9.0}, r"parameter must be one of .*'strenght'\. Did you mean 'strength'"),
        ({"out": "elsewhere"}, "parameter must be one of"),
        ({"strength": "nine"}, "strength must be a number from 0 to 100; got 'nine'"),
        ({"strength": "-1"}, "strength must be a number from 0 to 100; got -1"),
        ({"strength": "nan"}, "strength must be a number from 0 to 100; got nan"),
        ({"strength": math.inf}, "strength must be a number from 0 to 100; got inf"),
        ({"strength": None}, "strength must be a number from 0 to 100; got None"),
        ({"strength": True}, "strength must be a number from 0 to 100; got True"),
        ({"samples": "2.5"}, "samples must be a whole number from 1 to 1000; got '2.5'"),
        ({"samples": 0}, "samples must be a whole number from 1 to 1000; got 0"),
        ({"samples": "1" * 5000}, "samples must be a whole number from 1 to 1000"),
        ({"order": "dwn"}, r"order must be one of 'up', 'down'; got 'dwn'\. Did you mean 'down'"),
        ({"title": 3}, "title must be a text; got 3"),
    ],
)
def test_wrong_parameters_are_refused_before_a_kernel_starts(small, tmp_path, given, said):
    with pytest.raises(ArgumentError, match=said):
        report("small", given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@given(st.floats(0, 100))
def test_a_number_survives_being_written_as_text(value):
    assert Parameter("strength", float, 4.0, 0.0, 100.0).clean(repr(value)) == value


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("float", "1.0", "no range here"), "needs a range"),
        (("list", "[]", ""), "must be one of 'int', 'float', 'str'; got 'list'"),
    ],
)
def test_a_parameter_cell_that_says_too_little_is_refused(line, said):
    with pytest.raises(ArgumentError, match=said):
        Parameter.declared("strength", *line)


def test_an_unknown_report_is_refused_by_the_nearest_name(small):
    assert names() == ["small"]
    with pytest.raises(ArgumentError, match=r"report must be one of 'small'; got 'smal'\. Did you mean 'small'"):
        report("smal")


def test_reports_of_the_installation_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "generation" in names()
    for name in names():
        assert check(name, {}) == {key: parameter.default for key, parameter in parameters(name).items()}


def test_without_a_checkout_the_refusal_says_to_clone_one(tmp_path):
    shutil.copytree(Path(nagkit.__file__).parent, tmp_path / "nagkit")
    code = "from nagkit.report import names; names()"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "DataMissingError" in ran.stderr
    assert "Clone the repository" in ran.stderr


@pytest.mark.slow
def test_a_report_leaves_page_notebook_and_figures(small, tmp_path):
    small(FIGURE, BODY)
    folder = report("small", {"strength": "2.5"})
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.ipynb", "result.json"]
    figures = json.loads((folder / "result.json").read_text())
    assert figures["strength"] == {"value": 2.5, "unit": "1", "n": 1, "low": None, "high": None}
    assert figures["samples"]["value"] == 10
    shown = (folder / "report.html").read_text()
    assert shown.count("Plotly.newPlot") >= 1
    assert "save_result" not in shown


@pytest.mark.slow
def test_a_failing_cell_is_named_and_the_notebook_so_far_is_kept(small, tmp_path):
    small("1 / 0", BODY)
    with pytest.raises(
        NagkitError, match=r"stopped at cell \d+; the notebook so far is .*ZeroDivisionError: division by zero"
    ):
        report("small", out=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.part.ipynb"]


def test_an_out_that_is_a_file_is_refused(small, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(ArgumentError, match="out must be a folder that can be made"):
        report("small", out=tmp_path / "out")


def with_outputs(*outputs):
    book = notebook("secret = 1")
    book.cells[0].outputs = [nbformat.v4.new_output("display_data", data) for data in outputs]
    return book


def test_a_page_draws_figures_says_their_sentence_and_loads_nothing():
    figure = {
        "data": [{"y": [1], "name": "</script>"}],
        "layout": {},
        "config": {"plotlyServerURL": "https://plot.example"},
    }
    shown = page(with_outputs({"application/vnd.plotly.v1+json": figure, "text/plain": "a < b\n\n table"}), "a title")
    body = shown[shown.index("</head>") :]
    assert "<title>a title</title>" in shown
    assert "<figcaption>a &lt; b</figcaption>" in body
    assert '"name": "<\\/script>"' in body
    assert '"showSendToCloud": false' in body
    assert "plot.example" not in shown
    assert "secret" not in body
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=.(https?:)?//", shown)


def test_a_page_without_figures_is_small_and_controls_are_left_out():
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "0"}, "text/plain": "IntSlider()"}
    book = with_outputs(widget, {"text/plain": "a result"})
    book.metadata["widgets"] = {"state": "large"}
    shown = page(book, "title")
    assert "a result" in shown
    assert "IntSlider" not in shown
    assert len(shown) < 1_000_000
    assert book.metadata["widgets"] == {"state": "large"}


def test_an_estimate_is_the_mean_with_its_interval():
    estimate = Estimate.of([1.0, 2.0, 3.0], "%")
    assert (estimate.value, estimate.n, estimate.unit) == (2.0, 3, "%")
    assert estimate.high - 2.0 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)  # Student's t, 2 degrees
    assert Estimate.of([5.0], "s") == Estimate(5.0, "s")
    assert str(Estimate(5.0, "s")) == "5 s"
    assert str(Estimate(5.0, "s", 2, 4.0, 6.0)) == "5 s (4 to 6)"


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_the_interval_of_a_share_is_that_of_wilson(hits):
    share, n, z = np.mean(hits), len(hits), 1.959964
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    estimate = Estimate.share(hits)
    assert (estimate.value, estimate.unit, estimate.n) == (pytest.approx(100 * share), "%", n)
    assert estimate.low == pytest.approx(100 * (middle - reach), abs=1e-3)
    assert estimate.high == pytest.approx(100 * (middle + reach), abs=1e-3)


@pytest.mark.slow
def test_the_interval_holds_the_mean_95_times_of_100():
    rng = np.random.default_rng(0)
    held = [e.low <= 0 <= e.high for e in (Estimate.of(draw, "1") for draw in rng.normal(size=(4000, 5)))]
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)


def test_figures_that_are_not_finite_or_not_estimates_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match="value must be finite; got nan"):
        Estimate(math.nan, "s")
    with pytest.raises(ArgumentError, match="values must be finite"):
        Estimate.of([1.0, math.nan], "s")
    with pytest.raises(ArgumentError, match=r"estimates\['speed'\] must be an Estimate; got 3"):
        save_result({"speed": 3}, tmp_path)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (("x", "1"), "value must be a number"),
        ((True, "1"), "value must be a number"),
        ((1.0, 5), "unit must be"),
        ((1.0, "1", -3), "n must be a whole number from 1"),
        ((1.0, "1", 2, 3.0, 2.0), "low and high must be given in order"),
        ((1.0, "1", 2, 3.0), "low and high must be given in order"),
    ],
)
def test_an_estimate_that_makes_no_sense_is_refused(as_a_user, parts, said):
    with pytest.raises(ArgumentError, match=said):
        Estimate(*parts)


@pytest.mark.parametrize("hits", [[0.5, 7, -2], [1, 0], [], [[True]], 3, None])
def test_a_share_is_of_truth_values(as_a_user, hits):
    with pytest.raises(ArgumentError, match="hits must be"):
        Estimate.share(hits)


def test_places_that_are_no_folders_and_figures_without_names_are_refused(as_a_user, small, tmp_path):
    for out in (5, ["a"]):
        with pytest.raises(ArgumentError, match="out must be a folder"):
            report("small", out=out)
    for out in (None, 5):
        with pytest.raises(ArgumentError, match="out must be a folder"):
            save_result({}, out)
    with pytest.raises(ArgumentError, match="estimates must be"):
        save_result([], tmp_path)
    with pytest.raises(ArgumentError, match="parameters must be"):
        report("small", ["strength"])


def test_a_number_that_may_be_switched_off_is_0_or_in_its_range():
    parameter = Parameter.declared("effective", "float", "0.0", "0 or 1 to 100: how many")
    assert (parameter.off, parameter.low, parameter.high) == (True, 1.0, 100.0)
    assert [parameter.clean(value) for value in ("0", 0, 1, "2.5")] == [0.0, 0.0, 1.0, 2.5]
    for wrong in (0.5, False, "-1", math.nan):
        with pytest.raises(ArgumentError, match="effective must be a number from 1 to 100"):
            parameter.clean(wrong)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_latency": 3}, "max_latency needs the device"),
        ({"device": "eyeriss"}, "device with the table 'digits/mid8' must be one of 'none', 'cpu'"),
        ({"labels": 15_000}, "labels must be a whole number from 2 to"),
        ({"effective": 0.5}, "effective must be a number from 1 to 15625"),
    ],
)
def test_what_the_chosen_table_lacks_is_refused_before_a_kernel_starts(tmp_path, given, said):
    with pytest.raises(ArgumentError, match=said):
        report("generation", given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_where_labels_told_all_that_the_limits_allow_there_is_a_sentence_in_place_of_a_curve(tmp_path):
    table, labels = nagkit.benchmark("digits/mid8"), 500
    cells, known = table.space.all(), table.known("val_accuracy")
    quickest = known[np.argmin(table.look_up(known, "latency_cpu"))]
    seed = next(
        s for s in range(1000) if (np.random.default_rng(s).permutation(known)[:labels] == quickest).all(1).any()
    )
    told = table.classes(np.random.default_rng(seed).permutation(known)[:labels], "val_accuracy")
    unseen = ~np.isin(table.classes(cells, "val_accuracy"), told) & np.isfinite(table.look_up(cells, "val_accuracy"))
    limit = 0.999 * table.look_up(cells[unseen], "latency_cpu").min()
    asked = {"labels": labels, "samples": 100, "seed": seed, "device": "cpu", "max_latency": limit}
    folder = report("generation", asked, tmp_path / "out")
    assert "There is no curve" in (folder / "report.html").read_text()


def test_so_many_labels_that_too_few_are_left_to_judge_by_are_refused(tmp_path):
    most = len(nagkit.benchmark("digits/mid8").known("val_accuracy")) - 100
    with pytest.raises(ArgumentError, match=f"labels must be a whole number from 2 to {most}"):
        report("generation", {"labels": most + 1}, tmp_path / "out")


def test_figures_are_shown_and_written_only_where_a_report_asks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = save_result({"speed": Estimate(3.0, "s", 2, 1.0, 5.0)}, "")
    assert list(table.columns) == ["value", "low", "high", "unit", "n"]
    assert not list(tmp_path.iterdir())
    save_result({"speed": Estimate(3.0, "s", 2, 1.0, 5.0)}, tmp_path / "runs")
    assert json.loads((tmp_path / "runs" / "result.json").read_text())["speed"]["high"] == 5.0


@pytest.mark.slow
def test_the_datasheet_says_how_reliable_the_embedded_table_is(tmp_path):
    folder = executed("datasheet", {"resamples": 20}, tmp_path / "out")
    figures = json.loads((folder / "result.json").read_text())
    mean = figures["reliability of the mean, test_accuracy, upper half"]
    assert figures["reliability of one seed, test_accuracy, upper half"]["value"] < mean["value"] < 1
    assert mean["low"] <= mean["value"] <= mean["high"]
    assert figures["tau of validation and test, accuracy, all"]["value"] > figures["tau with params"]["value"]
