"""What is installed from a wheel has the tables in it, as a checkout has."""

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

PARTS = ("nagkit", "data", "widgets", "pyproject.toml", "README.md", "LICENSE")


@pytest.mark.slow
def test_the_tables_open_from_a_wheel(checkout, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (checkout / part).is_dir() else shutil.copy
        copy(checkout / part, source / part)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(tmp_path), str(source)]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("nagkit-*.whl")
    assert wheel.stat().st_size < 8e6
    shutil.unpack_archive(wheel, tmp_path / "installed", "zip")
    code = """
        import nagkit
        from nagkit.benchmarks import worlds
        names = ["digits/mid8", "digits/hard8", *worlds()]
        tables = [nagkit.benchmark(name) for name in names]
        print(nagkit.__file__, *(len(table.known("test_accuracy")) for table in tables))
    """
    there = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    told = subprocess.run(command, cwd=tmp_path, env=there, check=True, capture_output=True, text=True).stdout.split()
    assert told[0].startswith(str(tmp_path / "installed"))
    assert told[1:3] == ["5390", "5390"]
    assert sum(map(int, told[3:])) == 5390
