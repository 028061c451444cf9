"""Costs that are sums over slots are found, and others are not taken for such."""

import numpy as np
import pytest

from nagkit.spaces import space
from nagkit.spaces.slot_costs import SlotCosts


@pytest.mark.parametrize("name", ["nas-bench-201", "darts"])
@pytest.mark.parametrize("cost", ["params", "flops"])
def test_exact_costs_of_cells_are_found_as_sums(name, cost):
    searched = space(name)
    values = getattr(searched, cost)
    costs = SlotCosts.found(searched, values)
    rows = searched.sample(300, np.random.default_rng(1))  # others than those it was found with
    np.testing.assert_allclose(costs.of(rows), values(rows), rtol=1e-9)


def test_what_each_symbol_costs_is_what_an_edit_changes_where_there_is_no_grammar():
    searched = space("nas-bench-201")
    costs = SlotCosts.found(searched, searched.params)
    row = searched.encode(["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"])
    for slot in range(6):
        for symbol in range(5):
            edited = row.copy()
            edited[0, slot] = symbol
            change = int(searched.params(edited)[0] - searched.params(row)[0])
            assert costs.each[slot, symbol] - costs.each[slot, 0] == pytest.approx(change, abs=1e-3)


def test_a_cost_that_is_no_sum_is_none():
    searched = space("nas-bench-201")
    assert SlotCosts.found(searched, lambda tokens: searched.params(tokens) ** 2) is None
    assert SlotCosts.found(searched, lambda tokens: (tokens[:, 0] == tokens[:, 1]).astype(float)) is None


def test_a_rare_exception_is_noticed():
    searched = space("nas-bench-201")
    assert SlotCosts.found(searched, lambda x: searched.params(x) * (1 + (x[:, :4] == 1).all(1))) is None
    assert SlotCosts.found(searched, lambda x: searched.params(x) + 1e6 * (x == 3).all(1)) is None
