"""The examples of the README and of the datasheet run as they are printed, and give what the text says."""

import ast
import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

import nagkit
from nagkit.run import Run

README = Path(__file__).parents[2] / "README.md"
DATASHEET = README.parent / "data" / "digits" / "README.md"


def printed_by(place, file=README):
    """What the example at this place prints."""
    example = re.findall(r"```python\n(.*?)```", file.read_text(encoding="utf-8"), flags=re.DOTALL)[place]
    assert len([line for line in example.splitlines() if line and not line.startswith("import")]) <= 10
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(f"import nagkit\n{example}", "README.md", "exec"), {})  # noqa: S102 - our own text
    return printed.getvalue()


def test_what_is_named_after_nagkit_is_there_after_its_import():
    """In a process of its own, as what another test has imported would be there anyway."""
    texts = "".join((README.parent / name).read_text(encoding="utf-8") for name in ("README.md", "CHANGELOG.md"))
    named = sorted(set(re.findall(r"\bnagkit\.([A-Za-z]\w*)", texts)))
    assert "distribution" in named
    said = "import nagkit, sys; [getattr(nagkit, name) for name in sys.argv[1:]]"
    subprocess.run([sys.executable, "-c", said, *named], check=True)


def test_the_first_example_prints_a_network_that_runs():
    module: dict = {"__name__": "found"}
    exec(compile(printed_by(0), "network", "exec"), module)  # noqa: S102 - what our own code has written
    assert module["Network"]().eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_the_example_of_the_datasheet_finds_a_world_and_its_images():
    name, count, best, *shape = printed_by(0, DATASHEET).split(maxsplit=3)
    assert not nagkit.benchmark(name).details["held_out"]
    assert int(count) in (84, 85)
    assert 0 < float(best) < 100
    assert shape == ["(4000, 1, 8, 8)\n"]


def test_the_example_of_larger_spaces_keeps_its_limit(upstream):
    accuracy, latency = map(float, printed_by(1).strip(" []\n").split())
    assert 74 < accuracy < 78 and latency <= 20


def test_the_example_of_latent_variables_finds_what_is_near():
    differing = [int(count) for count in printed_by(2).strip(" []\n").split()]
    assert len(differing) == 3 and max(differing) <= 3


def test_the_examples_of_growing_tell_likelihoods_and_draw_what_is_good():
    logs = [float(each) for each in printed_by(3).strip(" []\n").split()]
    assert len(logs) == 4 and np.mean(logs) == np.clip(np.mean(logs), -16, -13)
    rows = np.array([each.strip("[] ").split() for each in printed_by(4).strip().splitlines()], dtype=int)
    table = nagkit.benchmark("digits/mid8")
    cells = table.known("val_accuracy")
    values = table.look_up(table.space.check(rows), "val_accuracy")
    assert np.nanmean(values) > np.nanmean(table.look_up(cells, "val_accuracy"))


def test_the_example_of_wiring_trains_networks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "6 of 6" in printed_by(5)
    values = [row.values[0] for row in Run.open("runs/wirings.sqlite").told()]
    assert len(values) == 6 and 10 < max(values) <= 100


def test_the_example_of_shared_weights_finds_cells():
    texts = ast.literal_eval(printed_by(6))
    assert len(nagkit.space("nas-bench-201").encode(texts)) == 3


def test_the_example_of_transfer_finds_a_cell():
    text = printed_by(7).strip()
    assert len(nagkit.space("nas-bench-201").encode([text])) == 1


def test_the_example_of_search_stays_within_its_limit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "latency_cpu" in printed_by(8)
    told = Run.open("runs/first.sqlite").told()
    assert len(told) == 100
    table = nagkit.benchmark("digits/mid8")
    cells = table.known("val_accuracy")
    within = table.look_up(cells, "val_accuracy")[table.look_up(cells, "latency_cpu") <= 0.4]
    assert max(row.values[0] for row in told if row.values[1] <= 0.4) >= np.quantile(within, 0.99)
