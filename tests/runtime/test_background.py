"""Threads of ours: one start, one stop, and standing back for what is urgent."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from fixstream.runtime.background import BackgroundThread, run_standing_back
from support.deadlines import eventually


class Loop(BackgroundThread):
    """Counts until it is stopped."""

    def __init__(self) -> None:
        super().__init__("loop")
        self.turns = 0
        self.was_woken = False

    def run(self) -> None:
        while not self.stopping.wait(0.001):
            self.turns += 1

    def wake(self) -> None:
        assert self.stopping.is_set()
        self.was_woken = True


def test_it_runs_while_its_block_lasts() -> None:
    loop = Loop()
    with loop:
        assert eventually(lambda: loop.turns > 0)
        assert loop.is_alive
    assert loop.was_woken
    assert not loop.is_alive


def test_what_the_job_raises_is_raised_where_it_is_waited_for() -> None:
    def fails() -> None:
        raise LookupError(threading.current_thread().name)

    with pytest.raises(LookupError, match="cellar"):
        run_standing_back(fails, name="cellar", niceness=0)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
def test_only_the_job_stands_back() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    prepared: list[int] = []
    inside = run_standing_back(
        niceness, name="nice", niceness=before + 3, prepare=lambda: prepared.append(niceness())
    )
    assert (inside, prepared) == (before + 3, [before + 3])
    assert niceness() == before
