"""Linear algebra on one thread, PyTorch's too, and as before afterwards."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.linalg
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from nagkit.checks.search import COUNT, symbols
from nagkit.metrics import Objective
from nagkit.search import search
from nagkit.spaces.nas_bench_201 import NasBench201
from nagkit.threads import one_thread


def threads():
    """How many threads each library of linear algebra uses now."""
    scipy.linalg.cholesky(np.eye(2))
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_there_is_one_thread_inside_and_as_many_as_before_afterwards():
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        with one_thread():
            assert set(threads().values()) == {1}
        assert threads() == before


def test_pytorch_has_one_thread_inside_in_each_thread_that_enters():
    def inside():
        torch.get_num_threads()  # asked for the first time in a thread it takes the number of whoever set it last
        torch.set_num_threads(2)
        with one_thread():
            with one_thread():
                deep = torch.get_num_threads()
            seen = torch.get_num_threads()
        return deep, seen, torch.get_num_threads()

    with ThreadPoolExecutor(2) as pool:
        assert [future.result() for future in [pool.submit(inside) for _ in range(4)]] == [(1, 1, 2)] * 4


def test_a_search_asks_on_one_thread(monkeypatch):
    seen = []
    made = search("random", NasBench201(), [Objective(COUNT, symbols)], seed=0)
    propose = made._propose
    monkeypatch.setattr(made, "_propose", lambda: seen.append(set(threads().values())) or propose())
    with threadpool_limits(2, user_api="blas"):
        made.ask(2)
    assert seen == [{1}, {1}]


def test_whoever_leaves_last_ends_it():
    with threadpool_limits(2, user_api="blas"):
        before, first, second = threads(), one_thread(), one_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert set(threads().values()) == {1}
        second.__exit__(None, None, None)
        assert threads() == before


def test_an_error_inside_leaves_it_as_before():
    before = threads()
    with ThreadPoolExecutor(1) as pool:
        assert isinstance(pool.submit(_fails).exception(), ZeroDivisionError)
    assert threads() == before


def _fails():
    with one_thread():
        return 1 / 0
