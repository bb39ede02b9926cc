"""A stop request from the operating system, as something that loops can ask and wait for.

It asks loops to end; it ends nothing itself. A second signal meets the handler that stood there
before, so a service that hangs in its shutdown still dies of a second Ctrl-C.
"""

from __future__ import annotations

import queue
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """Set by SIGTERM, by SIGINT, or by `set`; once set it stays set.

    As a context manager it takes over the signals; without one it is a plain flag, which suits
    tests and services that run inside another process. Signals can be taken over in the main
    thread only; in any other thread entering leaves them alone.
    """

    def __init__(self) -> None:
        self._is_set = False
        # A threading.Event would deadlock when a signal lands while its lock is held by the very
        # thread that runs the signal's handler. SimpleQueue.put is documented as reentrant.
        self._wakeups: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def set(self) -> None:
        """Requests the stop; may be called from any thread and from a signal's handler."""
        self._is_set = True
        self._wakeups.put(None)

    def is_set(self) -> bool:
        """Whether a stop was requested."""
        return self._is_set

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits for the request, at most `timeout_s` seconds (None: for ever).

        Returns:
            Whether a stop was requested.
        """
        if not self._is_set:
            try:
                self._wakeups.get(timeout=timeout_s)
            except queue.Empty:
                return self._is_set
            self._wakeups.put(None)  # For the next one that waits.
        return True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.set()
        self._restore()

    def _restore(self) -> None:
        while self._previous:
            number, previous = self._previous.popitem()
            signal.signal(number, previous)
