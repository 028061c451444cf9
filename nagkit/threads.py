"""How many threads linear algebra uses."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_inside: list[Any] = []  # the limit that holds, once for each who is inside


@contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra of NumPy and SciPy on one thread inside.

    On matrices of a few hundred rows several threads mostly wait for each other, above all on a busy machine. The limit
    is the process's: the first to enter sets it, the last to leave ends it.
    """
    with _lock:
        _inside.append(_inside[0] if _inside else _controller().limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _lock:
            limit = _inside.pop()
            if not _inside:
                limit.restore_original_limits()


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  (it brings a library of its own, which is found only when it is loaded)

    return ThreadpoolController()
