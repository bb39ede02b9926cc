"""Reading the dead-letter topic, and sending letters back to where they came from.

What is sent back goes through the raw topic again, so it is decoded, checked and scrubbed like any
event; there is no other way from here into training. A letter keeps count of its attempts in a
header, and one that had too many stays. Deletes nothing: retention does that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from fixstream.runtime.kafka import make_consumer, make_producer
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.errors import BrokerUnavailable, Misconfigured, RetryLater
from fixstream.schemas.topics import ERRORS_DLQ, ERRORS_RAW
from fixstream.streams.dead_letters import (
    ATTEMPTS_HEADER,
    CLASS_HEADER,
    OFFSET_HEADER,
    OMITTED_HEADER,
    PARTITION_HEADER,
    REASON_HEADER,
    TOPIC_HEADER,
    VERSION_HEADER,
    original_headers,
)

log = structlog.get_logger(__name__)

DEFAULT_MAX_ATTEMPTS = 10
_REQUEST_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 60.0
_FLUSH_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """One letter as it lies in the dead-letter topic. `value` may hold unscrubbed text."""

    partition: int
    offset: int
    stored_at: datetime | None
    error_class: str
    reason: str
    attempts: int
    version: str
    origin_topic: str
    origin_partition: int
    origin_offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    """The original's own headers."""
    is_omitted: bool = False
    """The original was too large for this topic; it stands only where it came from."""


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which letters are meant; what is None does not matter."""

    error_class: str | None = None
    origin_partition: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    reason_contains: str | None = None
    key: bytes | None = None

    def matches(self, letter: StoredDeadLetter) -> bool:
        """Whether this letter is one of them."""
        stored_at = letter.stored_at
        return (
            self.error_class in {None, letter.error_class}
            and self.origin_partition in {None, letter.origin_partition}
            and self.key in {None, letter.key}
            and (self.reason_contains is None or self.reason_contains in letter.reason)
            and (self.since is None or (stored_at is not None and stored_at >= self.since))
            and (self.until is None or (stored_at is not None and stored_at < self.until))
        )


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did."""

    num_sent: int
    num_exhausted: int
    """Had too many attempts, and stayed."""
    num_impossible: int
    """Their bytes are not here, or they came from a topic that is not ours."""


def list_dead_letters(
    kafka: KafkaSettings, wanted: DeadLetterFilter | None = None, limit: int | None = None
) -> Iterator[StoredDeadLetter]:
    """The letters that the topic holds now and the filter matches, partition by partition.

    Raises:
        BrokerUnavailable: Kafka does not answer in time.
        Misconfigured: There is no dead-letter topic.
    """
    wanted = wanted or DeadLetterFilter()
    num_found = 0
    with closing(make_consumer(kafka, "dlq", enable_partition_eof=False)) as consumer:
        for message in _messages(consumer, kafka.topic(ERRORS_DLQ)):
            letter = read_dead_letter(message)
            if not wanted.matches(letter):
                continue
            if limit is not None and num_found >= limit:
                return
            num_found += 1
            yield letter


def show_dead_letter(kafka: KafkaSettings, partition: int, offset: int) -> StoredDeadLetter | None:
    """The letter at these coordinates of the dead-letter topic; None if there is none.

    Raises:
        BrokerUnavailable: Kafka does not answer in time.
        Misconfigured: There is no dead-letter topic.
    """
    with closing(make_consumer(kafka, "dlq")) as consumer:
        start = TopicPartition(kafka.topic(ERRORS_DLQ), partition, offset)
        if partition not in _partitions(consumer, start.topic):
            return None
        for message in _read(consumer, start):
            return read_dead_letter(message) if message.offset() == offset else None
    return None


