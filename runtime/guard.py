"""The guard: a tiny process between a parent and its child, so that no child outlives its parent.

Run as a script by `fixstream.runtime.process`; it imports nothing outside the standard library, so
that it starts in a few milliseconds. It holds the read end of a pipe from the parent. The pipe's
end means that the parent is gone, however it went: the child gets SIGTERM, a moment to finish, then
SIGKILL, and so does everything that the child left behind. It also writes the child's output to a
file of limited size.

It does not restart anything, and it decides nothing: bytes on the pipe say what to do.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

TERMINATE = b"t"
KILL = b"k"

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.5
_CHUNK_BYTES = 65536
_DRAIN_S = 1.0
_SWEEP_POLL_S = 0.02


class Order(NamedTuple):
    """What the parent asks for, as it crosses the command line."""

    parent_pid: int
    lifeline_fd: int
    status_fd: int
    log_file: str
    max_log_bytes: int
    grace_s: float
    argv: list[str]


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _die_with_guard() -> None:
    """Runs in the child before exec. The guard has one thread, so the signal means its death."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class CappedLog:
    """Appends to a file; at the limit the file becomes `<name>.1` and a new one begins."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file = path.open("ab", buffering=0)

    def write(self, data: bytes) -> None:
        # A full disk must not stop the child: it loses its log, not its work.
        if self._file.tell() + len(data) > self._max_bytes:
            with contextlib.suppress(OSError):
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                fresh = self._path.open("ab", buffering=0)
                self._file.close()
                self._file = fresh
        with contextlib.suppress(OSError):
            self._file.write(data)


def _left_behind(group: int) -> list[int]:
    """What still runs of a child that has ended: all below us, or its group where no /proc is."""
    if Path("/proc/self/stat").exists():
        return _descendants()
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return []
    return [-group]


def _descendants() -> list[int]:
    """Every process below this one."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The command name in brackets may hold spaces and brackets of its own.
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


class Guard:
    """Holds the child from its start to the end of the last process it left behind."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._log = CappedLog(Path(order.log_file), order.max_log_bytes)
        self._child: subprocess.Popen[bytes] | None = None
        self._kill_at: float | None = None
        self._sweep_fds: list[int] = []

    def run(self) -> None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._terminate())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._child = subprocess.Popen(  # noqa: S603 - the parent's own command
                self._order.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=_die_with_guard,  # noqa: PLW1509 - this process has one thread
            )
        except OSError as error:
            self._tell({"error": f"{error.strerror}: {self._order.argv[0]}"})
            return
        self._tell({"pid": self._child.pid})
        self._loop(self._child, wake_read)
        assert self._child.stdout is not None
        self._sweep_fds = [self._order.lifeline_fd, self._child.stdout.fileno()]
        self._sweep(self._child.pid)
        self._tell({"returncode": self._child.returncode})

    def _tell(self, message: dict[str, object]) -> None:
        with contextlib.suppress(OSError):
            os.write(self._order.status_fd, json.dumps(message).encode() + b"\n")

    def _loop(self, child: subprocess.Popen[bytes], wake_fd: int) -> None:
        assert child.stdout is not None
        output_fd = child.stdout.fileno()
        # Each source is read when it has something, and dropped at its end.
        sources: dict[int, Callable[[], bool]] = {
            self._order.lifeline_fd: self._obey,
            wake_fd: lambda: bool(os.read(wake_fd, 512)),
            output_fd: lambda: self._copy(output_fd),
        }
        while child.poll() is None:
            for fd in select.select(list(sources), [], [], self._wait_s())[0]:
                if not sources[fd]():
                    del sources[fd]
            if os.getppid() != self._order.parent_pid:
                # The pipe's end can be held open by a fork of the parent.
                self._terminate()
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._signal_group(signal.SIGKILL)
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline and select.select([output_fd], [], [], 0)[0]:
            if not self._copy(output_fd):
                break

    def _wait_s(self) -> float:
        if self._kill_at is None:
            return _POLL_S
        return min(_POLL_S, max(0.01, self._kill_at - time.monotonic()))

    def _obey(self) -> bool:
        """Reads the parent's wishes; False when the parent is gone."""
        wishes = os.read(self._order.lifeline_fd, 16)
        if KILL in wishes:
            self._signal_group(signal.SIGKILL)
        elif TERMINATE in wishes and self._child is not None:
            # The leader only: it stops what it started in its own order.
            self._child.send_signal(signal.SIGTERM)
        elif not wishes:
            self._terminate()
        return bool(wishes)

    def _terminate(self) -> None:
        if self._kill_at is None and self._child is not None:
            self._kill_at = time.monotonic() + self._order.grace_s
            self._child.send_signal(signal.SIGTERM)

    def _signal_group(self, signum: signal.Signals) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, signum)

    def _copy(self, fd: int) -> bool:
        data = os.read(fd, _CHUNK_BYTES)
        self._log.write(data)
        return bool(data)

    def _sweep(self, group: int) -> None:
        """Ends what the child left behind: asked first, since it may hold data to close."""
        for signum, wait_s in ((signal.SIGTERM, self._order.grace_s), (signal.SIGKILL, 2.0)):
            for pid in _left_behind(group):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signum)
            deadline = time.monotonic() + wait_s
            while time.monotonic() < deadline:
                self._reap()
                if not _left_behind(group):
                    return
                if self._is_kill_wished():
                    break

    def _is_kill_wished(self) -> bool:
        """Pauses for a moment; ends early, with True, when the parent has lost its patience."""
        ready = select.select(self._sweep_fds, [], [], _SWEEP_POLL_S)[0]
        for fd in ready:
            data = os.read(fd, _CHUNK_BYTES)
            if not data:
                self._sweep_fds.remove(fd)
            elif fd == self._order.lifeline_fd:
                return KILL in data
            else:
                self._log.write(data)
        return False

    @staticmethod
    def _reap() -> None:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


if __name__ == "__main__":
    # Out of the parent's terminal and group: a Ctrl-C reaches the parent, which stops us in order.
    Guard(Order(**json.loads(sys.argv[1]))).run()
