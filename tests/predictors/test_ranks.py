"""The scale of ranks, against its definition."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from nagkit.metrics import Metric
from nagkit.predictors.ranks import RankScale, rank_normal

MORE, LESS = Metric("quality", "percent", "max"), Metric("loss", "nats", "min")
labels = arrays(float, st.integers(2, 40), elements=st.integers(-1000, 1000).map(float))


def oracle(values):
    scores = []
    for value in values:
        below = sum(other < value for other in values)
        equal = sum(other == value for other in values)
        scores.append(stats.norm.ppf((below + (equal + 1) / 2 - 0.5) / len(values)))
    return scores


@given(labels)
def test_scores_are_normal_quantiles_of_ranks(values):
    np.testing.assert_allclose(rank_normal(values), oracle(values), atol=1e-12)


@given(labels, st.sampled_from([MORE, LESS]))
def test_labels_come_back_from_their_scores(values, metric):
    scores = rank_normal(metric.sign * values)
    np.testing.assert_allclose(RankScale.of(metric, values).to_unit(scores), values, atol=1e-9)


@given(labels)
def test_the_way_back_never_falls(values):
    scores = np.linspace(-5, 5, 101)
    assert (np.diff(RankScale.of(MORE, values).to_unit(scores)) >= -1e-9).all()
    assert (np.diff(RankScale.of(LESS, values).to_unit(scores)) <= 1e-9).all()


def test_beyond_the_labels_the_scale_goes_on():
    scale = RankScale.of(MORE, np.arange(100.0))
    assert scale.to_unit(np.array([4.0]))[0] > 99
    assert scale.to_unit(np.array([-4.0]))[0] < 0
