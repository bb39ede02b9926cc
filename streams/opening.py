"""Opening a partition: where to begin, and which groups its last owner left behind.

Asks Kafka itself, with a short-lived consumer that joins no group. Blocks; the caller runs it in a
thread. Writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

import structlog
from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from fixstream.runtime.kafka import make_consumer
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import BrokerUnavailable, DeadLetter, Misconfigured, Undecodable
from fixstream.schemas.records import CauseEdge
from fixstream.schemas.topics import CAUSES, ERRORS_RAW, GROUPS
from fixstream.streams.groups import GroupState, decode_state
from fixstream.streams.settings import StreamsSettings

log = structlog.get_logger(__name__)

# librdkafka's own codes, as opposed to the brokers', start with an underscore; they are public.
_UNKNOWN_PARTITION: int = KafkaError._UNKNOWN_PARTITION  # noqa: SLF001
_PARTITION_EOF: int = KafkaError._PARTITION_EOF  # noqa: SLF001

T = TypeVar("T")

_REQUEST_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 60.0
_RETRY_TIMEOUT_S = 60.0
_RETRY_PAUSE_S = 0.3
_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Opening:
    """What a lane starts from."""

    first_offset: int
    """The committed offset; the earliest kept one where nothing was committed."""
    is_committed: bool
    states: tuple[GroupState, ...]
    edges: tuple[CauseEdge, ...] = ()
    """What the partition's owners have counted of causes and effects."""


class PartitionOpener:
    """Opens partitions of the raw topic for one consumer group."""

    def __init__(
        self, settings: StreamsSettings, kafka: KafkaSettings, codec: Codec | None = None
    ) -> None:
        """Stores the settings; connects on each call."""
        self._codec = codec or Codec()
        self._causes = kafka.topic(CAUSES)
        self._kafka = kafka
        self._raw = kafka.topic(ERRORS_RAW)
        self._groups = kafka.topic(GROUPS)
        self._group_id = settings.group_id

    def open(self, partition: int) -> Opening:
        """Where to begin, the groups, and the counts of causes.

        Raises:
            BrokerUnavailable: Kafka does not answer in time.
            Misconfigured: A topic of states has fewer partitions than the raw one.
        """
        return self._retried(lambda consumer: self._open(consumer, partition))

    def first_kept_offset(self, partition: int) -> int:
        """The earliest offset that the raw topic still holds."""
        return self._retried(lambda consumer: self._watermarks(consumer, self._raw, partition)[0])

    def has_records(self, partition: int, first_offset: int, next_offset: int) -> bool:
        """Whether the raw topic holds any record in this range of offsets.

        Raises:
            BrokerUnavailable: Kafka does not answer in time.
        """

        def look(consumer: Consumer) -> bool:
            consumer.assign([TopicPartition(self._raw, partition, first_offset)])
            offset = next((message.offset() for message in _messages(consumer)), None)
            return offset is not None and offset < next_offset

        return self._retried(look)

    def _retried(self, ask: Callable[[Consumer], T]) -> T:
        """What `ask` returns; asked again while Kafka says that it may help."""
        deadline = time.monotonic() + _RETRY_TIMEOUT_S
        while True:
            try:
                with closing(self._consumer()) as consumer:
                    return ask(consumer)
            except KafkaException as error:
                reason = error.args[0]
                log.warning("reading a partition failed", error=reason.str())
                if time.monotonic() >= deadline:
                    raise BrokerUnavailable(f"reading a partition: {reason.str()}") from error
                time.sleep(_RETRY_PAUSE_S)

    def _open(self, consumer: Consumer, partition: int) -> Opening:
        first_offset, is_committed = self._begin(consumer, partition)
        groups = self._newest(consumer, self._groups, partition).values()
        edges = self._newest(consumer, self._causes, partition).values()
        return Opening(
            first_offset,
            is_committed,
            tuple(state for message in groups if (state := _state(message)) is not None),
            tuple(edge for message in edges if (edge := self._edge(message)) is not None),
        )

    def _consumer(self) -> Consumer:
        return make_consumer(self._kafka, self._group_id, enable_partition_eof=True)

    def _begin(self, consumer: Consumer, partition: int) -> tuple[int, bool]:
        asked = [TopicPartition(self._raw, partition)]
        committed = consumer.committed(asked, timeout=_REQUEST_TIMEOUT_S)[0].offset
        if committed != OFFSET_INVALID and committed >= 0:
            return committed, True
        return self._watermarks(consumer, self._raw, partition)[0], False

    def _newest(self, consumer: Consumer, topic: str, partition: int) -> dict[bytes, Message]:
        """The newest message of each key in this partition."""
        try:
            first, after = self._watermarks(consumer, topic, partition)
        except KafkaException as error:
            if error.args[0].code() != _UNKNOWN_PARTITION:
                raise
            raise Misconfigured(
                f"topic {topic} has no partition {partition}: give it as many as {self._raw}"
            ) from error
        if first >= after:
            return {}
        consumer.assign([TopicPartition(topic, partition, first)])
        return {bytes(message.key() or b""): message for message in _messages(consumer)}

    def _edge(self, message: Message) -> CauseEdge | None:
        value = message.value()
        if value is None:
            return None
        try:
            return self._codec.decode(bytes(value), CauseEdge)
        except DeadLetter:
            log.warning("edge passed over", topic=message.topic(), offset=message.offset())
            return None

    def _watermarks(self, consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
        low, high = consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=_REQUEST_TIMEOUT_S
        )
        return int(low), int(high)


def _messages(consumer: Consumer) -> Iterator[Message]:
    """What the assigned partition holds from the assigned offset to its end."""
    deadline = time.monotonic() + _READ_TIMEOUT_S
    while time.monotonic() < deadline:
        message = consumer.poll(_POLL_S)
        if message is None:
            continue
        error = message.error()
        if error is None:
            yield message
        elif error.code() == _PARTITION_EOF:
            return
        else:
            raise KafkaException(error)
    raise BrokerUnavailable("a partition could not be read to its end in time")


def _state(message: Message) -> GroupState | None:
    key, value = message.key(), message.value()
    if key is None or value is None:
        return None
    try:
        return decode_state(bytes(key).decode(), bytes(value))
    except (Undecodable, UnicodeDecodeError):
        log.warning("group state passed over", topic=message.topic(), offset=message.offset())
        return None
