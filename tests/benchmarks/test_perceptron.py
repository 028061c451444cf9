"""The small network against loops, and what it learns against what there is to learn."""

import subprocess
import sys

import numpy as np
import torch

from nagkit.benchmarks.perceptron import Perceptron, forward
from nagkit.checks import as_a_user, untouched_global_randomness


def data(n=1_500, noise=0.05):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n, 4))
    return features, np.abs(features[:, 0]) + features[:, 1] * (features[:, 2] > 0) + noise * rng.normal(size=n)


def test_layers_are_applied_as_written():
    rng = np.random.default_rng(1)
    layers = [(rng.normal(size=shape), rng.normal(size=shape[0])) for shape in ((5, 4), (3, 5), (1, 3))]
    features = rng.normal(size=(6, 4))
    for row, found in zip(features, forward(features, layers), strict=True):
        values = row.tolist()
        for number, (weights, biases) in enumerate(layers):
            values = [
                sum(w * v for w, v in zip(line, values, strict=True)) + b
                for line, b in zip(weights, biases, strict=True)
            ]
            values = [max(value, 0) for value in values] if number < 2 else values
        np.testing.assert_allclose(found, values[0])


def test_it_comes_back_from_its_arrays_among_others():
    features, targets = data(n=300)
    model = Perceptron.fitted(features, targets)
    again = Perceptron.of({"others": features, **model.arrays()})
    assert np.array_equal(again.values(features), model.values(features))


def test_it_learns_what_no_line_can_tell():
    features, targets = data()
    model = Perceptron.fitted(features[:1_200], targets[:1_200])
    errors = np.abs(model.values(features[1_200:]) - targets[1_200:])
    assert errors.mean() < 0.3 * np.abs(targets - np.median(targets)).mean()


def test_a_feature_that_never_differs_says_nothing():
    features, targets = data(300)
    model = Perceptron.fitted(np.column_stack([features, np.ones(300)]), targets)
    one, other = (model.values(np.column_stack([features, np.full(300, value)])) for value in (1.0, 99.0))
    assert np.array_equal(one, other)


def test_the_same_data_give_the_same_network_and_no_global_state_moves():
    features, targets = data(300)
    threads = torch.get_num_threads()
    with as_a_user(), untouched_global_randomness():  # the check of a list's annotation draws from Python's state
        one, two = (Perceptron.fitted(features, targets) for _ in range(2))
    assert all(
        np.array_equal(a, b) for x, y in zip(one.layers, two.layers, strict=True) for a, b in zip(x, y, strict=True)
    )
    assert torch.get_num_threads() == threads


def test_values_need_no_torch():
    program = (
        "import sys, numpy as np\n"
        "from nagkit.benchmarks.perceptron import Perceptron\n"
        "model = Perceptron(np.zeros(2), np.ones(2), np.array([1.0, 2.0]), [(np.ones((1, 2)), np.zeros(1))])\n"
        "print(model.values(np.array([[3.0, -1.0]])).tolist(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["[5.0]", "False"]
