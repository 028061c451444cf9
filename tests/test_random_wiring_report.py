"""The report that compares wirings: what it refuses, and that its figures are those of its trainings."""

import json
from pathlib import Path

import numpy as np
import pytest

from nagkit.errors import ArgumentError
from nagkit.report import check, report
from nagkit.weights import shipped

REPORTS = Path(__file__).parents[1] / "notebooks" / "reports"
SMALL = {"epochs": 1, "shown": 40, "batch": 20, "budget": 6, "period": 3, "wirings": 2, "seeds": 2}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"images": "digits/mid9"}, "images must be a task of digits such as digits/mid8, .*, or a file of images"),
        ({"space": "random-wired-9"}, "space must be one of 'random-wired-8'"),
        ({"seeds": 1}, "seeds must be a whole number from 2"),
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
    assert check("random_wiring", {})["images"] == "digits/mid8"


@pytest.mark.slow
@pytest.mark.skipif(not shipped("random-wired-8-autoregressive").is_file(), reason="needs the policy's weights")
def test_laws_are_learned_and_compared_and_what_is_trained_is_kept(tmp_path):
    rng, out = np.random.default_rng(0), tmp_path / "out"
    np.savez(tmp_path / "mine.npz", x=rng.integers(0, 256, (60, 16, 16, 3), np.uint8), y=np.arange(60) % 3)
    asked = {**SMALL, "images": str(tmp_path / "mine.npz"), "side": 8}
    folder = report("random_wiring", asked, out)
    figures = json.loads((folder / "result.json").read_text())
    laws = ("learned", "before learning", "Erdős–Rényi", "Barabási–Albert", "Watts–Strogatz")
    for law in laws:
        found = [figures[f"{law}: {what} test accuracy"]["value"] for what in ("worst", "mean", "best")]
        assert found == sorted(found)
    gain = figures["learned: mean test accuracy above Erdős–Rényi"]["value"]
    means = [figures[f"{law}: mean test accuracy"]["value"] for law in ("learned", "Erdős–Rényi")]
    assert gain == pytest.approx(means[0] - means[1])
    kept = (folder / "laws.sqlite").stat().st_mtime_ns
    again = report("random_wiring", asked, out)  # nothing is left to train
    assert json.loads((again / "result.json").read_text()) == figures
    assert (folder / "laws.sqlite").stat().st_mtime_ns == kept
