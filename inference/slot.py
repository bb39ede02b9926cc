"""The one place where the model in use is kept, and swapped while requests are under way.

A reader leases the model; a swap changes one reference, so a reader sees the old model or the new
one, never half of each. The old one is released when its last lease ends. The slot loads and
verifies nothing: what is put in is already good.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from fixstream.inference.served import ServedModel

log = structlog.get_logger(__name__)


class _Held:
    """A model with the number of leases on it. Guarded by the slot's lock."""

    __slots__ = ("is_retired", "model", "num_leases")

    def __init__(self, model: ServedModel) -> None:
        self.model = model
        self.num_leases = 0
        self.is_retired = False

    @property
    def is_done(self) -> bool:
        return self.is_retired and self.num_leases == 0


class ModelSlot:
    """Holds at most one current model, and the older ones that requests still use."""

    def __init__(self) -> None:
        """Starts empty: version 0."""
        self._lock = threading.Lock()
        self._current: _Held | None = None
        self._num_reloads = 0
        self._num_held = 0

    @property
    def version(self) -> int:
        """The version in use; 0 without a model."""
        held = self._current
        return held.model.version if held else 0

    @property
    def precision(self) -> str | None:
        """The arithmetic of the model in use; None without one."""
        held = self._current
        return held.model.precision if held else None

    @property
    def num_reloads(self) -> int:
        """How often a model took the place of another one."""
        return self._num_reloads

    @property
    def num_held(self) -> int:
        """Models in memory: the current one and those that leases still keep."""
        return self._num_held

    @contextmanager
    def lease(self) -> Iterator[ServedModel | None]:
        """The current model, kept alive until the block ends; None if there is none."""
        with self._lock:
            held = self._current
            if held is not None:
                held.num_leases += 1
        try:
            yield held.model if held else None
        finally:
            if held is not None:
                self._end_lease(held)

    def swap(self, model: ServedModel) -> None:
        """Puts `model` in use for every lease from now on.

        Raises:
            ValueError: Its version is not above the one in use.
        """
        with self._lock:
            previous = self._current
            if previous is not None and model.version <= previous.model.version:
                raise ValueError(
                    f"version {model.version} is not above {previous.model.version} in use"
                )
            self._current = _Held(model)
            self._num_held += 1
            self._num_reloads += previous is not None
            is_done = self._retire(previous)
        if previous is not None and is_done:
            self._release(previous)

    def close(self) -> None:
        """Empties the slot; the model is released when its last lease ends."""
        with self._lock:
            previous, self._current = self._current, None
            is_done = self._retire(previous)
        if previous is not None and is_done:
            self._release(previous)

    def _retire(self, held: _Held | None) -> bool:
        if held is None:
            return False
        held.is_retired = True
        return held.is_done

    def _end_lease(self, held: _Held) -> None:
        with self._lock:
            held.num_leases -= 1
            is_done = held.is_done
        if is_done:
            self._release(held)

    def _release(self, held: _Held) -> None:
        # Outside the lock: freeing a large model takes a while, and nobody has to wait for it.
        held.model.close()
        with self._lock:
            self._num_held -= 1
        log.info("model released", model_version=held.model.version)
