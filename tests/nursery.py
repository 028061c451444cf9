"""Work begun in processes of its own and killed at any moment, again and again, without the start of each."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# A process that has everything loaded forks the processes that are killed, one for each line it reads: that saves most
# of the time. It says when it has loaded, and answers with the number of the process, and at its end with its status.
LOOP = """
if __name__ == "__main__":
    import os, sys
    print("loaded nursery", flush=True)
    for line in sys.stdin:
        process = os.fork()
        if not process:
            work(*line.split())
            os._exit(0)
        print("begun", process, flush=True)
        print("ended", os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


class Nursery:
    """Begins calls of ``work``, which ``code`` defines, in processes of their own, and says what they print."""

    def __init__(self, code: str) -> None:
        # Unbuffered, a line would go out in pieces, and a kill between them would join it to the next one.
        buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code) + LOOP],
            env=buffered,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.say()  # so that who measures the first call does not measure the start

    def say(self) -> list[str]:
        line = self.process.stdout.readline().split(maxsplit=1)
        assert line, "the nursery has ended"
        return [line[0], line[1].strip()]

    def work(self, *given: object, patience: float | None = None, started: bool = True) -> tuple[bool, list[str]]:
        """Whether ``work(*given)`` was killed, and what it printed: second words of lines of two.

        Args:
            patience: seconds until it is killed; never when None
            started: whether they count from its beginning, and not from the first line that it prints
        """
        self.process.stdin.write(" ".join(map(str, given)) + "\n")
        self.process.stdin.flush()
        kind, number = self.say()
        assert kind == "begun"
        said = [] if started else [self.say()]
        if patience is not None:
            time.sleep(patience)
            with suppress(ProcessLookupError):  # it was faster
                os.kill(int(number), signal.SIGKILL)
        while not said or said[-1][0] != "ended":
            said.append(self.say())
        status = said.pop()[1]
        assert status in ("0", str(-signal.SIGKILL))
        return status != "0", [what for _, what in said]


@contextmanager
def nursery(code: str) -> Iterator[Nursery]:
    begun = Nursery(code)
    try:
        yield begun
    finally:
        begun.process.stdin.close()
        begun.process.wait(30)
        begun.process.stdout.close()
