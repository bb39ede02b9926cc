"""Where an event's time goes: what each of the processor's steps costs, without a broker.

Each step runs over all events before the next one begins, in processor time, which a busy machine
changes less than a clock on the wall. Texts come for the first time, except where it says repeat.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry

from fixstream.runtime.clock import SystemClock
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec
from fixstream.schemas.headers import message_headers
from fixstream.schemas.records import ErrorEvent, Origin, TriagedError
from fixstream.schemas.topics import GROUP_STATE_RETENTION
from fixstream.schemas.validation import validate
from fixstream.streams.dead_letters import RawMessage
from fixstream.streams.groups import Groups
from fixstream.streams.lane import Lane
from fixstream.streams.metrics import StreamsMetrics
from fixstream.streams.outbox import Outbox, OutboxLimits
from fixstream.streams.processor import EventProcessor
from fixstream.streams.window import WindowLimits
from fixstream.triage.classify import classify, shipped_rules
from fixstream.triage.event_texts import main_texts, other_texts
from fixstream.triage.fingerprint import fingerprint
from fixstream.triage.scrub import Scrubber
from fixstream.triage.title import title
from fixstream.triage.trace import parse_trace
from fixstream.triage.triage import Triage, Triager

T = TypeVar("T")
CODEC = Codec()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Steps:
    """Times the steps, in microseconds of processor time an event."""

    def __init__(self) -> None:
        """Nothing timed yet."""
        self.costs: dict[str, float] = {}

    def run(self, name: str, step: Callable[..., T], *columns: Sequence[Any]) -> list[T]:
        """Runs a step for each event; the columns are its arguments."""
        gc.collect()
        started_s = time.process_time()
        found = [step(*row) for row in zip(*columns, strict=True)]
        spent_s = time.process_time() - started_s
        self.costs[name] = round(spent_s / max(1, len(found)) * 1e6, 1)
        return found


class Delivered:
    """A producer that reports everything delivered at the next poll."""

    def __init__(self) -> None:
        """Nothing sent yet."""
        self._waiting: list[Callable[..., None]] = []

    def produce(self, topic: str, *, on_delivery: Callable[..., None], **message: Any) -> None:
        """Takes a message."""
        self._waiting.append(on_delivery)

    def poll(self, timeout_s: float) -> int:
        """Reports."""
        waiting, self._waiting = self._waiting, []
        for report in waiting:
            report(None, None)
        return len(waiting)

    def __len__(self) -> int:
        return len(self._waiting)


def costs(unseen: Sequence[ErrorEvent]) -> dict[str, float]:
    """Microseconds of processor time that each step takes for one of these events."""
    shipped_rules()
    gc.freeze()
    steps = Steps()
    raw = [CODEC.encode(event) for event in unseen]
    events = steps.run("decode", lambda data: CODEC.decode(data, ErrorEvent), raw)
    steps.run("validate", validate, events)
    _triage_steps(steps, events)
    triager = Triager(num_kept=len(events))
    judged = [triager.triage(event) for event in events]
    steps.run("triage of a repeat, as one", triager.triage, events)
    records = steps.run("judged record", _judged_record, judged)
    steps.run("encode", CODEC.encode, records)
    steps.run("headers", lambda r: message_headers(r, ce_source="bench", now=NOW), records)
    steps.costs["all in the lane, unseen"] = _lane_cost(raw, num_laps=1)
    steps.costs["all in the lane, repeats"] = _lane_cost(raw, num_laps=2)
    gc.unfreeze()
    return steps.costs


def _triage_steps(steps: Steps, events: Sequence[ErrorEvent]) -> None:
    scrubber = Scrubber()
    texts = [[*main_texts(event), *other_texts(event)] for event in events]
    clean = steps.run("scrub", scrubber.scrub_texts, texts)
    traces = steps.run("parse", lambda found: parse_trace(found[1] or found[0]), clean)
    steps.run("fingerprint", fingerprint, events, traces)
    steps.run("title", title, events, traces)
    steps.run("classify", classify, events, traces)


def _judged_record(judged: Triage) -> TriagedError:
    return TriagedError(
        event=judged.event,
        fingerprint=judged.fingerprint,
        title=judged.title,
        domain=judged.labels.domain,
        severity=judged.labels.severity,
        category=judged.labels.category,
        is_new_group=True,
        occurrences=1,
        origin=Origin("t", 0, 0),
        triaged_at=NOW,
        triage_version="bench",
    )


def _lane_cost(raw: Sequence[bytes], num_laps: int) -> float:
    """What the whole lane takes for an event of the last lap, in microseconds."""
    clock, producer = SystemClock(), Delivered()
    triager = Triager(num_kept=len(raw))
    processor = EventProcessor(
        triager, CODEC, max_event_bytes=1_000_000, max_attempts=3, num_kept=len(raw)
    )
    metrics = StreamsMetrics(CollectorRegistry())
    outbox = Outbox(producer, CODEC, KafkaSettings(), clock, OutboxLimits(), metrics)
    groups = Groups(100_000, GROUP_STATE_RETENTION)
    lane = Lane(("t", 0, 0), processor.process, groups, WindowLimits(), clock)
    sink = outbox.lane(lambda settled: None)
    spent_s = 0.0
    for lap in range(num_laps):
        first = lap * len(raw)
        messages = [RawMessage("t", 0, first + n, b"k", data) for n, data in enumerate(raw)]
        started_s = time.process_time()
        for message in messages:
            lane.take(message, sink)
            if message.offset % 16 == 0:
                outbox.poll()
        spent_s = time.process_time() - started_s
    return round(spent_s / len(raw) * 1e6, 1)
