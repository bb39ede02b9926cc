"""Where events go: the `EventSink` protocol, a sink in memory, and the Kafka sink by name.

A sink is called from the host's request path, so `emit` neither blocks nor raises: what it cannot
take it counts.
"""

from __future__ import annotations

import threading
from typing import Protocol

from fixstream.producers.drops import DropCounts, DropReason, SinkCounts
from fixstream.producers.kafka_sink import KafkaSink, KafkaSinkConfig
from fixstream.schemas.records import ErrorEvent

__all__ = ["EventSink", "KafkaSink", "KafkaSinkConfig", "MemorySink", "SinkCounts"]


class EventSink(Protocol):
    """Takes events off the host's hands."""

    def emit(self, event: ErrorEvent) -> bool:
        """Accept the event for delivery, or count a drop and return False. Never blocks."""
        ...

    def note_drop(self, reason: DropReason, num_events: int = 1) -> None:
        """Count events that were given up before they reached the sink."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until all accepted events are settled; False when the deadline came first."""
        ...

    def close(self) -> None:
        """Flush within the sink's own deadline and refuse everything from then on."""
        ...


class MemorySink:
    """Keeps events in a list, bounded as the real sink is; for tests and for looking at events."""

    def __init__(self, max_events: int = 1000) -> None:
        self._max_events = max_events
        self._lock = threading.Lock()
        self._events: list[ErrorEvent] = []
        self._drops = DropCounts()
        self._is_closed = False

    @property
    def events(self) -> tuple[ErrorEvent, ...]:
        """Everything accepted so far, oldest first."""
        with self._lock:
            return tuple(self._events)

    def emit(self, event: ErrorEvent) -> bool:
        """Keep the event unless closed or full."""
        with self._lock:
            reason = self._refusal()
            if reason is None:
                self._events.append(event)
                return True
        self._drops.add(reason)
        return False

    def _refusal(self) -> DropReason | None:
        if self._is_closed:
            return DropReason.CLOSED
        return DropReason.QUEUE_FULL if len(self._events) >= self._max_events else None

    def note_drop(self, reason: DropReason, num_events: int = 1) -> None:
        """Count events that never came here."""
        self._drops.add(reason, num_events)

    def counts(self) -> SinkCounts:
        """Counts so far; what memory accepted counts as delivered."""
        with self._lock:
            num_events = len(self._events)
        return SinkCounts(num_events, num_events, self._drops.total())

    def flush(self, timeout_s: float) -> bool:
        """Nothing is ever under way."""
        del timeout_s
        return True

    def close(self) -> None:
        """Refuse what comes from now on; what is kept stays readable."""
        self._is_closed = True
