"""The tasks between which predictors transfer: 64 worlds, some of them kept for the end."""

from collections import Counter
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from nagkit.errors import ArgumentError
from nagkit.networks.builder import BUILDS, order
from nagkit.networks.digits import render
from nagkit.networks.recipes import HARD8, HELD_OUT, MID8, RECIPES, SPLITS, WORLDS, ImageRecipe
from nagkit.spaces.nas_bench_201 import NasBench201

SPACE = NasBench201()
PARTS = {world.name: tuple(world.name.removeprefix("worlds/").split("-")) for world in WORLDS}  # digits, look
LOOKS = sorted({look for _, look in PARTS.values()})


def small(recipe: ImageRecipe) -> ImageRecipe:
    return replace(recipe, images=(60, 40, 40))


def test_there_are_64_worlds_with_names_and_seeds_of_their_own():
    assert len(WORLDS) == 64
    names, seeds = {recipe.name for recipe in WORLDS}, {recipe.seed for recipe in (MID8, HARD8, *WORLDS)}
    assert len(names) == 64
    assert len(seeds) == 65  # the large tasks are of one seed, so that they show the same digits
    assert [*RECIPES] == ["mid8", "hard8", *(world.name for world in WORLDS)]
    assert all(recipe.name == name for name, recipe in RECIPES.items())


def short(*numbers: float) -> str:
    """As the datasheet writes them: ``.9–1.15``."""
    return "–".join(f"{number:g}".removeprefix("0") for number in numbers)


def usual(field: str):
    """What most worlds have in a field of their recipes."""
    return Counter(getattr(world, field) for world in WORLDS).most_common(1)[0][0]


def test_the_datasheet_says_what_the_recipes_say():
    told = (Path(__file__).parents[2] / "data/digits/README.md").read_text(encoding="utf-8")
    fields = ("images", "rotation", "scale", "shift", "texture", "noise", "polarity")
    worlds = replace(WORLDS[0], **{field: usual(field) for field in fields})
    for name, recipe in (("`mid8`", MID8), ("`hard8`", HARD8), ("worlds", worlds)):
        images = " / ".join(f"{count:,}" for count in recipe.images)
        drawn = f"±{recipe.rotation:g}° | {short(*recipe.scale)} | ±{short(recipe.shift)} px"
        added = f"{short(recipe.texture)} | {short(recipe.noise)}"
        assert f"| {name} | {images} | {drawn} | {added} | {'either' if recipe.polarity else 'light on dark'} |" in told


def test_no_two_worlds_are_the_same_task():
    recipes = [replace(recipe, name="same", seed=0) for recipe in (MID8, HARD8, *WORLDS)]
    assert len(set(recipes)) == 66


def test_at_least_48_worlds_are_to_learn_from_and_at_least_8_are_kept():
    assert set(HELD_OUT) <= set(PARTS)
    assert len(HELD_OUT) >= 8
    assert len(WORLDS) - len(HELD_OUT) >= 48


def test_the_kept_worlds_show_looks_or_digits_that_the_others_never_show():
    open_worlds = [world for world in WORLDS if world.name not in HELD_OUT]
    for world in open_worlds:
        assert "alike" not in PARTS[world.name] and "coarse" not in PARTS[world.name]
        assert world.digits != RECIPES["worlds/alike-photo"].digits
        assert world.resolution is None
    assert all({"alike", "coarse"} & {*PARTS[name]} for name in HELD_OUT)


def test_a_name_says_what_a_world_shows():
    for attribute, place in (("digits", 0), ("look", 1)):
        seen: dict[str, set] = {}
        for world in WORLDS:
            shown = {**asdict(world), "name": "", "seed": 0, "digits": ()} if place else world.digits
            seen.setdefault(PARTS[world.name][place], set()).add(repr(shown))
        assert len(seen) == 8
        assert [*map(len, seen.values())] == [1] * 8, attribute
        assert all(a.isdisjoint(b) for a, b in combinations(seen.values(), 2))


def test_every_class_of_cells_is_trained_in_one_world_and_every_world_has_enough():
    tasks, _, seeds, timed = BUILDS["digits/worlds"]
    assert (tasks, seeds, timed) == (WORLDS, (0,), False)
    cells = SPACE.index(order())
    assert len(set(cells.tolist())) == len(np.unique(SPACE.canonical(SPACE.all(), "function"), axis=0)) == 5390
    counts = Counter(tasks[number % len(tasks)].name for number in range(len(cells)))  # as Build deals them out
    assert set(counts) == set(PARTS)
    assert min(counts.values()) >= 80


@pytest.mark.parametrize("name", ["all-photo", "even-stripes", "stemmed-clouds", "alike-coarse", "curved-faint"])
def test_a_world_is_rendered_from_its_seed(name):
    recipe = small(RECIPES[f"worlds/{name}"])
    task = render(recipe)
    assert task.digest() == render(recipe).digest() != render(replace(recipe, seed=recipe.seed + 1)).digest()
    for split in SPLITS:
        images, labels = getattr(task, split).images, getattr(task, split).labels
        assert images.shape[1:] == (1, 8, 8) and np.isfinite(images).all()
        assert set(labels.tolist()) <= set(range(recipe.classes))


def test_every_look_changes_the_images():
    tasks = [render(replace(small(RECIPES[f"worlds/all-{look}"]), seed=1)) for look in LOOKS]
    assert len(tasks) == 8
    for one, other in combinations(tasks, 2):
        assert np.array_equal(one.train.sources, other.train.sources)
        assert np.abs(one.train.images - other.train.images).mean() > 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": None},
        {"name": ""},
        {"digits": (1,)},
        {"digits": (1, 1)},
        {"digits": (1, 10)},
        {"digits": (1, True)},
        {"digits": (1, 2.0)},
        {"digits": ([], [0])},
        {"side": 2},
        {"resolution": 3},
        {"resolution": 9},
        {"resolution": 5.0},
        {"images": (0, 1, 1)},
        {"images": (1, 2)},
        {"images": 5},
        {"rotation": 181},
        {"scale": (1.0,)},
        {"scale": (1.2, 0.8)},
        {"contrast": (-0.1, 1.0)},
        {"contrast": (0.8, 0.2)},
        {"contrast": 0.5},
        {"polarity": "no"},
        {"ground": "grass"},
        {"texture": float("nan")},
        {"noise": -1.0},
        {"seed": -1},
        {"seed": 2**63},
    ],
)
def test_impossible_recipes_are_refused(wrong, as_a_user):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        replace(MID8, **wrong)
