"""What every generator has to keep. Subclass ``GeneratorContract``, override the fixture ``generator``, run pytest."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nagkit.checks import as_a_user, untouched_global_randomness
from nagkit.diffusion.guidance import Guidance
from nagkit.errors import ArgumentError, UnsatisfiableError
from nagkit.generators import Generator
from nagkit.metrics import Constraint, Metric, Objective
from nagkit.space import UNDECIDED

FIRST = Metric("first_symbols", "slots", "max")
LAST = Metric("last_symbols", "slots", "max")
UNGUIDED = Guidance()


def rng(seed: int = 0) -> np.random.Generator:
    """A fresh random state."""
    return np.random.default_rng(seed)


def firsts(tokens: np.ndarray) -> np.ndarray:
    """How many slots of each row hold their first symbol."""
    return (tokens == 0).sum(1).astype(float)


class GeneratorContract:
    """Promises of a generator. What is wished for here are slots that hold their first, or their last, symbol.

    ``method`` is the one of ``Guidance`` that is checked.
    """

    method = "tilt"

    def guided(self, *given: Any, **named: Any) -> Guidance:
        """A guidance by the method that is checked."""
        return replace(Guidance(*given, **named), method=self.method)

    @pytest.fixture
    def generator(self) -> Generator:
        """The generator under test."""
        raise NotImplementedError("Override the fixture `generator`.")

    @pytest.fixture
    def objective(self) -> Objective:
        """Many first symbols."""
        return Objective(FIRST, firsts)

    @pytest.fixture
    def opposite(self, generator: Generator) -> Objective:
        """Many last symbols."""
        return Objective(LAST, lambda tokens: (tokens == generator.space.radices - 1).sum(1).astype(float))

    @pytest.fixture
    def constraint(self) -> Constraint:
        """At most one first symbol."""
        return Constraint(FIRST, firsts, high=1)

    def test_samples_belong_to_the_space(self, generator: Generator) -> None:
        for row in generator.sample(200, UNGUIDED, rng()):
            assert generator.space.faults(row) == ()

    def test_as_many_as_asked_for(self, generator: Generator) -> None:
        assert generator.sample(17, UNGUIDED, rng()).shape == (17, len(generator.space.slots))

    def test_the_last_frame_is_the_answer(self, generator: Generator, objective: Objective) -> None:
        guidance = self.guided(2, [objective])
        *_, last = generator.frames(50, guidance, rng(3))
        np.testing.assert_array_equal(last.tokens, generator.sample(50, guidance, rng(3)))

    def test_frames_are_numbered_from_nothing_to_all(self, generator: Generator) -> None:
        frames = list(generator.frames(5, UNGUIDED, rng()))
        assert [frame.step for frame in frames] == list(range(frames[0].steps + 1))
        assert (frames[0].tokens == UNDECIDED).all() and (frames[-1].tokens != UNDECIDED).all()

    def test_what_is_decided_stays(self, generator: Generator) -> None:
        before, *later = generator.frames(50, UNGUIDED, rng())
        for after in later:
            decided = before.tokens != UNDECIDED
            np.testing.assert_array_equal(before.tokens[decided], after.tokens[decided])
            before = after

    def test_frames_are_not_changed_afterwards(self, generator: Generator) -> None:
        seen = [(frame, frame.tokens.copy()) for frame in generator.frames(5, UNGUIDED, rng())]
        for frame, tokens in seen:
            np.testing.assert_array_equal(frame.tokens, tokens)

    def test_probabilities_sum_to_one_and_are_certain_of_what_is_decided(
        self, generator: Generator, objective: Objective
    ) -> None:
        for frame in generator.frames(20, self.guided(1, [objective]), rng()):
            np.testing.assert_allclose(frame.probability.sum(2), 1)
            sample, slot = np.nonzero(frame.tokens != UNDECIDED)
            assert (frame.probability[sample, slot, frame.tokens[sample, slot]] == 1).all()

    def test_same_seed_same_samples(self, generator: Generator) -> None:
        np.testing.assert_array_equal(generator.sample(40, UNGUIDED, rng(5)), generator.sample(40, UNGUIDED, rng(5)))

    def test_another_seed_other_samples(self, generator: Generator) -> None:
        assert (generator.sample(40, UNGUIDED, rng(5)) != generator.sample(40, UNGUIDED, rng(6))).any()

    def test_strength_zero_is_unguided_bit_for_bit(self, generator: Generator, objective: Objective) -> None:
        unguided, zero = (list(generator.frames(60, g, rng(2))) for g in (UNGUIDED, self.guided(0, [objective])))
        for a, b in zip(unguided, zero, strict=True):
            np.testing.assert_array_equal(a.tokens, b.tokens)
            np.testing.assert_array_equal(a.probability, b.probability)

    def test_more_strength_more_of_what_is_wished(self, generator: Generator, objective: Objective) -> None:
        means = [
            objective.values(generator.sample(400, self.guided(s, [objective]), rng())).mean() for s in (0, 1, 2, 4)
        ]
        assert means == sorted(means) and means[-1] > means[0] + 0.5

    def test_constraints_hold_for_every_sample(self, generator: Generator, constraint: Constraint) -> None:
        tokens = generator.sample(300, self.guided(constraints=[constraint]), rng())
        assert constraint.values(tokens).max() <= constraint.high

    def test_constraints_hold_against_the_strongest_guidance(
        self, generator: Generator, objective: Objective, constraint: Constraint
    ) -> None:
        tokens = generator.sample(300, self.guided(100, [objective], [constraint]), rng())
        assert objective.values(tokens).max() == constraint.high
        assert (objective.values(tokens) == constraint.high).mean() > 0.98  # hardly any falls short of the best

    def test_what_cannot_be_met_is_said_with_the_distance(self, generator: Generator, objective: Objective) -> None:
        impossible = Constraint(FIRST, objective.values, low=len(generator.space.slots) + 3)
        with pytest.raises(UnsatisfiableError, match="3 beyond first_symbols"):
            generator.sample(5, self.guided(constraints=[impossible]), rng())

    def test_two_wishes_are_both_heard(self, generator: Generator, objective: Objective, opposite: Objective) -> None:
        tokens = generator.sample(400, self.guided(3, [objective, opposite]), rng())
        unguided = generator.sample(400, UNGUIDED, rng())
        both = [objective.values(x) + opposite.values(x) for x in (tokens, unguided)]
        assert both[0].mean() > both[1].mean() + 0.5
        assert objective.values(tokens).std() > 0.5  # a spread of compromises, not one

    def test_a_target_is_come_near_from_both_sides(self, generator: Generator, objective: Objective) -> None:
        """Fewer samples are above it and fewer below, and the mean distance falls with strength."""
        unguided = objective.values(generator.sample(400, UNGUIDED, rng()))
        target = float(np.median(unguided))
        guidances = [self.guided(s, [objective.near(target)]) for s in (1, 4)]
        off = [unguided, *(objective.values(generator.sample(400, guidance, rng())) for guidance in guidances)]
        for sign in (1, -1):
            assert np.mean(sign * (off[2] - target) > 0) < np.mean(sign * (off[0] - target) > 0)
        distances = [np.abs(values - target).mean() for values in off]
        assert distances == sorted(distances, reverse=True) and distances[2] < 0.8 * distances[0]

    def test_the_effective_number_is_kept_to(self, generator: Generator, objective: Objective) -> None:
        few, many = (
            len(
                np.unique(
                    generator.sample(400, self.guided(objectives=[objective], effective=e), rng()),
                    axis=0,
                )
            )
            for e in (2, min(generator.space.size, 4_096) / 2)
        )
        assert few < many

    def test_global_randomness_is_untouched(self, generator: Generator) -> None:
        with as_a_user(), untouched_global_randomness():
            generator.sample(20, UNGUIDED, rng())

    @pytest.mark.parametrize("n", [0, -1, 2.5, True, None, "5"])
    def test_an_impossible_number_is_refused(self, generator: Generator, n: object) -> None:
        with as_a_user(), pytest.raises(ArgumentError, match="n must be a whole number"):
            generator.sample(n, UNGUIDED, rng())  # type: ignore[arg-type]

    @pytest.mark.parametrize("wrong", [0, None, np.random])
    def test_anything_but_a_random_generator_is_refused(self, generator: Generator, wrong: object) -> None:
        with as_a_user(), pytest.raises(ArgumentError, match=r"rng must be a numpy\.random\.Generator"):
            generator.sample(5, UNGUIDED, wrong)  # type: ignore[arg-type]

    def test_anything_but_guidance_is_refused(self, generator: Generator) -> None:
        with as_a_user(), pytest.raises(ArgumentError, match="guidance must be a Guidance"):
            generator.sample(5, 4.0, rng())  # type: ignore[arg-type]
