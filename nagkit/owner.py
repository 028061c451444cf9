"""Who writes to a file: one process, which is told from all others."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

_BOOT = Path("/proc/sys/kernel/random/boot_id")  # of Linux: another one after each start of the machine
_CLOCK = 2.0  # seconds by which two readings of the start of one process may differ


@dataclass(frozen=True)
class Owner:
    """A process of a machine: ``boot`` names the machine's start, where known; ``since`` is when it took the file.

    ``started`` is when the process began, in seconds after the machine's start where that has a name, else since 1970:
    the first does not move when the clock is set.
    """

    host: str
    boot: str
    pid: int
    started: float
    since: str

    @classmethod
    def me(cls) -> "Owner":
        """This process, from now on."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> "Owner":
        """A process of this machine, from now on."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(platform.node(), _boot(), pid, _started(pid), since)

    def gone(self) -> bool:
        """Whether it is certain that this process has ended; of another machine nothing is certain."""
        if self.host != platform.node():
            return False
        if self.boot != _boot():
            return True
        try:
            process = psutil.Process(self.pid)
            dead = process.status() == psutil.STATUS_ZOMBIE  # ended, and nobody asked for its exit status
            return dead or abs(_started(self.pid) - self.started) > _CLOCK
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


def _boot() -> str:
    return _BOOT.read_text().strip() if _BOOT.is_file() else ""


def _started(pid: int) -> float:
    if not _boot():
        return psutil.Process(pid).create_time()
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        raise psutil.NoSuchProcess(pid) from None
    return int(after_name[19]) / os.sysconf("SC_CLK_TCK")  # field 22 of proc_pid_stat(5)
