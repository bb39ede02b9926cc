"""The data folder of an embedded broker: who uses it, and what has to outlive a restart.

One broker uses a folder at a time. The claim is a file lock, which the kernel gives up with the
process that holds it, so a folder never stays locked by the dead. The lock does not cover other
machines: a folder on a network share is not supported.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import psutil

from fixstream.schemas.errors import StartFailed

_ORPHAN_TIMEOUT_S = 20.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class FolderState:
    """What a restart has to find again."""

    cluster_id: str
    port: int = 0
    """0: none yet."""
    controller_port: int = 0
    """0: none yet."""
    is_formatted: bool = False


class BrokerFolder:
    """Files beside Kafka's own: lock, state, configuration, process id and output."""

    def __init__(self, path: Path) -> None:
        """Names the files; touches nothing."""
        self._path = path.resolve()
        self._state_file = self._path / "state.json"
        self._lock_file = self._path / "owner.lock"
        self._pid_file = self._path / "jvm.pid"
        self.properties_file = self._path / "server.properties"
        self.log_file = self._path / "kafka.log"
        self._lock: TextIO | None = None

    def lock(self) -> None:
        """Claims the folder for this process.

        Raises:
            StartFailed: A living process uses it, or it cannot be written; the message names both.
        """
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            lock = self._lock_file.open("a+")
        except OSError as error:
            raise StartFailed(f"cannot use data folder {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise StartFailed(f"data folder {self._path} is in use by process {owner}") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        try:
            self._await_orphan()
        except StartFailed:
            self.unlock()
            raise

    def unlock(self) -> None:
        """Gives the folder back; does nothing where it is not ours."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _await_orphan(self) -> None:
        """A killed owner's JVM is being ended by its guard: let it close its files."""
        deadline = time.monotonic() + _ORPHAN_TIMEOUT_S
        while (pid := self._living_jvm()) is not None:
            if time.monotonic() >= deadline:
                raise StartFailed(f"data folder {self._path} is in use by a Kafka, process {pid}")
            time.sleep(_POLL_S)

    def _living_jvm(self) -> int | None:
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            pid = int(self._pid_file.read_text("ascii"))
            # The number alone may belong to somebody else by now.
            if str(self.properties_file) in psutil.Process(pid).cmdline():
                return pid
        return None

    def set_log_aside(self) -> None:
        """Makes the output of the process before this one `kafka.log.1`."""
        with contextlib.suppress(FileNotFoundError):
            self.log_file.replace(self.log_file.with_name("kafka.log.1"))

    def write_pid(self, pid: int) -> None:
        """Remembers which process the JVM is."""
        self._pid_file.write_text(str(pid), "ascii")

    def write_properties(self, text: str) -> None:
        """Writes Kafka's configuration."""
        self.properties_file.write_text(text, "utf-8")

    def read_state(self) -> FolderState:
        """What an earlier broker left, or the state of a new folder."""
        with contextlib.suppress(FileNotFoundError):
            try:
                return FolderState(**json.loads(self._state_file.read_text("utf-8")))
            except (ValueError, TypeError) as error:
                raise StartFailed(f"{self._state_file} is damaged: {error}") from error
        # Kafka wants 16 bytes in URL-safe base64 without padding; a dash at the start would look
        # like an option on the command line.
        digits = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii")
        return FolderState(digits.rstrip("=").replace("-", "A"))

    def write_state(self, state: FolderState) -> None:
        """Keeps the state, whole or not at all."""
        incoming = self._state_file.with_suffix(".tmp")
        incoming.write_text(json.dumps(asdict(state)), "utf-8")
        incoming.replace(self._state_file)
