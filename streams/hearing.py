"""What a worker hears from topics that every worker reads whole, and what it tells the others.

Labels of groups, counts of causes, and occurrences that other workers saw. Messages come in through
a queue that the follower's thread fills; the worker empties it between events, so all knowledge is
touched by one thread. A message that does not decode is passed over: nothing hangs on it.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import DeadLetter
from fixstream.schemas.records import CauseEdge, GroupLabels, Occurrences
from fixstream.schemas.topics import CAUSES, LABELS, OCCURRENCES
from fixstream.streams.knowledge import Knowledge

log = structlog.get_logger(__name__)

FOLLOWED_TOPICS = (LABELS, CAUSES, OCCURRENCES)
_MAX_AT_ONCE = 256


class HeardMessage(Protocol):
    """The part of a confluent-kafka message that is looked at."""

    def topic(self) -> str | None:
        """Where it stands."""

    def partition(self) -> int | None:
        """Where in the topic."""

    def offset(self) -> int | None:
        """Where in the partition."""

    def key(self) -> str | bytes | None:
        """Its key."""

    def value(self) -> str | bytes | None:
        """Its value; None takes back what the key stood for."""


class Hearing:
    """One worker's ears, and what it has to tell."""

    def __init__(
        self,
        knowledge: Knowledge | None = None,
        kafka: KafkaSettings | None = None,
        codec: Codec | None = None,
    ) -> None:
        """Stores the collaborators; None stands for one that knows nothing and the defaults."""
        kafka = kafka or KafkaSettings()
        self.knowledge = knowledge or Knowledge()
        self.queue: deque[HeardMessage] = deque()
        """What came in; filled by another thread."""
        self._codec = codec or Codec()
        self._worker = uuid.uuid4().hex
        self._take: Mapping[str, Callable[[HeardMessage], None]] = {
            kafka.topic(LABELS): self._take_labels,
            kafka.topic(CAUSES): self._take_edge,
            kafka.topic(OCCURRENCES): self._take_occurrences,
        }

    def listen(self, max_messages: int = _MAX_AT_ONCE) -> int:
        """Takes in what came; returns how many messages that were, at most `max_messages`."""
        if not self.queue:
            return 0
        num_taken = 0
        while self.queue and num_taken < max_messages:
            message = self.queue.popleft()
            num_taken += 1
            try:
                self._take[message.topic() or ""](message)
            except (DeadLetter, UnicodeDecodeError, KeyError) as error:
                log.warning(
                    "message passed over",
                    topic=message.topic(),
                    partition=message.partition(),
                    offset=message.offset(),
                    error=type(error).__name__,
                )
        return num_taken

    def untold(self) -> Occurrences | None:
        """What other workers should hear of, if there is anything new."""
        untold = self.knowledge.chains.untold()
        return Occurrences(worker=self._worker, occurrences=untold) if untold else None

    def _take_labels(self, message: HeardMessage) -> None:
        value = message.value()
        said = None if value is None else self._codec.decode(_bytes(value), GroupLabels)
        self.knowledge.hear_labels(_bytes(message.key() or b"").decode(), said)

    def _take_edge(self, message: HeardMessage) -> None:
        value = message.value()
        if value is not None:
            edge = self._codec.decode(_bytes(value), CauseEdge)
            self.knowledge.hear_edge(message.partition() or 0, edge)

    def _take_occurrences(self, message: HeardMessage) -> None:
        value = message.value()
        if value is None or _bytes(message.key() or b"") == self._worker.encode():
            return  # What we told ourselves.
        told = self._codec.decode(_bytes(value), Occurrences)
        self.knowledge.hear_occurrences(told.occurrences)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
