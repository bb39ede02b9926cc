"""Memory of one lane over very many events: ever new groups, traces and services.

Judged events go through grouping, chains, labels and windows in one process, without a broker; the
texts are small, so that what is remembered of each event is what could grow. Memory is read while
it runs: once all tables are full it has to stay flat.

    python benchmarks/processor_memory.py [--events 1000000]
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psutil
from reporting import keep

from fixstream.runtime.clock import SettableClock
from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent, TriagedError
from fixstream.schemas.topics import GROUP_STATE_RETENTION
from fixstream.streams.dead_letters import DeadLetterRecord, RawMessage
from fixstream.streams.groups import Groups
from fixstream.streams.knowledge import Knowledge
from fixstream.streams.lane import ClosedWindow, Lane
from fixstream.streams.processor import Triaged
from fixstream.streams.settings import StreamsSettings
from fixstream.streams.window import WindowLimits
from fixstream.triage.triage import Triager

START = datetime(2026, 1, 1, tzinfo=UTC)
NUM_READINGS = 20
_SPREAD = 2_654_435_761
"""Multiplied with an event's number it jumps over all groups, without a generator to ask."""


class Counted:
    """A sink that keeps nothing but counts."""

    num_batches = 0

    def triaged(self, record: TriagedError) -> None:
        """Drops it."""

    def dead_letter(self, record: DeadLetterRecord) -> None:
        """Drops it."""

    def closed(self, window: ClosedWindow) -> None:
        """Counts it."""
        self.num_batches += 1


def main() -> int:
    """Runs the events through and prints the memory on the way."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=1_000_000)
    num_events: int = options.parse_args().events
    clock, sink = SettableClock(), Counted()
    knowledge = Knowledge()
    knowledge.evidence.adopt(0, ())
    groups = Groups(StreamsSettings().max_groups, GROUP_STATE_RETENTION)
    lane = Lane(("t", 0, 0), judged, groups, WindowLimits(), clock, knowledge)
    step = max(1, num_events // NUM_READINGS)
    readings, started_s = [], time.process_time()
    for offset in range(num_events):
        clock.advance(0.0005)
        lane.take(RawMessage("t", 0, offset, None, b""), sink)
        if offset % 16 == 0:
            knowledge.chains.untold()
        if (offset + 1) % step == 0:
            readings.append(megabytes())
            print(
                f"{offset + 1:,} events: {readings[-1]} MB, {lane.num_groups:,} groups", flush=True
            )
    keep(
        "processor_memory",
        {
            "events": num_events,
            "rss_mb": readings,
            "second_half_growth_mb": round(readings[-1] - readings[len(readings) // 2], 1),
            "batches": sink.num_batches,
            "cpu_us_an_event": round((time.process_time() - started_s) / num_events * 1e6, 1),
        },
    )
    return 0


def megabytes() -> float:
    """Resident memory of this process now."""
    gc.collect()
    return round(psutil.Process().memory_info().rss / 1e6, 1)


_BASE = Triager().triage(
    ErrorEvent(
        event_id="e",
        occurred_at=START,
        service="s",
        environment="test",
        source=EventSource.LOGGING,
        error_type="ConnectionRefusedError",
        message="connection to database refused",
    )
)


def judged(raw: RawMessage) -> Triaged:
    """One of 400,000 groups and of 500 services; two of three events stand in a trace of a few."""
    number = raw.offset
    spread = number * _SPREAD % 2**32
    event = replace(
        _BASE.event,
        event_id=f"e{number}",
        service=f"s{spread % 500}",
        trace_id=f"{number // 3 + 1:032x}" if number % 3 else None,
        occurred_at=START + timedelta(milliseconds=number // 2),
    )
    return Triaged(raw, replace(_BASE, event=event, fingerprint=f"v1-{spread % 400_000:016x}"))


if __name__ == "__main__":
    sys.exit(main())
