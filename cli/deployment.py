"""A whole fixstream on this machine: a broker and every service, each a process of its own.

`fixstream up`, `fixstream demo` and the end-to-end tests start it. It starts, watches and stops
processes; it knows nothing of what they do.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from fixstream.runtime.ports import free_port, is_port_free
from fixstream.runtime.process import GuardedProcess
from fixstream.runtime.settings import KafkaSettings, load_settings
from fixstream.runtime.topics_admin import apply_topics
from fixstream.schemas.errors import StartFailed
from fixstream.schemas.topics import DEFAULT_PREFIX

Tell = Callable[[str], None]
"""Takes one line about what is going on, for the person who waits."""

SERVICES = ("serve", "stream", "train")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentConfig:
    """Where a local deployment lives and listens."""

    data_dir: Path
    """Holds the broker's log, the models and the services' log files."""
    models_dir: Path | None = None
    """Where checkpoints and keys lie; None takes a folder below `data_dir`."""
    bootstrap_servers: str | None = None
    """A Kafka that is already there; None starts the embedded broker."""
    topic_prefix: str = DEFAULT_PREFIX
    """What the names of topics and groups start with."""
    kafka_port: int = 0
    """The embedded broker's port; 0 takes a free one."""
    rest_port: int = 8080
    """Port of REST and the web page."""
    start_timeout_s: float = 180.0
    """How long all services together may take until they are healthy."""
    stop_timeout_s: float = 60.0
    """How long each service may take to stop before it is killed."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings for the services beside those that this deployment decides."""


