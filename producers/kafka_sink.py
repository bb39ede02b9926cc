"""The sink that publishes to `errors.raw.v1` from inside somebody else's application.

`emit` puts the event into a bounded queue and returns; scrubbing, encoding and Kafka belong to one
background thread. A broker that is down, slow or refuses costs the host a counter and no more.
The constructor starts nothing: the thread starts with the first event, once in each process.
"""

from __future__ import annotations

import atexit
import ctypes
import logging
import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fixstream.producers import host_log
from fixstream.producers.drops import DropCounts, DropReason, SinkCounts
from fixstream.producers.fork_safety import close_when_a_child_ends, renew_in_children
from fixstream.producers.kafka_worker import KafkaWorker, WorkerConfig
from fixstream.producers.shipper import Packing, ProducerClient
from fixstream.producers.spill import SpillConfig
from fixstream.runtime.clock import Clock, SystemClock
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.topics import ERRORS_RAW

if TYPE_CHECKING:
    from fixstream.triage.scrub import Scrubber


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSinkConfig:
    """The limits of one sink."""

    max_events: int = 1000
    """Most events that wait; as many more may be under way inside librdkafka."""
    max_bytes: int = 16 * 1024 * 1024
    """Most estimated bytes that wait; librdkafka is held to the same."""
    max_message_bytes: int = 900_000
    """Largest encoded event; brokers refuse 1 MB and more by default."""
    send_timeout_s: float = 30.0
    """How long librdkafka tries to deliver one event before it is given up as `send_failed`."""
    close_timeout_s: float = 2.0
    """Deadline of `close`, so the longest that the host's exit is held up."""
    report_interval_s: float = 60.0
    """Shortest time between two `fixstream.EventsDropped` reports."""
    spill: SpillConfig | None = None
    """Keep events on disk until Kafka has acknowledged them; None keeps them in memory only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collaborators:
    """What the sink works with; tests replace parts of it."""

    connect: Callable[[], ProducerClient]
    scrub: Callable[[ErrorEvent], ErrorEvent]
    encode: Callable[[ErrorEvent], bytes]
    clock: Clock


class KafkaSink:
    """Bounded, non-blocking, and safe to carry through a fork."""

    def __init__(
        self,
        settings: KafkaSettings,
        config: KafkaSinkConfig | None = None,
        *,
        collaborators: Collaborators | None = None,
    ) -> None:
        config = config or KafkaSinkConfig()
        parts = collaborators or default_collaborators(settings, config)
        packing = Packing(
            topic=ERRORS_RAW.name(settings.topic_prefix),
            scrub=parts.scrub,
            encode=parts.encode,
            max_message_bytes=config.max_message_bytes,
            clock=parts.clock,
        )
        self._config = config
        self._worker_config = WorkerConfig(
            packing,
            parts.connect,
            config.max_events,
            config.max_bytes,
            config.report_interval_s,
            config.spill,
        )
        self._drops = DropCounts()
        self._lock = threading.Lock()
        self._worker: KafkaWorker | None = None
        self._is_closed = False
        self._pid = os.getpid()
        _live_sinks.add(self)
        renew_in_children(self)

    def emit(self, event: ErrorEvent) -> bool:
        """Queue the event for delivery; False, and a count by reason, when it was refused."""
        if self._pid != os.getpid():
            # A fork that Python's hooks did not see, as some C servers do it.
            self.renew_after_fork()
        worker = self._worker or self._started_worker()
        reason = DropReason.CLOSED if worker is None else worker.offer(event)
        if reason is None:
            return True
        self._drops.add(reason)
        return False

    def resume(self) -> None:
        """With a spill: begin to send what an earlier process left there, before any new event."""
        if self._config.spill is not None:
            self._started_worker()

    def note_drop(self, reason: DropReason, num_events: int = 1) -> None:
        """Count events that were given up before they reached the sink; reported like its own."""
        self._drops.add(reason, num_events)

    def counts(self) -> SinkCounts:
        """Counts of this process so far."""
        worker = self._worker
        if worker is None:
            return SinkCounts(0, 0, self._drops.total())
        return SinkCounts(worker.num_accepted, worker.num_delivered, self._drops.total())

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was accepted is delivered or dropped; False at the deadline."""
        worker = self._worker
        return worker is None or worker.flush(timeout_s)

    def close(self) -> None:
        """Flush within `close_timeout_s`, then refuse everything. A second call does nothing."""
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
            worker = self._worker
        if not was_closed and worker is not None:
            worker.stop(self._config.close_timeout_s)

    def renew_after_fork(self) -> None:
        """Start afresh in a child: the parent sends its own queue, and its thread is not here."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.abandon()
            if worker.producer is not None:
                _never_free(worker.producer)
        self._lock = threading.Lock()
        self._drops.renew_after_fork()
        self._pid = os.getpid()

    def _started_worker(self) -> KafkaWorker | None:
        with self._lock:
            if self._is_closed:
                return None
            if self._worker is None:
                worker = KafkaWorker(self._worker_config, self._drops)
                worker.start()
                self._worker = worker
                close_when_a_child_ends(self)
            return self._worker


def default_collaborators(settings: KafkaSettings, config: KafkaSinkConfig) -> Collaborators:
    """The real ones, with everything loaded that the first event needs; only Kafka is met later.

    Loaded here and not by the worker: a child that is forked while another thread imports waits for
    ever where it imports the same; and what is loaded now, no child has to load before it ends.

    Raises:
        Misconfigured: A Schema Registry is named, but what it takes is not installed.
    """
    from confluent_kafka import Producer

    from fixstream.runtime.registry import make_codec

    codec = make_codec(settings)
    codec.prepare(ErrorEvent)
    return Collaborators(
        connect=lambda: _quiet_producer(Producer, settings, config),
        scrub=_scrubber().scrub_event,
        encode=codec.encode,
        clock=SystemClock(),
    )


@lru_cache(maxsize=1)
def _scrubber() -> Scrubber:
    from fixstream.triage.scrub import Scrubber

    return Scrubber()


def _quiet_producer(
    make: Callable[..., ProducerClient], settings: KafkaSettings, config: KafkaSinkConfig
) -> ProducerClient:
    """A producer for other people's processes: `runtime.kafka`'s logs, and retries for minutes."""
    return make(
        {
            **settings.client_config(),
            "client.id": "fixstream-producers",
            "acks": "all",
            # An event carries its id, so a repeat is harmless; an idempotent producer can reach a
            # fatal state in which it never sends again.
            "enable.idempotence": False,
            "linger.ms": 5,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "message.timeout.ms": int(config.send_timeout_s * 1000),
            "queue.buffering.max.kbytes": max(1, config.max_bytes // 1024),
            "reconnect.backoff.ms": 100,
            "reconnect.backoff.max.ms": 5_000,
            "log.connection.close": False,
            "error_cb": ignore_client_error,
        },
        # Without a logger librdkafka writes to the host's standard error.
        logger=silent_logger(),
    )


def silent_logger() -> logging.Logger:
    """For librdkafka inside a host, which shall not see its lines."""
    logger = logging.getLogger(f"{host_log.LOGGER_NAME}.librdkafka")
    logger.disabled = True
    return logger


def ignore_client_error(error: Any) -> None:
    """Passing connection trouble; what comes of it shows in the delivery reports."""


def _never_free(producer: ProducerClient) -> None:
    # Freeing it in the child would join librdkafka's threads, which exist in the parent only.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(producer))


_live_sinks: weakref.WeakSet[KafkaSink] = weakref.WeakSet()


def _close_all_at_exit() -> None:
    for sink in list(_live_sinks):
        sink.close()


atexit.register(_close_all_at_exit)
