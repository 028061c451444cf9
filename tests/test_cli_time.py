"""The command that times this machine."""

import pytest
from click.testing import CliRunner

from nagkit.benchmarks.registry import CACHE
from nagkit.cli import app
from nagkit.networks import timing
from nagkit.networks.timing import Timings
from ticking import ticking

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def clock(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE, str(tmp_path))
    monkeypatch.setattr(timing, "ROUNDS", 2)
    with ticking() as clock:
        yield clock


def nagkit(*words):
    return CliRunner().invoke(app, words, prog_name="nagkit", catch_exceptions=False)


def test_networks_are_timed_into_the_cache(tmp_path):
    told = nagkit("time", "digits/mid8", "--networks", "20", "--batch", "2")
    assert told.exit_code == 0
    said, file = told.stdout.splitlines()
    assert "Predicted from 20 networks timed by nagkit." in said
    timings = Timings.open(file)
    assert file.startswith(str(tmp_path))
    assert (timings.complete, timings.known, timings.workload.batch) == (True, 20, 2)


def test_too_short_a_time_is_a_refusal_and_can_be_gone_on_with():
    told = nagkit("time", "digits/mid8", "--networks", "20", "--seconds", "0.05")
    assert told.exit_code == 2
    assert "seconds must be enough to time 20 networks" in told.stderr
    assert nagkit("time", "digits/mid8", "--networks", "20").exit_code == 0


@pytest.mark.parametrize("name", ["digits/mid9", "nas-bench-101"])
def test_what_has_no_networks_is_refused(name):
    told = nagkit("time", name)
    assert told.exit_code == 2
    assert "must be one" in told.stderr
