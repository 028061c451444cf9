"""The public files about MobileNetV3: what does not hold what it should is refused, and nothing in it runs."""

import io
import os
import pickle

import pytest

from nagkit.benchmarks import mobilenet_v3_records as records
from nagkit.benchmarks import readers, registry
from nagkit.errors import DataDamagedError

pytestmark = pytest.mark.usefixtures("upstream")
DAMAGES = {
    "fewer accuracies": {"configs": "same", "accuracies": [0.7]},
    "not of 50,000 images": {"configs": "same", "accuracies": [0.700001, 0.7]},
    "a kernel of 9": {"configs": {"ks": [9] * 20}},
    "a depth of 5": {"configs": {"d": [5] * 5}},
    "a resolution of 130": {"configs": {"image_size": 130}},
    "a resolution of 500": {"configs": {"image_size": 500}},
    "three blocks": {"configs": {"ks": [3] * 3}},
    "text": {"configs": {"ks": ["3"] * 20}},
    "no networks": {"configs": None},
    "the same network twice": {"configs": {}},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_measurements_of_what_is_no_network_are_refused(monkeypatch, damage):
    first = {"ks": [3] * 20, "e": [4] * 20, "d": [2] * 5, "image_size": 128}
    other, change = {**first, "image_size": 160}, DAMAGES[damage]["configs"]
    configs = [first, other if change == "same" else {**first, **(change or {})}]
    held = {
        "configs": configs if change is not None else None,
        "accuracies": DAMAGES[damage].get("accuracies", [0.7] * 2),
    }
    monkeypatch.setattr(readers, "read_pickle", lambda *_: held)
    with pytest.raises(DataDamagedError, match="moofa"):
        records.measured_accuracies()


@pytest.mark.parametrize("damage", ["program", "not a file of torch", "other layers", "truncated"])
def test_weights_that_are_none_are_refused_and_nothing_in_them_runs(monkeypatch, tmp_path, damage):
    import torch

    class Program:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'marker'}",)

    layers = {f"{n}.{kind}": torch.zeros(2) for n in (0, 2, 4, 6) for kind in ("weight", "bias")}
    buffer = io.BytesIO()
    torch.save({"0.weight": Program()} if damage == "program" else layers, buffer)
    content = {
        "not a file of torch": pickle.dumps(Program()),
        "truncated": registry.read(records.official_file())[:-99],
    }
    monkeypatch.setattr(registry, "read", lambda file: content.get(damage, buffer.getvalue()))
    with pytest.raises(DataDamagedError, match="compofa"):
        records.official_layers()
    assert not (tmp_path / "marker").exists()
