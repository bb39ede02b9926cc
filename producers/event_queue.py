"""The bounded queue between the host's threads and the worker. It never blocks who offers."""

from __future__ import annotations

import threading
from collections import deque

from fixstream.producers.drops import DropReason
from fixstream.schemas.records import ErrorEvent

_RECORD_OVERHEAD_BYTES = 1024
"""Rough cost of the record object, its short fields and its slot in the queue."""


def estimated_bytes(event: ErrorEvent) -> int:
    """About how much memory an event holds; cheap, since it runs on the host's request path."""
    attributes = sum(len(key) + len(value) for key, value in event.attributes.items())
    return _RECORD_OVERHEAD_BYTES + len(event.message) + len(event.stack_trace or "") + attributes


class EventQueue:
    """First in, first out, bounded by number and by bytes; the newest is refused when full."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._events: deque[tuple[ErrorEvent, int]] = deque()
        self._has_events = threading.Condition(threading.Lock())
        self._may_wait = True

    def __len__(self) -> int:
        return len(self._events)

    @property
    def num_bytes(self) -> int:
        """Estimated bytes of all events that wait."""
        return self._num_bytes

    def offer(self, event: ErrorEvent) -> DropReason | None:
        """Append the event, or say why not. Holds the lock for some hundred nanoseconds only."""
        size = estimated_bytes(event)
        if size > self._max_bytes:
            return DropReason.TOO_LARGE
        with self._has_events:
            is_full = (
                len(self._events) >= self._max_events or self._num_bytes + size > self._max_bytes
            )
            if is_full:
                return DropReason.QUEUE_FULL
            self._events.append((event, size))
            self._num_bytes += size
            self._has_events.notify()
        return None

    def take(self, timeout_s: float) -> ErrorEvent | None:
        """The oldest event, waiting up to `timeout_s` for one; None when there was none."""
        with self._has_events:
            if not self._events and timeout_s > 0 and self._may_wait:
                self._has_events.wait(timeout_s)
            if not self._events:
                return None
            event, size = self._events.popleft()
            self._num_bytes -= size
            return event

    def stop_waiting(self) -> None:
        """Let a `take` that waits, and every later one, return at once."""
        with self._has_events:
            self._may_wait = False
            self._has_events.notify_all()

    def clear(self) -> int:
        """Throw everything away; returns how many events that were."""
        with self._has_events:
            num_events = len(self._events)
            self._events.clear()
            self._num_bytes = 0
            return num_events
