"""The reader of whole topics, with the inference service's counter of skipped records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import Consumer

from fixstream.inference import metrics
from fixstream.runtime import topic_reader
from fixstream.runtime.topic_reader import TopicReceiver

__all__ = ["TopicReader", "TopicReceiver"]


class TopicReader(topic_reader.TopicReader):
    """A thread that reads topics into a receiver, and counts what was skipped."""

    def __init__(
        self,
        open_consumer: Callable[[], Consumer],
        topics: Sequence[str],
        receiver: TopicReceiver,
        *,
        max_age_s: Mapping[str, float] | None = None,
    ) -> None:
        """Stores its collaborators; `open_consumer` is called in the thread.

        Args:
            open_consumer: Makes a consumer of its own for this thread.
            topics: Their full names.
            receiver: Takes the records.
            max_age_s: Topics of which only what is at most so many seconds old is read.
        """
        super().__init__(open_consumer, topics, receiver, on_skipped=_count, max_age_s=max_age_s)


def _count(topic: str, error_class: str) -> None:
    metrics.RECORDS_SKIPPED.labels(topic, error_class).inc()
