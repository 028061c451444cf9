"""The report that compares generators and guidance: what it measures is what the generators are known to do."""

import json

import pytest

from nagkit.errors import ArgumentError
from nagkit.report import report
from reports import executed

SMALL = {"samples": 100, "seeds": 2, "training": 10, "published": "no", "large": "none"}


def measured(folder):
    """The values of all figures by row, and by what they tell of it."""
    rows: dict[str, dict[str, float]] = {}
    for name, figure in json.loads((folder / "result.json").read_text()).items():
        row, _, what = name.rpartition(": ")
        rows.setdefault(row, {})[what] = figure["value"]
    return rows


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"processes": "masked-diffusion, exact-piror"},
            r"each of processes must be one of .* Did you mean 'exact-prior'",
        ),
        ({"processes": ""}, "each of processes must be one of"),
        ({"strength": 0}, "strength must be a number from 0.1 to 100"),
        ({"published": "perhaps"}, "published must be one of 'yes', 'no'"),
        ({"large": "nas-bench-101"}, "large must be one of .* Did you mean 'nas-bench-101/cifar10'"),
        ({"labels": 15_500}, "labels must be a whole number from 2 to"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_a_kernel_starts(tmp_path, given, said):
    with pytest.raises(ArgumentError, match=said):
        report("processes", given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_guidance_is_compared_with_what_is_unguided(tmp_path):
    processes = "masked-diffusion, exact-prior, uniform-diffusion, conditional-diffusion"
    rows = measured(executed("processes", {**SMALL, "processes": processes}, tmp_path / "out"))
    methods = {row.partition(": ")[2] for row in rows}
    assert {"unguided", "tilt", "first-order", "particles", "classifier-free"} <= methods
    for process in ("masked-diffusion", "exact-prior", "uniform-diffusion"):
        unguided, tilt = rows[f"{process}: unguided"], rows[f"{process}: tilt"]
        assert unguided["valid"] == tilt["valid"] == 100
        assert unguided["in the best 1 %"] < 10
        assert tilt["in the best 1 %"] > 40
        assert unguided["mean accuracy"] + 5 < tilt["mean accuracy"]
        assert tilt["distinct"] < unguided["distinct"]
    assert rows["masked-diffusion: tilt"]["calls"] == rows["exact-prior: tilt"]["calls"] == 6  # one a slot
    assert rows["conditional-diffusion: classifier-free"]["calls"] == 12  # told and not told
    assert rows["masked-diffusion: tilt"]["values"] == 15_625  # the whole space, once
    several = [figures["distinct"] for row, figures in rows.items() if row.startswith("accuracy, params, latency")]
    assert several == sorted(several, reverse=True)


@pytest.mark.slow
def test_the_published_sampler_takes_2000_calls_and_costs_more(tmp_path):
    asked = {**SMALL, "processes": "masked-diffusion, continuous-diffusion", "published": "yes", "seeds": 1}
    rows = measured(executed("processes", asked, tmp_path / "out"))
    assert rows["published: gradient"]["calls"] == rows["published: unguided"]["calls"] == 2000
    assert rows["continuous-diffusion, heun: tilt"]["calls"] <= 20
    assert rows["published"]["CPU seconds of samples, by those of masked diffusion with the tilt"] > 5
    assert rows["continuous-diffusion, heun: tilt"]["mean accuracy"] > rows["published: gradient"]["mean accuracy"]


@pytest.mark.slow
def test_spaces_that_cannot_be_listed_are_compared_where_their_files_are(tmp_path, upstream):
    asked = {**SMALL, "processes": "exact-prior", "large": "mobilenet-v3/imagenet", "seeds": 1}
    rows = measured(executed("processes", asked, tmp_path / "out"))
    named = {row.removeprefix("mobilenet-v3/imagenet: "): found for row, found in rows.items() if "imagenet" in row}
    assert all(found["valid"] == 100 and found["unique"] > 99 for found in named.values())
    unguided, one = named["exact-prior, unguided"], named["exact-prior, tilt with 1 objective"]
    assert unguided["mean accuracy"] + 2 < one["mean accuracy"]
    assert named["exact-prior, tilt with 3 objectives"]["mean latency_v100_64"] < one["mean latency_v100_64"]
    assert named["exact-prior, first-order with 1 objective"]["values"] < one["values"] / 5
