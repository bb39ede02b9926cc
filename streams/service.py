"""The processor as a service: puts the parts together, watches them, and stops in order.

Ends by itself only when going on would lose something or cannot work; the error then says why in
one line, and whoever supervises starts it again: from the committed offsets, nothing is lost.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import structlog
from confluent_kafka import Producer

from fixstream.runtime.clock import Clock, SystemClock
from fixstream.runtime.heap import keep_large_blocks_apart
from fixstream.runtime.kafka import make_producer
from fixstream.runtime.metrics import Health, serve_metrics
from fixstream.runtime.settings import KafkaSettings, load_settings
from fixstream.runtime.stopping import StopSignal
from fixstream.runtime.tracing import configure_tracing
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import FixstreamError, Misconfigured, StartFailed
from fixstream.schemas.topics import ERRORS_RAW
from fixstream.streams.app import FaustIntake
from fixstream.streams.chains import ChainLimits
from fixstream.streams.following import Follower
from fixstream.streams.hearing import Hearing
from fixstream.streams.knowledge import Knowledge
from fixstream.streams.metrics import Progress, StreamsMetrics
from fixstream.streams.opening import PartitionOpener
from fixstream.streams.outbox import Outbox, OutboxLimits
from fixstream.streams.processor import EventProcessor
from fixstream.streams.readiness import wait_for_topics
from fixstream.streams.settings import StreamsSettings
from fixstream.streams.worker import Worker
from fixstream.streams.workers import run_workers
from fixstream.triage.triage import Triager

log = structlog.get_logger(__name__)

__all__ = ["StreamsSettings", "run"]

_TICK_S = 0.02
_OBJECTS_BETWEEN_COLLECTIONS = 20_000
_OBSERVE_EVERY_TICKS = 25
_PRODUCER_FLUSH_S = 5.0
_MAX_DEAD_LETTER_BYTES = 1_114_112
"""What our topics take: a dead letter is its original and some headers more."""


def run(
    settings: StreamsSettings | None = None,
    kafka: KafkaSettings | None = None,
    stop: StopSignal | None = None,
) -> None:
    """Runs the processor until a signal asks it to stop.

    Args:
        settings: None reads them from the environment.
        kafka: None reads them from the environment.
        stop: None takes over SIGTERM and SIGINT.

    Raises:
        StartFailed: It was not ready within the start timeout; the message says what was missing.
        FixstreamError: It cannot go on; the message says why.
    """
    settings = settings or load_settings(StreamsSettings)
    kafka = kafka or load_settings(KafkaSettings)
    with ExitStack() as stack:
        stop = stop or stack.enter_context(StopSignal())
        if settings.workers > 1:
            run_workers(settings, stop)
            return
        _make_folder(settings.data_dir)
        stack.enter_context(configure_tracing("stream"))
        keep_large_blocks_apart()
        asyncio.run(_serve(settings, kafka, stop))


def _make_folder(path: Path) -> None:
    """Faust makes its own folder, but none above it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"FIXSTREAM_STREAMS_DATA_DIR: {path}: {error.strerror}") from None


@dataclass(slots=True)
class _Parts:
    settings: StreamsSettings
    clock: Clock
    metrics: StreamsMetrics
    progress: Progress
    worker: Worker
    intake: FaustIntake
    outbox: Outbox
    hearing: Hearing
    chain_limits: ChainLimits


async def _serve(settings: StreamsSettings, kafka: KafkaSettings, stop: StopSignal) -> None:
    with ExitStack() as stack:
        producer = await asyncio.to_thread(_ready_producer, settings, kafka)
        stack.callback(producer.flush, _PRODUCER_FLUSH_S)
        parts = _build(settings, kafka, producer)
        follower = stack.enter_context(
            Follower(kafka, parts.hearing, parts.chain_limits.trace_span)
        )
        await asyncio.to_thread(follower.wait_until_heard, settings.start_timeout_s)
        stack.enter_context(_metrics_served(settings, parts.progress.health))
        try:
            if not await parts.intake.start(settings.start_timeout_s):
                raise StartFailed(
                    f"the processor got no partitions of {kafka.topic(ERRORS_RAW)} within"
                    f" {settings.start_timeout_s:g} s"
                )
            log.info("processor ready", group=settings.full_group_id(kafka))
            stack.enter_context(_rare_collections())
            await _watch(parts, stop)
        finally:
            await parts.intake.stop(settings.stop_timeout_s)
    log.info("processor stopped")


