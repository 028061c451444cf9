"""Patience, for tests beside a loop."""

import asyncio
import time
from collections.abc import Callable


async def until(done: Callable[[], bool], seconds: float = 60.0) -> None:
    """Return when ``done()`` is true; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.005)
