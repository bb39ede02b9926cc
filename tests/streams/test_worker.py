"""The worker without a broker: deliveries, gaps, hand-overs, retries, back-pressure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import KafkaError
from prometheus_client import CollectorRegistry

from fixstream.runtime.clock import SystemClock
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec, decode, encode
from fixstream.schemas.errors import BrokerUnavailable, OffsetGap, RetryLater
from fixstream.schemas.records import TrainingBatch
from fixstream.streams.dead_letters import RawMessage
from fixstream.streams.metrics import StreamsMetrics
from fixstream.streams.opening import Opening
from fixstream.streams.outbox import Outbox, OutboxLimits
from fixstream.streams.processor import EventProcessor, Outcome
from fixstream.streams.settings import StreamsSettings
from fixstream.streams.worker import Worker
from fixstream.triage.triage import Triager
from support.streams import error_event

KAFKA = KafkaSettings()
PROCESSOR = EventProcessor(Triager(), Codec(), max_event_bytes=100_000, max_attempts=2)


@dataclass
class HeldProducer:
    """A producer that delivers when it is told to."""

    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    waiting: list[Callable[..., None]] = field(default_factory=list)
    delivers: bool = True
    error: KafkaError | None = None

    def produce(self, topic: str, *, on_delivery: Callable[..., None], **message: Any) -> None:
        self.sent.append((topic, message))
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
    **settings: Any,
) -> House:
    producer, group, partition = HeldProducer(), Group(), Partition()
    metrics = StreamsMetrics(CollectorRegistry())
    clock = SystemClock()
    outbox = Outbox(producer, Codec(), KAFKA, clock, limits or OutboxLimits(), metrics)
    chosen = StreamsSettings(**({"window_size": 4, "window_max_age_s": 1e6} | settings))
    worker = Worker(chosen, process, partition, outbox, clock, metrics)
    worker.ownership = group
    return House(worker, producer, group, partition)


def records(first: int, after: int) -> list[Record]:
    return [
        Record(n, encode(error_event(f"e{n}", error_type=f"Kind{'abcdefghijkl'[n % 12]}Error")))
        for n in range(first, after)
    ]


async def test_only_what_was_delivered_is_settled() -> None:
    own = house()
    own.producer.delivers = False
    await own.worker.take(0, 1, records(0, 10))
    assert own.group.settled == []
    own.producer.delivers = True
    own.worker.close_aged()
    assert own.group.settled == [4, 8]
    assert [b.origin.next_offset for b in own.batches()] == [4, 8]


async def test_settled_in_order_whatever_order_reports_come_in() -> None:
    own = house()
    own.producer.delivers = False
    await own.worker.take(0, 1, records(0, 12))
    reports, own.producer.waiting = own.producer.waiting, []
    per_window = len(reports) // 3
    for report in reports[per_window:]:
        report(None, None)
    assert own.group.settled == []
    for report in reports[:per_window]:
        report(None, None)
    assert own.group.settled == [4, 8, 12]


async def test_a_delivery_that_failed_for_good_stops_everything_and_settles_nothing() -> None:
    own = house()
    own.producer.error = KafkaError(KafkaError._MSG_TIMED_OUT)
    with pytest.raises(BrokerUnavailable):
        await own.worker.take(0, 1, records(0, 8))
    assert own.group.settled == []


async def test_offsets_without_records_become_dead_letters_that_the_batch_counts() -> None:
    own = house()
    events = records(0, 8)
    await own.worker.take(0, 1, [*events[:2], *events[4:]])
    batch = own.batches()[0]
    assert (batch.origin.first_offset, batch.origin.next_offset) == (0, 6)
    assert (len(batch.examples), batch.num_dead_lettered) == (4, 2)
    assert len(own.producer.to("errors.dlq.v1")) == 2


async def test_records_that_were_skipped_on_the_way_stop_the_worker() -> None:
    own = house()
    own.partition.kept = {2: b"x"}
    events = records(0, 8)
    with pytest.raises(OffsetGap, match="2 to 2"):
        await own.worker.take(0, 1, [*events[:2], *events[3:]])


async def test_records_that_expired_leave_a_gap_that_shows() -> None:
    own = house()
    await own.worker.take(0, 1, records(0, 2))
    own.partition.first_kept = 7
    await own.worker.take(0, 1, records(7, 11))
    ranges = [(b.origin.first_offset, b.origin.next_offset) for b in own.batches()]
    assert ranges == [(0, 2), (7, 11)]


async def test_records_that_come_twice_count_once() -> None:
    own = house()
    await own.worker.take(0, 1, records(0, 6))
    await own.worker.take(0, 1, records(2, 8))
    assert [b.origin.next_offset for b in own.batches()] == [4, 8]


async def test_records_of_an_older_generation_are_dropped() -> None:
    own = house()
    own.group.generation = 2
    await own.worker.take(0, 1, records(0, 8))
    assert own.producer.sent == []
    assert own.partition.num_opened == 0


async def test_a_partition_that_was_released_is_delivered_and_read_no_more() -> None:
    own = house()
    await own.worker.take(0, 1, records(0, 6))
    await own.worker.release({0}, 1, timeout_s=5)
    assert own.group.settled == [4, 6]
    await own.worker.take(0, 1, records(6, 12))
    assert own.group.settled == [4, 6]
    own.group.generation = 2
    own.partition.committed = 6
    await own.worker.take(0, 2, records(6, 12))
    own.worker.close_aged()
    assert own.group.settled == [4, 6, 10]


async def test_what_is_delivered_after_the_release_settles_nothing_any_more() -> None:
    own = house()
    own.producer.delivers = False
    await own.worker.take(0, 1, records(0, 6))
    await own.worker.release({0}, 1, timeout_s=0)
    own.producer.delivers = True
    own.worker.close_aged()
    assert own.group.settled == []


async def test_a_partition_that_came_back_unheard_is_opened_again() -> None:
    own = house()
    await own.worker.take(0, 1, records(0, 2))
    own.group.generation = 2
    own.partition.committed = 40
    await own.worker.take(0, 2, records(40, 44))
    assert own.partition.num_opened == 2
    assert own.batches()[0].origin.first_offset == 40


async def test_a_registry_that_does_not_answer_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fixstream.streams.worker._RETRY_PAUSE_S", 0.001)
    failures = iter([RetryLater("registry"), RetryLater("registry")])

    def process(raw: RawMessage) -> Outcome:
        error = next(failures, None) if raw.offset == 2 else None
        if error is not None:
            raise error
        return PROCESSOR.process(raw)

    own = house(process)
    await own.worker.take(0, 1, records(0, 4))
    own.worker.close_aged()
    assert own.group.settled == [4]


async def test_a_slow_downstream_pauses_intake() -> None:
    own = house(limits=OutboxLimits(max_messages=20))
    own.producer.delivers = False
    taking = asyncio.create_task(own.worker.take(0, 1, records(0, 200)))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not taking.done()
    assert len(own.producer) < 60
    own.producer.delivers = True
    await taking
    assert own.group.settled[-1] == 200


async def test_a_dead_letter_that_is_too_large_keeps_its_headers() -> None:
    own = house()
    own.producer.delivers = False
    await own.worker.take(0, 1, [Record(0, b"junk" * 100)])
    report = own.producer.waiting.pop()
    report(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), None)
    letters = own.producer.to("errors.dlq.v1")
    assert letters[-1]["value"] is None
    headers = dict(letters[-1]["headers"])
    assert headers["fixstream-dlq-omitted-bytes"] == b"400"
    assert headers["fixstream-dlq-class"] == b"undecodable"
    assert len(own.producer.waiting) == 1
