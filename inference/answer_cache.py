"""Answers kept for a few minutes, so that the same error again costs next to nothing.

Bounded in number and in age. The key has to carry the model version: this module does not know
what a model is.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from fixstream.runtime.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class AnswerCache(Generic[K, V]):
    """A map that forgets after `ttl_s` seconds, and the least recently used beyond `max_size`."""

    def __init__(self, clock: Clock, *, max_size: int = 10_000, ttl_s: float = 300.0) -> None:
        """Starts empty; safe to use from several threads."""
        self._clock = clock
        self._max_size = max_size
        self._ttl_s = ttl_s
        self._lock = threading.Lock()
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self.num_hits = 0
        self.num_misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def hit_rate(self) -> float | None:
        """Hits among all look-ups so far, 0 to 1; None before the first."""
        total = self.num_hits + self.num_misses
        return self.num_hits / total if total else None

    def get(self, key: K) -> V | None:
        """The value under `key`, unless it is too old."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or self._clock.monotonic() - entry[0] > self._ttl_s:
                self._entries.pop(key, None)
                self.num_misses += 1
                return None
            self._entries.move_to_end(key)
            self.num_hits += 1
            return entry[1]

    def put(self, key: K, value: V) -> None:
        """Keeps `value` under `key` from now on."""
        with self._lock:
            self._entries[key] = (self._clock.monotonic(), value)
            self._entries.move_to_end(key)
            while len(self._entries) > self._max_size:
                self._entries.popitem(last=False)

    def forget_where(self, is_stale: Callable[[K, V], bool]) -> int:
        """Drops every entry for which `is_stale(key, value)` holds; returns how many."""
        with self._lock:
            stale = [key for key, (_, value) in self._entries.items() if is_stale(key, value)]
            for key in stale:
                del self._entries[key]
            return len(stale)
