"""Limits how many events one and the same error may cause, before anything is serialised.

The key is cheap (type and code location); it is no fingerprint, which needs the whole trace.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from fixstream.producers.fork_safety import renew_in_children


@dataclass(frozen=True, slots=True, kw_only=True)
class StormConfig:
    """A token bucket for each key."""

    burst: int = 50
    """How many events of one key pass at once."""
    per_second: float = 5.0
    """How many pass a second after that."""
    max_keys: int = 2048
    """How many keys are remembered; the one not seen for longest is forgotten."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float
    num_suppressed: int = 0


class StormLimiter:
    """Token buckets by key, thread-safe, bounded in memory."""

    def __init__(self, config: StormConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()
        renew_in_children(self)

    def admit(self, key: Hashable, now_s: float) -> int | None:
        """None when the event is one too many; else how many of its key went before it unheard.

        Args:
            key: What counts as the same error.
            now_s: Monotonic time in seconds.
        """
        with self._lock:
            bucket = self._bucket(key, now_s)
            gained = (now_s - bucket.filled_at) * self._config.per_second
            bucket.tokens = min(self._config.burst, bucket.tokens + max(0.0, gained))
            bucket.filled_at = now_s
            if bucket.tokens < 1.0:
                bucket.num_suppressed += 1
                return None
            bucket.tokens -= 1.0
            num_suppressed, bucket.num_suppressed = bucket.num_suppressed, 0
            return num_suppressed

    def renew_after_fork(self) -> None:
        """The child's own lock, and buckets that no thread was just changing."""
        self._lock = threading.Lock()
        self._buckets = OrderedDict()

    def _bucket(self, key: Hashable, now_s: float) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is not None:
            self._buckets.move_to_end(key)
            return bucket
        if len(self._buckets) >= self._config.max_keys:
            self._buckets.popitem(last=False)
        bucket = self._buckets[key] = _Bucket(float(self._config.burst), now_s)
        return bucket