def _build(settings: StreamsSettings, kafka: KafkaSettings, producer: Producer) -> _Parts:
    clock = SystemClock()
    codec = _codec(kafka)
    metrics = StreamsMetrics()
    processor = EventProcessor(
        Triager(num_kept=settings.triage_memory),
        codec,
        max_event_bytes=settings.max_event_bytes,
        max_attempts=settings.max_attempts,
        num_kept=settings.triage_memory,
    )
    limits = OutboxLimits(settings.max_in_flight, settings.max_in_flight_bytes)
    outbox = Outbox(producer, codec, kafka, clock, limits, metrics)
    opener = PartitionOpener(settings, kafka, codec)
    chain_limits = ChainLimits(window=timedelta(seconds=settings.cause_window_s))
    hearing = Hearing(Knowledge(chain_limits), kafka, codec)
    worker = Worker(settings, processor.process, opener, outbox, clock, metrics)
    worker.hearing = hearing
    return _Parts(
        settings=settings,
        clock=clock,
        metrics=metrics,
        progress=Progress(clock, settings.stall_timeout_s),
        worker=worker,
        intake=FaustIntake(settings, kafka, worker),
        outbox=outbox,
        hearing=hearing,
        chain_limits=chain_limits,
    )


async def _watch(parts: _Parts, stop: StopSignal) -> None:
    """Ticks until a stop is asked for, or something cannot go on."""
    num_ticks = 0
    while not stop.is_set():
        parts.worker.close_aged()
        if num_ticks % _OBSERVE_EVERY_TICKS == 0:
            observe(parts.worker, parts.intake, parts.metrics, parts.progress)
            parts.metrics.in_flight.set(parts.outbox.num_waiting)
        reason = parts.intake.crash_reason()
        if reason is not None:
            raise reason if isinstance(reason, FixstreamError) else _stopped_by(reason)
        num_ticks += 1
        await asyncio.sleep(_TICK_S)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Lets the collector of cycles run rarely: an event makes hundreds of objects and no cycle."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()  # What was made at the start stays anyway, so it need not be looked through.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _stopped_by(reason: Exception) -> FixstreamError:
    return FixstreamError(f"the processor cannot go on: {type(reason).__name__}: {reason}")


class Offsets(Protocol):
    """What knows the offsets of our partitions; the intake is the real one."""

    def committed(self) -> dict[int, int]:
        """The offsets that were committed since the start, by partition."""

    def end_offsets(self) -> dict[int, int]:
        """The ends of the partitions as the last fetch saw them."""


def observe(worker: Worker, offsets: Offsets, metrics: StreamsMetrics, progress: Progress) -> None:
    """Tells the metrics and the health check where each partition of ours stands."""
    positions = worker.positions()
    progress.observe(positions, worker.start_offsets() | offsets.committed())
    metrics.groups.set(worker.num_groups())
    for partition, end in offsets.end_offsets().items():
        if partition in positions and end is not None:
            lag = max(0, end - positions[partition])
            metrics.lag_events.labels(str(partition)).set(lag)
            if lag == 0:
                metrics.lag_seconds.labels(str(partition)).set(0)


def _ready_producer(settings: StreamsSettings, kafka: KafkaSettings) -> Producer:
    """A producer, once the broker answers and the topics stand."""
    producer = make_producer(
        kafka,
        message_timeout_ms=int(settings.delivery_timeout_s * 1000),
        message_max_bytes=_MAX_DEAD_LETTER_BYTES,
        linger_ms=settings.linger_ms,
    )
    wait_for_topics(producer, kafka, settings.start_timeout_s)
    return producer


@contextmanager
def _metrics_served(settings: StreamsSettings, health: Callable[[], Health]) -> Iterator[None]:
    if settings.metrics_port is None:
        yield
        return
    with serve_metrics(settings.metrics_port, settings.metrics_host, health) as server:
        log.info("metrics served", url=server.url)
        yield


def _codec(kafka: KafkaSettings) -> Codec:
    if kafka.schema_registry_url is None:
        return Codec()
    from fixstream.runtime.registry import SchemaRegistry

    return Codec(SchemaRegistry(kafka))
