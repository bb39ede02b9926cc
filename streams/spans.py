"""The processor's spans: one for a bundle of events, and more only for who asks.

An event that came with a trace of its own gets a span in that trace, and hands it on to what makes
the suggestion. A batch begins a trace of its own: it belongs to many events, and to none of their
traces. Costs nothing where no traces are collected.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from fixstream.runtime.tracing import context_from, new_trace, span, trace_headers
from fixstream.schemas.records import TrainingBatch
from fixstream.streams.dead_letters import RawMessage

_CONTEXT_HEADERS = ("traceparent", "tracestate")


def event_span(raw: RawMessage) -> AbstractContextManager[Any]:
    """A span in the trace that the message came with, if any."""
    parent = context_from({name: value for name, value in raw.headers if name in _CONTEXT_HEADERS})
    if parent is None:
        return nullcontext()
    return span("triage", parent=parent, partition=raw.partition, offset=raw.offset)


def batch_span(batch: TrainingBatch) -> AbstractContextManager[Any]:
    """The span that a batch's own trace begins with."""
    return span(
        "batch",
        parent=new_trace(),
        batch_id=batch.batch_id,
        partition=batch.origin.partition,
        examples=len(batch.examples),
    )


def handed_on(headers: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """A judged event's headers with its span in place of the one that it came with.

    An event without a trace gets none: all events of a bundle would end in one trace.
    """
    others = [header for header in headers if header[0] not in _CONTEXT_HEADERS]
    return headers if len(others) == len(headers) else [*others, *trace_headers()]
