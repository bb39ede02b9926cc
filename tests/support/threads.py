"""Finding the threads that a test left behind."""

from __future__ import annotations

import threading
import time

# Threads that a library starts once and keeps for the life of the process, by the start of their
# name. A thread of ours never belongs here: it has a stop.
_KEPT_BY_LIBRARIES = (
    "pytest_timeout",
    "ThreadPoolExecutor-",  # asyncio's default executor is shut down with its loop, not its task.
    "asyncio_",
    "uvloop_",
    "AnyIO worker thread",
    "fsspecIO",
    "tqdm_monitor",
    "QueueFeederThread",
)


def living_threads() -> set[threading.Thread]:
    """All threads that run now, less those that libraries keep."""
    return {
        thread
        for thread in threading.enumerate()
        if thread.is_alive() and not thread.name.startswith(_KEPT_BY_LIBRARIES)
    }


def left_behind(before: set[threading.Thread], timeout_s: float = 2.0) -> set[threading.Thread]:
    """Threads that started since `before` and do not end within the time."""
    deadline = time.monotonic() + timeout_s
    while (left := living_threads() - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left
