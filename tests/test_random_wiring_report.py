"""The report that compares wirings: what it refuses, and that its figures are those of its trainings."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from nagkit.errors import ArgumentError
from nagkit.networks.ledger import Ledger
from nagkit.report import check, report
from nagkit.run import Run
from reports import executed

REPORTS = Path(__file__).parents[1] / "notebooks" / "reports"
SMALL = {"epochs": 1, "repeats": 2, "shown": 40, "batch": 20, "wirings": 2, "seeds": 2}
SMALL |= {"budget": 6, "first": 3, "period": 3}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"images": "digits/mid9"}, "images must be a task of digits such as digits/mid8, .*, or a file of images"),
        ({"space": "random-wired-9"}, "space must be one of 'random-wired-8'"),
        ({"seeds": 1}, "seeds must be a whole number from 2"),
        ({"images": "digits/mid8", "side": 8}, "side must be 0 for digits, .*; got 8 with 'digits/mid8'"),
        ({"images": "hard8", "side": 4}, "side must be 0 for digits"),
        ({"budget": 9, "first": 10}, "budget must be at least first, 10, .*; got 9"),
        ({"budget": 4}, "budget must be at least first, 5"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_kernel_starts(tmp_path, given, said):
    with pytest.raises(ArgumentError, match=said):
        report("random_wiring", given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_of_images_is_named_by_its_whole_path(tmp_path, monkeypatch):
    (tmp_path / "mine.npz").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nagkit.report._folder", lambda: REPORTS)
    assert check("random_wiring", {"images": "mine.npz"})["images"] == str(tmp_path / "mine.npz")
    assert check("random_wiring", {"images": "mine.npz", "side": 8})["side"] == 8
    assert check("random_wiring", {"budget": 10, "first": 10})["images"] == "digits/mid8"


@pytest.mark.parametrize("nodes", [8, 12, 16])
def test_spaces_whose_law_came_with_nagkit_are_taken(nodes):
    assert check("random_wiring", {"space": f"random-wired-{nodes}"})["space"] == f"random-wired-{nodes}"


def test_a_space_whose_law_has_no_weights_is_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("nagkit.weights.shipped", lambda name: tmp_path / name)
    with pytest.raises(ArgumentError, match="`nagkit train autoregressive --space random-wired-32` makes them"):
        check("random_wiring", {"space": "random-wired-32"})
    (tmp_path / "random-wired-32-autoregressive").touch()
    assert check("random_wiring", {"space": "random-wired-32"})["first"] == 5


@pytest.mark.slow
def test_laws_are_learned_from_images_of_a_file_and_compared_and_trainings_are_kept(tmp_path):
    rng, out = np.random.default_rng(0), tmp_path / "out"
    np.savez(tmp_path / "mine.npz", x=rng.integers(0, 256, (60, 16, 16, 3), np.uint8), y=np.arange(60) % 3)
    asked = {**SMALL, "images": str(tmp_path / "mine.npz"), "side": 8}
    folder = executed("random_wiring", asked, out)
    figures = json.loads((folder / "result.json").read_text())
    laws = ("learned", "before learning", "Erdős–Rényi", "Barabási–Albert", "Watts–Strogatz")
    for law in laws:
        found = [figures[f"{law}: {what} test accuracy"]["value"] for what in ("worst", "mean", "best")]
        assert found == sorted(found)
    gain = figures["learned: mean test accuracy above Erdős–Rényi"]["value"]
    means = [figures[f"{law}: mean test accuracy"]["value"] for law in ("learned", "Erdős–Rényi")]
    assert gain == pytest.approx(means[0] - means[1])
    assert len(Run.open(folder / "search.sqlite").told()) == asked["budget"]
    with closing(Ledger(folder / "laws.sqlite")) as ledger:
        trained = ledger.trained("mine")
    each = [{training.cell for training in trained if training.seed == seed} for seed in (2, 3)]
    assert each[0] == each[1]
    assert len(laws) <= len(each[0]) <= 2 * len(laws)
    assert figures["Barabási–Albert: edges"]["value"] in {7, 12, 15, 16}
