"""One service of ours as a process in a test: started, killed, started again.

A whole deployment is `fixstream.cli.deployment.Deployment`; this is for tests of a single service.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import httpx

from fixstream.runtime.ports import free_port
from fixstream.runtime.process import GuardedProcess
from fixstream.schemas.errors import StartFailed
from support.deadlines import eventually
from support.kafka import Kafka

ServiceName = Literal["stream", "train", "serve"]

_PORT_VARIABLES: dict[ServiceName, str] = {
    "stream": "FIXSTREAM_STREAMS_METRICS_PORT",
    "train": "FIXSTREAM_TRAINER_METRICS_PORT",
    "serve": "FIXSTREAM_INFERENCE_PORT",
}


class ServiceProcess:
    """`fixstream <name>` on a test's topics and folder; a context manager that ends it."""

    def __init__(
        self,
        name: ServiceName,
        kafka: Kafka,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        start_timeout_s: float = 90.0,
    ) -> None:
        """`environment` adds settings of the service; `folder` takes its files and its log."""
        self.name = name
        self.port = free_port()
        self._folder = folder
        self._start_timeout_s = start_timeout_s
        self._environment = {
            **os.environ,
            "CHECKPOINT_DIR": str(folder / "models"),
            "FIXSTREAM_STREAMS_DATA_DIR": str(folder / "streams"),
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            _PORT_VARIABLES[name]: str(self.port),
            **kafka.environment,
            **(environment or {}),
        }
        self._process: GuardedProcess | None = None

    @property
    def process(self) -> GuardedProcess:
        """The process that runs now, or ran last."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def url(self) -> str:
        """Base address of /healthz and /metrics, and of REST for `serve`."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts the service and returns when it calls itself healthy."""
        self._process = GuardedProcess(
            [sys.executable, "-m", "fixstream.cli", self.name],
            log_file=self._folder / f"{self.name}.log",
            env=self._environment,
        )
        self._process.start()
        eventually(self.is_healthy, self._start_timeout_s)

    def is_healthy(self) -> bool:
        """Whether /healthz answers 200.

        Raises:
            StartFailed: The process has ended; with the last lines of its log.
        """
        status = self.process.poll()
        if status is not None:
            raise StartFailed(f"{self.name} ended with {status}: {self.process.tail(15)}")
        try:
            return httpx.get(f"{self.url}/healthz", timeout=1.0).is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """`kill -9`, and nothing of it is left when this returns."""
        os.kill(self.process.pid, signal.SIGKILL)
        assert self.process.wait(20) is not None

    def restart(self) -> None:
        """Starts again with the same settings; in order if it still runs."""
        self.process.terminate(30)
        self.start()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.terminate(30)
