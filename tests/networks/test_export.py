"""What leaves nagkit computes the same, and reads well."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nagkit.errors import ArgumentError, PackageMissingError
from nagkit.networks import export
from nagkit.networks.export import to_onnx, to_python
from nagkit.networks.network import Network, build
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.spaces.skeleton import MICRO, PUBLISHED, Skeleton

SPACE = NasBench201()
SKELETONS = {
    "micro": MICRO,
    "residual": Skeleton(channels=(4, 6, 8), cells=(2, 1, 3)),
    "one stage": Skeleton(channels=(4,), cells=1),
}
ROWS = [*SPACE.sample(20, np.random.default_rng(5)).tolist(), [0] * 6, [1] * 6, [4] * 6, [3] * 6, [1, 1, 1, 4, 0, 1]]


def images(channels: int, n: int = 5) -> torch.Tensor:
    return torch.randn(n, channels, 8, 8, generator=torch.Generator().manual_seed(7))


def lived(network: Network, channels: int) -> Network:
    """A network whose normalisation has seen images, so that its statistics matter."""
    network.train()(images(channels, 16) * 3 + 1)
    return network


def executed(source: str) -> SimpleNamespace:
    names: dict = {}
    exec(compile(source, "exported.py", "exec"), names)  # noqa: S102 - our own text
    return SimpleNamespace(**names)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_the_python_module_computes_the_same(skeleton):
    for row in ROWS:
        architecture = SPACE.decode(row)
        network = lived(build(architecture, 7, skeleton), skeleton.image_channels).eval()
        exported = executed(to_python(architecture, 7, skeleton)).Network()
        assert exported.load_state_dict(network.state_dict()) is not None
        x = images(skeleton.image_channels)
        assert torch.equal(exported.eval()(x), network(x))


def test_the_python_module_passes_ruff_as_it_is(tmp_path):
    for number, row in enumerate(ROWS):
        for name, skeleton in {"published": PUBLISHED, **SKELETONS}.items():
            path = tmp_path / f"network_{number}_{name.replace(' ', '_')}.py"
            path.write_text(to_python(SPACE.decode(row), skeleton=skeleton))
    ruff = Path(sys.executable).with_name("ruff")
    for command in (
        ["check", "--isolated", "--select", "E4,E7,E9,F,W,I,B,ARG,RET,SIM"],
        ["format", "--isolated", "--check"],
    ):
        done = subprocess.run([ruff, *command, tmp_path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_python_module_names_neither_nagkit_nor_dead_edges():
    source = to_python(SPACE.decode([3, 0, 0, 1, 0, 4]))
    code = source.split('"""', 2)[2]
    assert "nagkit" not in code
    assert "edge_" not in code.replace("edge_1_3 leads", "")  # only the skip from 0 to 3 is alive
    assert "return x0\n" in code


@pytest.mark.slow
def test_the_onnx_file_computes_the_same_for_any_number_of_images(tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'nagkit[dev]'")
    network = lived(build(SPACE.decode([3, 1, 2, 4, 1, 3]), 7, MICRO), 1)
    path = to_onnx(network, tmp_path / "network.onnx", (1, 8, 8))
    assert network.training
    session = runtime.InferenceSession(path)
    for n in (1, 5):
        (logits,) = session.run(["logits"], {"images": images(1, n).numpy()})
        np.testing.assert_allclose(logits, network.eval()(images(1, n)).detach(), atol=1e-5)
    assert [each.name for each in tmp_path.iterdir()] == ["network.onnx"]


def test_without_onnx_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(PackageMissingError, match=r"onnx and onnxscript: pip install 'nagkit\[onnx\]'"):
        to_onnx(build(SPACE.decode(ROWS[0]), skeleton=MICRO), tmp_path / "network.onnx", (1, 8, 8))


def test_what_cannot_be_exported_is_refused(tmp_path, as_a_user):
    with pytest.raises(ArgumentError, match="build makes one"):
        to_onnx(SPACE.decode(ROWS[0]), tmp_path / "network.onnx")
    with pytest.raises(ArgumentError, match="image_shape"):
        to_onnx(build(SPACE.decode(ROWS[0])), tmp_path / "network.onnx", (3, 0, 32))
    for shape in (5, (3, 32), None):
        with pytest.raises(ArgumentError, match="channels, height, width"):
            to_onnx(build(SPACE.decode(ROWS[0])), tmp_path / "network.onnx", shape)
    with pytest.raises(ArgumentError, match="image_shape must begin with 1,"):
        to_onnx(build(SPACE.decode(ROWS[0]), skeleton=MICRO), tmp_path / "network.onnx")
    with pytest.raises(ArgumentError, match="PUBLISHED or MICRO"):
        to_python(SPACE.decode(ROWS[0]), skeleton=None)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ArgumentError, match=r"space\.decode"):
        to_python("|skip_connect~0|")
    with pytest.raises(ArgumentError, match="classes"):
        to_python(SPACE.decode(ROWS[0]), classes=0)
