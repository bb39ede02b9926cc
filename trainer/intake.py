"""Reads training batches from the offsets of a manifest; group commits play no part.

Partitions are assigned by hand: the manifest alone says where to go on. This module decodes and
hands over; what to learn is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import structlog
from confluent_kafka import Consumer, Message, TopicPartition

from fixstream.runtime.kafka import consume_batch, decode_message, make_consumer
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topics_admin import begin_offsets, end_offsets
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import DeadLetter, OffsetGap
from fixstream.schemas.records import TrainingBatch
from fixstream.schemas.topics import TRAINING_BATCHES
from fixstream.trainer.dead_letters import DeadLetters
from fixstream.trainer.ledger import Ledger, Partition

log = structlog.get_logger(__name__)

_MAX_MESSAGES = 16


class BatchIntake:
    """A context manager that moves batches from Kafka into the ledger."""

    def __init__(
        self, kafka: KafkaSettings, codec: Codec, ledger: Ledger, dead_letters: DeadLetters
    ) -> None:
        self._kafka = kafka
        self._codec = codec
        self._ledger = ledger
        self._dead_letters = dead_letters
        self._topic = kafka.topic(TRAINING_BATCHES)
        self._consumer: Consumer | None = None

    def __enter__(self) -> Self:
        """Seeks to the ledger's position.

        Raises:
            OffsetGap: the position is no longer kept, or was never reached.
        """
        wanted = {
            (offset.topic, offset.partition): offset.next_offset
            for offset in self._ledger.position().batch_offsets
        }
        starts = start_offsets(
            wanted,
            begin_offsets(self._kafka, [self._topic]),
            end_offsets(self._kafka, [self._topic]),
            accept_gaps=self._ledger.accepts_gaps,
        )
        # "error": a position that retention passes while we read must not be jumped over.
        self._consumer = make_consumer(self._kafka, "trainer", auto_offset_reset="error")
        self._consumer.assign(
            [TopicPartition(topic, number, offset) for (topic, number), offset in starts.items()]
        )
        log.info("reading batches", partitions=len(starts))
        return self

    def __exit__(self, *_: object) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def poll(self, timeout_s: float) -> int:
        """Takes what is there, waiting at most `timeout_s`; returns how many messages came.

        Raises:
            OffsetGap: offsets are missing.
        """
        assert self._consumer is not None, "the intake is not open"
        messages = consume_batch(self._consumer, _MAX_MESSAGES, timeout_s)
        for message in messages:
            self._take(message)
        return len(messages)

    def _take(self, message: Message) -> None:
        topic, number, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert number is not None
        assert offset is not None
        try:
            batch = decode_message(message, self._codec, TrainingBatch)
        except DeadLetter as error:
            # If it was a batch of ours after all, its range will be missed as a gap.
            self._dead_letters.put_message(message, error)
            self._ledger.pass_over((topic, number), offset)
        else:
            self._ledger.accept(batch, (topic, number), offset)


def start_offsets(
    wanted: Mapping[Partition, int],
    begins: Mapping[Partition, int],
    ends: Mapping[Partition, int],
    *,
    accept_gaps: bool,
) -> dict[Partition, int]:
    """Where to start in each partition that is there.

    A partition without a wanted offset is new and is read from its begin.

    Raises:
        OffsetGap: a wanted offset is no longer kept, or lies behind the end (the topic was made
            anew), or its partition is gone.
    """
    gone = sorted(set(wanted) - set(begins))
    if gone and not accept_gaps:
        raise OffsetGap(f"{gone[0][0]} [{gone[0][1]}] is gone, which the manifest read from")
    starts = {}
    for partition, begin in begins.items():
        offset = wanted.get(partition, begin)
        if not begin <= offset <= ends[partition]:
            if not accept_gaps:
                raise OffsetGap(
                    f"{partition[0]} [{partition[1]}]: offset {offset} of the manifest is not "
                    f"among those kept ({begin} to {ends[partition]}). To go on without, "
                    "start once with FIXSTREAM_TRAINER_ACCEPT_GAPS=true"
                )
            offset = begin
        starts[partition] = offset
    return starts
