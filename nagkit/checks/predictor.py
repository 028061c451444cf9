"""What every predictor has to keep. Subclass ``PredictorContract``, override the fixture ``unfitted``, run pytest."""

import numpy as np
import pytest

from nagkit.checks import as_a_user, untouched_global_randomness
from nagkit.errors import ArgumentError, NotFittedError
from nagkit.metrics import Metric, Objective
from nagkit.predictors import Predictor

MORE = Metric("quality", "percent", "max")
LESS = Metric("loss", "nats", "min")


class PredictorContract:
    """Promises of a predictor; ``self.truth`` is a smooth quality that sixty labels are enough to learn."""

    labels = 60

    @pytest.fixture
    def unfitted(self) -> Predictor:
        """The predictor under test, of the metric ``MORE``, without labels."""
        raise NotImplementedError("Override the fixture `unfitted`.")

    @pytest.fixture
    def labelled(self, unfitted: Predictor) -> tuple[np.ndarray, np.ndarray]:
        """Architectures and their qualities."""
        tokens = unfitted.space.sample(self.labels, np.random.default_rng(0))
        return tokens, self.truth(unfitted, tokens)

    @pytest.fixture
    def fitted(self, unfitted: Predictor, labelled: tuple[np.ndarray, np.ndarray]) -> Predictor:
        """The predictor after its labels."""
        return unfitted.fit(*labelled)

    @pytest.fixture
    def fresh(self, unfitted: Predictor) -> np.ndarray:
        """Architectures to predict."""
        return unfitted.space.sample(200, np.random.default_rng(1))

    def truth(self, predictor: Predictor, tokens: np.ndarray) -> np.ndarray:
        """A quality in percent: each symbol of each slot adds its own share."""
        share = np.random.default_rng(7).random((len(predictor.space.slots), int(predictor.space.radices.max())))
        return 100 * share[np.arange(tokens.shape[1]), tokens].mean(1)

    def test_prediction_has_one_mean_and_one_spread_for_each_row(self, fitted: Predictor, fresh: np.ndarray) -> None:
        mean, spread = fitted.predict(fresh)
        assert mean.shape == spread.shape == (len(fresh),)
        assert np.isfinite(mean).all() and np.isfinite(spread).all()

    def test_spread_is_positive(self, fitted: Predictor, fresh: np.ndarray) -> None:
        assert (fitted.predict(fresh)[1] > 0).all()

    def test_mean_alone_is_the_mean_of_predict(self, fitted: Predictor, fresh: np.ndarray) -> None:
        np.testing.assert_array_equal(fitted.mean(fresh), fitted.predict(fresh)[0])

    def test_it_ranks_what_it_has_not_seen(self, fitted: Predictor, fresh: np.ndarray) -> None:
        mean, truth = fitted.mean(fresh), self.truth(fitted, fresh)
        assert np.corrcoef(mean.argsort().argsort(), truth.argsort().argsort())[0, 1] > 0.5

    def test_predictions_are_in_the_unit_of_the_labels(self, fitted: Predictor, fresh: np.ndarray) -> None:
        truth = self.truth(fitted, fresh)
        assert abs(fitted.mean(fresh).mean() - truth.mean()) < 2 * truth.std()

    def test_fit_leaves_the_unfitted_predictor_as_it_was(self, unfitted: Predictor, fitted: Predictor) -> None:
        assert fitted is not unfitted
        with pytest.raises(NotFittedError, match="fit"):
            unfitted.mean(unfitted.space.sample(1, np.random.default_rng(0)))

    def test_a_second_fit_forgets_the_first(self, unfitted: Predictor, fitted: Predictor, fresh: np.ndarray) -> None:
        other = self.truth(unfitted, fresh)[::-1]
        again, anew = fitted.fit(fresh, other), unfitted.fit(fresh, other)
        np.testing.assert_array_equal(again.mean(fresh), anew.mean(fresh))

    def test_the_same_labels_give_the_same_predictor(
        self, unfitted: Predictor, fitted: Predictor, labelled: tuple[np.ndarray, np.ndarray], fresh: np.ndarray
    ) -> None:
        np.testing.assert_array_equal(unfitted.fit(*labelled).mean(fresh), fitted.mean(fresh))

    def test_labels_are_not_changed(self, unfitted: Predictor, labelled: tuple[np.ndarray, np.ndarray]) -> None:
        tokens, values = labelled[0].copy(), labelled[1].copy()
        unfitted.fit(*labelled)
        np.testing.assert_array_equal(labelled[0], tokens)
        np.testing.assert_array_equal(labelled[1], values)

    def test_read_only_and_strided_labels_are_accepted(
        self, unfitted: Predictor, fitted: Predictor, labelled: tuple[np.ndarray, np.ndarray], fresh: np.ndarray
    ) -> None:
        tokens, values = np.repeat(labelled[0], 2, axis=0)[::2], np.repeat(labelled[1], 2)[::2]
        tokens.setflags(write=False)
        values.setflags(write=False)
        np.testing.assert_allclose(unfitted.fit(tokens, values).mean(fresh), fitted.mean(fresh))

    def test_a_row_is_predicted_alike_in_any_company(self, fitted: Predictor, fresh: np.ndarray) -> None:
        np.testing.assert_allclose(fitted.mean(fresh)[:5], fitted.mean(fresh[:5]), rtol=1e-4)

    def test_order_of_rows_does_not_matter(self, fitted: Predictor, fresh: np.ndarray) -> None:
        np.testing.assert_allclose(fitted.mean(fresh)[::-1], fitted.mean(fresh[::-1]), rtol=1e-4)

    def test_global_randomness_is_untouched(self, unfitted: Predictor, labelled: tuple[np.ndarray, np.ndarray]) -> None:
        with as_a_user(), untouched_global_randomness():
            unfitted.fit(*labelled).predict(labelled[0])

    def test_less_is_better_predicts_the_same_values(
        self, unfitted: Predictor, fitted: Predictor, labelled: tuple[np.ndarray, np.ndarray], fresh: np.ndarray
    ) -> None:
        unfitted.metric = LESS
        mean = unfitted.fit(*labelled).mean(fresh)
        assert np.corrcoef(mean, fitted.mean(fresh))[0, 1] > 0.9

    def test_objective_is_the_metric_and_the_mean(self, fitted: Predictor, fresh: np.ndarray) -> None:
        objective = fitted.objective()
        assert isinstance(objective, Objective) and objective.metric == fitted.metric
        np.testing.assert_array_equal(objective.values(fresh), fitted.mean(fresh))

    def test_equal_labels_are_predicted_as_they_are(self, unfitted: Predictor, fresh: np.ndarray) -> None:
        np.testing.assert_allclose(unfitted.fit(fresh, np.full(len(fresh), 42.0)).mean(fresh), 42.0)

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
    def test_labels_that_are_not_finite_are_refused(
        self, unfitted: Predictor, labelled: tuple[np.ndarray, np.ndarray], wrong: float
    ) -> None:
        values = labelled[1].copy()
        values[3] = wrong
        with as_a_user(), pytest.raises(ArgumentError, match=r"values must be finite.*position 3"):
            unfitted.fit(labelled[0], values)

    def test_too_few_labels_are_refused(self, unfitted: Predictor, labelled: tuple[np.ndarray, np.ndarray]) -> None:
        with as_a_user(), pytest.raises(ArgumentError, match="at least 2"):
            unfitted.fit(labelled[0][:1], labelled[1][:1])

    def test_labels_of_another_number_are_refused(
        self, unfitted: Predictor, labelled: tuple[np.ndarray, np.ndarray]
    ) -> None:
        with as_a_user(), pytest.raises(ArgumentError, match=rf"values must have shape \({self.labels},\)"):
            unfitted.fit(labelled[0], labelled[1][:-1])

    def test_rows_of_another_shape_are_refused(self, fitted: Predictor, fresh: np.ndarray) -> None:
        with as_a_user(), pytest.raises(ArgumentError, match="tokens must be a batch"):
            fitted.predict(fresh[:, :-1])

    def test_an_empty_batch_is_refused(self, fitted: Predictor, fresh: np.ndarray) -> None:
        with as_a_user(), pytest.raises(ArgumentError, match="n at least 1"):
            fitted.predict(fresh[:0])
