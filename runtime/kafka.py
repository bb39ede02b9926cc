"""Kafka clients with the settings that our delivery promises rest on, and a publisher of records.

librdkafka's C threads do the work; this module sets them up, counts what was delivered, and turns
their errors into our families. It creates no topics (`topics_admin` does) and commits no offsets
(the loops do, after their work is safe).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from prometheus_client import Counter

from fixstream.runtime.clock import Clock, SystemClock
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import (
    BrokerUnavailable,
    OffsetGap,
    RetryLater,
    Stop,
    TooLarge,
    Undecodable,
)
from fixstream.schemas.headers import Headers, message_headers
from fixstream.schemas.records import Record

log = structlog.get_logger(__name__)

R = TypeVar("R", bound=Record)

DELIVERIES = Counter(
    "fixstream_runtime_deliveries_total",
    "Messages whose delivery report came, by topic and outcome (delivered, failed).",
    ["topic", "outcome"],
)

_MAX_REQUEST_BYTES = 1_048_576
"""Room for a record of the largest size with its key and headers, within Kafka's own default."""
_QUEUE_FULL_POLL_S = 0.05

# librdkafka's own codes, as opposed to the brokers', start with an underscore; they are public.
_PARTITION_EOF: int = KafkaError._PARTITION_EOF  # noqa: SLF001
_AUTO_OFFSET_RESET: int = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001
# Errors that no retry mends: a person has to look at rights, names or settings.
_STOPPING = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001
        KafkaError._FATAL,  # noqa: SLF001
        KafkaError.FENCED_INSTANCE_ID,
    }
)

Option = str | int | float | bool
DeliveryReport = Callable[[KafkaError | None, Message], None]


def make_producer(settings: KafkaSettings, **overrides: Option) -> Producer:
    """A producer that loses and doubles nothing: all replicas, idempotent, in order.

    Args:
        settings: How to reach Kafka.
        overrides: librdkafka options, with underscores for dots (`linger_ms=0`).
    """
    config: dict[str, Any] = {
        **settings.client_config(),
        "client.id": "fixstream",
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 5,
        "compression.type": "lz4",
        # As Java and Faust partition, so that one key stands in one partition whoever sends it.
        "partitioner": "murmur2_random",
        "message.max.bytes": _MAX_REQUEST_BYTES,
        "queue.buffering.max.kbytes": 131_072,
        **_resilience(),
        **_dotted(overrides),
    }
    return Producer(config, logger=_library_log())


def make_consumer(settings: KafkaSettings, group_id: str, **overrides: Option) -> Consumer:
    """A consumer that commits nothing by itself and starts at the earliest offset.

    Nothing is marked for committing either: a bare `commit()` has nothing to commit. Call
    `store_offsets(message)` once a message's work is safe, or commit the offsets by name.

    Args:
        settings: How to reach Kafka; its topic prefix stands before the group's name too.
        group_id: The group, without the prefix.
        overrides: librdkafka options, with underscores for dots (`auto_offset_reset="latest"`).
    """
    config: dict[str, Any] = {
        **settings.client_config(),
        "client.id": "fixstream",
        "group.id": settings.topic_prefix + group_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        # A killed member's partitions are free after ten seconds.
        "session.timeout.ms": 10_000,
        "heartbeat.interval.ms": 3_000,
        "queued.max.messages.kbytes": 32_768,
        **_resilience(),
        **_dotted(overrides),
    }
    return Consumer(config, logger=_library_log())


def consume_batch(consumer: Consumer, max_records: int, timeout_s: float) -> list[Message]:
    """Takes what is there, waiting at most `timeout_s` for the first message and for no other.

    Returns:
        Up to `max_records` messages, none of them an error; passing errors are logged.

    Raises:
        OffsetGap: The position is no longer kept (with `auto_offset_reset="error"`).
        Stop: The broker refuses us for a reason that no retry mends.
    """
    # consume() alone would wait for the full number or the full time, whichever comes first.
    first = consumer.poll(timeout_s)
    if first is None:
        return []
    messages = [first]
    if max_records > 1:
        messages += consumer.consume(max_records - 1, 0.0)
    return [message for message in messages if _is_good(message)]


def decode_message(message: Message, codec: Codec, record_type: type[R]) -> R:
    """The record in a message's value; raises what `Codec.decode` raises.

    Raises:
        Undecodable: There is no value (a tombstone).
    """
    value = message.value()
    if value is None:
        raise Undecodable("the message has no value")
    return codec.decode(value, record_type)


def headers_of(message: Message) -> dict[str, bytes]:
    """A message's headers; of a repeated name the last one."""
    # The stubs allow what only producers may pass; a received message has pairs or nothing.
    received: Any = message.headers()
    return {name: value or b"" for name, value in received or ()}


