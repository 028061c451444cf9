"""Who writes to a file: one process, which is told from all others."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil

_CLOCK = 2.0  # seconds by which two readings of the start of one process may differ


@dataclass(frozen=True)
class Owner:
    """A process of a machine: ``started`` in seconds since 1970, ``since`` is when it took the file."""

    host: str
    pid: int
    started: float
    since: str

    @classmethod
    def me(cls) -> "Owner":
        """This process, from now on."""
        started = psutil.Process().create_time()
        return cls(platform.node(), os.getpid(), started, datetime.now(UTC).isoformat(timespec="seconds"))

    def gone(self) -> bool:
        """Whether it is certain that this process has ended; of another machine nothing is certain."""
        if self.host != platform.node():
            return False
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) > _CLOCK
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"
