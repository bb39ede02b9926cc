"""A deployment's own training batches, read beside its trainer and from a place of its own.

Where the feed goes on is kept in a file, written after each take. A member that is killed in the
middle of a round may leave those examples out of the next one: a federation is a second teacher,
and the trainer's own exactly-once promise does not rest on it.
"""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Self

import structlog
from confluent_kafka import Consumer, TopicPartition

from fixstream.runtime.kafka import consume_batch, decode_message, make_consumer
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topics_admin import begin_offsets
from fixstream.runtime.whole_file import replace_file
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import DeadLetter, Misconfigured
from fixstream.schemas.records import TrainingBatch, TrainingExample
from fixstream.schemas.topics import TRAINING_BATCHES

log = structlog.get_logger(__name__)

_MAX_MESSAGES = 16


class ExampleFeed:
    """A context manager; calling it takes examples."""

    def __init__(
        self, kafka: KafkaSettings, codec: Codec, place: Path, *, patience_s: float = 5.0
    ) -> None:
        """Opens nothing yet.

        Args:
            kafka: how to reach Kafka.
            codec: decodes the batches.
            place: file that says where to go on.
            patience_s: how long a take waits for more when the topic has come to its end.
        """
        self._kafka = kafka
        self._codec = codec
        self._place = place
        self._patience_s = patience_s
        self._topic = kafka.topic(TRAINING_BATCHES)
        self._next: dict[int, int] = {}
        self._ready: deque[TrainingExample] = deque()
        self._consumer: Consumer | None = None

    def __enter__(self) -> Self:
        """Goes on where the last feed ended, or at the oldest batch that is still kept.

        Raises:
            Misconfigured: the file is none of ours.
        """
        saved = self._saved()
        for (_, partition), begin in begin_offsets(self._kafka, [self._topic]).items():
            self._next[partition] = max(begin, saved.get(partition, begin))
        self._consumer = make_consumer(self._kafka, "federation")
        self._consumer.assign(
            [TopicPartition(self._topic, number, at) for number, at in self._next.items()]
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def __call__(self, max_examples: int) -> list[TrainingExample]:
        """At most so many examples; fewer where the topic holds no more."""
        while len(self._ready) < max_examples and self._read():
            pass
        taken = [self._ready.popleft() for _ in range(min(max_examples, len(self._ready)))]
        self._save()
        return taken

    def _read(self) -> bool:
        assert self._consumer is not None, "the feed is not open"
        messages = consume_batch(self._consumer, _MAX_MESSAGES, self._patience_s)
        for message in messages:
            try:
                batch = decode_message(message, self._codec, TrainingBatch)
            except DeadLetter as error:  # The trainer sets it aside; here it is passed over.
                log.warning("batch passed over", offset=message.offset(), reason=str(error))
            else:
                self._ready.extend(batch.examples)
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            self._next[partition] = offset + 1
        return bool(messages)

    def _saved(self) -> dict[int, int]:
        try:
            document = json.loads(self._place.read_bytes())
            return {int(number): int(offset) for number, offset in document.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise Misconfigured(f"{self._place} says no place: {error}") from None

    def _save(self) -> None:
        try:
            replace_file(self._place, json.dumps(self._next).encode())
        except OSError as error:
            raise Misconfigured(f"{self._place}: {error.strerror}") from None
