"""Sets aside what cannot be learnt from: unreadable messages, and examples with a non-finite loss.

Under the headers that every dead letter of the system carries. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import structlog
from confluent_kafka import Message

from fixstream.runtime.clock import Clock
from fixstream.runtime.kafka import RecordPublisher
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.enums import ClosedBy
from fixstream.schemas.errors import DeadLetter, ProcessingFailed
from fixstream.schemas.ids import batch_id
from fixstream.schemas.records import OffsetRange, TrainingBatch
from fixstream.schemas.topics import ERRORS_DLQ
from fixstream.trainer.ledger import Partition, WaitingExample
from fixstream.trainer.metrics import BAD_MESSAGES

log = structlog.get_logger(__name__)

_MAX_REASON_CHARS = 500
_FLUSH_TIMEOUT_S = 30.0


class DeadLetters:
    """Publishes to the dead-letter topic."""

    def __init__(self, publisher: RecordPublisher, kafka: KafkaSettings, clock: Clock) -> None:
        self._publisher = publisher
        self._topic = kafka.topic(ERRORS_DLQ)
        self._clock = clock

    def put_message(self, message: Message, error: DeadLetter) -> None:
        """Sets a message aside as it came."""
        where = (message.topic() or "", message.partition() or 0, message.offset() or 0)
        headers = _headers(error.error_class, str(error), where)
        self._publisher.publish_bytes(self._topic, message.key(), message.value(), headers=headers)
        self._publisher.flush(_FLUSH_TIMEOUT_S)
        BAD_MESSAGES.labels(error.error_class).inc()
        log.warning(
            "message set aside",
            topic=where[0],
            partition=where[1],
            offset=where[2],
            error_class=error.error_class,
        )

    def put_examples(self, examples: Sequence[WaitingExample], reason: str) -> None:
        """Sets examples aside, as batches that hold them alone, with their origin's range."""
        coordinates = groupby(examples, lambda one: (one.source, one.source_offset, one.origin))
        for ((topic, number), offset, origin), members in coordinates:
            batch = self._batch_of(origin, list(members))
            headers = _headers(ProcessingFailed.error_class, reason, (topic, number, offset))
            self._publisher.publish(
                self._topic, f"{origin[0]}-{origin[1]}", batch, extra_headers=headers
            )
        # The next manifest passes them, so they have to be safe before it.
        self._publisher.flush(_FLUSH_TIMEOUT_S)
        BAD_MESSAGES.labels(ProcessingFailed.error_class).inc()
        log.error("examples set aside", num_examples=len(examples), reason=reason)

    def _batch_of(self, origin: Partition, members: Sequence[WaitingExample]) -> TrainingBatch:
        first, last = members[0].origin_offset, members[-1].origin_offset
        span = OffsetRange(origin[0], origin[1], first, last + 1)
        return TrainingBatch(
            batch_id=batch_id(span, "set-aside"),
            origin=span,
            closed_by=ClosedBy.SIZE,
            created_at=self._clock.now(),
            examples=tuple(
                replace(one.example, origin_offset=one.origin_offset) for one in members
            ),
        )


def _headers(error_class: str, reason: str, where: tuple[str, int, int]) -> list[tuple[str, bytes]]:
    topic, partition, offset = where
    texts = {
        "fixstream-dlq-class": error_class,
        "fixstream-dlq-reason": reason[:_MAX_REASON_CHARS],
        "fixstream-dlq-attempts": "1",
        "fixstream-dlq-topic": topic,
        "fixstream-dlq-partition": str(partition),
        "fixstream-dlq-offset": str(offset),
    }
    return [(name, text.encode()) for name, text in texts.items()]
