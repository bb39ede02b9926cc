"""The reader of whole topics, with the inference service's counter of skipped records."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from confluent_kafka import Consumer

from fixstream.inference import metrics
from fixstream.runtime import topic_reader
from fixstream.runtime.topic_reader import TopicReceiver

__all__ = ["TopicReader", "TopicReceiver"]


class TopicReader(topic_reader.TopicReader):
    """A thread that reads topics into a receiver, and counts what was skipped."""

    def __init__(
        self, open_consumer: Callable[[], Consumer], topics: Sequence[str], receiver: TopicReceiver
    ) -> None:
        """Stores its collaborators; `open_consumer` is called in the thread."""
        super().__init__(open_consumer, topics, receiver, on_skipped=_count)


def _count(topic: str, error_class: str) -> None:
    metrics.RECORDS_SKIPPED.labels(topic, error_class).inc()
