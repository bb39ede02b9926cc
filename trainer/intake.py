"""Reads batches and feedback from the offsets of a manifest; group commits play no part.

Partitions are assigned by hand: the manifest alone says where to go on. This module decodes and
hands over; what to learn is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Self

import structlog
from confluent_kafka import Consumer, Message, TopicPartition

from fixstream.runtime.kafka import consume_batch, decode_message, headers_of, make_consumer
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topics_admin import begin_offsets, end_offsets
from fixstream.runtime.tracing import context_from, is_tracing, span
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import DeadLetter, OffsetGap
from fixstream.schemas.records import FixFeedback, TrainingBatch
from fixstream.schemas.topics import FEEDBACK, TRAINING_BATCHES
from fixstream.trainer.dead_letters import DeadLetters
from fixstream.trainer.feedback import FeedbackBook
from fixstream.trainer.ledger import Ledger, Partition
from fixstream.trainer.manifest import PartitionOffset

log = structlog.get_logger(__name__)

_MAX_MESSAGES = 16


class TopicIntake:
    """A context manager that hands the messages of one topic over, from given offsets on.

    Args:
        kafka: how to reach Kafka.
        topic: its full name.
        wanted: where to go on; a partition that is not named is read from its begin.
        take: gets each message.
        accept_gaps: whether to go on where offsets are no longer kept.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        wanted: Iterable[PartitionOffset],
        take: Callable[[Message], None],
        *,
        accept_gaps: bool = False,
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._wanted = {(one.topic, one.partition): one.next_offset for one in wanted}
        self._take = take
        self._accept_gaps = accept_gaps
        self._consumer: Consumer | None = None

    def __enter__(self) -> Self:
        """Seeks to the offsets.

        Raises:
            OffsetGap: one is no longer kept, or was never reached.
        """
        starts = start_offsets(
            self._wanted,
            begin_offsets(self._kafka, [self._topic]),
            end_offsets(self._kafka, [self._topic]),
            accept_gaps=self._accept_gaps,
        )
        # "error": a position that retention passes while we read must not be jumped over.
        self._consumer = make_consumer(self._kafka, "trainer", auto_offset_reset="error")
        self._consumer.assign(
            [TopicPartition(topic, number, offset) for (topic, number), offset in starts.items()]
        )
        log.info("reading", topic=self._topic, partitions=len(starts))
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


def batch_intake(
    kafka: KafkaSettings, codec: Codec, ledger: Ledger, dead_letters: DeadLetters
) -> TopicIntake:
    """Moves batches from Kafka into the ledger, from the ledger's position on."""

    def take(message: Message) -> None:
        partition, offset = _place(message)
        # In the trace that the processor began with the batch.
        parent = context_from(headers_of(message)) if is_tracing() else None
        with span("accept batch", parent=parent, partition=partition[1], offset=offset):
            try:
                batch = decode_message(message, codec, TrainingBatch)
            except DeadLetter as error:
                # If it was a batch of ours after all, its range will be missed as a gap.
                dead_letters.put_message(message, error)
                ledger.pass_over(partition, offset)
            else:
                ledger.accept(batch, partition, offset)

    wanted = ledger.position().batch_offsets
    topic = kafka.topic(TRAINING_BATCHES)
    return TopicIntake(kafka, topic, wanted, take, accept_gaps=ledger.accepts_gaps)


def feedback_intake(
    kafka: KafkaSettings, codec: Codec, book: FeedbackBook, dead_letters: DeadLetters
) -> TopicIntake:
    """Moves feedback from Kafka into the book, from the book's offsets on."""

    def take(message: Message) -> None:
        partition, offset = _place(message)
        try:
            feedback = decode_message(message, codec, FixFeedback)
        except DeadLetter as error:
            dead_letters.put_message(message, error)
            book.pass_over(partition, offset)
        else:
            book.accept(feedback, partition, offset)

    # Feedback that was lost costs a voice, no promise: training goes on.
    topic = kafka.topic(FEEDBACK)
    return TopicIntake(kafka, topic, book.offsets(), take, accept_gaps=True)


def _place(message: Message) -> tuple[Partition, int]:
    topic, number, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert number is not None
    assert offset is not None
    return (topic, number), offset


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
