"""Follows whole topics from their beginning, in a thread, without a consumer group.

For what every instance of a service has to know: models, fixes, feedback, labels. It commits
nothing and skips nothing silently: a record that its receiver cannot take is told and logged, and
reading goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Protocol

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaException,
    Message,
    TopicPartition,
)

from fixstream.runtime.background import BackgroundThread
from fixstream.runtime.kafka import consume_batch
from fixstream.schemas.errors import DeadLetter, FixstreamError

log = structlog.get_logger(__name__)

POLL_S = 0.1
CHUNK = 500
METADATA_TIMEOUT_S = 10.0
RETRY_S = 1.0


Skipped = Callable[[str, str], None]
"""Hears the topic of a record that was skipped, and the class of its error."""


class TopicReceiver(Protocol):
    """What is fed from topics. Called from the reader's thread only."""

    def receive(self, message: Message) -> None:
        """Takes one record. A DeadLetter that it raises is counted, and reading goes on."""

    def chunk_ended(self) -> None:
        """A run of records has ended, or nothing came for a moment."""

    def caught_up(self) -> None:
        """Everything that stood in the topics at the start has been received. Called once."""


class TopicReader(BackgroundThread):
    """A thread that reads topics into a receiver. A context manager."""

    def __init__(
        self,
        open_consumer: Callable[[], Consumer],
        topics: Sequence[str],
        receiver: TopicReceiver,
        *,
        on_skipped: Skipped | None = None,
        max_age_s: Mapping[str, float] | None = None,
    ) -> None:
        """Stores its collaborators; `open_consumer` is called in the thread.

        Args:
            open_consumer: Makes a consumer of its own for this thread.
            topics: Their full names.
            receiver: Takes the records.
            on_skipped: Hears of each record that the receiver did not take.
            max_age_s: Topics of which only what is at most so many seconds old is read.
        """
        super().__init__(f"reader-{topics[0]}")
        self._on_skipped = on_skipped or _nobody
        self._max_age_s = max_age_s or {}
        self._open_consumer = open_consumer
        self._topics = list(topics)
        self._receiver = receiver
        self._ends: dict[tuple[str, int], int] = {}
        self._num_left: int | None = None
        self._is_caught_up = False
        self._has_complained = False

    @property
    def is_caught_up(self) -> bool:
        """Whether all that stood in the topics at the start has been received."""
        return self._is_caught_up

    @property
    def num_left(self) -> int | None:
        """Offsets of the past that are still to be read; None before the topics were asked.

        Compaction leaves gaps, so there may be fewer records than offsets.
        """
        return self._num_left

    def run(self) -> None:
        """Reads until the end is asked for, over again after a failure."""
        while not self.stopping.is_set():
            try:
                with closing(self._open_consumer()) as consumer:
                    while not self.stopping.is_set() and not self._assign(consumer):
                        self.stopping.wait(RETRY_S)
                    self._read(consumer)
            except (KafkaException, FixstreamError) as error:
                # Reading starts over at the beginning: receivers take a repeat as no news.
                log.warning("topic reader will retry", topics=self._topics, error=str(error))
            self.stopping.wait(RETRY_S)

    def _assign(self, consumer: Consumer) -> bool:
        partitions: list[TopicPartition] = []
        for topic in self._topics:
            found = consumer.list_topics(topic, timeout=METADATA_TIMEOUT_S).topics[topic]
            if found.error is not None or not found.partitions:
                if not self._has_complained:
                    log.warning("topic not there yet", topic=topic)
                    self._has_complained = True
                return False
            partitions += self._starts(consumer, topic, list(found.partitions))
        self._ends, num_left = {}, 0
        for one in partitions:
            low, high = consumer.get_watermark_offsets(one, timeout=METADATA_TIMEOUT_S)
            if high > low:
                self._ends[(one.topic, one.partition)] = high
                num_left += 0 if one.offset == OFFSET_END else high - max(low, one.offset)
        self._num_left = num_left
        consumer.assign(partitions)
        return True

    def _starts(
        self, consumer: Consumer, topic: str, partitions: Sequence[int]
    ) -> list[TopicPartition]:
        max_age_s = self._max_age_s.get(topic)
        if max_age_s is None:
            return [TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions]
        since_ms = int((time.time() - max_age_s) * 1000)
        asked = [TopicPartition(topic, number, since_ms) for number in partitions]
        # Where nothing is young enough, the answer is the end.
        return consumer.offsets_for_times(asked, timeout=METADATA_TIMEOUT_S)

    def _read(self, consumer: Consumer) -> None:
        while not self.stopping.is_set():
            for message in consume_batch(consumer, CHUNK, POLL_S):
                self._hand_over(message)
            self._end_chunk(consumer)

    def _hand_over(self, message: Message) -> None:
        topic = message.topic() or ""
        try:
            self._receiver.receive(message)
        except DeadLetter as error:
            self._on_skipped(topic, error.error_class)
            log.warning(
                "record skipped",
                topic=topic,
                partition=message.partition(),
                offset=message.offset(),
                error_class=error.error_class,
                error=str(error),
            )
        except Exception:  # The loop edge: one record must not stop the reading of all others.
            self._on_skipped(topic, "failed")
            log.exception("record failed", topic=topic, offset=message.offset())

    def _end_chunk(self, consumer: Consumer) -> None:
        try:
            self._receiver.chunk_ended()
            if not self._is_caught_up and self._has_reached_ends(consumer):
                try:
                    self._receiver.caught_up()
                finally:
                    # Only now: what the receiver does at this point belongs to being ready.
                    self._is_caught_up = True
        except Exception:  # The loop edge, as above.
            log.exception("topic receiver failed", topics=self._topics)

    def _has_reached_ends(self, consumer: Consumer) -> bool:
        if not self._ends:
            return True
        positions = consumer.position([TopicPartition(*place) for place in self._ends])
        # Positions, not the last record's offset: compaction leaves gaps at the end as well.
        ahead = [(self._ends[(one.topic, one.partition)], one.offset) for one in positions]
        if all(offset >= 0 for _, offset in ahead):  # Else some partition has given nothing yet.
            self._num_left = sum(max(0, end - offset) for end, offset in ahead)
        return all(offset >= end for end, offset in ahead)


def _nobody(topic: str, error_class: str) -> None:
    """Hears it and does nothing."""
