"""What a fork asks of us: locks made anew in the child, and an end for children without `atexit`.

Locks that a fork may have copied while another thread held them are replaced in the child. Children
of `multiprocessing` leave by `os._exit`: they call finalizers of their own in place of `atexit`'s.
Celery's leave without even those, but send a signal before.
"""

from __future__ import annotations

import os
import sys
import weakref
from typing import Final, Protocol


class Renewable(Protocol):
    """Holds a lock, or something else that belongs to one process."""

    def renew_after_fork(self) -> None:
        """Called in the child, where only the thread that forked exists."""
        ...


_renewables: weakref.WeakSet[Renewable] = weakref.WeakSet()


def renew_in_children(renewable: Renewable) -> None:
    """Have `renewable` renewed in every child of this process, for as long as it lives."""
    _renewables.add(renewable)


def _renew_all() -> None:
    for renewable in list(_renewables):
        renewable.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)


class Closable(Protocol):
    """Has something to send before its process ends."""

    def close(self) -> None:
        """Send it, within a deadline of its own."""
        ...


_POOLS: Final = (
    ("multiprocessing.process", "multiprocessing.util"),
    ("billiard.process", "billiard.util"),
)
_EARLY: Final = 100
"""Priority: before the queues and connections of the pool itself are taken down."""


def close_when_a_child_ends(closable: Closable) -> None:
    """Have `closable` closed at the end of this process, if it is a worker of a process pool."""
    for process_module, util_module in _POOLS:
        process, util = sys.modules.get(process_module), sys.modules.get(util_module)
        if process is not None and util is not None and _is_child(process):
            util.Finalize(closable, closable.close, exitpriority=_EARLY)
    celery_signals = sys.modules.get("celery.signals")
    if celery_signals is not None:
        _in_celery.add(closable)
        # Sent in no other process, so it may be connected in any.
        celery_signals.worker_process_shutdown.connect(_close_in_celery)


_in_celery: weakref.WeakSet[Closable] = weakref.WeakSet()


def _close_in_celery(**_: object) -> None:
    for closable in list(_in_celery):
        closable.close()


def _is_child(process_module: object) -> bool:
    current = getattr(process_module, "current_process", None)
    # The main process has no parent's process id that it would know of.
    return current is not None and getattr(current(), "_parent_pid", None) is not None
