"""The thread that brings the topics which every worker reads whole to the worker's hearing.

Reads and queues; decides nothing. It waits while the worker has much to take in, so that memory
stays bounded. The start waits until all that stood in the topics has come in, because an event must
not be judged before it is known what people said of its group.
"""

from __future__ import annotations

import threading
import time
import uuid
from datetime import timedelta

from confluent_kafka import Message

from fixstream.runtime.kafka import make_consumer
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topic_reader import TopicReader
from fixstream.schemas.errors import StartFailed
from fixstream.schemas.topics import OCCURRENCES
from fixstream.streams.hearing import FOLLOWED_TOPICS, Hearing

_MAX_QUEUED = 20_000
_PAUSE_S = 0.02


class _Queueing:
    """Puts what was read into the worker's queue."""

    def __init__(self, hearing: Hearing) -> None:
        self._queue = hearing.queue
        self.stopping = threading.Event()

    def receive(self, message: Message) -> None:
        while len(self._queue) >= _MAX_QUEUED and not self.stopping.wait(_PAUSE_S):
            continue
        self._queue.append(message)

    def chunk_ended(self) -> None:
        """Nothing to do."""

    def caught_up(self) -> None:
        """Nothing to do: whoever waits looks at the reader."""


class Follower(TopicReader):
    """Follows what every worker has to know. A context manager."""

    def __init__(self, kafka: KafkaSettings, hearing: Hearing, memory: timedelta) -> None:
        """Prepares the thread.

        Args:
            kafka: How to reach Kafka.
            hearing: What the messages are for.
            memory: How far back it helps to know what other workers saw.
        """
        self._queueing = _Queueing(hearing)
        self._hearing = hearing
        super().__init__(
            lambda: make_consumer(kafka, f"streams.follower.{uuid.uuid4().hex}"),
            [kafka.topic(topic) for topic in FOLLOWED_TOPICS],
            self._queueing,
            max_age_s={kafka.topic(OCCURRENCES): memory.total_seconds()},
        )

    def wake(self) -> None:
        """Lets the thread go where it waits for room in the queue."""
        self._queueing.stopping.set()

    def wait_until_heard(self, timeout_s: float) -> None:
        """Takes in all that stands in the topics now; to be called before the worker runs.

        Raises:
            StartFailed: It could not be read in time.
        """
        deadline_s = time.monotonic() + timeout_s
        while not self.is_caught_up:
            self._hearing.listen(_MAX_QUEUED)
            if time.monotonic() >= deadline_s:
                raise StartFailed(f"the labels of groups could not be read within {timeout_s:g} s")
            time.sleep(_PAUSE_S)
        while self._hearing.listen(_MAX_QUEUED):
            continue