class RecordPublisher:
    """Sends records and knows whether they arrived; safe to share between threads."""

    def __init__(
        self,
        producer: Producer,
        codec: Codec,
        *,
        ce_source: str,
        clock: Clock | None = None,
        queue_timeout_s: float = 10.0,
    ) -> None:
        """Takes its collaborators.

        Args:
            producer: From `make_producer`; the caller may share it.
            codec: Encodes the values.
            ce_source: Who sends, such as `fixstream/streams`.
            clock: Stamps `ce_time`.
            queue_timeout_s: How long `publish` waits for room in the producer's queue.
        """
        self._producer = producer
        self._codec = codec
        self._ce_source = ce_source
        self._clock = clock or SystemClock()
        self._queue_timeout_s = queue_timeout_s
        self._lock = threading.Lock()
        self._num_published = 0
        self._num_delivered = 0
        self._num_failed = 0
        self._failures: list[KafkaError] = []

    @property
    def num_delivered(self) -> int:
        """Messages that the brokers acknowledged."""
        return self._num_delivered

    @property
    def num_failed(self) -> int:
        """Messages that were given up."""
        return self._num_failed

    @property
    def num_in_flight(self) -> int:
        """Messages whose delivery report has not come yet."""
        with self._lock:
            return self._num_published - self._num_delivered - self._num_failed

    def publish(
        self,
        topic: str,
        key: str | bytes | None,
        record: Record,
        *,
        partition: int | None = None,
        extra_headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Encodes a record and queues it; whether it arrived is known after `flush`.

        Args:
            topic: The full name.
            key: Decides the partition, unless one is given.
            record: The value.
            partition: Overrides the key's choice.
            extra_headers: Stand after the record's own ones.

        Raises:
            InvalidRecord, TooLarge: The record cannot be sent.
            RetryLater: The queue stayed full.
            Stop: The producer has failed for good.
        """
        value = self._codec.encode(record)
        headers = message_headers(record, ce_source=self._ce_source, now=self._clock.now())
        headers += extra_headers
        self.publish_bytes(topic, key, value, partition=partition, headers=headers)

    def publish_bytes(
        self,
        topic: str,
        key: str | bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Queues bytes as they are (a dead letter), or a tombstone if `value` is None.

        Raises:
            TooLarge: Value, key and headers together are over the limit.
            RetryLater: The queue stayed full.
            Stop: The producer has failed for good.
        """
        deadline = time.monotonic() + self._queue_timeout_s
        while not self._queued(topic, key, value, -1 if partition is None else partition, headers):
            if time.monotonic() > deadline:
                raise RetryLater(f"no room in the producer's queue for {self._queue_timeout_s} s")
            self._producer.poll(_QUEUE_FULL_POLL_S)
        self._producer.poll(0)  # Serves delivery reports, so that the counts keep up.

    def poll(self) -> None:
        """Serves delivery reports that have come; for loops that publish rarely."""
        self._producer.poll(0)

    def flush(self, timeout_s: float) -> None:
        """Waits until everything published so far has arrived.

        Raises:
            RetryLater: Something was not delivered since the last flush, or not in time. What is
                late may still arrive, so a retry can send it twice.
            Stop: The producer has failed for good.
        """
        num_left = self._producer.flush(timeout_s)
        with self._lock:
            failures, self._failures = self._failures, []
        for failure in failures:
            if failure.fatal() or failure.code() in _STOPPING:
                raise Stop(f"Kafka refuses our messages: {failure.str()}")
        if failures:
            raise RetryLater(f"{len(failures)} messages not delivered: {failures[0].str()}")
        if num_left:
            raise RetryLater(f"{num_left} messages not delivered within {timeout_s} s")

    def _queued(
        self,
        topic: str,
        key: str | bytes | None,
        value: bytes | None,
        partition: int,
        headers: Headers | None,
    ) -> bool:
        try:
            # AIOProducer would refuse the headers; the plain Producer takes them.
            self._producer.produce(
                topic,
                value=value,
                key=key,
                partition=partition,
                headers=list(headers) if headers else None,
                on_delivery=self._on_delivery,
            )
        except BufferError:
            return False
        except KafkaException as error:
            raise _family(error.args[0], topic) from None
        with self._lock:
            self._num_published += 1
        return True

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        outcome = "delivered" if error is None else "failed"
        DELIVERIES.labels(message.topic(), outcome).inc()
        with self._lock:
            if error is None:
                self._num_delivered += 1
                return
            self._num_failed += 1
            self._failures.append(error)
        log.warning("message not delivered", topic=message.topic(), reason=error.str())


def _family(error: KafkaError, topic: str) -> Exception:
    """Our exception for one that the producer raises at once."""
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return TooLarge(f"message for {topic} is over the producer's limit")
    if error.fatal() or error.code() in _STOPPING:
        return Stop(f"Kafka refuses our messages: {error.str()}")
    return BrokerUnavailable(f"message for {topic} not queued: {error.str()}")


def _is_good(message: Message) -> bool:
    error = message.error()
    if error is None:
        return True
    if error.code() == _AUTO_OFFSET_RESET:
        where = f"{message.topic()} [{message.partition()}]"
        raise OffsetGap(f"{where}: the position is no longer kept: {error.str()}")
    if error.fatal() or error.code() in _STOPPING:
        raise Stop(f"Kafka refuses to serve us: {error.str()}")
    if error.code() != _PARTITION_EOF:
        log.warning("consumer error", topic=message.topic(), reason=error.str())
    return False


def _resilience() -> dict[str, Any]:
    return {
        # A restarted broker is found again within two seconds, not ten.
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 2_000,
        "log.connection.close": False,
        "error_cb": _on_client_error,
    }


def _on_client_error(error: KafkaError) -> None:
    # librdkafka goes on by itself after these; the calls that fail for good raise on their own.
    log.warning("kafka client error", reason=error.str(), is_fatal=error.fatal())


def _dotted(overrides: dict[str, Option]) -> dict[str, Option]:
    return {name.replace("_", "."): value for name, value in overrides.items()}


def _library_log() -> logging.Logger:
    # Without a logger librdkafka writes to standard error by itself, past our format.
    return logging.getLogger("librdkafka")
