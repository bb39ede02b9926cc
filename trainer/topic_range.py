"""Reads a stretch of one partition, from an offset to another, and ends there.

For what has to be read whole before going on: the history of updates, the batches of a retraining.
It decodes nothing and commits nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from confluent_kafka import Message, TopicPartition

from fixstream.runtime.kafka import consume_batch, make_consumer
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.errors import BrokerUnavailable

_READ_TIMEOUT_S = 10.0
_POLL_S = 0.1
_CHUNK = 500


def chunks_between(
    kafka: KafkaSettings, group: str, place: TopicPartition, end: int, chunk: int = _CHUNK
) -> Iterator[list[Message]]:
    """The messages from a place up to an offset, as they come.

    Args:
        kafka: how to reach Kafka.
        group: the consumer's name; nothing is committed to it.
        place: topic, partition and first offset.
        end: first offset that is not wanted any more.
        chunk: messages at a time, at most.

    Raises:
        BrokerUnavailable: nothing came for a while, and the end is not reached.
        OffsetGap: the first offset is no longer kept.
    """
    position: int = place.offset
    if position >= end:
        return
    consumer = make_consumer(kafka, group, auto_offset_reset="error")
    deadline = time.monotonic() + _READ_TIMEOUT_S
    try:
        consumer.assign([place])
        while position < end:
            messages = consume_batch(consumer, chunk, _POLL_S)
            yield [message for message in messages if (message.offset() or 0) < end]
            # The position, not the last message: transactions leave marks that nobody is given.
            before, position = position, max(position, consumer.position([place])[0].offset)
            now = time.monotonic()
            if position > before:
                deadline = now + _READ_TIMEOUT_S
            elif now > deadline:
                raise BrokerUnavailable(f"{place.topic} could not be read to its end")
    finally:
        consumer.close()