def replay_dead_letters(
    kafka: KafkaSettings,
    wanted: DeadLetterFilter | None = None,
    *,
    max_attempts: int = DEFAULT_MAX_ATTEMPTS,
    limit: int | None = None,
    is_dry_run: bool = False,
) -> ReplayReport:
    """Sends letters back to the raw topic, under their own keys, bytes untouched.

    Calling it twice sends them twice: the event ids make that harmless.

    Raises:
        BrokerUnavailable: Not everything was delivered; what was is not taken back.
    """
    raw = kafka.topic(ERRORS_RAW)
    num_sent = num_exhausted = num_impossible = 0
    producer = make_producer(kafka)
    failed: list[str] = []
    for letter in list_dead_letters(kafka, wanted, limit):
        if letter.is_omitted or letter.value is None or letter.origin_topic != raw:
            num_impossible += 1
        elif letter.attempts >= max_attempts:
            num_exhausted += 1
        else:
            num_sent += 1
            if not is_dry_run:
                headers = [*letter.headers, (ATTEMPTS_HEADER, str(letter.attempts).encode())]
                while len(producer) > 10_000:
                    producer.poll(0.1)
                producer.produce(
                    raw,
                    key=letter.key,
                    value=letter.value,
                    headers=list(headers),
                    on_delivery=lambda error, _: failed.append(error.str()) if error else None,
                )
    if producer.flush(_FLUSH_TIMEOUT_S) or failed:
        raise BrokerUnavailable(f"not everything was sent back: {(failed or ['timed out'])[0]}")
    return ReplayReport(num_sent, num_exhausted, num_impossible)


def read_dead_letter(message: Message) -> StoredDeadLetter:
    """The letter in a message of the dead-letter topic, whoever wrote it."""
    found_headers: Any = message.headers() or []
    headers = [(str(name), _bytes(value)) for name, value in found_headers]
    found = {name: value.decode(errors="replace") for name, value in headers}
    _, timestamp_ms = message.timestamp()
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return StoredDeadLetter(
        partition=partition,
        offset=offset,
        stored_at=datetime.fromtimestamp(timestamp_ms / 1000, UTC) if timestamp_ms > 0 else None,
        error_class=found.get(CLASS_HEADER, "unknown"),
        reason=found.get(REASON_HEADER, ""),
        attempts=_number(found.get(ATTEMPTS_HEADER), 0),
        version=found.get(VERSION_HEADER, ""),
        origin_topic=found.get(TOPIC_HEADER, ""),
        origin_partition=_number(found.get(PARTITION_HEADER), -1),
        origin_offset=_number(found.get(OFFSET_HEADER), -1),
        key=message.key(),
        value=message.value(),
        headers=tuple(original_headers(headers)),
        is_omitted=OMITTED_HEADER in found,
    )


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value or b"")


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 19 else default


def _messages(consumer: Consumer, topic: str) -> Iterator[Message]:
    for partition in _partitions(consumer, topic):
        yield from _read(consumer, TopicPartition(topic, partition, 0))


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    try:
        found = consumer.list_topics(topic, timeout=_REQUEST_TIMEOUT_S).topics[topic]
    except KafkaException as error:
        raise BrokerUnavailable(f"no broker answers: {error.args[0].str()}") from error
    if found.error is not None:
        raise Misconfigured(f"topic {topic} is missing: run `fixstream topics apply`")
    return sorted(found.partitions)


def _read(consumer: Consumer, start: TopicPartition) -> Iterator[Message]:
    """What the partition holds now, from this offset on."""
    try:
        low, high = consumer.get_watermark_offsets(start, timeout=_REQUEST_TIMEOUT_S)
    except KafkaException as failure:
        raise BrokerUnavailable(f"no broker answers: {failure.args[0].str()}") from failure
    begin = max(low, start.offset)
    if begin >= high:
        return
    consumer.assign([TopicPartition(start.topic, start.partition, begin)])
    deadline = time.monotonic() + _READ_TIMEOUT_S
    while time.monotonic() < deadline:
        for message in consumer.consume(500, 0.5):
            error = message.error()
            if error is not None:
                raise RetryLater(f"reading dead letters: {error.str()}")
            yield message
            deadline = time.monotonic() + _READ_TIMEOUT_S
        if consumer.position([start])[0].offset >= high:
            return
    raise BrokerUnavailable("the dead letters could not be read in time")
