"""The command line: data, tables of our own, weights, runs, reports. Heavy packages load only with their command."""

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from nagkit import arguments
from nagkit.errors import ArgumentError, NagkitError


class _Commands(click.Group):
    """Commands whose refusals are one sentence on stderr and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """The result of the command."""
        try:
            return super().invoke(ctx)
        except NagkitError as refusal:
            click.echo(f"nagkit: {refusal}", err=True)
            ctx.exit(2)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="nagkit", message="nagkit %(version)s")
def app() -> None:
    """Neural architecture generation in the notebook."""


# ------------------------------------------------------------------------------------------------------ public data


@app.group()
def data() -> None:
    """The public tables: what there is, under which licence, and whether it is here."""


@data.command("list")
def list_() -> None:
    """List every source with its size, licence and state."""
    from nagkit.benchmarks import available, registry

    rows = [("source", "MB", "licence", "state", "what")]
    for name, source in registry.sources().items():
        files = registry.listing([name])
        here = sum(copy.state == "present" for copy in files)
        state = "here" if here == len(files) else f"{here} of {len(files)} files here"
        size = f"{sum(copy.file.bytes for copy in files) / 1e6:.1f}"
        rows.append((name, size, source.licence, state, source.what))
    _table(rows)
    click.echo()
    _table([("benchmark", "opens without a network"), *((n, "yes" if y else "no") for n, y in available().items())])


@data.command()
@click.argument("sources", nargs=-1)
def fetch(sources: tuple[str, ...]) -> None:
    """Download the files of SOURCES (all by default) that are not here, and verify every one."""
    from nagkit.benchmarks import registry

    for copy in registry.fetch(sources or None):
        click.echo(f"{copy.state:8} {copy.file.name}  {copy.path}")


@data.command()
@click.argument("sources", nargs=-1)
@click.pass_context
def verify(ctx: click.Context, sources: tuple[str, ...]) -> None:
    """Compare the files of SOURCES (all by default) with their sha256; exit code 1 unless all are whole."""
    from nagkit.benchmarks import registry

    wrong = set()
    for copy in registry.verify(sources or None):
        click.echo(f"{copy.state:8} {copy.file.name}  {copy.path}")
        if copy.state != "whole":
            wrong.add(copy.file.source)
    if wrong:
        click.echo(f"Not everything is whole; try: nagkit data fetch {' '.join(sorted(wrong))}", err=True)
        ctx.exit(1)


# --------------------------------------------------------------------------------------------------------- our own


@app.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(1), help="Train and time only so many cells.  [default: all of them]")
@click.option("--seconds", type=click.FloatRange(0), help="Leave off after this time.  [default: when done]")
@click.option("--workers", help="How many processes train, or a Dask scheduler's address.  [default: this process]")
@click.option("--ledger", type=click.Path(path_type=Path), help="Finished work.  [default: runs/build/digits.sqlite]")
@click.option("--out", type=click.Path(path_type=Path), help="The folder of tables.  [default: the one nagkit opens]")
def build(  # noqa: PLR0913, PLR0917 - one for each option
    name: str, limit: int | None, seconds: float | None, workers: str | None, ledger: Path | None, out: Path | None
) -> None:
    """Train and time what a table lacks, and write it; work that was left off goes on where it was.

    NAME is digits/mid8, digits/hard8 or digits/worlds. A Dask scheduler needs pip install 'nagkit[dask]'.
    """
    import time

    from nagkit import executors
    from nagkit.files import writable
    from nagkit.networks import builder
    from nagkit.progress import Progress

    work, folder = builder.build(name, ledger), builder.shipped() if out is None else out
    writable(folder)
    end = float("inf") if seconds is None else time.monotonic() + seconds
    bars: dict[str, Progress] = {}  # one for each stage, whose estimate of what remains is its own
    with executors.executor(workers) as executor, ExitStack() as shown:
        for step in work.run(limit, executor):
            if step.stage not in bars:
                bars[step.stage] = shown.enter_context(Progress(step.stage, step.total))
            bars[step.stage].tell(step.done, note=f"{step.value:.4g}")
            if time.monotonic() > end:
                break
    for table in work.write(folder):
        click.echo(table)


_TRAININGS = {
    "masked-diffusion": ("steps", "seed", "process"),
    "latent": ("steps", "seed"),
    "autoregressive": ("steps", "seed"),
    "transfer": (),
}


@app.command()
@click.argument("name", type=click.Choice(list(_TRAININGS)), default="masked-diffusion")
@click.option("--space", default="nas-bench-201", help="The search space to learn.")
@click.option(
    "--steps", type=click.IntRange(1), help="Training steps.  [default: 500; 4000 for latent, 1000 for autoregressive]"
)
@click.option("--seed", default=0, type=click.IntRange(0), help="Seed of weights and batches.")
@click.option("--process", default="masked", help="masked, or continuous where a space has no closed form for it.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write.  [default: the one nagkit loads]")
@click.pass_context
def train(  # noqa: PLR0913, PLR0917 - one for each option
    ctx: click.Context, name: str, space: str, steps: int | None, seed: int, process: str, out: Path | None
) -> None:
    """Train NAME anew and write its weights: the denoiser of a generator, the autoencoder of one with latent variables,
    the policy of one that grows graphs, or the predictor for unseen data sets.
    """
    for option in ("steps", "seed", "process"):
        given = ctx.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE
        if given and option not in _TRAININGS[name]:
            *most, last = [other for other, known in _TRAININGS.items() if option in known]
            others = f"{', '.join(most)} and {last}" if most else last
            raise ArgumentError(f"--{option} is for {others}, not for {name}. Leave it out.")
    if name == "masked-diffusion":
        _train_denoiser(space, steps, seed, process, out)
    elif name != "transfer":
        _train_generator(name, space, steps, seed, out)
    else:
        arguments.one_of("space of the tasks to learn from", space, ["nas-bench-201"])
        _train_transfer(out)


def _train_transfer(out: Path | None) -> None:
    from nagkit.predictors import transfer
    from nagkit.predictors.meta_training import experiences, learn
    from nagkit.progress import progress

    told = list(progress(experiences(), "tasks"))
    found = learn(told)
    file = out or transfer.weights(found.space)
    count = sum(len(each.tokens) for each in told)
    found.save(
        file, f"Learned by nagkit {version('nagkit')} from {count:,} trainings on {len(told)} tasks. MIT licence."
    )
    click.echo(file)


def _train_denoiser(space: str, steps: int | None, seed: int, process: str, out: Path | None) -> None:
    from nagkit.diffusion.training import BATCH
    from nagkit.diffusion.training import train as lessons
    from nagkit.generators import weights
    from nagkit.spaces import space as find_space

    chosen = find_space(space)
    last = _last(lessons(chosen, steps, seed, process))
    file = out or weights(chosen, process)
    how = f"{last.steps} steps, batch {BATCH}, seed {seed}. For {process} diffusion"
    last.model.save(file, f"Trained by nagkit {version('nagkit')} on uniform rows of {space}: {how}. MIT licence.")
    click.echo(file)


def _train_generator(name: str, space: str, steps: int | None, seed: int, out: Path | None) -> None:
    from nagkit.generators import autoencoder_training, policy_training, weights
    from nagkit.spaces import space as find_space

    training = {"latent": autoencoder_training, "autoregressive": policy_training}[name]
    chosen = find_space(space)
    last = _last(training.train(chosen, steps, seed))
    file = out or weights(chosen, name)
    how = f"{last.steps} steps, batch {training.BATCH}, seed {seed}"
    last.model.save(file, f"Trained by nagkit {version('nagkit')} on rows of {space} by its law: {how}. MIT licence.")
    click.echo(file)


def _last(lessons: Iterable[Any]) -> Any:
    """The last of these lessons, with a bar on the way."""
    from nagkit.progress import Progress

    with Progress("training") as bar:
        for number, lesson in enumerate(lessons, 1):
            bar.tell(number, lesson.steps, f"loss {lesson.loss:.3f} nats" if lesson.step % 50 == 0 else "")
    return lesson


@app.command("time")
@click.argument("name")
@click.option("--networks", default=60, type=click.IntRange(20, 2000), help="How many networks to time, at most.")
@click.option("--batch", default=1, type=click.IntRange(1), help="Images in a pass.")
@click.option("--seconds", default=90.0, type=click.FloatRange(0), help="After so many no other network is begun.")
def time_(name: str, networks: int, batch: int, seconds: float) -> None:
    """Time networks on this machine, so that the latency here of all others is predicted.

    NAME is that of a benchmark, such as digits/mid8, or of a space, such as mobilenet-v3. Finished timings are kept in
    the cache, where the studio finds them; what was left off goes on, what was complete is timed anew.
    """
    from nagkit.networks.timing import place, time_networks
    from nagkit.networks.workload import Workload
    from nagkit.progress import Progress

    workload = Workload.of(name, batch)
    with Progress("timing", unit="pass") as bar:
        for step in time_networks(workload, networks, seconds):
            bar.tell(step.done, step.total, f"{step.milliseconds:.4g} ms")
    metric = step.timings.predictor().metric
    click.echo(f"{metric.device}: {metric.source}")
    click.echo(place(workload))


# ------------------------------------------------------------------------------------------------------------ runs


@app.group()
def runs() -> None:
    """Searches in files: what there is, how far it is, and in other formats."""


@runs.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
def list_runs(folder: Path) -> None:
    """List the runs in FOLDER and below."""
    from nagkit.errors import DataDamagedError
    from nagkit.log import Log, is_run

    rows: list[tuple[str, ...]] = [("file", "search", "space", "for", "evaluations", "last written")]
    for path in sorted(filter(is_run, folder.rglob("*"))):
        try:
            with Log(path) as log:
                rows.append((str(path), *_in_short(log)))
        except DataDamagedError:
            rows.append((str(path), "damaged: `nagkit runs show` says where", "", "", "", ""))
    if len(rows) == 1:
        raise ArgumentError(f"folder must hold runs; {folder} holds none. nagkit.Run(path, search, budget) makes one.")
    _table(rows)


def _in_short(log: Any) -> tuple[str, ...]:
    if not log.entries:
        return "not begun", "", "", "", ""
    about, told = log.entries[0].content, [entry for entry in log.entries if entry.kind == "evaluated"]
    wanted = ", ".join(each["metric"]["name"] for each in about["objectives"])
    last = told[-1].content["at"].split(".")[0] if told else "never"
    return about["search"], about["space"], wanted, f"{len(told)} of {log.budget()}", last


@runs.command()
@click.argument("path", type=click.Path(path_type=Path))
def show(path: Path) -> None:
    """Show what the run in the file PATH has found so far, and what failed."""
    from nagkit.run import Run

    run = Run.open(path)
    click.echo(run.sentence())
    click.echo(run.front().sentence())
    click.echo()
    front = run.front().table()
    rows = [tuple(value if isinstance(value, str) else f"{value:.6g}" for value in row) for row in front.to_numpy()]
    _table([tuple(front.columns), *rows])
    for reason, count in Counter(each.fault for each in run.told() if each.fault).most_common():
        click.echo(f"{count} failed: {reason}")


@runs.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--to", "kind", type=click.Choice(["csv", "json", "optuna"]), default="csv", help="The format.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write.  [default: PATH with another ending]")
def export(path: Path, kind: str, out: Path | None) -> None:
    """Write the evaluations of the run in the file PATH as a table, or as a study of Optuna."""
    from nagkit.files import write_atomically
    from nagkit.log import is_run
    from nagkit.run import Run

    run = Run.open(path)
    file = out or path.with_suffix({"csv": ".csv", "json": ".json", "optuna": ".optuna.db"}[kind])
    if is_run(file):
        raise ArgumentError(f"out must be another file than a run; {file} is one. Name another with --out.")
    if kind == "optuna":
        from nagkit import study

        study.write(run, file)
    else:
        table = run.evaluations()
        text = (
            table.to_csv(index=False)
            if kind == "csv"
            else table.to_json(orient="records", indent=2, double_precision=15) + "\n"
        )
        write_atomically(file, text.encode())
    click.echo(file)


# --------------------------------------------------------------------------------------------------------- reports


@app.command()
@click.argument("name")
@click.option("-p", "--parameter", "pairs", nargs=2, multiple=True, metavar="NAME VALUE", help="Set a parameter.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder to write to.  [default: runs/NAME]")
def report(name: str, pairs: tuple[tuple[str, str], ...], out: Path | None) -> None:
    """Run the report NAME: an HTML page that works offline, the executed notebook, and its figures as JSON."""
    import json

    from nagkit.report import report as run

    folder = run(name, _each_once(pairs), out, shown=True)
    result = folder / "result.json"
    if result.exists():
        _table([("figure", "value", "low", "high", "unit", "n"), *map(_figure, json.loads(result.read_text()).items())])
        click.echo()
    click.echo(folder / "report.html")


def _each_once(pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    for given, count in Counter(key for key, _ in pairs).items():
        if count > 1:
            raise ArgumentError(f"parameter {given} is set {count} times; set it once.")
    return dict(pairs)


@app.command()
@click.argument("name")
@click.option("-p", "--parameter", "pairs", nargs=2, multiple=True, metavar="NAME VALUES", help="Values to go through.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder to write to.  [default: runs/sweeps/NAME]")
@click.option("--workers", help="How many processes work, or a Dask scheduler's address.  [default: this process]")
@click.pass_context
def sweep(
    ctx: click.Context, name: str, pairs: tuple[tuple[str, str], ...], out: Path | None, workers: str | None
) -> None:
    """Run the report NAME for every combination of VALUES, and keep an index of their pages and figures.

    VALUES have commas between them, as in 96,192; a range holds both ends, as 0..19, or 0..90..10 in steps of 10.
    Free texts may hold commas themselves, so theirs are parted by semicolons: "bayesian, tpe; evolution" is two.

    Kill it at any moment and call it again: complete cells are not run twice. Where one fails, the exit code is 1.
    """
    from nagkit import executors
    from nagkit.progress import Progress
    from nagkit.sweep import Sweep

    work = Sweep(name, _each_once(pairs), out)
    kept = sum(not each.fault for each in work.finished())
    try:
        with executors.executor(workers) as executor, Progress(name, len(work.cells), "cell") as bar:
            for done, last in enumerate(work.run(executor), kept + 1):
                bar.tell(done, note=str(last.cell))
    except KeyboardInterrupt:
        click.echo(
            f"Stopped: {len(work.finished())} of {len(work.cells)} cells have finished. Call it again.", err=True
        )
        ctx.exit(130)
    click.echo(work.folder / "index.html")
    if faults := [f"{each.cell}: {each.fault}" for each in work.finished() if each.fault]:
        faults.append(f"{len(faults)} of {len(work.cells)} cells failed. The same command runs them again.")
        click.echo("\n".join(faults), err=True)
        ctx.exit(1)


def _figure(item: tuple[str, dict[str, Any]]) -> tuple[str, ...]:
    name, figure = item
    numbers = ("" if figure[key] is None else f"{figure[key]:.4g}" for key in ("value", "low", "high"))
    return (name, *numbers, figure["unit"], str(figure["n"]))


def _table(rows: Iterable[tuple[str, ...]]) -> None:
    """The rows in columns as wide as their widest entry."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(entry.ljust(width) for entry, width in zip(row, widths, strict=True)).rstrip())
