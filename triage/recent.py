"""A bounded memory of what was found out about the texts that came last. Thread-safe."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")

MAX_KEPT_SIZE = 16 * 1024
"""Larger errors are judged anew each time: a few of them would fill the memory."""
MAX_ALL_KEPT_SIZE = 8 * 1024 * 1024
"""Of all that a memory holds, however many entries those are."""


class Recent(Generic[_K, _V]):
    """Keeps the entries that were asked for last, by number and by size."""

    def __init__(self, num_kept: int) -> None:
        """Empty; keeps up to `num_kept` entries."""
        self._num_kept = num_kept
        self._size = 0
        self._kept: OrderedDict[_K, tuple[_V, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Entries that are kept."""
        return len(self._kept)

    def get(self, key: _K) -> _V | None:
        """What is kept under this key, if anything."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def put(self, key: _K, value: _V, size: int) -> None:
        """Keeps a value of this size (characters or bytes) unless that is too large.

        The entries that were not asked for the longest make room.
        """
        if size > MAX_KEPT_SIZE:
            return
        with self._lock:
            if key not in self._kept:  # Else another thread was quicker.
                self._size += size
                self._kept[key] = (value, size)
            while len(self._kept) > self._num_kept or self._size > MAX_ALL_KEPT_SIZE:
                self._size -= self._kept.popitem(last=False)[1][1]
