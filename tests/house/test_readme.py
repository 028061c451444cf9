"""The example of the README runs as it is printed, and gives a network that works."""

import contextlib
import io
import re
from pathlib import Path

import torch

README = Path(__file__).parents[2] / "README.md"


def test_the_example_prints_a_network_that_runs():
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line and not line.startswith("import")]) <= 10
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - our own text
    module: dict = {"__name__": "found"}
    exec(compile(printed.getvalue(), "network", "exec"), module)  # noqa: S102 - what our own code has written
    assert module["Network"]().eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
