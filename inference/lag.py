"""How many records stand in each topic, and how far behind each reader is: asked of Kafka itself.

One thread asks every few seconds, so that a request for statistics never waits for the broker. It
reads no record and joins no group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from fixstream.inference import metrics
from fixstream.runtime.background import BackgroundThread

log = structlog.get_logger(__name__)

INTERVAL_S = 1.0
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class TopicEnds:
    """The end offset of each partition of a topic: all records that it ever got."""

    by_partition: Mapping[int, int]

    @property
    def num_records(self) -> int:
        """Records ever written, the ones that are no longer kept included."""
        return sum(self.by_partition.values())


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at Kafka."""

    topics: Mapping[str, TopicEnds] = field(default_factory=dict)
    lags: Mapping[str, int] = field(default_factory=dict)
    """Records that each watched group has not committed yet, by name."""


@dataclass(frozen=True, slots=True)
class WatchedGroup:
    """A consumer group on a topic; `open_consumer` gives a client that carries its id."""

    name: str
    topic: str
    open_consumer: Callable[[], Consumer]


class LagProbe(BackgroundThread):
    """Looks at ends and commits in a thread of its own. A context manager."""

    def __init__(self, topics: Sequence[str], groups: Sequence[WatchedGroup]) -> None:
        """Stores what to look at."""
        super().__init__("lag-probe")
        self._topics = list(topics)
        self._groups = list(groups)
        self._reading = Reading()

    @property
    def reading(self) -> Reading:
        """The last look; empty before the first."""
        return self._reading

    def run(self) -> None:
        """Looks every second."""
        # `committed` needs no membership: a client with the group's id may just ask.
        consumers = [group.open_consumer() for group in self._groups]
        try:
            while not self.stopping.is_set():
                try:
                    self._reading = self._look(consumers)
                except KafkaException as error:
                    log.warning("lag not known", error=str(error))
                self.stopping.wait(INTERVAL_S)
        finally:
            for consumer in consumers:
                consumer.close()

    def _look(self, consumers: Sequence[Consumer]) -> Reading:
        topics = {topic: _ends(consumers[0], topic) for topic in self._topics}
        lags = {}
        for group, consumer in zip(self._groups, consumers, strict=True):
            lags[group.name] = _lag(consumer, group.topic, topics[group.topic])
            metrics.LAG.labels(group.name).set(lags[group.name])
        return Reading(topics, lags)


def _ends(consumer: Consumer, topic: str) -> TopicEnds:
    found = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
    if found.error is not None:
        return TopicEnds({})
    ends = {}
    for number in found.partitions:
        place = TopicPartition(topic, number)
        ends[number] = consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)[1]
    return TopicEnds(ends)


def _lag(consumer: Consumer, topic: str, ends: TopicEnds) -> int:
    places = [TopicPartition(topic, number) for number in ends.by_partition]
    committed = consumer.committed(places, timeout=TIMEOUT_S) if places else []
    # Nothing committed yet (a negative offset) means that all of it is still to be read.
    return sum(max(0, ends.by_partition[one.partition] - max(0, one.offset)) for one in committed)
