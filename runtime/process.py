"""Child processes that never outlive their parent, not even after `kill -9` of it.

`GuardedProcess` starts its child through a guard (`guard.py`): the guard ends the child and all
that the child started as soon as this process is gone. It captures output to a file, and it does
not restart what has ended: that is the caller's decision. POSIX only.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from fixstream.runtime import guard
from fixstream.schemas.errors import StartFailed

_TAIL_BYTES = 256 * 1024
_GUARD_START_S = 20.0
_AFTER_KILL_S = 10.0
_TURN_S = 0.2


class GuardedProcess:
    """A child that ends with its parent. Start it with `start()` or as a context manager.

    Args:
        argv: The command; the first entry is looked up in PATH.
        log_file: Takes the child's stdout and stderr; appended to; its folder is created.
        env: The whole environment of the child; None inherits ours.
        max_log_bytes: Size at which the log becomes `<name>.1` and a new one begins.
        grace_s: Seconds between SIGTERM and SIGKILL when this process has gone.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log_file: Path,
        env: Mapping[str, str] | None = None,
        max_log_bytes: int = 8 * 1024 * 1024,
        grace_s: float = 5.0,
    ) -> None:
        self.argv = [str(word) for word in argv]
        self.log_file = log_file
        self._env = None if env is None else dict(env)
        self._max_log_bytes = max_log_bytes
        self._grace_s = grace_s
        self._lock = threading.RLock()
        self._guard: subprocess.Popen[bytes] | None = None
        self._lifeline = -1
        self._status = -1
        self._unread = b""
        self._pid: int | None = None
        self._error: str | None = None
        self._returncode: int | None = None

    def start(self) -> None:
        """Starts the child.

        Raises:
            StartFailed: The command cannot be executed; the message names it.
        """
        assert self._guard is None, "a GuardedProcess starts once"
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        lifeline_read, self._lifeline = os.pipe()
        self._status, status_write = os.pipe()
        os.set_blocking(self._status, False)
        order = guard.Order(
            parent_pid=os.getpid(),
            lifeline_fd=lifeline_read,
            status_fd=status_write,
            log_file=str(self.log_file),
            max_log_bytes=self._max_log_bytes,
            grace_s=self._grace_s,
            argv=self.argv,
        )
        try:
            with self.log_file.open("ab") as errors:
                # A session of its own: Ctrl-C in the terminal reaches us, and we stop it in order.
                self._guard = subprocess.Popen(  # noqa: S603 - our own guard
                    [sys.executable, "-I", "-S", guard.__file__, json.dumps(order._asdict())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    env=self._env,
                    pass_fds=(lifeline_read, status_write),
                    start_new_session=True,
                )
        finally:
            os.close(lifeline_read)
            os.close(status_write)
        self._await_pid()

    def _await_pid(self) -> None:
        deadline = time.monotonic() + _GUARD_START_S
        while self._pid is None and self._returncode is None and time.monotonic() < deadline:
            self._read_status(deadline - time.monotonic())
        if self._pid is None:
            self.kill()
            raise StartFailed(f"cannot start {self.argv[0]}: {self._error or 'its guard died'}")

    @property
    def pid(self) -> int:
        """Process id of the child itself (not of its guard)."""
        assert self._pid is not None, "not started"
        return self._pid

    @property
    def guard_pid(self) -> int:
        """Process id of the guard."""
        assert self._guard is not None, "not started"
        return self._guard.pid

    def poll(self) -> int | None:
        """The child's exit status (negative: minus the signal), or None while it runs.

        A status also means that nothing which the child started is left.
        """
        self._read_status(0)
        return self._returncode

    def wait(self, timeout_s: float) -> int | None:
        """Waits for the end; returns as `poll()`, None when the time ran out."""
        deadline = time.monotonic() + timeout_s
        while self._returncode is None and (left_s := deadline - time.monotonic()) > 0:
            self._read_status(left_s)
        return self.poll()

    def terminate(self, timeout_s: float = 10.0) -> int:
        """SIGTERM, then SIGKILL after `timeout_s`; returns the exit status."""
        if self._guard is None:
            return 0
        self._wish(guard.TERMINATE)
        status = self.wait(timeout_s)
        return self.kill() if status is None else status

    def kill(self) -> int:
        """SIGKILL to the child and its group at once; returns the exit status."""
        if self._guard is None:
            return 0
        self._wish(guard.KILL)
        status = self.wait(_AFTER_KILL_S)
        if status is None:
            # The guard itself hangs; its end takes the child along where the kernel offers that.
            self._guard.kill()
            with self._lock:
                if self._returncode is None:
                    self._guard_is_gone()
        assert self._returncode is not None
        return self._returncode

    def tail(self, num_lines: int = 20) -> list[str]:
        """The last lines of the child's output."""
        try:
            with self.log_file.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
                return log.read().decode("utf-8", "replace").splitlines()[-num_lines:]
        except FileNotFoundError:
            return []

    def _wish(self, wish: bytes) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._returncode is None:
                os.write(self._lifeline, wish)

    def _read_status(self, timeout_s: float) -> None:
        """Takes in what the guard has told, waiting at most `timeout_s` for it."""
        if self._guard is None or self._returncode is not None:
            return
        # In short turns, since another thread may take in the end and close the pipe meanwhile.
        select.select([self._status], [], [], min(_TURN_S, max(0.0, timeout_s)))
        with self._lock:
            if self._returncode is None:
                self._take_in_status()

    def _take_in_status(self) -> None:
        try:
            data = os.read(self._status, 65536)
        except BlockingIOError:
            return
        if not data:
            self._guard_is_gone()
            return
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            self._pid = message.get("pid", self._pid)
            self._error = message.get("error", self._error)
            if "returncode" in message:
                self._finish(int(message["returncode"]))

    def _guard_is_gone(self) -> None:
        """The guard ended without a word, so nobody else ends the child's group."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)
        self._finish(-signal.SIGKILL)

    def _finish(self, returncode: int) -> None:
        assert self._guard is not None
        self._returncode = returncode
        self._guard.wait()
        os.close(self._lifeline)
        os.close(self._status)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.terminate()
