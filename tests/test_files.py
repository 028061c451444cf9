"""Files that appear whole or not at all."""

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from nagkit.files import write_atomically

OLD, NEW = b"old " * 1000, b"new!" * 500_000


def test_the_file_holds_exactly_what_was_given(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    for content in (OLD, NEW, b""):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_others_may_read_the_file(tmp_path):
    write_atomically(tmp_path / "file", NEW)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files as POSIX does")
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    program = (
        "import resource, signal, sys\n"
        "from nagkit.files import write_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "write_atomically(sys.argv[1], b'x' * 1_000_000)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=False)
    assert b"File too large" in done.stderr
    assert path.read_bytes() == OLD
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_atomically(tmp_path / "file", "text")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
@pytest.mark.parametrize("delay", [0.0, 0.003, 0.01, 0.03, 0.1])
def test_a_kill_at_any_moment_leaves_one_of_the_two_contents(tmp_path, delay):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    program = (
        "import sys\nfrom nagkit.files import write_atomically\n"
        "print('ready', flush=True)\n"
        "while True: write_atomically(sys.argv[1], b'new!' * 500_000)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
    assert path.read_bytes() in (OLD, NEW)
