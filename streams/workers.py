"""Several local workers: one process each, in one consumer group.

The parent starts them, waits, and passes a stop on. When one ends by itself, all end: half a
processor that looks alive is worse than one that a supervisor starts again.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack

import structlog

from fixstream.runtime.process import GuardedProcess
from fixstream.runtime.stopping import StopSignal
from fixstream.schemas.errors import FixstreamError
from fixstream.streams.settings import StreamsSettings

log = structlog.get_logger(__name__)

_LEAVE_S = 20.0
"""Beyond the settings' stop timeout: leaving the group and ending Faust's threads."""
_POLL_S = 0.2


def worker_environment(settings: StreamsSettings, index: int) -> dict[str, str]:
    """The environment of worker `index`: ours, but for one worker and a metrics port of its own."""
    environment = dict(os.environ)
    environment["FIXSTREAM_STREAMS_WORKERS"] = "1"
    if settings.metrics_port:
        environment["FIXSTREAM_STREAMS_METRICS_PORT"] = str(settings.metrics_port + index)
    return environment


def run_workers(settings: StreamsSettings, stop: StopSignal) -> None:
    """Runs `settings.workers` processes until a stop is asked for.

    The workers read their settings from the environment, as this process did.

    Raises:
        FixstreamError: A worker ended by itself; its log says why.
    """
    with ExitStack() as stack:
        workers = []
        for index in range(settings.workers):
            worker = GuardedProcess(
                [sys.executable, "-m", "fixstream.streams"],
                log_file=settings.data_dir / f"worker-{index}.log",
                env=worker_environment(settings, index),
                grace_s=settings.stop_timeout_s,
            )
            workers.append(stack.enter_context(worker))
            log.info("worker started", index=index, pid=worker.pid, log=str(worker.log_file))
        while not stop.wait(_POLL_S):
            for index, worker in enumerate(workers):
                status = worker.poll()
                if status is not None:
                    raise FixstreamError(
                        f"worker {index} ended with status {status}; see {worker.log_file}"
                    )
        for worker in workers:
            os.kill(worker.pid, signal.SIGTERM)
        # Asked once, all together, and waited for: leaving the stack asks again, and a second
        # signal ends a service that has not finished yet.
        for worker in workers:
            worker.wait(settings.stop_timeout_s + _LEAVE_S)
