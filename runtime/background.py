"""A thread of ours with one start and one stop, and work that gives way to what is urgent.

Loops that follow, answer or watch stand in such a thread: started when its block begins, asked to
stop and joined when it ends. What a loop does on an error is the loop's own business.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self, TypeVar

import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")


class BackgroundThread:
    """Runs `self.run` in a thread of its own while its block lasts. A context manager.

    A subclass defines `run`, which returns soon after `stopping` is set.
    """

    def __init__(self, name: str, *, niceness: int = 0) -> None:
        """Prepares the thread; it starts with the block.

        Args:
            name: The thread's, for logs and profiles.
            niceness: How far it stands back for other threads: 0 not at all, 19 altogether.
        """
        self.stopping = threading.Event()
        self._niceness = niceness
        self._thread = threading.Thread(target=self._run_nicely, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self.wake()
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def run(self) -> None:
        """The loop."""
        raise NotImplementedError

    def wake(self) -> None:
        """Called once `stopping` is set, for loops that wait on something else."""

    def _run_nicely(self) -> None:
        stand_back_here(self._niceness)
        self.run()


def stand_back_here(niceness: int) -> None:
    """Lowers the priority of the calling thread alone, where the system can (Linux).

    It cannot be raised again without rights that a service should not have: use it in threads that
    end with the work.
    """
    if niceness <= 0:
        return
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
    except OSError as error:  # Elsewhere than on Linux a thread's id is no process's.
        log.debug("thread priority not lowered", reason=error.strerror)


def run_standing_back(
    job: Callable[[], T], *, name: str, niceness: int, prepare: Callable[[], None] = lambda: None
) -> T:
    """Runs `job` in a thread of low priority, and waits for it.

    Args:
        job: Its result is returned, and what it raises is raised here.
        name: The thread's.
        niceness: 0 (no change) to 19 (only what nobody else wants).
        prepare: Called in the thread first, to set how many threads torch may use in it, say.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            stand_back_here(niceness)
            prepare()
            answer.set_result(job())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            answer.set_exception(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    thread.join()
    return answer.result()
