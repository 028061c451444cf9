"""The report on nagkit's own figures, small and without public tables."""

import json

import pytest

from reports import executed


@pytest.mark.slow
def test_nagkit_measures_itself_without_public_tables(tmp_path, monkeypatch):
    monkeypatch.delenv("NAGKIT_UPSTREAM", raising=False)
    monkeypatch.setenv("NAGKIT_CACHE", str(tmp_path / "cache"))
    folder = executed("benchmark", {"draws": 2, "samples": 100, "racers": 2}, tmp_path / "out")
    figures = json.loads((folder / "result.json").read_text())
    assert all(each["value"] > 0 for name, each in figures.items() if each["unit"] == "CPU-s")
    for name in ("random", "evolution"):
        assert 0.5 < figures[f"race on digits/mid8 × latency_cpu: {name}: hypervolume ratio @192"]["value"] <= 1
    assert not any("nas-bench-201/" in name for name in figures)
