"""A worker without a broker: a producer that holds deliveries, a partition, a group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError
from prometheus_client import CollectorRegistry

from fixstream.runtime.clock import Clock, SystemClock
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec, decode
from fixstream.schemas.records import TrainingBatch
from fixstream.streams.dead_letters import RawMessage
from fixstream.streams.metrics import StreamsMetrics
from fixstream.streams.opening import Opening
from fixstream.streams.outbox import Outbox, OutboxLimits
from fixstream.streams.processor import EventProcessor, Outcome
from fixstream.streams.settings import StreamsSettings
from fixstream.streams.worker import Worker
from fixstream.triage.triage import Triager

KAFKA = KafkaSettings()
PROCESSOR = EventProcessor(Triager(), Codec(), max_event_bytes=100_000, max_attempts=2)


@dataclass
class HeldProducer:
    """A producer that delivers when it is told to."""

    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    waiting: list[Callable[..., None]] = field(default_factory=list)
    delivers: bool = True
    error: KafkaError | None = None

    def produce(
        self, topic: str, *, on_delivery: Callable[..., None] | None = None, **message: Any
    ) -> None:
        self.sent.append((topic, message))
        if on_delivery is not None:
            self.waiting.append(on_delivery)

    def poll(self, timeout: float) -> int:
        if self.delivers:
            waiting, self.waiting = self.waiting, []
            for report in waiting:
                report(self.error, None)
        return 0

    def __len__(self) -> int:
        return len(self.waiting)

    def to(self, suffix: str) -> list[dict[str, Any]]:
        return [message for topic, message in self.sent if topic == f"fixstream.{suffix}"]


@dataclass
class Partition:
    """A raw partition: what is kept, and what was committed."""

    kept: dict[int, bytes] = field(default_factory=dict)
    committed: int = 0
    first_kept: int = 0
    num_opened: int = 0

    def open(self, partition: int) -> Opening:
        self.num_opened += 1
        return Opening(self.committed, True, ())

    def first_kept_offset(self, partition: int) -> int:
        return self.first_kept

    def has_records(self, partition: int, first_offset: int, next_offset: int) -> bool:
        return any(first_offset <= offset < next_offset for offset in self.kept)


@dataclass
class Group:
    """The consumer group as the worker sees it."""

    generation: int = 1
    settled: list[int] = field(default_factory=list)

    def is_current(self, generation: int | None) -> bool:
        return generation == self.generation

    def settle(self, partition: int, next_offset: int) -> None:
        self.settled.append(next_offset)


@dataclass
class Record:
    offset: int
    value: bytes | None
    topic: str = "fixstream.errors.raw.v1"
    partition: int = 0
    key: bytes | None = b"k"
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 1_700_000_000_000


@dataclass
class House:
    worker: Worker
    producer: HeldProducer
    group: Group
    partition: Partition

    def batches(self) -> list[TrainingBatch]:
        found = self.producer.to("training.batches.v1")
        return [decode(message["value"], TrainingBatch) for message in found]


def house(
    process: Callable[[RawMessage], Outcome] = PROCESSOR.process,
    limits: OutboxLimits | None = None,
    metrics: StreamsMetrics | None = None,
    clock: Clock | None = None,
    **settings: Any,
) -> House:
    producer, group, partition = HeldProducer(), Group(), Partition()
    metrics = metrics or StreamsMetrics(CollectorRegistry())
    clock = clock or SystemClock()
    outbox = Outbox(producer, Codec(), KAFKA, clock, limits or OutboxLimits(), metrics)
    chosen = StreamsSettings(**({"window_size": 4, "window_max_age_s": 1e6} | settings))
    worker = Worker(chosen, process, partition, outbox, clock, metrics)
    worker.ownership = group
    return House(worker, producer, group, partition)
