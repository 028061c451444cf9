"""What every benchmark keeps."""

import numpy as np
import pytest

from nagkit.benchmarks.benchmark import Benchmark
from nagkit.checks import as_a_user, untouched_global_randomness
from nagkit.checks.space import bad_tokens
from nagkit.errors import ArgumentError
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.space import ENUMERABLE, SearchSpace

N = 200


class BenchmarkContract:
    """Override ``benchmark``."""

    @pytest.fixture
    def benchmark(self) -> Benchmark:
        raise NotImplementedError("Override the fixture `benchmark` with the benchmark to check.")

    @pytest.fixture
    def tokens(self, benchmark: Benchmark) -> np.ndarray:
        tokens = benchmark.space.sample(N, np.random.default_rng(1))
        tokens.setflags(write=False)  # whatever writes into its argument fails
        return tokens

    @pytest.fixture
    def names(self, benchmark: Benchmark) -> list[str]:
        return list(benchmark.metrics)

    def test_it_has_a_name_a_space_and_metrics(self, benchmark):
        assert benchmark.name
        assert isinstance(benchmark.space, SearchSpace)
        assert len(benchmark.metrics)

    def test_every_metric_says_what_it_is_and_where_it_comes_from(self, benchmark):
        for name, metric in benchmark.metrics.items():
            assert isinstance(metric, Metric)
            assert metric.name == name
            assert metric.unit and metric.source and metric.licence, metric

    def test_one_name_gives_a_column_and_several_a_table(self, benchmark, tokens, names):
        table = benchmark.look_up(tokens, names)
        assert table.shape == (len(tokens), len(names))
        for column, name in zip(table.T, names, strict=True):
            alone = benchmark.look_up(tokens, name)
            assert alone.shape == (len(tokens),)
            assert np.array_equal(alone, column, equal_nan=True)

    def test_columns_come_in_the_order_asked_for(self, benchmark, tokens, names):
        there, back = benchmark.look_up(tokens, names), benchmark.look_up(tokens, names[::-1])
        assert np.array_equal(there, back[:, ::-1], equal_nan=True)

    def test_values_are_double_precision_and_never_infinite(self, benchmark, tokens, names):
        values = benchmark.look_up(tokens, names)
        assert values.dtype == np.float64
        assert not np.isinf(values).any()

    def test_every_metric_is_known_of_some_architecture(self, benchmark, names):
        space = benchmark.space
        few = space.sample(10 * N, np.random.default_rng(0))
        for name in names:
            some = space.all() if space.size <= ENUMERABLE else np.concatenate([few, benchmark.known(name)])
            assert np.isfinite(benchmark.look_up(some, name)).any(), name

    def test_what_is_computed_is_among_the_metrics(self, benchmark, names):
        assert benchmark.computed <= set(names)

    def test_known_are_architectures_with_a_value_and_no_two_share_it(self, benchmark, names):
        for name in names:
            known = benchmark.known(name)
            assert len(known) and np.isfinite(benchmark.look_up(known, name)).all(), name
            assert len(np.unique(benchmark.classes(known, name))) == len(known), name

    def test_architectures_have_the_value_of_their_class_and_others_none_unless_computed(
        self, benchmark, tokens, names
    ):
        for name in names:
            known = benchmark.known(name)
            of_class = dict(zip(benchmark.classes(known, name), benchmark.look_up(known, name), strict=True))
            tried = np.concatenate([tokens, known[:20]])
            expected = np.array([of_class.get(own, np.nan) for own in benchmark.classes(tried, name)])
            found = benchmark.look_up(tried, name)
            if name in benchmark.computed:  # others may have a value too
                expected = np.where(np.isnan(expected), found, expected)
            assert np.array_equal(found, expected, equal_nan=True), name

    def test_the_place_in_a_batch_does_not_matter(self, benchmark, tokens, names):
        values = benchmark.look_up(tokens, names)
        order = np.random.default_rng(2).permutation(len(tokens))
        assert np.array_equal(benchmark.look_up(tokens[order], names), values[order], equal_nan=True)
        assert np.array_equal(benchmark.look_up(tokens[3:4], names), values[3:4], equal_nan=True)

    def test_asking_twice_gives_the_same(self, benchmark, tokens, names):
        first, second = (benchmark.look_up(tokens, names) for _ in range(2))
        assert np.array_equal(first, second, equal_nan=True)

    def test_changing_an_answer_changes_nothing_else(self, benchmark, tokens, names):
        for asked in (names, names[0]):
            answer = benchmark.look_up(tokens, asked)
            before = answer.copy()
            answer[...] = -1
            assert np.array_equal(benchmark.look_up(tokens, asked), before, equal_nan=True)

    def test_memory_layout_and_integer_type_do_not_matter(self, benchmark, tokens, names):
        expected = benchmark.look_up(tokens, names)
        for same in (np.asfortranarray(tokens), tokens.astype(np.int8), np.repeat(tokens, 2, axis=0)[::2]):
            assert np.array_equal(benchmark.look_up(same, names), expected, equal_nan=True)

    def test_global_randomness_is_untouched(self, benchmark, tokens, names):
        with as_a_user(), untouched_global_randomness():  # the check of a list's annotation draws from Python's state
            benchmark.look_up(tokens, names)

    def test_an_objective_gives_the_values_of_its_metric(self, benchmark, tokens, names):
        for name in names[:5]:
            objective = benchmark.objective(name)
            assert isinstance(objective, Objective)
            assert objective.metric == benchmark.metrics[name]
            assert np.array_equal(objective.values(tokens), benchmark.look_up(tokens, name), equal_nan=True)

    def test_a_constraint_has_its_bounds_and_gives_the_values_of_its_metric(self, benchmark, tokens, names):
        for name in names[:5]:
            constraint = benchmark.constraint(name, low=-1.0, high=1e12)
            assert isinstance(constraint, Constraint)
            assert (constraint.metric, constraint.low, constraint.high) == (benchmark.metrics[name], -1.0, 1e12)
            assert np.array_equal(constraint.values(tokens), benchmark.look_up(tokens, name), equal_nan=True)

    @pytest.mark.parametrize("bounds", [{}, {"low": 2, "high": 1}, {"high": float("nan")}, {"low": "1"}])
    def test_a_constraint_without_sensible_bounds_is_refused(self, benchmark, names, bounds):
        with as_a_user(), pytest.raises(ArgumentError, match=r"low|high|bound"):
            benchmark.constraint(names[0], **bounds)

    def test_an_unknown_metric_is_answered_with_the_nearest_and_the_list(self, benchmark, tokens, names):
        misspelt = names[0][:-1] + "_"
        calls = [
            lambda: benchmark.look_up(tokens, misspelt),
            lambda: benchmark.look_up(tokens, [names[0], misspelt]),
            lambda: benchmark.known(misspelt),
            lambda: benchmark.classes(tokens, misspelt),
            lambda: benchmark.objective(misspelt),
            lambda: benchmark.constraint(misspelt, high=1),
        ]
        for call in calls:
            with pytest.raises(ArgumentError, match="Did you mean") as refusal:
                call()
            assert all(name in str(refusal.value) for name in names)

    @pytest.mark.parametrize("metrics", [[], None, 3, [None], {}])
    def test_metrics_that_are_no_names_are_refused(self, benchmark, tokens, metrics):
        with as_a_user(), pytest.raises(ArgumentError, match="metric"):
            benchmark.look_up(tokens, metrics)

    @pytest.mark.parametrize("wrong", ["type", "shape", "empty", "float", "nan", "below", "above", "row"])
    def test_bad_tokens_are_refused_by_name(self, benchmark, tokens, names, wrong):
        bad = bad_tokens(benchmark.space, tokens, wrong)
        for asked in (names[0], names):
            with as_a_user(), pytest.raises(ArgumentError, match="tokens"):
                benchmark.look_up(bad, asked)
