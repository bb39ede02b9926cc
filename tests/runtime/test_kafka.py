"""The clients against a real broker, and what needs none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from fixstream.runtime.clock import SettableClock
from fixstream.runtime.kafka import (
    RecordPublisher,
    consume_batch,
    decode_message,
    headers_of,
    make_consumer,
    make_producer,
)
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import EventSource
from fixstream.schemas.errors import OffsetGap, RetryLater, TooLarge, Undecodable
from fixstream.schemas.records import ErrorEvent
from support.deadlines import eventually
from support.kafka import Kafka

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOWHERE = KafkaSettings(bootstrap_servers="127.0.0.1:1")


def an_event(event_id: str = "e1") -> ErrorEvent:
    return ErrorEvent(
        event_id=event_id,
        occurred_at=NOW,
        service="shop",
        environment="test",
        source=EventSource.MIDDLEWARE,
        message="no route to host",
        trace_id="a" * 32,
        span_id="b" * 16,
    )


@pytest.fixture
def topic(kafka: Kafka) -> Iterator[str]:
    name = f"{kafka.prefix}errors"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.create_topics([NewTopic(name, num_partitions=4, replication_factor=1)])[name].result(30)
    yield name
    admin.delete_topics([name])[name].result(30)


def a_publisher(settings: KafkaSettings, **overrides: int | str) -> RecordPublisher:
    return RecordPublisher(
        make_producer(settings, **overrides),
        Codec(),
        ce_source="fixstream/tests",
        clock=SettableClock(NOW),
        queue_timeout_s=0.2,
    )


@pytest.mark.kafka
def test_a_published_record_is_consumed_with_its_headers(kafka: Kafka, topic: str) -> None:
    publisher = a_publisher(kafka.settings)
    publisher.publish(topic, "shop", an_event(), extra_headers=[("attempts", b"2")])
    publisher.flush(10)

    consumer = make_consumer(kafka.settings, "readers")
    consumer.subscribe([topic])
    (message,) = eventually(lambda: consume_batch(consumer, 100, 0.2), 20)
    consumer.close()

    assert decode_message(message, Codec(), ErrorEvent) == an_event()
    assert message.key() == b"shop"
    headers = headers_of(message)
    assert headers["ce_id"] == b"e1"
    assert headers["traceparent"] == b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
    assert headers["attempts"] == b"2"
    assert (publisher.num_delivered, publisher.num_failed, publisher.num_in_flight) == (1, 0, 0)


@pytest.mark.kafka
def test_a_batch_takes_what_is_there_up_to_its_size(kafka: Kafka, topic: str) -> None:
    publisher = a_publisher(kafka.settings)
    for number in range(50):
        publisher.publish(topic, None, an_event(f"e{number}"), partition=2)
    publisher.flush(10)

    consumer = make_consumer(kafka.settings, "readers")
    consumer.assign([TopicPartition(topic, 2, 0)])
    seen: list[str] = []

    def all_seen() -> bool:
        batch = consume_batch(consumer, 20, 0.2)
        assert len(batch) <= 20
        seen.extend(decode_message(each, Codec(), ErrorEvent).event_id for each in batch)
        return len(seen) >= 50

    eventually(all_seen, 20)
    consumer.close()
    assert seen == [f"e{number}" for number in range(50)]


@pytest.mark.kafka
def test_keys_are_partitioned_as_java_does(kafka: Kafka, topic: str) -> None:
    """murmur2 of these keys modulo 4, computed by hand from Kafka's published definition."""
    publisher = a_publisher(kafka.settings)
    keys = ["shop", "payments", "search", "a", "billing"]
    for key in keys:
        publisher.publish(topic, key, an_event(key))
    publisher.flush(10)

    consumer = make_consumer(kafka.settings, "readers")
    consumer.subscribe([topic])
    partitions: dict[str, int | None] = {}

    def all_seen() -> bool:
        for message in consume_batch(consumer, 20, 0.2):
            key = message.key()
            assert key is not None
            partitions[key.decode()] = message.partition()
        return len(partitions) == len(keys)

    eventually(all_seen, 20)
    consumer.close()
    assert partitions == {key: (murmur2(key.encode()) & 0x7FFFFFFF) % 4 for key in keys}


@pytest.mark.kafka
def test_a_tombstone_is_published_and_is_no_record(kafka: Kafka, topic: str) -> None:
    publisher = a_publisher(kafka.settings)
    publisher.publish_bytes(topic, "s1", None, partition=0)
    publisher.flush(10)
    consumer = make_consumer(kafka.settings, "readers")
    consumer.assign([TopicPartition(topic, 0, 0)])
    (message,) = eventually(lambda: consume_batch(consumer, 1, 0.2), 20)
    consumer.close()
    assert message.value() is None
    with pytest.raises(Undecodable, match="no value"):
        decode_message(message, Codec(), ErrorEvent)


@pytest.mark.kafka
def test_an_offset_that_is_not_kept_is_a_gap(kafka: Kafka, topic: str) -> None:
    consumer = make_consumer(kafka.settings, "readers", auto_offset_reset="error")
    consumer.assign([TopicPartition(topic, 0, 1000)])

    def polled() -> bool:
        consume_batch(consumer, 10, 0.2)
        return False

    with pytest.raises(OffsetGap, match=r"errors \[0\]"):
        eventually(polled, 20)
    consumer.close()


@pytest.mark.kafka
def test_a_failed_delivery_fails_the_flush_once(kafka: Kafka, topic: str) -> None:
    publisher = a_publisher(kafka.settings)
    publisher.publish(topic, "k", an_event(), partition=99)
    with pytest.raises(RetryLater, match="1 messages not delivered: "):
        publisher.flush(20)
    assert publisher.num_failed == 1
    publisher.flush(1)


def test_a_flush_without_a_broker_ends_at_its_deadline() -> None:
    publisher = a_publisher(NOWHERE)
    publisher.publish("errors", "k", an_event())
    with pytest.raises(RetryLater, match="not delivered within"):
        publisher.flush(0.1)
    assert publisher.num_in_flight == 1


def test_a_full_queue_says_so_at_its_deadline() -> None:
    publisher = a_publisher(NOWHERE, queue_buffering_max_messages=2)
    publisher.publish("errors", "k", an_event("1"))
    publisher.publish("errors", "k", an_event("2"))
    with pytest.raises(RetryLater, match="no room"):
        publisher.publish("errors", "k", an_event("3"))


def test_a_message_over_the_limit_is_too_large() -> None:
    publisher = a_publisher(NOWHERE)
    with pytest.raises(TooLarge, match="errors is over"):
        publisher.publish_bytes("errors", "k", bytes(1_100_000))


def test_librdkafka_logs_through_logging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    producer = make_producer(NOWHERE)

    def logged() -> bool:
        producer.poll(0.05)
        return any(record.name == "librdkafka" for record in caplog.records)

    eventually(logged)


def murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bits, with the seed that Kafka uses."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)
