"""What the parameters of a report have to be together, beyond the range or the choices of each."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nagkit import arguments
from nagkit.errors import ArgumentError

if TYPE_CHECKING:
    from nagkit.benchmarks import Surrogate, Table

UNSEEN = 100  # known architectures that no label tells, at least, to judge the answer by


def together(values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, each allowed by itself, with files named by their whole paths; refused where they do not fit."""
    if "table" in values:
        _check_table(values)
    if "first" in values:
        _check_law(values)
    if "systems" in values:
        _check_systems(values)
    if "rivals" in values:
        _check_rivals(values)
    return {**values, **_trained(values)} if "images" in values else dict(values)


def _check_systems(values: Mapping[str, Any]) -> None:
    """Refuses systems without claims, and data sets that have no public table."""
    from nagkit.benchmarks.nas_bench_201 import DATASETS
    from nagkit.claims import SYSTEMS

    for name, known in (("systems", SYSTEMS), ("datasets", tuple(DATASETS))):
        for each in filter(None, map(str.strip, values[name].split(","))):
            arguments.one_of(f"each of {name}", each, known)


def _check_rivals(values: Mapping[str, Any]) -> None:
    """Refuses searches that are none, and counts that leave a part of the report without anything."""
    from nagkit.search import SEARCHES

    for name in filter(None, map(str.strip, values["rivals"].split(","))):
        arguments.one_of("each of rivals", name, [each for each in SEARCHES if each != "supernet"])
    if values["candidates"] > values["budget"]:
        raise ArgumentError(
            f"candidates must be at most budget, {values['budget']}, as they are chosen among what was trained; got "
            f"{values['candidates']}."
        )


def _trained(values: Mapping[str, Any]) -> dict[str, str]:
    """The images of a report that trains; a file by its whole path, as notebooks run elsewhere."""
    from nagkit.networks.images import ImageFile
    from nagkit.networks.recipes import RECIPES, TABLES

    images = values["images"]
    digits = images.removeprefix(TABLES) in RECIPES
    if not digits and not Path(images).is_file():
        known = ", ".join(TABLES + each for each in list(RECIPES)[:3])
        raise ArgumentError(
            f"images must be a task of digits such as {known}, or a file of images that is there; got {images!r:.200}."
        )
    if digits and values["side"]:
        raise ArgumentError(
            f"side must be 0 for digits, whose images are as large as their task says; got {values['side']} with "
            f"{images!r}."
        )
    return {"images": images if digits else str(ImageFile(images).path)}


def _check_law(values: Mapping[str, Any]) -> None:
    """Refuses what a law of wirings cannot learn from: it does when as many as come ``first`` are trained."""
    from nagkit.weights import shipped

    first, space = values["first"], values["space"]
    if values["budget"] < first:
        raise ArgumentError(
            f"budget must be at least first, {first}, as the law learns from so many wirings or more; got "
            f"{values['budget']}."
        )
    if not shipped(f"{space}-autoregressive").is_file():
        raise ArgumentError(
            f"space must be one whose law has weights here, which {space!r} has not; "
            f"`nagkit train autoregressive --space {space}` makes them."
        )


def _check_table(values: Mapping[str, Any]) -> None:
    """Refuses what the table does not have."""
    from nagkit.benchmarks import benchmark
    from nagkit.generators import GENERATORS

    table, device = benchmark(values["table"]), values.get("device", "none")
    if device == "none" and values.get("max_latency"):
        raise ArgumentError("max_latency needs the device that it is measured on; set the parameter device.")
    if device != "none":
        devices = [name.removeprefix("latency_") for name in table.metrics if name.startswith("latency_")]
        offered = [name for name in devices if not name.endswith("_spread")]
        arguments.one_of(f"device with the table {table.name!r}", device, ["none", *offered])
    if "searches" in values:
        _check_race(table, values)
    if "objective" in values:
        offered = ["", table.seen, table.judged]
        arguments.one_of(f"objective with the table {table.name!r}", values["objective"], offered)
    if "devices" in values:
        latencies(table, values["devices"])
    for process in values["processes"].split(",") if "processes" in values else ():
        arguments.one_of("each of processes", process.strip(), (*GENERATORS, "conditional-diffusion"))
    if "labels" in values:
        arguments.whole("labels", values["labels"], 2, len(table.known("val_accuracy")) - UNSEEN)


def _check_race(table: "Table | Surrogate", values: Mapping[str, Any]) -> None:
    """Refuses entrants that are none, and costs that the table does not hold or cannot be what they are said to be."""
    from nagkit.race import BASELINES, entrants, point
    from nagkit.space import ENUMERABLE

    listed, cost = table.space.size <= ENUMERABLE, values["cost"]
    baselines = BASELINES if listed else BASELINES[:-1]
    named = list(dict.fromkeys([*entrants(values["searches"]), *baselines]))
    arguments.one_of("reference", values["reference"], ["", *named])
    held = [name for name in table.metrics if listed or name in table.computed]
    arguments.one_of(f"cost with the table {table.name!r}", cost, ["", *held])
    if values["limit"] and not cost:
        raise ArgumentError(f"cost must name a metric of {table.name!r} when there is a limit; got an empty text.")
    if (corner := point(values["reference_point"])) and (not cost or values["limit"] or len(corner) != 2):
        raise ArgumentError(
            "reference_point must be empty, or two numbers where there is a cost and no limit, as in '70, 60'; "
            f"got {values['reference_point']!r}."
        )
    if values["cost_is"] == "exact":
        rows = table.space.all() if listed else table.space.sample(UNSEEN, np.random.default_rng(0))
        if not cost or np.isnan(table.look_up(rows, cost)).any():
            raise ArgumentError(
                f"cost_is must be usual or measured for a cost that {table.name!r} does not know of every "
                f"architecture, such as {cost!r}; got 'exact'."
            )


def latencies(table: "Table | Surrogate", devices: str) -> list[str]:
    """The latencies that a text names with commas, each once; the first that the table has when it names none."""
    held = [name for name in table.metrics if name.startswith("latency_") and not name.endswith("_spread")]
    named = list(dict.fromkeys(filter(None, map(str.strip, devices.split(",")))))
    return [arguments.one_of(f"each of devices with the table {table.name!r}", name, held) for name in named] or held[
        :1
    ]
