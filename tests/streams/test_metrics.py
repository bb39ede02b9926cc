"""What the processor tells of itself; and its health, which fails when nothing gets safe."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from fixstream.runtime.clock import SettableClock
from fixstream.schemas.codec import encode
from fixstream.streams.metrics import Progress, StreamsMetrics
from fixstream.streams.service import observe
from support.streams import error_event
from support.worker_house import House, Record, house


class Told:
    """A registry's samples."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.metrics = StreamsMetrics(self._registry)

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(f"fixstream_streams_{name}", labels)


class Ends:
    """The intake as far as metrics ask it: what is committed, and where partitions end."""

    def __init__(self, committed: int, end: int) -> None:
        self._committed, self._end = committed, end

    def committed(self) -> dict[int, int]:
        return {0: self._committed}

    def end_offsets(self) -> dict[int, int]:
        return {0: self._end, 7: 99}


async def _processed(told: Told, clock: SettableClock) -> House:
    own = house(metrics=told.metrics, clock=clock, window_size=2)
    sent_ms = int((clock.now().timestamp() - 30) * 1000)
    values = [
        encode(error_event("e-0")),
        encode(error_event("e-1", error_type="KeyError")),
        b"no message of ours",
        encode(error_event("e-3", service="x" * 10_000)),
    ]
    records = [Record(offset, value, timestamp=sent_ms) for offset, value in enumerate(values)]
    await own.worker.take(0, 1, records)
    own.worker.close_aged()
    return own


async def test_each_event_shows_in_the_metrics() -> None:
    told, clock = Told(), SettableClock()
    await _processed(told, clock)
    assert told("events_total") == 4
    assert told("batches_total", closed_by="size") == 1
    assert told("dead_letters_total", error_class="undecodable") == 1
    assert told("dead_letters_total", error_class="too_large") == 1
    assert told("processing_seconds_count") == 1
    assert told("committed_offset", partition="0") == 2
    assert told("lag_seconds", partition="0") == pytest.approx(30, abs=0.01)


async def test_lag_in_events_is_told_for_our_partitions_and_goes() -> None:
    told, clock = Told(), SettableClock()
    own = await _processed(told, clock)
    progress = Progress(clock, stall_timeout_s=60)
    observe(own.worker, Ends(committed=2, end=10), told.metrics, progress)
    assert told("lag_events", partition="0") == 6
    assert told("lag_events", partition="7") is None
    assert told("groups") == 2
    observe(own.worker, Ends(committed=4, end=4), told.metrics, progress)
    assert told("lag_events", partition="0") == 0
    assert told("lag_seconds", partition="0") == 0
    await own.worker.release({0}, 1, 1.0)
    assert told("lag_events", partition="0") is None


async def test_health_fails_when_nothing_that_was_processed_is_committed() -> None:
    told, clock = Told(), SettableClock()
    own = await _processed(told, clock)
    progress = Progress(clock, stall_timeout_s=60)
    for _ in range(7):
        observe(own.worker, Ends(committed=0, end=10), told.metrics, progress)
        clock.advance(10)
    health: Any = progress.health()
    assert not health.is_healthy
    assert health.details["processed"] == {0: 4}
    observe(own.worker, Ends(committed=2, end=10), told.metrics, progress)
    assert progress.health().is_healthy


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