class Deployment:
    """Starts broker, topics and services; a context manager that stops them in reverse."""

    def __init__(self, config: DeploymentConfig, tell: Tell) -> None:
        """Stores its configuration; `tell` gets a line for each thing that happens."""
        self.config = config
        self.bootstrap_servers = config.bootstrap_servers or ""
        self.health_ports: dict[str, int] = {}
        self._tell = tell
        self._processes: dict[str, GuardedProcess] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Starts everything and waits until it is healthy.

        Raises:
            StartFailed: something did not come up; what was started is stopped again.
        """
        if not is_port_free(self.config.rest_port):
            # Told now, not after a minute in which everything else has started.
            raise StartFailed(f"port {self.config.rest_port} for REST is taken; name another one")
        with ExitStack() as stack:
            self._start_broker(stack)
            self._apply_topics()
            for service in SERVICES:
                self._start_service(stack, service)
            self._await_health()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops the services in reverse order, the broker last."""
        self._stack.close()

    @property
    def kafka(self) -> KafkaSettings:
        """How to reach this deployment's topics."""
        return KafkaSettings(
            bootstrap_servers=self.bootstrap_servers, topic_prefix=self.config.topic_prefix
        )

    @property
    def rest_url(self) -> str:
        """Base address of REST and the web page."""
        return f"http://127.0.0.1:{self.config.rest_port}"

    def metrics_url(self, service: str) -> str:
        """Address of one service's Prometheus metrics."""
        return f"http://127.0.0.1:{self.health_ports[service]}/metrics"

    def access(self) -> dict[str, str]:
        """What commands in another terminal need to find this broker and these models."""
        return {
            "FIXSTREAM_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "CHECKPOINT_DIR": str(self.config.models_dir or self.config.data_dir / "models"),
        }

    def child_environment(self) -> dict[str, str]:
        """The environment that services of this deployment run in."""
        ours = {
            **self.access(),
            "FIXSTREAM_TOPIC_PREFIX": self.config.topic_prefix,
            "FIXSTREAM_INFERENCE_PORT": str(self.config.rest_port),
            "FIXSTREAM_STREAMS_DATA_DIR": str(self.config.data_dir / "streams"),
            "FIXSTREAM_STREAMS_METRICS_PORT": str(self.health_ports.get("stream", 0)),
            "FIXSTREAM_TRAINER_METRICS_PORT": str(self.health_ports.get("train", 0)),
            "PYTHONUNBUFFERED": "1",
            # Trainer and inference share the cores: a thread that spins while it waits for the
            # other one's turn would take the very time that the other one needs.
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        return {**os.environ, **self.config.environment, **ours}

    def ended(self) -> dict[str, int]:
        """Services that have ended though nobody asked them to, with their exit status."""
        polled = {name: process.poll() for name, process in self._processes.items()}
        return {name: status for name, status in polled.items() if status is not None}

    def restart(self, service: str) -> None:
        """Starts a service that has ended once more."""
        self._processes[service].terminate(self.config.stop_timeout_s)
        self._start_service(self._stack, service)

    def process(self, service: str) -> GuardedProcess:
        """The process of one service."""
        return self._processes[service]

    def start_beside(self, name: str, argv: list[str], extra: Mapping[str, str]) -> GuardedProcess:
        """Starts a process that is no service of ours but belongs to this deployment."""
        process = GuardedProcess(
            argv,
            log_file=self._log_file(name),
            env={**self.child_environment(), **extra},
        )
        process.start()
        self._stack.callback(process.terminate, self.config.stop_timeout_s)
        return process

    def _start_broker(self, stack: ExitStack) -> None:
        if self.bootstrap_servers:
            self._tell(f"using the Kafka at {self.bootstrap_servers}")
            return
        from fixstream.runtime.broker import BrokerSettings, EmbeddedBroker

        settings = load_settings(
            BrokerSettings,
            data_folder=self.config.data_dir / "kafka",
            port=self.config.kafka_port,
        )
        broker = stack.enter_context(EmbeddedBroker(settings, progress=DownloadLines(self._tell)))
        self.bootstrap_servers = broker.bootstrap_servers
        self._tell(f"Kafka is up at {broker.bootstrap_servers}")

    def _apply_topics(self) -> None:
        report = apply_topics(self.kafka)
        report.require()
        self._tell(f"topics: {len(report.created)} created, {len(report.unchanged)} unchanged")

    def _start_service(self, stack: ExitStack, service: str) -> None:
        self.health_ports[service] = self.config.rest_port if service == "serve" else free_port()
        process = GuardedProcess(
            [sys.executable, "-m", "fixstream.cli", service],
            log_file=self._log_file(service),
            env=self.child_environment(),
        )
        process.start()
        self._processes[service] = process
        stack.callback(process.terminate, self.config.stop_timeout_s)
        self._tell(f"started {service} (pid {process.pid}, log {process.log_file})")

    def _log_file(self, name: str) -> Path:
        return self.config.data_dir / "logs" / f"{name}.log"

    def _await_health(self) -> None:
        waiting = set(SERVICES)
        deadline = time.monotonic() + self.config.start_timeout_s
        while waiting:
            for service in sorted(waiting):
                if is_healthy(f"http://127.0.0.1:{self.health_ports[service]}/healthz"):
                    waiting.discard(service)
                    self._tell(f"{service} is healthy")
            self._refuse_ended()
            if waiting and time.monotonic() > deadline:
                names = ", ".join(sorted(waiting))
                raise StartFailed(f"not healthy after {self.config.start_timeout_s:.0f} s: {names}")
            time.sleep(0.2)

    def _refuse_ended(self) -> None:
        for service, status in self.ended().items():
            process = self._processes[service]
            last = next((line for line in reversed(process.tail(5)) if line.strip()), "no output")
            raise StartFailed(f"{service} ended at start (exit {status}): {last}")


class DownloadLines:
    """Tells of a download at every tenth of it, so that nobody waits before a silent screen."""

    def __init__(self, tell: Tell) -> None:
        """Stores where lines go."""
        self._tell = tell
        self._tenth = -1

    def __call__(self, what: str, num_done: int, num_all: int) -> None:
        """Takes in how far it is; matches `broker_jars.Progress`."""
        tenth = num_done * 10 // max(1, num_all)
        if tenth != self._tenth:
            self._tenth = tenth
            self._tell(f"{what}: {num_done} of {num_all}")


def is_healthy(url: str) -> bool:
    """Whether a health address answers 200 within a second."""
    try:
        return httpx.get(url, timeout=1.0).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def choose_port(wanted: int) -> int:
    """The wanted port if nobody listens there, else a free one."""
    return wanted if is_port_free(wanted) else free_port()
