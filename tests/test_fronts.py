"""Pictures of several fronts: stairs that bound what each dominates, and the same facts in words."""

import numpy as np
import pytest

import nagkit
from nagkit.errors import ArgumentError
from nagkit.fronts import BEST, fronts_figure
from nagkit.metrics import Front, Metric

ACCURACY, LATENCY = Metric("val_accuracy", "%", "max"), Metric("latency_cpu", "ms", "min")
SPACE = nagkit.space("nas-bench-201")


def front(*values, metrics=(ACCURACY, LATENCY)):
    tokens = SPACE.sample(50, np.random.default_rng(0))[: len(values)]
    return Front.of(SPACE, metrics, tokens, np.array(values, dtype=float))


GROUND = front([70, 3], [60, 2], [50, 1], [40, 0.5], [10, 0.1])


def test_each_front_is_a_line_from_the_quickest_to_the_best():
    shown = fronts_figure({"latent": front([65, 3], [55, 2]), "random": front([50, 1])}, GROUND)
    ground, latent, random = shown.data
    assert (ground["name"], ground["x"][0], ground["y"][-1]) == (BEST, 0.1, 70)
    assert (latent["x"], latent["y"]) == ([2, 3], [55, 65])
    assert latent["line"]["shape"] == "hv", "until the next one is reached, no more accuracy can be had"
    styles = {(t["line"]["color"], t["line"]["dash"], t["marker"]["symbol"]) for t in (ground, latent, random)}
    assert len(styles) == 3
    assert shown.layout["xaxis"]["title"]["text"] == "latency cpu (ms, less is better)"


def test_the_ground_may_have_another_name():
    shown = fronts_figure({"latent": front([65, 3])}, GROUND, "all of them together")
    assert (shown.data[0]["name"], shown.data[0]["line"]["width"]) == ("all of them together", 5)
    assert shown.sentence.startswith("all of them together: 5 architectures")


def test_stairs_turn_where_more_of_the_second_is_better():
    metrics = (ACCURACY, Metric("frames", "1/s", "max"))
    ground = front([70, 1], [60, 2], metrics=metrics)
    assert fronts_figure({"latent": ground}, ground).data[1]["line"]["shape"] == "vh"


def test_table_and_sentence_state_every_front():
    shown = fronts_figure({"latent": front([65, 3], [55, 2])}, GROUND)
    assert shown.table["front"].tolist() == [BEST] * 5 + ["latent"] * 2
    assert shown.table["val_accuracy (%)"].tolist() == [70, 60, 50, 40, 10, 65, 55]
    assert "latent: 2 architectures on the front: val_accuracy 55 to 65 %" in shown.sentence


def test_the_worst_quarter_of_the_ground_leaves_the_rest_its_room():
    low, high = fronts_figure({"latent": front([65, 3])}, GROUND).layout["yaxis"]["range"]
    assert 10 < low < 40
    assert 70 < high < 75


def test_fronts_of_other_metrics_are_refused():
    other = front([65, 3], metrics=(ACCURACY, Metric("params", "M", "min")))
    with pytest.raises(ArgumentError, match="must all have the same two metrics; 'random' has"):
        fronts_figure({"latent": GROUND, "random": other}, GROUND)
    with pytest.raises(ArgumentError, match="fronts must hold 1 to 24; got 0"):
        fronts_figure({}, GROUND)
