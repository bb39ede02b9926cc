"""Guarded processes: they run, they stop, and they never outlive whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fixstream.runtime.process import GuardedProcess
from fixstream.schemas.errors import StartFailed
from support.deadlines import eventually
from support.processes import is_alive

# Starts a grandchild in a session of its own, which no signal to the group reaches.
FAMILY = """
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                              start_new_session=True)
print("grandchild", grandchild.pid, flush=True)
time.sleep(600)
"""

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def python(code: str, log_file: Path, **options: float) -> GuardedProcess:
    argv = [sys.executable, "-c", code]
    if "max_log_bytes" in options:
        return GuardedProcess(argv, log_file=log_file, max_log_bytes=int(options["max_log_bytes"]))
    return GuardedProcess(argv, log_file=log_file, grace_s=options.get("grace_s", 5.0))


def said(process: GuardedProcess, word: str) -> list[str]:
    """The rest of the line that begins with a word, once the child has written it."""

    def found() -> list[str]:
        whole_lines = process.log_file.read_text().split("\n")[:-1]
        return [line for line in whole_lines if line.startswith(word)]

    return eventually(found)[-1].split()[1:]


def test_output_status_and_process_id_are_the_childs(tmp_path: Path) -> None:
    code = "import os, sys; print('pid', os.getpid()); print('oops', file=sys.stderr); sys.exit(7)"
    with python(code, tmp_path / "logs" / "child.log") as process:
        assert process.wait(20) == 7
        assert process.tail() == ["oops", f"pid {process.pid}"] or process.tail() == [
            f"pid {process.pid}",
            "oops",
        ]
        assert process.poll() == 7


def test_environment_is_the_given_one(tmp_path: Path) -> None:
    process = GuardedProcess(
        ["/bin/sh", "-c", "echo $COLOUR; test -z $HOME"],
        log_file=tmp_path / "log",
        env={"COLOUR": "green"},
    )
    with process:
        assert process.wait(20) == 0
    assert process.tail() == ["green"]


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="no-such-command"):
        GuardedProcess(["no-such-command"], log_file=tmp_path / "log").start()


def test_terminate_asks_first(tmp_path: Path) -> None:
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("closing", flush=True), sys.exit(3)))
print("ready", flush=True)
time.sleep(600)
"""
    with python(code, tmp_path / "log") as process:
        said(process, "ready")
        assert process.terminate(20) == 3
        assert process.tail()[-1] == "closing"


def test_terminate_kills_a_child_that_does_not_listen(tmp_path: Path) -> None:
    with python(STUBBORN, tmp_path / "log") as process:
        said(process, "ready")
        assert process.terminate(0.2) == -signal.SIGKILL
        assert not is_alive(process.pid)


def test_what_a_killed_child_left_behind_is_ended(tmp_path: Path) -> None:
    with python(FAMILY, tmp_path / "log") as process:
        grandchild = int(said(process, "grandchild")[0])
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(20) == -signal.SIGKILL
        assert not is_alive(grandchild)


@pytest.mark.skipif(sys.platform != "linux", reason="needs the parent-death signal")
def test_a_killed_guard_takes_the_child_along(tmp_path: Path) -> None:
    with python("import time; time.sleep(600)", tmp_path / "log") as process:
        os.kill(process.guard_pid, signal.SIGKILL)
        # Nobody asks for its status, so only the kernel can have ended it.
        eventually(lambda: not is_alive(process.pid))
        assert process.wait(20) == -signal.SIGKILL


def test_a_grandchild_that_does_not_listen_is_killed_when_asked_twice(tmp_path: Path) -> None:
    code = f"""
import subprocess, sys, time
grandchild = subprocess.Popen(
    [sys.executable, "-c", {STUBBORN!r}], stdout=subprocess.PIPE, start_new_session=True
)
grandchild.stdout.readline()
print("grandchild", grandchild.pid, flush=True)
"""
    with python(code, tmp_path / "log", grace_s=600) as process:
        grandchild = int(said(process, "grandchild")[0])
        assert process.wait(0.3) is None  # It has ended, but what it started has not.
        assert process.kill() == 0
        assert not is_alive(grandchild)


PARENT = """
import os, sys, time
from pathlib import Path
from fixstream.runtime.process import GuardedProcess

argv = [sys.executable, "-c", sys.argv[1]]
process = GuardedProcess(argv, log_file=Path(sys.argv[2]), grace_s=0.5)
process.start()
{then}
print(process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("then", "child"),
    [
        pytest.param("pass", FAMILY, id="family"),
        pytest.param("pass", STUBBORN + "# grandchild", id="child that ignores SIGTERM"),
        # A fork that lives on holds the pipe open, so that its end is never seen.
        pytest.param("os.fork() or time.sleep(30)", FAMILY, id="parent that has forked"),
    ],
)
def test_nothing_outlives_a_killed_parent(tmp_path: Path, then: str, child: str) -> None:
    log_file = tmp_path / "log"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(then=then), child, str(log_file)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with parent:
        try:
            assert parent.stdout is not None
            pids = [int(parent.stdout.readline())]
            lines = eventually(lambda: log_file.read_text().split("\n")[:-1])
            pids += [int(word) for word in lines[0].split() if word.isdigit()]
            assert all(is_alive(pid) for pid in pids)
            os.kill(parent.pid, signal.SIGKILL)
            eventually(lambda: not any(is_alive(pid) for pid in pids), timeout_s=15)
        finally:
            os.killpg(parent.pid, signal.SIGKILL)


def test_the_log_keeps_its_size(tmp_path: Path) -> None:
    log_file = tmp_path / "log"
    code = "for i in range(20000): print(f'line {i:06}', 'x' * 40)"
    with python(code, log_file, max_log_bytes=100_000) as process:
        assert process.wait(30) == 0
    assert log_file.stat().st_size <= 100_000
    assert (tmp_path / "log.1").stat().st_size <= 100_000
    assert process.tail(1)[0].startswith("line 019999")


DESCRIPTORS = """
import os, sys
from pathlib import Path
from fixstream.runtime.process import GuardedProcess

def run():
    with GuardedProcess([sys.executable, "-c", "pass"], log_file=Path(sys.argv[1])) as process:
        process.wait(20)

run()
before = len(os.listdir("/dev/fd"))
for _ in range(3):
    run()
print(before, len(os.listdir("/dev/fd")))
"""


def test_no_file_descriptor_is_left_open(tmp_path: Path) -> None:
    # In a process of its own: in this one other tests' leftovers are collected at any moment.
    code = [sys.executable, "-c", DESCRIPTORS, str(tmp_path / "log")]
    answer = subprocess.run(code, check=True, capture_output=True, text=True, timeout=60)
    before, after = answer.stdout.split()
    assert before == after


def test_tail_of_a_process_that_never_ran_is_empty(tmp_path: Path) -> None:
    assert GuardedProcess(["true"], log_file=tmp_path / "log").tail() == []


def test_a_child_that_closes_its_output_is_still_waited_for(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import os, time
        print("closing", flush=True)
        os.close(1); os.close(2)
        time.sleep(600)
    """)
    with python(code, tmp_path / "log") as process:
        said(process, "closing")
        assert process.wait(0.3) is None
        assert is_alive(process.pid)
