"""Health: failing when work goes in and nothing gets safe; idle is healthy."""

from __future__ import annotations

from fixstream.runtime.clock import SettableClock
from fixstream.streams.metrics import Progress


def test_fails_when_processed_advances_and_committed_does_not() -> None:
    clock = SettableClock()
    progress = Progress(clock, stall_timeout_s=60)
    for offset in range(1, 8):
        progress.observe({0: offset}, {0: 0})
        clock.advance(10)
    assert not progress.health().is_healthy
    progress.observe({0: 8}, {0: 3})
    assert progress.health().is_healthy


def test_idle_is_healthy() -> None:
    clock = SettableClock()
    progress = Progress(clock, stall_timeout_s=60)
    for _ in range(100):
        progress.observe({0: 5, 1: 0}, {0: 5, 1: 0})
        clock.advance(10)
    assert progress.health().is_healthy
