"""The ledger of claims: what is refused, the rule of the verdict, and what the page says of each row."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nagkit.claims import (
    MARKS,
    MISSED,
    NO_COMMAND,
    OPEN,
    REACHED,
    SYSTEMS,
    UNMEASURED,
    Claim,
    Ledger,
    Measurement,
    keep,
    kept,
    read,
)
from nagkit.combinations import together
from nagkit.errors import ArgumentError, DataDamagedError
from nagkit.metrics import Metric
from nagkit.report import Estimate, parameters

README = Path(__file__).parents[1] / "README.md"
ENTRY = """
["a claim"]
system = "AG-Net"
says = "It is good"
quantity = "accuracy"
unit = "%"
direction = "max"
source = "a table"
evidence = "log"
setting = "somewhere"
published = 90.0
measured = "a figure"
command = "nagkit report claims"
"""


def claim(**more):
    """A claim of 90 % with fields of its own."""
    said = {"system": "AG-Net", "says": "It is good", "metric": Metric("accuracy", "%", "max"), "source": "a table"}
    said |= {"evidence": "log", "setting": "somewhere", "published": 90.0, "measured": "a figure", "command": "make it"}
    return Claim("a claim", **(said | more))


def measured(*estimate, **more):
    """A measurement of so much, from low to high."""
    value, low, high = estimate
    return Measurement(Estimate(value, "%", 5, low, high), "nagkit report claims", "seeds 0 to 4", **more)


# -------------------------------------------------------------------------------------------------- the shipped files


def test_every_system_has_its_claims_and_each_of_them_is_measured_or_says_why_not():
    claims = read()
    assert {each.system for each in claims} == set(SYSTEMS)
    assert len({each.name for each in claims}) == len(claims) >= 25
    for each in claims:
        assert each.instead if each.reason else each.measured and each.published is not None, each.name


def test_every_figure_that_a_claim_names_was_measured_in_the_unit_of_the_claim():
    """But those that only the report with large spaces brings, which may be left to whoever has the time."""
    found = kept()
    for each in read():
        if each.measured in found:
            estimate = found[each.measured].estimate
            assert estimate.n >= 2, each.name
            assert each.reason or estimate.unit.removeprefix("CPU-") == each.metric.unit, each.name
        else:
            assert not each.measured or each.command.endswith("-p large yes"), each.name


def test_commands_are_those_of_reports_with_parameters_that_they_have():
    """Or say that there is none."""
    said = {each.command for each in read()} | {each.command for each in kept().values()}
    commands = [command.split() for command in said - {NO_COMMAND, ""}]
    known = {name: parameters(name) for name in {command[2] for command in commands}}
    for nagkit, report, name, *rest in commands:
        assert (nagkit, report) == ("nagkit", "report")
        assert set(re.findall(r"-p (\w+)", " ".join(rest))) <= set(known[name]), (name, rest)


def test_the_readme_tells_the_verdicts_of_what_was_measured():
    assert Ledger(read(), kept(), {}).sentence() in README.read_text("utf-8")


# ----------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"AG-Net"', '"AGNet"', "Claim 'a claim': system must be one of .* Did you mean 'AG-Net'"),
        ('"log"', '"hearsay"', "Claim 'a claim': evidence must be one of"),
        ('"max"', '"up"', "Claim 'a claim': direction must be one of"),
        ('unit = "%"', "", "Claim 'a claim' lacks 'unit'"),
        ("published = 90.0", "", "Claim 'a claim': published, measured and command must be given"),
        ("90.0", "nan", "Claim 'a claim': published must be a number"),
        ("90.0", '"90"', "Claim 'a claim': published must be a number"),
        ("published", "publisht", "Claim 'a claim': .*publisht"),
        ('"It is good"', '""', "Claim 'a claim': says must not be empty"),
        ('"nagkit report claims"', '"rm -r runs"', "Claim 'a claim': command must begin with nagkit or make"),
        ('"nagkit report claims"', '"nagkit report claims"\nreason = "too much"', "reason and instead must be given"),
        ('"nagkit report claims"', '"make it"\nneeds = ["cifar10"]', "each of needs must be one of"),
        ('["a claim"]', '["a claim"', "is no TOML file"),
    ],
)
def test_a_fault_in_the_file_is_said_by_its_entry(as_a_user, tmp_path, old, new, said):
    path = tmp_path / "claims.toml"
    path.write_text(ENTRY.replace(old, new), "utf-8")
    with pytest.raises(DataDamagedError, match=said):
        read(path)
    path.write_text(ENTRY, "utf-8")
    assert read(path)[0].published == 90


@pytest.mark.parametrize(("key", "value"), [("systems", "AGNet"), ("datasets", "cifar1000")])
def test_systems_and_data_sets_that_there_are_not_are_refused(key, value):
    asked = {"systems": "AG-Net", "datasets": "cifar10"}
    with pytest.raises(ArgumentError, match=f"each of {key} must be one of .* Did you mean"):
        together(asked | {key: value})
    assert together(asked) == asked


# --------------------------------------------------------------------------------------------------------- the verdict


@given(
    st.sampled_from(["max", "min"]), st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 9), st.sampled_from([0, 1])
)
@example("max", 0, 0, 0, 0)
def test_the_verdict_is_that_of_every_point_of_the_interval(direction, published, low, width, beyond):
    given = claim(metric=Metric("accuracy", "%", direction), published=float(published), beyond=bool(beyond))
    verdict = given.verdict(Estimate(low + width / 2, "%", 5, float(low), float(low + width)))
    good = []
    for point in np.linspace(low, low + width, 2 * width + 1):
        better = point > published if direction == "max" else point < published
        good.append(better or (point == published and not beyond))
    assert verdict == (REACHED if all(good) else OPEN if any(good) else MISSED)


def test_what_its_rounding_would_allow_is_met():
    exact = Estimate(91.6067, "%", 20, 91.6067, 91.6067)
    assert claim(published=91.61).verdict(exact) == MISSED
    assert claim(published=91.61, rounding=0.005).verdict(exact) == REACHED


def test_without_an_interval_nothing_is_decided_and_without_a_figure_nothing_is_measured():
    assert claim().verdict(Estimate(99.0, "%")) == OPEN
    assert claim().verdict(None) == UNMEASURED
    instead = claim(reason="too much", instead="something else")
    assert instead.verdict(Estimate(99.0, "%", 5, 98.0, 100.0)) == UNMEASURED


# ---------------------------------------------------------------------------------------------------------- the ledger


def test_what_is_kept_takes_the_place_of_what_was_before_and_comes_back(tmp_path):
    (tmp_path / "earlier.toml").write_text(
        '[a]\nvalue = 1\nunit = "%"\nseeds = "1"\ncommand = "make it"\n["b"]\nvalue = 2\nunit = "s"\nseeds = "1"\n'
        'command = "make it"\ndate = "2026-01-01"\nversion = "0.0.1"\n',
        "utf-8",
    )
    keep({"a": measured(5.0, 4.0, 6.0)}, "2026-02-01", tmp_path)
    keep({"c": measured(7.0, 7.0, 7.0)}, "2026-02-02", tmp_path)
    found = kept(tmp_path)
    assert {name: each.estimate.value for name, each in found.items()} == {"a": 5.0, "b": 2.0, "c": 7.0}
    assert dataclasses.replace(found["a"], date="", version="") == measured(5.0, 4.0, 6.0)
    assert found["a"].when.startswith("on 2026-02-01 with nagkit ")
    assert found["b"].when == "on 2026-01-01 with nagkit 0.0.1"


def test_a_measurement_that_is_damaged_is_named(as_a_user, tmp_path):
    (tmp_path / "measured.json").write_text('{"a": {"value": 1, "unit": "%", "command": "make"}}')
    with pytest.raises(DataDamagedError, match=r"Measurement 'a': .*seeds"):
        kept(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "5", "\ud800".encode("utf-8", "surrogatepass")])
def test_a_file_that_holds_no_measurements_is_told_and_stays(content, tmp_path):
    file = tmp_path / "measured.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    for act in (lambda: kept(tmp_path), lambda: keep({}, "2026-01-01", tmp_path)):
        with pytest.raises(DataDamagedError, match=r"measured\.json holds no measurements"):
            act()
    assert file.read_bytes() == (content if isinstance(content, bytes) else content.encode())


def test_a_measurement_that_is_none_is_told(tmp_path):
    (tmp_path / "measured.json").write_text('{"a": 5}')
    with pytest.raises(DataDamagedError, match="Measurement 'a'"):
        kept(tmp_path)


def test_a_row_tells_its_claim_its_measurement_and_what_is_missing():
    given = claim(needs=("nas-bench-201/cifar10",), note="<b>beware</b>", spread=0.5, runs=3)
    missing = {"nas-bench-201/cifar10": ("help", "freerea"), "enas/cifar10": ("d-vae",)}
    ledger = Ledger([given], {"a figure": measured(92.0, 91.0, 93.0)}, missing)
    (row,) = ledger.table().to_dict("records")
    assert row["published"] == "90 ± 0.5 %, 3 runs a table (worked out from the published logs)"
    assert row["measured here"] == "92 % (91 to 93), n = 5 seeds 0 to 4; measured by this report"
    assert row["verdict"] == "✓ reached"
    assert row["how to repeat it, or why not"].endswith("nagkit data fetch freerea help")
    page = ledger._repr_html_()
    assert "&lt;b&gt;beware" in page and "<b>beware" not in page
    assert page.count('scope="col"') == 5 and page.count('scope="row"') == 1 and "<caption" in page
    assert "fetch" not in Ledger([given], {}, {})._repr_html_()


def test_what_was_measured_instead_has_no_verdict():
    given = claim(reason="It takes a year", instead="A day of it:", published=None)
    (row,) = Ledger([given], {"a figure": measured(92.0, 91.0, 93.0)}, {}).table().to_dict("records")
    assert row["verdict"] == "– not measured here"
    assert row["measured here"].startswith("Instead: A day of it: 92 %")
    assert row["how to repeat it, or why not"] == "It takes a year nagkit report claims"
    assert row["published"].startswith("no figure known here")


def test_counts_and_the_picture_say_the_same_as_the_rows():
    ledger = Ledger(read(), kept(), {})
    given = [ledger.verdict(each) for each in ledger.claims]
    assert ledger.counts().sum().to_dict() == {verdict: given.count(verdict) for verdict in MARKS}
    assert sum(len(ledger.of(system).claims) for system in SYSTEMS) == len(given)
    picture = ledger.figure()
    drawn = {name: trace["name"] for trace in picture.data for name in trace["y"]}
    shares = [each for each in ledger.claims if each.metric.unit == "%" and ledger.verdict(each) != UNMEASURED]
    assert drawn == {each.name: ledger.verdict(each) for each in shares}
    assert picture.sentence.startswith(f"{len(shares)} measured claims")
    for row in picture.table.to_dict("records"):
        assert row["low"] <= row["difference"] <= row["high"]
        (rounding,) = (each.rounding for each in shares if each.name == row["name"])
        assert row["verdict"] != REACHED or row["low"] >= -rounding - 1e-9
        assert row["verdict"] != MISSED or row["high"] <= 0
