"""Subscribers of the demo: they read the topics as any user's program could, and tell the story."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

import httpx
import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from fixstream.cli.demo.story import Story
from fixstream.runtime.clock import Clock
from fixstream.runtime.kafka import consume_batch, decode_message, make_consumer
from fixstream.runtime.registry import make_codec
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.errors import DeadLetter
from fixstream.schemas.records import ModelUpdate, SuggestedFix, TrainingBatch, TriagedError
from fixstream.schemas.topics import (
    ERRORS_DLQ,
    ERRORS_RAW,
    ERRORS_TRIAGED,
    FIXES_SUGGESTED,
    MODEL_UPDATES,
    TRAINING_BATCHES,
)

log = structlog.get_logger(__name__)

POLL_TIMEOUT_S = 0.1
METADATA_TIMEOUT_S = 10.0


class TopicWatcher(threading.Thread):
    """One consumer over every topic of the flow, from the beginning, without a group's commits."""

    def __init__(self, kafka: KafkaSettings, story: Story, clock: Clock) -> None:
        """Stores its collaborators; `start()` begins."""
        super().__init__(name="demo-watcher", daemon=True)
        self._kafka = kafka
        self._story = story
        self._clock = clock
        self._codec = make_codec(kafka)
        self._stop_asked = threading.Event()
        self._num_raw = 0
        self._handlers: dict[str, Callable[[Message], None]] = {
            kafka.topic(ERRORS_RAW): self._on_raw,
            kafka.topic(ERRORS_TRIAGED): self._on_triaged,
            kafka.topic(FIXES_SUGGESTED): self._on_suggestion,
            kafka.topic(TRAINING_BATCHES): self._on_batch,
            kafka.topic(MODEL_UPDATES): self._on_update,
            kafka.topic(ERRORS_DLQ): lambda _: story.on_dead_letter(),
        }

    @property
    def num_raw(self) -> int:
        """Events in `errors.raw` so far."""
        return self._num_raw

    def run(self) -> None:
        """Reads until stopped; a message that we cannot read is told in the log, never raised."""
        consumer = make_consumer(self._kafka, f"demo.{uuid.uuid4().hex}")
        try:
            consumer.assign(self._partitions(consumer))
            while not self._stop_asked.is_set():
                for message in consume_batch(consumer, 500, POLL_TIMEOUT_S):
                    self._handle(message)
        finally:
            consumer.close()

    def stop(self) -> None:
        """Ends the thread and waits for it."""
        self._stop_asked.set()
        self.join()

    def _partitions(self, consumer: Consumer) -> list[TopicPartition]:
        found = consumer.list_topics(timeout=METADATA_TIMEOUT_S).topics
        return [
            TopicPartition(topic, partition, OFFSET_BEGINNING)
            for topic in self._handlers
            for partition in found[topic].partitions
        ]

    def _handle(self, message: Message) -> None:
        try:
            self._handlers[str(message.topic())](message)
        except DeadLetter as error:
            log.warning("unreadable message", topic=message.topic(), reason=str(error))

    def _on_raw(self, message: Message) -> None:
        self._num_raw += 1

    def _on_triaged(self, message: Message) -> None:
        self._story.on_triaged(decode_message(message, self._codec, TriagedError))

    def _on_suggestion(self, message: Message) -> None:
        suggestion = decode_message(message, self._codec, SuggestedFix)
        self._story.on_suggestion(suggestion, self._clock.now())

    def _on_batch(self, message: Message) -> None:
        self._story.on_batch(decode_message(message, self._codec, TrainingBatch))

    def _on_update(self, message: Message) -> None:
        self._story.on_update(decode_message(message, self._codec, ModelUpdate))


def read_training(metrics_url: str, story: Story) -> None:
    """Reads steps and loss off the trainer's metrics; a trainer that does not answer is skipped."""
    try:
        text = httpx.get(metrics_url, timeout=1.0).text
    except httpx.TransportError as error:
        log.debug("trainer's metrics did not answer", reason=type(error).__name__)
        return
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("head", "total") == "total"
    }
    steps = int(samples.get("fixstream_trainer_steps_total", 0))
    story.on_training(steps, samples.get("fixstream_trainer_loss"))
