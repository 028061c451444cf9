"""How many threads linear algebra uses."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """Linear algebra of NumPy and SciPy on one thread inside.

    On matrices of a few hundred rows several threads mostly wait for each other, above all on a busy machine.
    """
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  (it brings a library of its own, which is found only when it is loaded)

    return ThreadpoolController()
