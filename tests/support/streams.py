"""What the processor's tests share: events, topics, and reading topics back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import encode
from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.topics import ERRORS_RAW
from fixstream.streams.readiness import NEEDED_TOPICS
from fixstream.streams.replay import StoredDeadLetter

START = datetime(2026, 1, 1, tzinfo=UTC)
LETTER = StoredDeadLetter(
    partition=0,
    offset=3,
    stored_at=START,
    error_class="invalid",
    reason="ErrorEvent.service is empty",
    attempts=1,
    version="v",
    origin_topic="raw",
    origin_partition=2,
    origin_offset=9,
    key=b"k",
    value=b"v",
    headers=(),
)


def error_event(event_id: str = "e-1", **changes: Any) -> ErrorEvent:
    """A valid event; `changes` are fields."""
    fields: dict[str, Any] = {
        "event_id": event_id,
        "occurred_at": START,
        "service": "checkout",
        "environment": "test",
        "source": EventSource.LOGGING,
        "error_type": "ConnectionRefusedError",
        "message": "connection to database refused",
    }
    return ErrorEvent(**(fields | changes))


def create_topics(kafka: KafkaSettings, num_partitions: int = 1) -> None:
    """The topics that the processor reads and writes."""
    admin = AdminClient({**kafka.client_config()})
    made = admin.create_topics(
        [
            NewTopic(kafka.topic(topic), num_partitions, 1, config=dict(topic.config))
            for topic in NEEDED_TOPICS
        ]
    )
    for future in made.values():
        future.result(30)


def send_raw(
    kafka: KafkaSettings,
    values: Iterable[tuple[bytes | None, bytes | None]],
    partition: int = 0,
    headers: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Publishes (key, value) pairs to one raw partition, in order."""
    options = {"enable.idempotence": True, "linger.ms": 5, "message.max.bytes": 1_048_576}
    producer = Producer({**kafka.client_config(), **options})
    topic = kafka.topic(ERRORS_RAW)
    for key, value in values:
        while True:
            try:
                producer.produce(
                    topic, key=key, value=value, partition=partition, headers=list(headers)
                )
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    assert producer.flush(30) == 0


def send_events(kafka: KafkaSettings, events: Iterable[ErrorEvent], partition: int = 0) -> None:
    """Publishes events to one raw partition, in order."""
    send_raw(kafka, ((event.service.encode(), encode(event)) for event in events), partition)


def read_topic(kafka: KafkaSettings, topic: str, timeout_s: float = 30.0) -> list[Message]:
    """Everything that a topic holds now, partition by partition."""
    config = {**kafka.client_config(), "group.id": "unused", "enable.auto.commit": False}
    found: list[Message] = []
    with closing(Consumer(config)) as consumer:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        for partition in partitions:
            found += _read_partition(consumer, TopicPartition(topic, partition, 0), timeout_s)
    return found


def committed_offset(kafka: KafkaSettings, group_id: str, partition: int = 0) -> int:
    """What the group committed for a raw partition; negative if nothing."""
    config = {**kafka.client_config(), "group.id": group_id, "enable.auto.commit": False}
    with closing(Consumer(config)) as consumer:
        asked = TopicPartition(kafka.topic(ERRORS_RAW), partition)
        try:
            return int(consumer.committed([asked], timeout=10)[0].offset)
        except KafkaException as error:
            if error.args[0].retriable() or error.args[0].code() == KafkaError.NOT_COORDINATOR:
                return -1
            raise


def _read_partition(consumer: Consumer, start: TopicPartition, timeout_s: float) -> list[Message]:
    low, high = consumer.get_watermark_offsets(start, timeout=10)
    if low >= high:
        return []
    consumer.assign([TopicPartition(start.topic, start.partition, low)])
    deadline = time.monotonic() + timeout_s
    found: list[Message] = []
    while time.monotonic() < deadline:
        for message in consumer.consume(500, 0.5):
            assert message.error() is None, message.error()
            found.append(message)
        if consumer.position([start])[0].offset >= high:
            return found
    raise AssertionError(f"{start.topic} could not be read to its end")
