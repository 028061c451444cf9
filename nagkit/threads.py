"""How many threads linear algebra uses."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_inside: list[None] = []  # as many as there are inside
_restore: dict[str, Callable[[], object]] = {}  # what ends each limit that holds


@contextmanager
def one_thread() -> Iterator[None]:
    """NumPy, SciPy and, where it is loaded, PyTorch compute on one thread inside.

    On matrices of a few hundred rows several threads mostly wait for each other, above all on a busy machine. The limit
    is the process's: the first to enter sets it, the last to leave ends it.
    """
    with _lock:
        _inside.append(None)
        _limit()
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            while _restore and not _inside:
                _restore.popitem()[1]()


def _limit() -> None:
    if "blas" not in _restore:
        _restore["blas"] = _controller().limit(limits=1, user_api="blas").restore_original_limits
    torch = sys.modules.get("torch")  # it may be loaded after others have entered, or be loading now
    if torch is not None and hasattr(torch, "set_num_threads") and "torch" not in _restore:
        _restore["torch"] = partial(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  (it brings a library of its own, which is found only when it is loaded)

    return ThreadpoolController()
