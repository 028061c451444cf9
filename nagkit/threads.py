"""How many threads linear algebra uses."""

import sys
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
    """NumPy, SciPy and, where it is loaded, PyTorch compute on one thread inside.

    On matrices of a few hundred rows several threads mostly wait for each other, above all on a busy machine. For NumPy
    and SciPy the limit is the process's: the first to enter sets it, the last to leave ends it. For PyTorch it is that
    of the thread that enters.
    """
    with _lock:
        _inside.append(_inside[0] if _inside else _controller().limit(limits=1, user_api="blas"))
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None and hasattr(torch, "set_num_threads") else None
    try:
        if torch is not None and before is not None:
            torch.set_num_threads(1)
        yield
    finally:
        if torch is not None and before is not None:
            torch.set_num_threads(before)
        with _lock:
            limit = _inside.pop()
            if not _inside:
                limit.restore_original_limits()


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  (it brings a library of its own, which is found only when it is loaded)

    return ThreadpoolController()
