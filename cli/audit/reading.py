"""Reads the topics from their beginning to where they end now, and fills the ledger.

It joins no consumer group and commits nothing, so it can run beside any deployment.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import structlog
from confluent_kafka import Consumer, Message, TopicPartition

from fixstream.cli.audit.ledger import AuditReport, Ledger, PartitionSpan
from fixstream.runtime.kafka import (
    consume_batch,
    decode_message,
    headers_of,
    make_consumer,
)
from fixstream.runtime.registry import make_codec
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import BrokerUnavailable, DeadLetter
from fixstream.schemas.records import SuggestedFix, TrainingBatch, TriagedError
from fixstream.schemas.topics import (
    ERRORS_DLQ,
    ERRORS_RAW,
    ERRORS_TRIAGED,
    FIXES_SUGGESTED,
    TRAINING_BATCHES,
    Topic,
)
from fixstream.streams.dead_letters import OFFSET_HEADER, PARTITION_HEADER, TOPIC_HEADER

log = structlog.get_logger(__name__)

REQUEST_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 20.0
BATCH_SIZE = 1000
POLL_TIMEOUT_S = 0.2


def audit_topics(kafka: KafkaSettings, codec: Codec | None = None) -> AuditReport:
    """Accounts for every event that `errors.raw` holds now.

    Raises:
        BrokerUnavailable: Kafka did not answer in time.
    """
    codec = codec or make_codec(kafka)
    consumer = make_consumer(kafka, f"audit.{uuid.uuid4().hex}")
    try:
        # The raw offsets are taken first: what arrives later is not audited.
        ledger = Ledger(_raw_spans(consumer, kafka.topic(ERRORS_RAW)))
        for topic, enter in _entries(kafka, codec, ledger).items():
            for message in read_to_end(consumer, kafka.topic(topic)):
                try:
                    enter(message)
                except (DeadLetter, KeyError, ValueError) as error:
                    # What somebody else put there; it accounts for nothing, and hides nothing.
                    ledger.add_unreadable()
                    log.warning(
                        "unreadable message",
                        topic=message.topic(),
                        partition=message.partition(),
                        offset=message.offset(),
                        reason=str(error),
                    )
    finally:
        consumer.close()
    return ledger.report()


def read_to_end(consumer: Consumer, topic: str) -> Iterator[Message]:
    """Every message of a topic, from its first to the one that is last at this moment."""
    ends = {p: span for p, span in _watermarks(consumer, topic).items() if span[1] > span[0]}
    consumer.assign([TopicPartition(topic, p, first) for p, (first, _) in ends.items()])
    deadline = time.monotonic() + IDLE_TIMEOUT_S
    while ends:
        for message in consume_batch(consumer, BATCH_SIZE, POLL_TIMEOUT_S):
            deadline = time.monotonic() + IDLE_TIMEOUT_S
            yield message
        for position in consumer.position([TopicPartition(topic, p) for p in ends]):
            if position.offset >= ends[position.partition][1]:
                del ends[position.partition]
        if time.monotonic() > deadline:
            raise BrokerUnavailable(f"{topic} gave nothing for {IDLE_TIMEOUT_S:.0f} s")
    consumer.unassign()


def _entries(
    kafka: KafkaSettings, codec: Codec, ledger: Ledger
) -> dict[Topic, Callable[[Message], None]]:
    raw = kafka.topic(ERRORS_RAW)

    def enter_triaged(message: Message) -> None:
        origin = decode_message(message, codec, TriagedError).origin
        ledger.add_triaged(origin.partition, origin.offset)

    def enter_dead_letter(message: Message) -> None:
        headers = headers_of(message)
        if headers.get(TOPIC_HEADER) == raw.encode():
            ledger.add_dead_letter(int(headers[PARTITION_HEADER]), int(headers[OFFSET_HEADER]))

    def enter_batch(message: Message) -> None:
        ledger.add_batch(decode_message(message, codec, TrainingBatch))

    def enter_suggestion(message: Message) -> None:
        ledger.add_suggestion(decode_message(message, codec, SuggestedFix).event_id)

    return {
        ERRORS_TRIAGED: enter_triaged,
        ERRORS_DLQ: enter_dead_letter,
        TRAINING_BATCHES: enter_batch,
        FIXES_SUGGESTED: enter_suggestion,
    }


def _raw_spans(consumer: Consumer, topic: str) -> list[PartitionSpan]:
    return [
        PartitionSpan(partition, first, after)
        for partition, (first, after) in _watermarks(consumer, topic).items()
    ]


def _watermarks(consumer: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    found = consumer.list_topics(topic, timeout=REQUEST_TIMEOUT_S).topics[topic]
    if found.error is not None:
        raise BrokerUnavailable(f"{topic}: {found.error.str()}")
    return {
        partition: consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=REQUEST_TIMEOUT_S
        )
        for partition in found.partitions
    }
