"""Memory of one lane over very many events: four of five repeat, the others were never seen.

Encoded events go through decoding, triage, grouping, chains, labels, windows and the outbox in one
process; only the broker is missing, whose place a producer takes that reports everything delivered.
The texts are small, so that what is remembered of each event is what could grow. Memory is read
while it runs, with the sizes of all tables: once these are full, both have to stay flat. With
`--judged` the same events come in judged already and results are dropped: behind triage stand all
tables that fill slowly, and ten million events take minutes.

    python benchmarks/processor_memory.py [--events 1000000] [--judged]
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psutil
from processor_loops.parts import Delivered
from prometheus_client import CollectorRegistry
from reporting import keep

from fixstream.runtime.clock import SettableClock
from fixstream.runtime.heap import keep_large_blocks_apart
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent, OffsetRange, TriagedError
from fixstream.schemas.topics import GROUP_STATE_RETENTION
from fixstream.streams.dead_letters import DeadLetterRecord, RawMessage
from fixstream.streams.groups import Groups
from fixstream.streams.knowledge import Knowledge
from fixstream.streams.lane import ClosedWindow, Lane, LaneSink
from fixstream.streams.metrics import StreamsMetrics
from fixstream.streams.outbox import Outbox, OutboxLimits
from fixstream.streams.processor import EventProcessor, Triaged
from fixstream.streams.settings import StreamsSettings
from fixstream.streams.window import WindowLimits
from fixstream.triage.triage import Triager

START = datetime(2026, 1, 1, tzinfo=UTC)
NUM_READINGS = 20
NUM_RECENT = 1000
_SPREAD = 2_654_435_761
"""Multiplied with an event's number it jumps about, without a generator to ask."""
_RECORDS_BETWEEN_POLLS = 16
_CODEC = Codec()


class Rig:
    """One lane and all that it remembers, as a worker puts them together."""

    def __init__(self, *, is_judged: bool) -> None:
        """Nothing seen yet; `is_judged` leaves triage and the outbox out."""
        settings = StreamsSettings()
        self.clock = SettableClock()
        self.knowledge = Knowledge()
        self.knowledge.evidence.adopt(0, ())
        groups = Groups(settings.max_groups, GROUP_STATE_RETENTION)
        process = judged if is_judged else _processor(settings).process
        self.lane = Lane(("t", 0, 0), process, groups, WindowLimits(), self.clock, self.knowledge)
        metrics = StreamsMetrics(CollectorRegistry())
        limits = OutboxLimits()
        self.outbox = Outbox(Delivered(), _CODEC, KafkaSettings(), self.clock, limits, metrics)
        self.num_settled = 0
        self.sink: LaneSink = self
        if not is_judged:
            self.sink = self.outbox.lane(self._settle)

    def take(self, offset: int, value: bytes) -> None:
        """Takes one message, as a worker does."""
        self.clock.advance(0.0005)
        self.lane.take(RawMessage("t", 0, offset, b"s", value), self.sink)
        if offset % _RECORDS_BETWEEN_POLLS == 0:
            self.knowledge.chains.untold()
            self.outbox.poll()

    def tables(self) -> dict[str, int]:
        """Entries of what is remembered, and all blocks that Python holds."""
        return {
            "groups": self.lane.num_groups,
            "pairs": len(self.knowledge.evidence),
            "chains": len(self.knowledge.chains),
            "python_blocks": sys.getallocatedblocks(),
        }

    def triaged(self, record: TriagedError) -> None:
        """Drops it."""

    def dead_letter(self, record: DeadLetterRecord) -> None:
        """Drops it."""

    def closed(self, window: ClosedWindow) -> None:
        """Drops it, and calls its range settled."""
        self._settle(window.batch.origin)

    def _settle(self, settled: OffsetRange) -> None:
        self.num_settled = settled.next_offset


def _processor(settings: StreamsSettings) -> EventProcessor:
    return EventProcessor(
        Triager(num_kept=settings.triage_memory),
        _CODEC,
        max_event_bytes=settings.max_event_bytes,
        max_attempts=settings.max_attempts,
    )


def main() -> int:
    """Runs the events through and prints the memory on the way."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=1_000_000)
    options.add_argument("--judged", action="store_true")
    given = options.parse_args()
    num_events: int = given.events
    keep_large_blocks_apart()
    rig = Rig(is_judged=given.judged)
    step = max(1, num_events // NUM_READINGS)
    readings, tables, started_s = [], [], time.process_time()
    for offset in range(num_events):
        rig.take(offset, b"" if given.judged else _CODEC.encode(event(offset)))
        if (offset + 1) % step == 0:
            readings.append(megabytes())
            tables.append(rig.tables())
            print(f"{offset + 1:,} events: {readings[-1]} MB, {tables[-1]}", flush=True)
    keep(
        "processor_memory_judged" if given.judged else "processor_memory",
        {
            "events": num_events,
            "settled": rig.num_settled,
            "rss_mb": readings,
            "second_half_growth_mb": round(readings[-1] - readings[len(readings) // 2], 1),
            "tables": {name: [each[name] for each in tables] for name in tables[0]},
            "cpu_us_an_event": round((time.process_time() - started_s) / num_events * 1e6, 1),
        },
    )
    return 0


def megabytes() -> float:
    """Resident memory of this process now."""
    gc.collect()
    return round(psutil.Process().memory_info().rss / 1e6, 1)


_BASE = ErrorEvent(
    event_id="e",
    service="s",
    environment="test",
    source=EventSource.LOGGING,
    error_type="ConnectionRefusedError",
    message="connection to database refused",
    occurred_at=START,
)
_JUDGED = Triager().triage(_BASE)


def event(number: int) -> ErrorEvent:
    """An event of one of 500 services; of eight in a row two share a trace.

    One of five has a text of its own, the others one of the last thousand texts.
    """
    text = text_of(number)
    return replace(
        _BASE,
        event_id=f"e{number}",
        service=f"s{text % 500}",
        message=f"connection to database {word(text)} refused",
        trace_id=f"{number // 8 + 1:032x}" if number % 8 < 2 else None,
        occurred_at=START + timedelta(milliseconds=number),
    )


def text_of(number: int) -> int:
    """The number of an event's text."""
    spread = number * _SPREAD % 2**32
    return number // 5 if number % 5 == 0 else max(0, number // 5 - spread % NUM_RECENT)


def judged(raw: RawMessage) -> Triaged:
    """The judged event of this offset; texts are groups."""
    found = event(raw.offset)
    return Triaged(raw, replace(_JUDGED, event=found, fingerprint=f"v1-{text_of(raw.offset):016x}"))


def word(number: int) -> str:
    """A made-up word for a number, for numbers themselves are normalised away."""
    letters = "x"
    while number:
        number, index = divmod(number, 26)
        letters += "abcdefghijklmnopqrstuvwxyz"[index]
    return letters


if __name__ == "__main__":
    sys.exit(main())
