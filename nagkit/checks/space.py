"""What every search space keeps."""

from typing import Any

import networkx as nx
import numpy as np
import pytest

from nagkit.checks import as_a_user, untouched_global_randomness
from nagkit.errors import ArgumentError
from nagkit.graphs import ABSENT
from nagkit.space import ENUMERABLE, UNDECIDED, Architecture, SearchSpace

N = 200


class SpaceContract:
    """Override ``space``, and ``identity`` with each of ``space.identities``."""

    @pytest.fixture
    def space(self) -> SearchSpace:
        raise NotImplementedError("Override the fixture `space` with the space to check.")

    @pytest.fixture
    def identity(self) -> str:
        return "string"

    @pytest.fixture
    def tokens(self, space: SearchSpace) -> np.ndarray:
        tokens = space.sample(N, np.random.default_rng(1))
        tokens.setflags(write=False)  # whatever writes into its argument fails
        return tokens

    @pytest.fixture
    def listed(self, space: SearchSpace) -> SearchSpace:
        if space.size > ENUMERABLE:
            pytest.skip(f"{space.name} is too large to be listed")
        return space

    def test_it_has_a_name_and_distinct_symbols_in_distinct_slots(self, space):
        assert space.name
        names = [slot.name for slot in space.slots]
        assert len(set(names)) == len(names) > 0, names
        for slot, radix in zip(space.slots, space.radices, strict=True):
            assert len(set(slot.symbols)) == len(slot.symbols) == radix > 0, slot

    def test_samples_belong(self, space, tokens):
        assert np.array_equal(space.check(tokens), tokens)
        assert all(space.faults(row) == () for row in tokens)

    def test_its_graphs_grow_by_every_slot_once(self, space):
        if (growth := space.growth) is None:
            pytest.skip(f"graphs of {space.name} do not grow node by node")
        assert sorted(slot for slots in growth.blocks for slot in slots) == list(range(len(space.slots)))
        assert len(growth.grown) == len(growth.blocks)
        assert all(0 <= v < w < growth.nodes for v, w in [*growth.edges, *growth.always])

    def test_nothing_is_trimmed_from_what_is_legal(self, space, tokens):
        assert np.array_equal(space.trimmed(tokens), tokens)

    def test_same_seed_same_samples(self, space):
        first, second = (space.sample(N, np.random.default_rng(5)) for _ in range(2))
        assert np.array_equal(first, second)

    def test_another_seed_gives_other_samples(self, space):
        first, second = (space.sample(N, np.random.default_rng(seed)) for seed in (5, 6))
        assert not np.array_equal(first, second)

    def test_graphs_as_arrays_are_those_decoded(self, space, tokens):
        graphs = space.graphs(tokens)
        for row, ops, edges in zip(tokens, *graphs, strict=True):
            there = np.flatnonzero(ops != ABSENT)
            found = space.decode(row)
            assert tuple(space.operations[op] for op in ops[there]) == found.ops
            assert {(int(i), int(j)) for i, j in np.argwhere(edges[np.ix_(there, there)])} == found.edges
            assert edges.sum() == len(found.edges)  # none at an empty place

    def test_what_belongs_has_no_faults(self, space, tokens):
        """Of rows in which a slot was changed, too."""
        changed, rng = tokens.copy(), np.random.default_rng(2)
        slot = rng.integers(len(space.slots), size=len(tokens))
        changed[np.arange(len(tokens)), slot] = rng.integers(space.radices[slot])
        rows = np.concatenate([tokens, changed])
        np.testing.assert_array_equal(space.belongs(rows), [space.faults(row) == () for row in rows])

    def test_global_randomness_is_untouched(self, space):
        with untouched_global_randomness():
            space.neighbours(space.sample(N, np.random.default_rng(0)))

    def test_sampling_does_not_change_the_space(self, space):
        before = space.name, space.slots, space.size
        space.sample(N, np.random.default_rng(0))
        assert before == (space.name, space.slots, space.size)

    def test_every_legal_symbol_is_sampled(self, space):
        tokens = space.sample(50 * int(space.radices.max()) ** 2, np.random.default_rng(0))
        legal = space.legal(np.full((1, len(space.slots)), UNDECIDED))[0]  # (L, K)
        for l, row in enumerate(legal):
            assert set(np.flatnonzero(row)) == set(tokens[:, l]), space.slots[l]

    def test_the_symbols_of_a_row_are_legal_in_it(self, space, tokens):
        legal = space.legal(tokens)  # (n, L, K)
        assert np.take_along_axis(legal, tokens[:, :, None], axis=2).all()

    def test_what_is_legal_in_one_slot_is_what_is_legal(self, space, tokens):
        rng = np.random.default_rng(0)
        partial = np.where(rng.random(tokens.shape) < rng.random((len(tokens), 1)), UNDECIDED, tokens)
        slot = rng.integers(len(space.slots), size=len(partial))
        legal = space.legal(partial)
        assert np.array_equal(space.legal_in(partial, slot), legal[np.arange(len(partial)), slot])
        assert np.array_equal(space.legal_in(partial, int(slot[0])), legal[:, slot[0]])

    def test_an_illegal_symbol_is_a_fault_and_refused(self, space, tokens):
        every = np.arange(space.radices.max())
        inside = every < space.radices[:, None]  # (L, K)
        for row, l, k in np.argwhere(inside & ~space.legal(tokens))[:N]:
            wrong = tokens[row].copy()
            wrong[l] = k
            assert space.faults(wrong), wrong
            with pytest.raises(ArgumentError):
                space.check(wrong[None])

    def test_decoding_and_encoding_give_the_row_back(self, space, tokens):
        architectures = [space.decode(row) for row in tokens]
        assert np.array_equal(space.encode(architectures), tokens)
        assert np.array_equal(space.encode([a.text for a in architectures]), tokens)
        assert [a.tokens for a in architectures] == [tuple(row) for row in tokens.tolist()]

    def test_different_rows_have_different_texts_and_keys(self, space, tokens):
        architectures = [space.decode(row) for row in np.unique(tokens, axis=0)]
        assert len({a.text for a in architectures}) == len({a.key for a in architectures}) == len(architectures)

    def test_an_architecture_is_a_labelled_dag(self, space, tokens):
        for row in tokens[:20]:
            architecture = space.decode(row)
            graph = architecture.graph()
            assert isinstance(architecture, Architecture)
            assert nx.is_directed_acyclic_graph(graph)
            assert [graph.nodes[i]["op"] for i in range(len(graph))] == list(architecture.ops)
            assert architecture.key == space.decode(row).key

    def test_a_sketch_of_a_decided_row_is_its_architecture(self, space, tokens):
        for row in tokens[:20]:
            sketch, architecture = space.sketch(row, np.eye(space.radices.max())[row]), space.decode(row)
            assert (sketch.undecided, sketch.belief, set(sketch.edges.values()) - {0.0, 1.0}) == (0, {}, set())
            drawn = nx.DiGraph([edge for edge, share in sketch.edges.items() if share])
            assert nx.is_isomorphic(drawn, nx.DiGraph(architecture.edges))
            assert [sketch.ops[0], sketch.ops[-1]] == [architecture.ops[0], architecture.ops[-1]]

    def test_a_sketch_says_what_is_undecided_and_stands_still(self, space, tokens):
        rng = np.random.default_rng(0)
        fixed = space.sketch(tokens[0], np.eye(space.radices.max())[tokens[0]])
        for row in np.where(rng.random(tokens.shape) < rng.random((len(tokens), 1)), UNDECIDED, tokens)[:20]:
            legal = space.legal(row[None])[0]
            sketch = space.sketch(row, legal / legal.sum(1, keepdims=True))
            assert sketch.undecided == (row == UNDECIDED).sum()
            assert all(0 <= share <= 1 for share in sketch.edges.values())
            for node, shares in sketch.belief.items():
                assert sketch.ops[node] == max(shares, key=shares.__getitem__)
                assert np.isclose(sum(shares.values()), 1)
            if sketch.places:
                assert len(sketch.places) == len(sketch.ops)
                assert (sketch.places, sketch.edges.keys()) == (fixed.places, fixed.edges.keys())

    def test_neighbours_belong_and_differ_in_one_slot_and_in_what_it_forbids(self, space, tokens):
        near = space.neighbours(tokens)
        assert near.shape == (len(tokens), (space.radices - 1).sum(), len(space.slots))
        space.check(near.reshape(-1, len(space.slots)))
        moved = (near != tokens[:, None]).sum(2)  # (n, m)
        alone = (moved == 0).all(1)
        assert (moved[~alone] >= 1).all()
        for i, j in np.argwhere(moved > 1)[:N]:
            slots = np.flatnonzero(near[i, j] != tokens[i])
            edits = np.repeat(tokens[[i]], len(slots), axis=0)  # each slot alone
            edits[np.arange(len(slots)), slots] = near[i, j, slots]
            legal = np.take_along_axis(space.legal(edits), edits[:, :, None], axis=2)[:, :, 0]
            others = slots != slots[:, None]
            assert (legal[:, slots] & others).any(1).sum() < len(slots), (tokens[i], near[i, j])

    def test_every_single_legal_edit_is_a_neighbour(self, space, tokens):
        for row, near in zip(tokens[:20], space.neighbours(tokens[:20]), strict=True):
            legal = space.legal(row[None])[0]  # (L, K)
            edits = {(l, k) for l, k in np.argwhere(legal).tolist() if k != row[l]}
            alone = near[(near != row).sum(1) == 1]  # the others are edits that made more of the row illegal
            found = {(l, int(other[l])) for other in alone for l in np.flatnonzero(other != row).tolist()}
            assert found == edits, row

    def test_it_names_the_identities_that_it_knows(self, space, tokens):
        assert len(set(space.identities)) == len(space.identities) > 0
        for identity in space.identities:
            assert len(space.canonical(tokens, identity)) == len(tokens)

    def test_canonical_rows_belong_and_stand_for_themselves(self, space, tokens, identity):
        canonical = space.canonical(tokens, identity)
        space.check(canonical)
        assert np.array_equal(space.canonical(canonical, identity), canonical)

    def test_a_canonical_row_is_the_first_of_its_class(self, listed, tokens, identity):
        assert (listed.index(listed.canonical(tokens, identity)) <= listed.index(tokens)).all()

    def test_the_list_is_complete_sorted_and_without_repetition(self, listed):
        rows = listed.all()
        assert rows.shape == (listed.size, len(listed.slots))
        listed.check(rows)
        assert np.array_equal(np.unique(rows, axis=0), rows)

    def test_index_and_at_are_inverse(self, listed, tokens):
        assert np.array_equal(listed.at(listed.index(tokens)), tokens)
        places = np.arange(listed.size)
        assert np.array_equal(listed.index(listed.at(places)), places)

    def test_costs_are_whole_numbers_and_grow_with_the_classes(self, space, tokens):
        for cost in (space.params, space.flops):
            few, many = cost(tokens, 10), cost(tokens, 100)
            assert few.shape == (len(tokens),)
            assert np.issubdtype(few.dtype, np.integer)
            assert (few > 0).all()
            assert (many > few).all()

    def test_the_place_in_a_batch_does_not_matter(self, space, tokens, identity):
        order = np.random.default_rng(2).permutation(len(tokens))
        for answer in self._answers(space, identity):
            assert np.array_equal(answer(tokens[order]), answer(tokens)[order])
            assert np.array_equal(answer(tokens[:1]), answer(tokens)[:1])

    def test_memory_layout_and_integer_type_do_not_matter(self, space, tokens, identity):
        for answer in self._answers(space, identity):
            expected = answer(tokens)
            assert np.array_equal(answer(np.asfortranarray(tokens)), expected)
            assert np.array_equal(answer(tokens.astype(np.int8)), expected)

    def test_features_are_facts_about_each_row(self, space, tokens):
        facts = space.features(tokens)
        assert facts.dtype == bool
        assert len(facts) == len(tokens)

    def test_counts_are_of_slots(self, space, tokens):
        counts = space.counts(tokens)
        assert counts.dtype.kind == "i"
        assert (counts >= 0).all()
        assert (counts.sum(1) == len(space.slots)).all()

    def test_trends_are_finite_and_of_each_row_alone(self, space, tokens):
        trends = space.trends(tokens)
        assert trends.dtype == np.float64
        assert np.isfinite(trends).all()
        assert np.array_equal(space.trends(tokens[1:2]), trends[1:2])

    def test_what_is_written_is_one_symbol_a_slot(self, space, tokens):
        facts = space.one_hot(tokens)
        assert facts.shape == (len(tokens), space.radices.sum())
        start = 0
        for slot, radix in enumerate(space.radices):
            assert (facts[:, start : start + radix].argmax(1) == tokens[:, slot]).all()
            start += radix
        assert (facts.sum(1) == len(space.slots)).all()

    @pytest.mark.parametrize("wrong", ["type", "shape", "empty", "float", "nan", "below", "above", "row"])
    def test_bad_tokens_are_refused_by_name(self, space, tokens, identity, wrong):
        bad = bad_tokens(space, tokens, wrong)
        for answer in [space.check, *self._answers(space, identity)]:
            with as_a_user(), pytest.raises(ArgumentError, match="tokens"):
                answer(bad)

    def test_bad_numbers_and_generators_are_refused(self, space):
        rng = np.random.default_rng(0)
        for n, generator in [(0, rng), (-1, rng), (1.5, rng), ("3", rng), (True, rng), (3, None), (3, 7)]:
            with as_a_user(), pytest.raises(ArgumentError, match=r"^(n|rng) must be"):
                space.sample(n, generator)

    def test_bad_rows_and_architectures_are_refused(self, space, tokens):
        calls = [
            lambda: space.decode(tokens),
            lambda: space.encode([]),
            lambda: space.encode(space.decode(tokens[0]).text),
            lambda: space.encode(["nonsense"]),
            lambda: space.encode([None]),
            lambda: space.canonical(tokens, "nonsense"),
            lambda: space.params(tokens, 0),
            lambda: space.flops(tokens, 2.5),
        ]
        for call in calls:
            with as_a_user(), pytest.raises(ArgumentError):
                call()

    def test_faults_are_sentences(self, space, tokens):
        row = tokens[0].copy()
        row[0] = space.radices[0]
        for wrong in (row, tokens, tokens[0].astype(float), tokens[0][:-1]):
            faults = space.faults(wrong)
            assert faults
            assert all(fault.endswith(".") for fault in faults)

    def _answers(self, space: SearchSpace, identity: str) -> list[Any]:
        """Everything that is asked of a batch and answers row by row."""
        answers: list[Any] = [
            lambda tokens: space.canonical(tokens, identity),
            lambda tokens: space.params(tokens, 10),
            lambda tokens: space.flops(tokens, 10),
            space.neighbours,
            space.features,
            space.one_hot,
            space.counts,
        ]
        return [*answers, space.index] if space.size <= ENUMERABLE else answers


def bad_tokens(space: SearchSpace, tokens: np.ndarray, wrong: str) -> Any:
    """Tokens that are wrong in one way, made of good ones."""
    below, above = tokens.copy(), tokens.copy()
    below[0, 0], above[-1, -1] = UNDECIDED, space.radices[-1]
    return {
        "type": "tokens",
        "shape": tokens[:, 1:],
        "empty": tokens[:0],
        "float": tokens.astype(np.float64),
        "nan": np.full(tokens.shape, np.nan),
        "below": below,
        "above": above,
        "row": tokens[0],
    }[wrong]
