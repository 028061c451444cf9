"""Images of one's own in the studio: costs at once, accuracy by training, and by what other tasks tell."""

import numpy as np
import pytest
from nagkit_widgets import Studio
from nagkit_widgets.sampling import generated
from nagkit_widgets.searching import searched
from nagkit_widgets.settings import Settings
from nagkit_widgets.sources import benchmark, metrics

import nagkit
from nagkit.errors import ArgumentError, DataMissingError


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Sixty small images of two classes, told apart by one bright corner."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("own") / "images.npz"
    classes = np.arange(60) % 2
    shown = rng.normal(size=(60, 8, 8)).astype(np.float32)
    shown[classes == 1, :4, :4] += 2
    np.savez_compressed(path, x=shown, y=classes)
    return path


def test_costs_are_exact_and_accuracies_unknown_before_training(images):
    table = f"own:nas-bench-201:{images}"
    ground = benchmark(table)
    rows = ground.space.sample(5, np.random.default_rng(0))
    assert set(metrics(table)) == {"val_accuracy", "params", "flops"}
    assert np.isnan(ground.look_up(rows, "val_accuracy")).all()
    assert np.array_equal(ground.look_up(rows, "params"), ground.trainer.cost().values(rows))


def test_what_other_tasks_tell_guides_where_nothing_was_trained(images):
    settings = Settings(table=f"own:nas-bench-201:{images}", samples=16, strength=6.0)
    *_, last = generated(settings)
    plain = list(generated(Settings(table=settings.table, samples=16, strength=0.0)))[-1]
    assert last.values[:, 0].mean() > plain.values[:, 0].mean()


def test_another_space_has_to_be_searched(images):
    with pytest.raises(ArgumentError, match="Choose a search"):
        next(generated(Settings(table=f"own:random-wired-8:{images}", samples=16)))


@pytest.mark.slow
def test_a_search_trains_in_another_process_and_stops_in_the_midst_of_it(images, tmp_path):
    stop = []
    settings = Settings(table=f"own:random-wired-8:{images}", system="random", budget=12)
    steps = searched(settings, tmp_path / "a.sqlite", lambda: bool(stop))
    while len((step := next(steps)).tokens) < 2:
        pass
    assert ((step.values[:, 0] >= 0) & (step.values[:, 0] <= 100)).all()
    stop.append(True)
    assert len(list(steps)) <= 1
    assert len(nagkit.Run.open(tmp_path / "a.sqlite").told()) in (2, 3)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("own:nas-bench-201:", "must name a file of images"),
        ("own:imagenet:a.npz", "the space of images of your own"),
        ("own:", "the space of images of your own"),
    ],
)
def test_what_is_no_file_or_no_space_is_refused_by_name(table, message):
    with pytest.raises(ArgumentError, match=message):
        Settings(table=table)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataMissingError, match="no file of images"):
        Settings(table=f"own:nas-bench-201:{tmp_path / 'none.npz'}")


def test_networks_of_a_space_that_cannot_be_timed_are_refused_in_words(images, monkeypatch):
    monkeypatch.delenv("NAGKIT_HEADLESS", raising=False)
    panel = Studio(table=f"own:random-wired-8:{images}", system="random").panel
    panel.machine.time.click()
    assert "refused" in panel.machine.said.value
    assert "nas-bench-201" in panel.machine.said.value
