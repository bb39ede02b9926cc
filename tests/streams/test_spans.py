"""Traces through the processor: an event's own goes on, a batch begins one, others cost nothing."""

from __future__ import annotations

import asyncio

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fixstream.runtime.tracing import configure_tracing
from fixstream.schemas.codec import encode
from fixstream.schemas.headers import message_headers
from support.streams import START, error_event
from support.worker_house import HeldProducer, Record, house

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACED = error_event("e-1", trace_id=TRACE_ID, span_id=SPAN_ID)
PLAIN = error_event("e-2", message="something else broke", error_type="KeyError")


def processed() -> HeldProducer:
    """What is sent for one event with a trace and one without, and for their batch."""
    own = house()
    records = [
        Record(
            offset,
            encode(event),
            headers=tuple(message_headers(event, ce_source="t", now=START)),
        )
        for offset, event in enumerate((TRACED, PLAIN))
    ]

    async def run() -> None:
        await own.worker.take(0, 1, records)
        await own.worker.release({0}, 1, 1.0)

    asyncio.run(run())
    return own.producer


def traceparents(producer: HeldProducer, suffix: str) -> list[str | None]:
    """Version, trace and span of each message; not the flags."""
    found = (dict(message["headers"] or ()) for message in producer.to(suffix))
    return [h["traceparent"].decode()[:-3] if "traceparent" in h else None for h in found]


def traced() -> tuple[HeldProducer, dict[str, ReadableSpan]]:
    """What is sent while spans are collected, and the spans by name."""
    exporter = InMemorySpanExporter()
    with configure_tracing("stream", exporter):
        producer = processed()
    spans = exporter.get_finished_spans()
    found = {one.name: one for one in spans}
    assert len(found) == len(spans) == 3
    return producer, found


def ids(one: ReadableSpan) -> tuple[str, str]:
    assert one.context is not None
    return f"{one.context.trace_id:032x}", f"{one.context.span_id:016x}"


def test_an_events_own_trace_goes_on_to_what_suggests() -> None:
    producer, spans = traced()
    bundle, triage = spans["bundle"], spans["triage"]
    trace_id, span_id = ids(triage)
    assert trace_id == TRACE_ID
    assert triage.parent is not None
    assert f"{triage.parent.span_id:016x}" == SPAN_ID
    assert traceparents(producer, "errors.triaged.v1") == [f"00-{TRACE_ID}-{span_id}", None]
    assert dict(bundle.attributes or {}) == {"partition": 0, "events": 2}
    assert ids(bundle)[0] != TRACE_ID


def test_a_batch_begins_a_trace_of_its_own() -> None:
    producer, spans = traced()
    batch = spans["batch"]
    trace_id, span_id = ids(batch)
    assert batch.parent is None
    assert traceparents(producer, "training.batches.v1") == [f"00-{trace_id}-{span_id}"]
    assert (batch.attributes or {})["examples"] == 2


def test_without_tracing_an_event_keeps_the_context_that_it_came_with() -> None:
    producer = processed()
    assert traceparents(producer, "errors.triaged.v1") == [f"00-{TRACE_ID}-{SPAN_ID}", None]
    assert traceparents(producer, "training.batches.v1") == [None]
