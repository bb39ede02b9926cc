"""What the page is fed from: the triaged errors of the last hours, and the edges of causes.

Each instance reads both by itself, from the topics, at every start: the page forgets nothing when
the service restarts, and shows the groups of all partitions whoever answers them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from confluent_kafka import Message

from fixstream.inference.cause_graph import CauseGraph
from fixstream.inference.group_history import GroupHistory, fit_to_show
from fixstream.runtime.kafka import decode_message
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import Undecodable
from fixstream.schemas.records import CauseEdge, TriagedError
from fixstream.triage.scrub import Scrubber

MAX_FINGERPRINT_CHARS = 200


class HistoryReceiver:
    """Counts triaged errors by the keys of their messages, and reads few of them."""

    def __init__(
        self,
        history: GroupHistory,
        codec: Codec,
        scrubber: Scrubber,
        on_new_group: Callable[[TriagedError], None],
    ) -> None:
        """Stores its collaborators; `on_new_group` hears of groups that are new here."""
        self._history = history
        self._codec = codec
        self._scrubber = scrubber
        self._on_new_group = on_new_group
        self._next_offsets: dict[int, int] = {}

    def receive(self, message: Message) -> None:
        """Counts one error. Raises DeadLetter if it had to be read, and cannot be."""
        partition, offset = message.partition() or 0, message.offset() or 0
        if offset < self._next_offsets.get(partition, 0):
            return  # The reader started over: counted already.
        self._next_offsets[partition] = offset + 1
        key, value = message.key(), message.value()
        if key is None or value is None or len(key) > MAX_FINGERPRINT_CHARS:
            raise Undecodable("no triaged error under a fingerprint")
        record = self._history.saw(
            key.decode("utf-8", "replace"),
            datetime.fromtimestamp(max(0, message.timestamp()[1]) / 1000, UTC),
            lambda: self._read(message),
            len(value),
        )
        if record is not None:
            self._on_new_group(record)

    def chunk_ended(self) -> None:
        """Nothing to do."""

    def caught_up(self) -> None:
        """Nothing to do."""

    def _read(self, message: Message) -> TriagedError:
        return fit_to_show(decode_message(message, self._codec, TriagedError), self._scrubber)


class CausesReceiver:
    """Keeps the graph of causes as `causes.v1` is."""

    def __init__(self, graph: CauseGraph, codec: Codec) -> None:
        """Stores its collaborators."""
        self._graph = graph
        self._codec = codec

    def receive(self, message: Message) -> None:
        """Puts what one partition counts, or forgets it for a tombstone."""
        key = message.key()
        if key is None:
            raise Undecodable("an edge without a key")
        name = key.decode("utf-8", "replace")
        if message.value() is None:
            self._graph.remove(name)
        else:
            self._graph.put(name, decode_message(message, self._codec, CauseEdge))

    def chunk_ended(self) -> None:
        """Nothing to do."""

    def caught_up(self) -> None:
        """Nothing to do."""
